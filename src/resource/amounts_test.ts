import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import { amountsOf } from "./amounts.ts";
import { versionText } from "./history.ts";
import { type ResourceView, resourceView } from "./view.ts";

function viewOf(links: Record<string, string>): ResourceView {
  const all = { "data-alpha": "/dev/a", size: "1000", ...links };
  return resourceView(
    snapshotOfR(all),
    "r",
    "alpha",
  );
}

const file = (sequence: number, bytes: number, host = "beta") => ({
  log: { sequence, host },
  bytes,
});
const version = (sequence: number, bytes: number): string =>
  versionText({ log: { sequence, host: "beta" }, bytes }, undefined);

Deno.test("amountsOf() counts what is done, here and known", () => {
  const view = viewOf({
    "replay-alpha": "log-000000003-beta,40,10",
    "syncstatus-alpha": "1200",
    "version-000000003-beta": version(3, 100),
    "version-000000004-beta": version(4, 70),
  });
  const files = [file(2, 500), file(3, 90), file(4, 20)];
  assertEquals(amountsOf(view, files), {
    sync: { doneBytes: 1000, sizeBytes: 1000, restBytes: 0 },
    replay: { doneBytes: 540, sizeBytes: 610, restBytes: 70, sequence: 3 },
    fetch: { doneBytes: 610, sizeBytes: 670, restBytes: 60, sequence: 4 },
    work: { doneBytes: 540, sizeBytes: 670, restBytes: 130, sequence: 4 },
    firstSequence: 2,
    occupiedBytes: 610,
    deletableBytes: 500,
  });
});

Deno.test("amountsOf() takes what the replay link says is dirty", () => {
  const view = viewOf({ "replay-alpha": "log-000000003-beta,40,10" });
  const { replay, fetch } = amountsOf(view, []);
  assertEquals([replay.restBytes, fetch.restBytes], [10, 0]);
});

Deno.test("amountsOf() ends the chain at a hole", () => {
  const view = viewOf({
    "replay-alpha": "log-000000003-beta,40,0",
    "version-000000013-beta": version(13, 0),
  });
  const { work, firstSequence } = amountsOf(
    view,
    [file(1, 7), file(3, 40), file(14, 9)],
  );
  assertEquals([work.restBytes, work.sequence, firstSequence], [0, 3, 3]);
});

Deno.test("amountsOf() is zero where this host has no position", () => {
  const { sync, work } = amountsOf(viewOf({ "data-alpha": ".deleted" }), []);
  assertEquals([sync.sizeBytes, work.sizeBytes, work.sequence], [0, 0, 0]);
});

Deno.test("amountsOf() never has less known than here, or here than done", () => {
  const anyBytes = fc.nat(1000);
  const anyFile = fc.tuple(fc.integer({ min: 1, max: 6 }), anyBytes);
  fc.assert(fc.property(
    fc.tuple(fc.integer({ min: 1, max: 6 }), anyBytes, anyBytes),
    fc.array(anyFile),
    fc.array(anyFile),
    ([sequence, startBytes, dirtyBytes], files, versions) => {
      const { replay, fetch, work } = amountsOf(
        viewOf({
          "replay-alpha":
            `log-00000000${sequence}-beta,${startBytes},${dirtyBytes}`,
          ...Object.fromEntries(
            versions.map(([at, bytes]) => [
              `version-00000000${at}-beta`,
              version(at, bytes),
            ]),
          ),
        }),
        files.map(([at, bytes]) => file(at, bytes)),
      );
      assertEquals(replay.restBytes >= dirtyBytes, true);
      assertEquals(fetch.restBytes >= 0, true);
      assertEquals(work.restBytes, replay.restBytes + fetch.restBytes);
    },
  ));
});
