/** What becomes of a copy whose source has another history now. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { IDLE_FACTS } from "../../tests/support/idle.ts";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import { versionText } from "./history.ts";
import { plan } from "./plan.ts";
import type { Plan } from "./plan_types.ts";
import { resourceView } from "./view.ts";

const MIB = 1 << 20;
const version = (
  sequence: number,
  host: string,
  bytes: number,
  before?: string,
) => versionText({ log: { sequence, host }, bytes }, before);

const V6 = version(6, "alpha", 1000);
const V7 = version(7, "beta", 500, V6);
const V8 = version(8, "alpha", 4180, V7);

/** Gamma has copied half of the disk of alpha, and is in log 6 of alpha. */
const LINKS: Record<string, string> = {
  size: String(MIB),
  primary: "alpha",
  "syncstatus-alpha": String(MIB),
  "syncstatus-gamma": String(MIB / 2),
  "syncfrom-gamma": "alpha",
  "actual-alpha/is-primary": "1",
  "replay-alpha": "log-000000008-alpha,0,4180",
  "replay-gamma": "log-000000006-alpha,0,0",
  "version-000000006-alpha": V6,
  "version-000000007-beta": V7,
  "version-000000008-alpha": V8,
  ...Object.fromEntries(
    ["alpha", "gamma"].flatMap((host) => [
      [`data-${host}`, `/dev/${host}`],
      [`device-${host}`, "r"],
      ...["attach", "connect", "sync", "allow-replay"].map((name) => [
        `todo-${host}/${name}`,
        "1",
      ]),
    ]),
  ),
};

/** The plan of gamma, whose copy is as new as `copied`. */
function planOf(copied: string, links: Record<string, string> = {}): Plan {
  const snapshot = snapshotOfR({
    ...LINKS,
    "syncpos-gamma": copied,
    ...links,
  });
  return plan(resourceView(snapshot, "r", "gamma"), IDLE_FACTS);
}

/** What a copy that begins anew says of that which was made. */
const ANEW = [
  { path: "resource-r/syncstatus-gamma", value: "0" },
  { path: "resource-r/syncpos-gamma", value: ".deleted" },
];

function toldOf(next: Plan): unknown {
  return next.publish.filter(({ path }) =>
    ANEW.some((link) => link.path === path)
  );
}

const texts = (next: Plan): string =>
  next.obstacles.map((obstacle) => obstacle.text).join("; ");

Deno.test("copying() goes on where all that was copied is history of the source", () => {
  for (
    const copied of [
      "log-000000006-alpha,1000,0",
      "log-000000007-beta,500,0",
      // More than it has told in links yet.
      "log-000000008-alpha,9000,0",
      "log-000000009-alpha,100,0",
    ]
  ) {
    const next = planOf(copied);
    assertEquals(next.sync?.startBytes, MIB / 2, copied);
    assertEquals(toldOf(next), []);
  }
});

Deno.test("copying() begins anew where the source has lost what was copied", () => {
  for (
    const copied of [
      // Beta went on at 1000 of log 6, in a log 7 of its own.
      "log-000000006-alpha,1001,0",
      "log-000000007-alpha,10,0",
      "log-000000007-beta,501,0",
    ]
  ) {
    const next = planOf(copied);
    assertEquals(next.sync, undefined, copied);
    assertEquals(toldOf(next), ANEW);
  }
  // Replay has come there meanwhile, in the log of another host.
  const replayed = planOf("log-000000007-alpha,10,0", {
    "replay-gamma": "log-000000007-beta,500,0",
  });
  assertEquals(toldOf(replayed), ANEW);
  const anew = planOf("log-000000007-alpha,10,0", { "syncstatus-gamma": "0" });
  assertEquals(anew.sync?.startBytes, 0);
});

Deno.test("copying() goes on where replay has passed all that was copied", () => {
  const next = planOf("log-000000006-alpha,900,0", {
    "replay-gamma": "log-000000006-alpha,900,0",
    "version-000000007-beta": ".deleted",
  });
  assertEquals(next.sync?.startBytes, MIB / 2);
});

Deno.test("copying() waits for a history that it does not know", () => {
  const next = planOf("log-000000006-alpha,1000,0", {
    "version-000000007-beta": ".deleted",
  });
  assertEquals([next.sync, toldOf(next)], [undefined, []]);
  assertStringIncludes(texts(next), 'history of "alpha" is not known');
});
