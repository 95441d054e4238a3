/** Tests of which logs a host gives up, and which first. */
import { assertEquals } from "@std/assert";
import { IDLE_FACTS } from "../../tests/support/idle.ts";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import { keptLogs } from "./keep.ts";
import { resourceView } from "./view.ts";

const MIB = 1024 * 1024;

/** What goes at alpha, which is in log 5; beta is in log 3. */
function goingOf(sequences: readonly number[], quotaBytes: number) {
  const links: Record<string, string> = {
    primary: "alpha",
    size: String(MIB),
    "replay-alpha": "log-000000005-alpha,0,0",
    "replay-beta": "log-000000003-alpha,0,0",
    "todo-alpha/log-quota": String(quotaBytes),
  };
  for (const member of ["alpha", "beta"]) {
    links[`data-${member}`] = `/dev/${member}`;
    links[`device-${member}`] = "r";
    links[`syncstatus-${member}`] = String(MIB);
  }
  const view = resourceView(snapshotOfR(links), "r", "alpha");
  const { going, reason } = keptLogs(view, {
    ...IDLE_FACTS,
    // They were ended a moment ago.
    logs: sequences.map((sequence) => ({
      log: { sequence, host: "alpha" },
      bytes: 1_000,
      idleMs: 1_000,
    })),
  });
  return going === undefined ? undefined : `${going.sequence} ${reason}`;
}

Deno.test("keptLogs() gives up for a quota first what nobody needs", () => {
  assertEquals(goingOf([1, 2, 3, 4, 5], 3_000), "1 unneeded");
  assertEquals(goingOf([2, 3, 4, 5], 3_000), "2 unneeded");
  assertEquals(goingOf([3, 4, 5], 2_000), "3 quota");
});

Deno.test("keptLogs() keeps young logs within the quota", () => {
  assertEquals(goingOf([1, 2, 3, 4, 5], 5_000), undefined);
  assertEquals(goingOf([1, 2, 3, 4, 5], 0), undefined);
});
