/** How much of each log peers may read. */
import { assertEquals } from "@std/assert";
import { IDLE_WORKER } from "../../tests/support/idle.ts";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import { logDirectory } from "../log/files.ts";
import { versionText } from "../resource/history.ts";
import type { WorkerState } from "../resource/plan_types.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { ResourceLogs } from "./logs.ts";

const LOG = { sequence: 1, host: "alpha" };

/** Alpha has promised so much of its log. */
function promised(bytes: number): ResourceView {
  const links = {
    "resource-r/primary": "alpha",
    "resource-r/data-alpha": "/dev/null",
    "resource-r/device-alpha": "r",
    "resource-r/replay-alpha": "log-000000001-alpha,0,0",
    "resource-r/version-000000001-alpha": versionText(
      { log: LOG, bytes },
      undefined,
    ),
  };
  const snapshot = snapshotOf(links);
  return resourceView(snapshot, "r", "alpha");
}

function worker(role: "log" | "idle", durableBytes: number): WorkerState {
  return {
    ...IDLE_WORKER,
    role,
    logSequence: 1,
    durableBytes,
    writtenBackSequence: 1,
  };
}

const NOT_DELETED = (): boolean => false;

Deno.test("A log that was written here keeps what was durable of it", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "mars-logs-" });
  try {
    Deno.writeFileSync(`${directory}/log-000000001-alpha`, new Uint8Array(900));
    const logs = new ResourceLogs({
      directory: logDirectory(directory),
      host: "alpha",
    });
    await logs.refresh(promised(100), undefined, NOT_DELETED);
    assertEquals(logs.durableEnd(LOG)?.bytes, 100);
    await logs.refresh(promised(100), worker("log", 800), NOT_DELETED);
    assertEquals(logs.durableEnd(LOG)?.bytes, 800);
    // The writer has ended; its last version link is not told yet.
    await logs.refresh(promised(100), worker("idle", 0), NOT_DELETED);
    assertEquals(logs.durableEnd(LOG)?.bytes, 800);
    await logs.refresh(promised(900), worker("idle", 0), NOT_DELETED);
    assertEquals(logs.durableEnd(LOG)?.bytes, 900);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
