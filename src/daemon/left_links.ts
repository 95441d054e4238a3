/**
 * Left links: what this host has told of resources that it was made to leave.
 * See `resource/left_links.ts`.
 *
 * They may come at any time, also late, from a step that had begun before, or
 * from a daemon that has died meanwhile. So it is looked again and again, and
 * what is found twice goes: a tool without our locks that makes this host a
 * member again may write the position before the device.
 */
import { leftLinks } from "../resource/left_links.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { lockOf, type TakeBackDesk } from "./take_back.ts";

// Ours. Whoever writes the links of a member writes them within milliseconds.
const GRACE_MS = 2_000;

export class LeftLinks {
  /** Since when there is something of a resource. */
  readonly #sinceMs = new Map<string, number>();

  /** @throws MarsError */
  takeBack(desk: TakeBackDesk, nowMs: number): void {
    const snapshot = desk.snapshot();
    for (const resource of this.#found(snapshot, desk.host)) {
      const sinceMs = this.#sinceMs.get(resource) ?? nowMs;
      this.#sinceMs.set(resource, sinceMs);
      if (desk.isRunning(resource) || nowMs < sinceMs + GRACE_MS) continue;
      if (!desk.hasHeard(snapshot.members(resource))) continue;
      using lock = lockOf(desk, resource);
      if (lock === undefined) continue;
      desk.look();
      const links = leftLinks(desk.snapshot(), resource, desk.host);
      if (links.length > 0) desk.publish(links);
    }
  }

  /** Resources with links that have to go. */
  #found(snapshot: Snapshot, host: string): string[] {
    const found = snapshot.resources().filter((resource) =>
      leftLinks(snapshot, resource, host).length > 0
    );
    for (const resource of this.#sinceMs.keys()) {
      if (!found.includes(resource)) this.#sinceMs.delete(resource);
    }
    return found;
  }
}
