// Pure
/** A split brain as JSON: of `split show --json`, and in `view --json`. */
import { logFileName } from "../base/names.ts";
import type { SplitBrain } from "../resource/sides.ts";
import type { Position } from "../resource/view.ts";
import { formatStamp } from "../tree/values.ts";

/** Fields of one object; see docs/view-json.md. */
export function splitJson(
  split: SplitBrain,
): Readonly<Record<string, unknown>> {
  const { ancestor, sinceNs, sides, undecided } = split;
  return {
    ...(ancestor === undefined ? {} : { ancestor: positionJson(ancestor) }),
    ...(sinceNs === undefined ? {} : { since: formatStamp(sinceNs) }),
    sides: sides.map((side) => ({
      host: side.host,
      hosts: side.hosts,
      isDesignated: side.isDesignated,
      isPrimary: side.isPrimary,
      writtenBytes: side.writtenBytes,
      logCount: side.logCount,
      ...(side.end === undefined ? {} : { end: positionJson(side.end) }),
      ...(side.lastWriteNs === undefined
        ? {}
        : { lastWrite: formatStamp(side.lastWriteNs) }),
    })),
    undecided,
  };
}

function positionJson(
  { log, bytes }: Position,
): Readonly<Record<string, unknown>> {
  return { log: logFileName(log), bytes };
}
