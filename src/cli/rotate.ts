/**
 * log-rotate: lets a primary go on in a new log.
 *
 * The command only makes the file, empty; the daemon finds it, finishes the
 * log before it, and goes on there. Its number is never used again: `maxnr`
 * remembers it when the log is gone.
 */
import { logFileName } from "../base/names.ts";
import { versionOf } from "../resource/history.ts";
import { nextRotation } from "../resource/retention.ts";
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import { parseCount } from "../tree/values.ts";
import type { Desk } from "./command.ts";

/** Whether a new log was made, and which, or why not. */
export interface Rotated {
  readonly isDone: boolean;
  readonly text: string;
}

export async function rotate(desk: Desk, resource: string): Promise<Rotated> {
  const { force, threshLogs, threshLogBytes, dryRun } = desk.options;
  const snapshot = desk.snapshot();
  const view = resourceView(snapshot, resource, desk.host);
  const files = await desk.logs.list(resource);
  const rotation = nextRotation(
    view,
    files.map(({ log, sizeBytes }) => ({ log, bytes: sizeBytes })),
    { logsMax: threshLogs, bytesMin: threshLogBytes, isForced: force },
  );
  if (rotation.kind === "skip") return { isDone: false, text: rotation.reason };
  const { log } = rotation;
  const before = versionOf(view, log.sequence - 1, log.host);
  if (before === undefined && !force) {
    const text = `log ${log.sequence - 1} has no version link yet`;
    return { isDone: false, text };
  }
  // First the number: a log whose number is not known might be made twice.
  const path = linkPath.maxnr(resource);
  const highest = parseCount(snapshot.value(path) ?? "") ?? 0;
  desk.write([{ path, value: String(Math.max(highest, log.sequence)) }]);
  if (!dryRun) {
    const result = await desk.logs.create(resource, log);
    // Somebody else was faster, or the name was used and deleted before.
    if (result !== "created") {
      return { isDone: false, text: `log ${log.sequence}: ${result}` };
    }
    desk.trigger("1");
  }
  return { isDone: true, text: `going on in ${logFileName(log)}` };
}
