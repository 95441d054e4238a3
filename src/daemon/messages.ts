// Pure
/**
 * Messages: the life cycle of `msg-<key>` links.
 *
 *   raised    "<real time> <Lamport time> <text>" of the first occurrence
 *   gone      kept for `KEEP_MS`, then "OK"
 *   OK        stays until raised again
 *
 * Source: message links of MARS.
 */
import type { Obstacle } from "../resource/plan_types.ts";
import { directoryOf, linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { formatMessage } from "../tree/values.ts";

/** Prescribed by MARS: `mars_keep_msg_s`. */
const KEEP_MS = 10_000;

interface Message {
  text: string;
  isRaised: boolean;
  goneAtMs: number;
}

export class Messages {
  readonly #messages = new Map<string, Message>();

  /** Messages that an earlier daemon left behind: they end unless raised. */
  constructor(leftBehind: Iterable<string>) {
    for (const key of leftBehind) {
      this.#messages.set(key, { text: "", isRaised: true, goneAtMs: 0 });
    }
  }

  /** Takes what holds now; gives back key and value of links to write. */
  update(
    obstacles: readonly Obstacle[],
    now: { nowMs: number; stampNs: bigint },
  ): [key: string, value: string][] {
    const changes: [string, string][] = [];
    const raised = new Map<string, string>();
    for (const { key, text } of obstacles) {
      const other = raised.get(key);
      raised.set(key, other === undefined ? text : `${other},${text}`);
    }
    for (const [key, text] of raised) {
      const before = this.#messages.get(key);
      this.#messages.set(key, { text, isRaised: true, goneAtMs: 0 });
      if (before?.text === text) continue;
      const stamps = { realNs: now.stampNs, stampNs: now.stampNs };
      changes.push([key, formatMessage({ kind: "text", ...stamps, text })]);
    }
    for (const [key, message] of this.#messages) {
      if (raised.has(key)) continue;
      if (message.isRaised) {
        message.isRaised = false;
        message.goneAtMs = now.nowMs;
      } else if (now.nowMs >= message.goneAtMs + KEEP_MS) {
        this.#messages.delete(key);
        changes.push([key, "OK"]);
      }
    }
    return changes;
  }
}

/** Keys of message links that are not "OK". */
export function messagesLeftBehind(
  snapshot: Snapshot,
  resource: string,
  host: string,
): string[] {
  const prefix = linkPath.actual(resource, host, "msg-");
  return [...snapshot.children(directoryOf(prefix))]
    .filter((link) =>
      link.path.startsWith(prefix) && link.value !== "OK" &&
      snapshot.value(link.path) !== undefined
    )
    .map((link) => link.path.slice(prefix.length));
}
