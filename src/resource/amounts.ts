// Pure
/**
 * Amounts: how much of a resource is copied, fetched, replayed on this host.
 *
 *   the chain of logs   … n-2   n-1    n: replay link     n+1    n+2
 *                       ─────────────┬────────────────────────────────
 *   replay   done ───────────────────┘ start
 *            size ─────────────────────────── end of the files here
 *   fetch    done ─────────────────────────── end of the files here
 *            size ──────────────────────────────────── end known anywhere
 *   work     done = replay done, size = fetch size
 *
 * The chain begins at the lowest log that is still here without a gap below n,
 * so sizes shrink when logs are deleted; only `restBytes` means anything by
 * itself. What is known of a log is the longest of its file and of the version
 * links of its number.
 *
 * Source: amounts of `marsadm view`.
 */
import type { LogName } from "../base/names.ts";
import type { LocalLog } from "./plan_types.ts";
import { memberClaims, oldLogs } from "./retention.ts";
import type { ResourceView } from "./view.ts";

/** `restBytes` is what `sizeBytes` has more than `doneBytes`. */
export interface Amount {
  readonly doneBytes: number;
  readonly sizeBytes: number;
  readonly restBytes: number;
}

/** An amount of log, and the number of the log it ends in. */
export interface LogAmount extends Amount {
  readonly sequence: number;
}

export interface Amounts {
  readonly sync: Amount;
  readonly replay: LogAmount;
  readonly fetch: LogAmount;
  readonly work: LogAmount;
  /** Lowest log of the chain. */
  readonly firstSequence: number;
  /** Files of logs, and those among them that nobody needs. */
  readonly occupiedBytes: number;
  readonly deletableBytes: number;
}

/**
 * @param logs files of logs on this host
 * @returns zeroes where this host has no position
 */
export function amountsOf(
  view: ResourceView,
  logs: readonly LocalLog[],
): Amounts {
  const files = new Map<number, number>();
  for (const { log, bytes } of logs) {
    files.set(log.sequence, Math.max(bytes, files.get(log.sequence) ?? 0));
  }
  const syncSize = view.own === undefined ? 0 : view.sizeBytes ?? 0;
  const synced = Math.min(view.own?.syncedBytes ?? 0, syncSize);
  return {
    sync: amount(synced, syncSize),
    ...logAmounts(view, files),
    occupiedBytes: sumOf(logs),
    deletableBytes: sumOf(unneeded(view, logs)),
  };
}

function logAmounts(
  view: ResourceView,
  files: ReadonlyMap<number, number>,
): Pick<Amounts, "replay" | "fetch" | "work" | "firstSequence"> {
  const replay = view.own?.replay;
  const none: LogAmount = { ...amount(0, 0), sequence: 0 };
  if (replay === undefined) {
    return { replay: none, fetch: none, work: none, firstSequence: 0 };
  }
  const { log: { sequence }, startBytes, dirtyBytes } = replay;
  const before = below(files, sequence);
  const doneBytes = before.bytes + startBytes;
  const ahead = (sizeOf: SizeOf): Ahead => {
    const inLogBytes = (sizeOf(sequence) ?? 0) - startBytes;
    const later = above(sizeOf, sequence);
    return {
      bytes: Math.max(inLogBytes, dirtyBytes) + later.bytes,
      sequence: later.sequence,
    };
  };
  const here = ahead((at) => files.get(at));
  const known = ahead((at) => knownBytes(view, files, at));
  const hereBytes = doneBytes + here.bytes;
  const knownEndBytes = doneBytes + known.bytes;
  return {
    replay: { ...amount(doneBytes, hereBytes), sequence },
    fetch: { ...amount(hereBytes, knownEndBytes), sequence: here.sequence },
    work: { ...amount(doneBytes, knownEndBytes), sequence: known.sequence },
    firstSequence: before.sequence,
  };
}

type SizeOf = (sequence: number) => number | undefined;

/** Bytes, and the log at the far end. */
interface Ahead {
  readonly bytes: number;
  readonly sequence: number;
}

function below(files: ReadonlyMap<number, number>, sequence: number): Ahead {
  let bytes = 0;
  let at = sequence;
  // Ends at the first number without a file.
  for (;;) {
    const fileBytes = files.get(at - 1);
    if (fileBytes === undefined) return { bytes, sequence: at };
    bytes += fileBytes;
    at -= 1;
  }
}

function above(sizeOf: SizeOf, sequence: number): Ahead {
  let bytes = 0;
  let at = sequence;
  // Ends at the first number that nobody knows.
  for (;;) {
    const logBytes = sizeOf(at + 1);
    if (logBytes === undefined) return { bytes, sequence: at };
    bytes += logBytes;
    at += 1;
  }
}

/** The longest that log `sequence` is known to be. */
function knownBytes(
  view: ResourceView,
  files: ReadonlyMap<number, number>,
  sequence: number,
): number | undefined {
  let bytes = files.get(sequence);
  for (const link of view.versions.get(sequence)?.values() ?? []) {
    bytes = Math.max(bytes ?? 0, link.value.self.endBytes);
  }
  return bytes;
}

function unneeded(
  view: ResourceView,
  logs: readonly LocalLog[],
): LocalLog[] {
  const names: readonly LogName[] = logs.map(({ log }) => log);
  const old = new Set(oldLogs(memberClaims(view), names));
  return logs.filter(({ log }) => old.has(log));
}

function sumOf(logs: readonly LocalLog[]): number {
  return logs.reduce((sum, { bytes }) => sum + bytes, 0);
}

function amount(doneBytes: number, sizeBytes: number): Amount {
  return { doneBytes, sizeBytes, restBytes: sizeBytes - doneBytes };
}
