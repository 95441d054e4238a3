/**
 * Left claims: a takeover of this host whose command is dead.
 *
 * A command that is killed, or dies with the machine, leaves its claim
 * (`cli/rivals.ts`), and nobody else may take over for long. Whoever holds the
 * lock of the resource knows that no command runs which could have claimed, so
 * the daemon takes the claim back then:
 *   - after what the dead command has written: peers learn of it in this order
 *   - after peers could tell of what the power has taken from this tree
 */
import { RefusedError } from "../base/errors.ts";
import type { LinkValue } from "../resource/plan_types.ts";
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";

export interface ClaimDesk {
  readonly host: string;
  readonly snapshot: () => Snapshot;
  /** Whether newer decisions of these hosts must have arrived. */
  readonly hasHeard: (members: readonly string[]) => boolean;
  /** Keeps commands out. @throws RefusedError if one is at work */
  readonly lock: (resource: string) => Disposable;
  /** Reads the tree, and tells peers what was found. @throws MarsError */
  readonly look: () => void;
  readonly publish: (links: readonly LinkValue[]) => void;
}

/** @throws MarsError */
export function takeBackClaims(desk: ClaimDesk): void {
  const { host, snapshot, publish } = desk;
  for (const resource of snapshot().resources()) {
    const path = linkPath.claim(resource, host);
    if (snapshot().value(path) === undefined) continue;
    const { members } = resourceView(snapshot(), resource, host);
    if (!desk.hasHeard(members.map((member) => member.host))) continue;
    using lock = lockOf(desk, resource);
    if (lock === undefined) continue;
    desk.look();
    if (snapshot().value(path) === undefined) continue;
    publish([{ path, value: TOMBSTONE }]);
  }
}

/** Undefined: a command is at work. */
function lockOf(desk: ClaimDesk, resource: string): Disposable | undefined {
  try {
    return desk.lock(resource);
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}
