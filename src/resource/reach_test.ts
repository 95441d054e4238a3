/** Which logs are within reach; scenarios of leave-resource show the rest. */
import { assertEquals } from "@std/assert";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import { reachOf } from "./reach.ts";
import { resourceView } from "./view.ts";

const DIGEST = "0".repeat(32);
const log = (sequence: number, host: string) => ({ sequence, host });
const step = (sequence: number, host: string): string =>
  `${DIGEST},log-00000000${sequence}-${host},0`;

function view(links: Readonly<Record<string, string>>) {
  const snapshot = snapshotOfR(links);
  return resourceView(snapshot, "r", "alpha");
}

const LINKS = {
  "data-alpha": "/dev/null",
  "data-beta": "/dev/null",
  "data-gamma": "/dev/null",
  "replay-alpha": "log-000000005-alpha,0,0",
  "replay-beta": "log-000000004-beta,0,0",
  "replay-gamma": "log-000000002-beta,0,0",
  "version-000000005-alpha": `${step(5, "alpha")}:${step(4, "alpha")}`,
  "version-000000004-beta": `${step(4, "beta")}:${step(3, "alpha")}`,
  "version-000000002-gamma": `${step(2, "beta")}:${step(1, "beta")}`,
};

Deno.test("reachOf() goes down to the host that lags most", () => {
  const all = reachOf(view(LINKS), ["beta", "gamma"]);
  assertEquals(all.needsLog(log(2, "beta")), true);
  assertEquals(all.needsLog(log(1, "beta")), false);
  assertEquals(all.needsVersion(log(1, "beta")), true);
  const one = reachOf(view(LINKS), ["beta"]);
  assertEquals(one.needsLog(log(2, "beta")), false);
  assertEquals([all.highestSequence, one.highestSequence], [4, 4]);
});

Deno.test("reachOf() tells histories apart by the author", () => {
  const reach = reachOf(view(LINKS), ["beta", "gamma"]);
  assertEquals(reach.needsLog(log(4, "beta")), true);
  assertEquals(reach.needsLog(log(4, "alpha")), false);
  assertEquals(reach.needsLog(log(3, "alpha")), true);
});

Deno.test("reachOf() leads from who joined late back to who lags", () => {
  const links = {
    ...LINKS,
    "version-000000003-alpha": `${step(3, "alpha")}:${step(2, "beta")}`,
    "version-000000004-alpha": `${step(4, "alpha")}:${step(3, "alpha")}`,
    "replay-beta": "log-000000006-beta,0,0",
    "version-000000006-beta": `${step(6, "beta")}:${step(5, "alpha")}`,
    "version-000000004-beta": "",
    "version-000000005-alpha": "",
  };
  const reach = reachOf(view(links), ["beta", "gamma"]);
  assertEquals(reach.needsLog(log(5, "alpha")), true);
  // Nobody but alpha tells what came before its log 5.
  assertEquals(reach.needsLog(log(4, "alpha")), false);
  const told = reachOf(
    view({
      ...links,
      "version-000000005-alpha": `${step(5, "alpha")}:${step(4, "alpha")}`,
    }),
    ["beta", "gamma"],
  );
  assertEquals(told.needsLog(log(4, "alpha")), true);
  assertEquals(told.needsLog(log(3, "alpha")), true);
  assertEquals([told.lowestSequence, told.highestSequence], [2, 6]);
});

Deno.test("reachOf() takes everything for needed if a position is missing", () => {
  const reach = reachOf(view({ ...LINKS, "replay-gamma": "?" }), ["gamma"]);
  assertEquals(reach.needsLog(log(1, "omega")), true);
});

Deno.test("reachOf() of nobody needs nothing", () => {
  assertEquals(reachOf(view(LINKS), []).needsLog(log(5, "alpha")), false);
});
