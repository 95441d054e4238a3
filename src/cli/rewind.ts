/**
 * Rewinding this host to where a split brain began: reads its own logs, and
 * keeps what it wrote as links. See `resource/rewind.ts`.
 */
import type { LogFile } from "../log/files.ts";
import { type Rewind, rewindTo } from "../resource/rewind.ts";
import {
  REWIND_RANGES_MAX,
  rewindLinks,
  rewindPosition,
} from "../resource/rewind_record.ts";
import type { Position, ResourceView } from "../resource/view.ts";
import { WrittenBlocks } from "../resource/written.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { tombstonesUnder } from "../tree/tombstones.ts";
import type { Desk } from "./command.ts";
import { isActingForAnother } from "./start_checks.ts";

/** What is to be done so that only what was written here is copied. */
export type RewindWork =
  | {
    readonly kind: "rewind";
    readonly to: Position;
    readonly parting: Position;
    /** Of the ranges that are copied. */
    readonly bytes: number;
    readonly links: readonly LinkWrite[];
  }
  | { readonly kind: "whole"; readonly reason: string };

/** @throws SyscallError if a log cannot be read */
export async function planRewind(
  desk: Desk,
  view: ResourceView,
  source: string,
): Promise<RewindWork> {
  const { resource, sizeBytes = 0 } = view;
  const snapshot = desk.snapshot();
  const doubt = doubtOf(desk, snapshot);
  if (doubt !== undefined) return { kind: "whole", reason: doubt };
  const files = await desk.logs.list(resource);
  const rewind = rewindTo(view, source, {
    logs: files.map(({ log, sizeBytes }) => ({ log, bytes: sizeBytes })),
    isDeleted: ({ sequence, host }) =>
      snapshot.isTombstone(linkPath.log(resource, sequence, host)),
  });
  if (rewind.kind === "whole") return rewind;
  const written = new WrittenBlocks(sizeBytes);
  const damaged = await damagedLog(desk, resource, rewind, written);
  if (damaged !== undefined) {
    return { kind: "whole", reason: `its log ${damaged} is damaged` };
  }
  const ranges = written.ranges(REWIND_RANGES_MAX);
  const { to, parting } = rewind;
  return {
    kind: "rewind",
    to,
    parting,
    bytes: ranges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
    links: rewindLinks(view, { to: rewindPosition(to), sizeBytes, ranges }),
  };
}

/** Why what is here may change, or is not to be trusted. */
function doubtOf(desk: Desk, snapshot: Snapshot): string | undefined {
  if (desk.options.full) return "--full was given";
  // Then nobody has waited until the daemon has let everything go.
  if (desk.options.force) return "--force was given";
  return isActingForAnother(desk, snapshot)
    ? "its logs are on another host"
    : undefined;
}

async function damagedLog(
  desk: Desk,
  resource: string,
  { parts }: Rewind & { readonly kind: "rewind" },
  written: WrittenBlocks,
): Promise<number | undefined> {
  for (const part of parts) {
    const isIntact = await desk.logs.scanWrites(
      resource,
      part,
      (offsetBytes, lengthBytes) => written.add(offsetBytes, lengthBytes),
    );
    if (!isIntact) return part.log.sequence;
  }
  return undefined;
}

/** Leaves of the logs here what lies before the parting. */
export async function cutLogs(
  desk: Desk,
  resource: string,
  files: readonly LogFile[],
  { log, bytes }: Position,
): Promise<void> {
  for (const file of files) {
    const { sequence, host } = file.log;
    if (sequence < log.sequence) continue;
    const isCommon = sequence === log.sequence && host === log.host;
    if (!isCommon) await desk.removeLog(resource, file.log);
    else if (file.sizeBytes > bytes) {
      await desk.cutLog(resource, file.log, bytes);
    }
  }
}

/** Tombstones of what an earlier rewind has left. */
export function forgottenRewind(
  snapshot: Snapshot,
  resource: string,
  host: string,
): LinkWrite[] {
  return tombstonesUnder(snapshot, linkPath.rewind(resource, host, ""));
}
