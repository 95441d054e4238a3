/**
 * Gate: the check before a command takes anything. Commands see news of other
 * hosts, and of the daemon here, some moments after the fact; so a reason that
 * may be over already is looked at again for a while before it refuses.
 *
 *   lasting   refused at once
 *   passing   refused if it stays for `GRACE_MS`, or --timeout if that is less
 *
 * Whoever gets a refusal gets all reasons of that moment.
 *
 * Source: ours. `marsadm` hears of every host before it checks, which takes
 * seconds, or refuses by what it knows.
 */
import { RefusedError } from "../base/errors.ts";
import { MS_PER_S } from "../base/time.ts";
import { type Reason, textsOf } from "../resource/reasons.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { Desk, Phase, Wait } from "./command.ts";

// Ours. A daemon that yields to a busy device tells within half a second, who
// counts the users of a block device looks each second, and a bad line takes
// another one. Longer would keep somebody waiting who has to act.
const GRACE_MS = 3 * MS_PER_S;

export interface GateOptions {
  /** As in `Cannot detach "r"`, behind "Cannot". */
  readonly action: string;
  /** --force is no answer to these reasons. */
  readonly isForceless?: true;
  readonly reasons: (
    snapshot: Snapshot,
  ) => readonly Reason[] | Promise<readonly Reason[]>;
}

/** Both parts of a phase; `act` refuses at once what lasts. */
export type Gate = Pick<Wait, "until"> & {
  readonly act: NonNullable<Phase["act"]>;
};

export function gateOf(
  desk: Desk,
  { action, isForceless, reasons }: GateOptions,
): Gate {
  const { force, dryRun, timeoutMs } = desk.options;
  // A dry run does not wait.
  const graceMs = dryRun ? 0 : Math.min(GRACE_MS, timeoutMs);
  /** Since when something has been in the way. */
  let sinceMs: number | undefined;
  const until = async (snapshot: Snapshot): Promise<readonly string[]> => {
    if (force && isForceless !== true) return [];
    const found = await reasons(snapshot);
    const nowMs = desk.clock.monotonicMs();
    sinceMs = found.length === 0 ? undefined : sinceMs ?? nowMs;
    const isOver = nowMs - (sinceMs ?? nowMs) >= graceMs;
    const texts = textsOf(found);
    if (found.some(({ kind }) => isOver || kind === "lasting")) {
      throw new RefusedError(`Cannot ${action}`, texts);
    }
    return texts;
  };
  return { act: async () => void await until(desk.snapshot()), until };
}
