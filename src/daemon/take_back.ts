/**
 * What the daemon needs to take back what commands, or it, have left behind:
 * not while a command works on the resource, and not before it has seen what
 * commands and peers know.
 */
import { RefusedError } from "../base/errors.ts";
import type { LinkValue } from "../resource/plan_types.ts";
import type { Snapshot } from "../tree/snapshot.ts";

export interface TakeBackDesk {
  readonly host: string;
  readonly snapshot: () => Snapshot;
  /** Whether newer decisions of these hosts must have arrived. */
  readonly hasHeard: (members: readonly string[]) => boolean;
  /** Keeps commands out. @throws RefusedError if one is at work */
  readonly lock: (resource: string) => Disposable;
  /** Reads the tree, and tells peers what was found. @throws MarsError */
  readonly look: () => void;
  /** Whether something of it runs here, and may tell more. */
  readonly isRunning: (resource: string) => boolean;
  readonly publish: (links: readonly LinkValue[]) => void;
}

/** Undefined: a command is at work. */
export function lockOf(
  desk: TakeBackDesk,
  resource: string,
): Disposable | undefined {
  try {
    return desk.lock(resource);
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}
