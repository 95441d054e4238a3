import { assertEquals } from "@std/assert";
import { versionText } from "../../resource/history.ts";
import { type ResourceView, resourceView } from "../../resource/view.ts";
import { linkPath } from "../../tree/path.ts";
import { type Link, Snapshot } from "../../tree/snapshot.ts";
import { formatReplay } from "../../tree/values.ts";
import { bytesBetween, isAtRest, loggedBy, replayedBy } from "./positions.ts";

const FIRST = { sequence: 1, host: "alpha" };
const SECOND = { sequence: 2, host: "alpha" };
const FIRST_TEXT = versionText({ log: FIRST, bytes: 1_000 }, undefined);
const SECOND_TEXT = versionText({ log: SECOND, bytes: 300 }, FIRST_TEXT);

function link(path: string, value: string): Link {
  return { path, value, stampNs: 1n };
}

/** alpha has written two logs; beta has replayed 400 bytes of the first. */
function viewOf(host: string): ResourceView {
  return resourceView(
    new Snapshot([
      link(linkPath.data("r", "alpha"), "/dev/a"),
      link(linkPath.data("r", "beta"), "/dev/b"),
      link(linkPath.version("r", 1, "alpha"), FIRST_TEXT),
      link(linkPath.version("r", 2, "alpha"), SECOND_TEXT),
      link(
        linkPath.replay("r", "alpha"),
        formatReplay({ log: SECOND, startBytes: 300, dirtyBytes: 0 }),
      ),
      link(
        linkPath.replay("r", "beta"),
        formatReplay({ log: FIRST, startBytes: 400, dirtyBytes: 0 }),
      ),
    ]),
    "r",
    host,
  );
}

Deno.test("replayedBy() and loggedBy() tell where hosts are", () => {
  const view = viewOf("beta");
  assertEquals(replayedBy(view, "beta"), { log: FIRST, bytes: 400 });
  assertEquals(loggedBy(view, "alpha"), { log: SECOND, bytes: 300 });
  assertEquals(loggedBy(view, "gamma"), undefined);
});

Deno.test("bytesBetween() adds up over logs", () => {
  const view = viewOf("beta");
  const start = { log: FIRST, bytes: 400 };
  const end = { log: SECOND, bytes: 300 };
  assertEquals(bytesBetween(view, start, end), 900);
  assertEquals(bytesBetween(view, end, start), 0);
  assertEquals(bytesBetween(view, start, { log: FIRST, bytes: 450 }), 50);
});

Deno.test("isAtRest() waits for every member", () => {
  assertEquals(isAtRest([viewOf("alpha")], "alpha"), true);
  assertEquals(isAtRest([viewOf("alpha"), viewOf("beta")], "alpha"), false);
});
