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
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { lockOf, type TakeBackDesk } from "./take_back.ts";

/** @throws MarsError */
export function takeBackClaims(desk: TakeBackDesk): void {
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
