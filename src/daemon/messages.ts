// Pure
/**
 * Messages: the life cycle of `msg-<key>` links.
 *
 *   raised    "<real time> <Lamport time> <text>", both of the first occurrence
 *   gone      kept for `KEEP_MS`, then "OK"; about a connection: tombstone
 *   OK        stays until raised again
 *
 * The times stay while the text changes: they say how long something holds; so
 * they begin anew when a line comes up or ends. They also outlive the daemon, as
 * the links do.
 *
 * Source: message links of MARS.
 */
import type { Obstacle } from "../resource/plan_types.ts";
import { directoryOf } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { formatMessage, parseMessage, TOMBSTONE } from "../tree/values.ts";

/** Prescribed by MARS: `mars_keep_msg_s`. */
const KEEP_MS = 10_000;

/** Prescribed by MARS: keys of messages about lines to peers. */
export const CONNECTION_KEY = "needed-connection-with-";

/** Prescribed by MARS: all is well with a line. */
export const CONNECTED = "CONNECTED";

/** Both clocks at one moment. */
export interface Stamps {
  readonly realNs: bigint;
  readonly stampNs: bigint;
}

interface Message {
  readonly text: string;
  readonly since: Stamps;
  /** Undefined while it is raised. */
  readonly goneAtMs: number | undefined;
}

export class Messages {
  readonly #messages = new Map<string, Message>();

  /** @param leftBehind key and value of links of an earlier daemon */
  constructor(leftBehind: Iterable<readonly [key: string, value: string]>) {
    for (const [key, value] of leftBehind) {
      const message = parseMessage(value);
      const isReadable = message?.kind === "text";
      this.#messages.set(key, {
        text: isReadable ? message.text : "",
        since: isReadable ? message : { realNs: 0n, stampNs: 0n },
        goneAtMs: undefined,
      });
    }
  }

  /** Takes what holds now; gives back key and value of links to write. */
  update(
    obstacles: readonly Obstacle[],
    now: Stamps & { readonly nowMs: number },
  ): [key: string, value: string][] {
    const { nowMs, realNs, stampNs } = now;
    const changes: [string, string][] = [];
    const raised = joinedTexts(obstacles);
    for (const [key, text] of raised) {
      const before = this.#messages.get(key);
      const since = before !== undefined && isSameMatter(before.text, text)
        ? before.since
        : { realNs, stampNs };
      this.#messages.set(key, { text, since, goneAtMs: undefined });
      if (before?.text === text) continue;
      changes.push([key, formatMessage({ kind: "text", ...since, text })]);
    }
    for (const [key, message] of this.#messages) {
      if (raised.has(key)) continue;
      if (message.goneAtMs === undefined) {
        this.#messages.set(key, { ...message, goneAtMs: nowMs });
      } else if (nowMs >= message.goneAtMs + KEEP_MS) {
        this.#messages.delete(key);
        changes.push([key, key.startsWith(CONNECTION_KEY) ? TOMBSTONE : "OK"]);
      }
    }
    return changes;
  }
}

/** Whether what held before still holds. */
function isSameMatter(before: string, text: string): boolean {
  return before !== "" && (before === CONNECTED) === (text === CONNECTED);
}

/** Texts by key; several of one key stand behind one another. */
function joinedTexts(obstacles: readonly Obstacle[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { key, text } of obstacles) {
    const other = texts.get(key);
    texts.set(key, other === undefined ? text : `${other},${text}`);
  }
  return texts;
}

/**
 * Key and value of message links that are not "OK".
 *
 * @param prefix of their paths: "actual-alpha/msg-"
 */
export function messagesLeftBehind(
  snapshot: Snapshot,
  prefix: string,
): [key: string, value: string][] {
  return [...snapshot.children(directoryOf(prefix))]
    .filter((link) =>
      link.path.startsWith(prefix) && link.value !== "OK" &&
      link.value !== TOMBSTONE
    )
    .map((link) => [link.path.slice(prefix.length), link.value]);
}
