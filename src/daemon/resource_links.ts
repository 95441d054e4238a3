// Pure
/**
 * Resource links: what this host says of itself under one resource.
 *
 *   when it changes   all of `states.ts`, actsize, msg-…
 *   now and then      is-primary: commands that rely on it want it fresh
 *
 * What changed is found by comparison with the tree: a link that could not be
 * written, or that somebody has changed, is written the next time. So all of
 * them are there after the first round of a resource that was switched on.
 */
import { MarsError } from "../base/errors.ts";
import type { LinkValue, Obstacle } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { Messages, messagesLeftBehind, type Stamps } from "./messages.ts";

// Ours. Readers take `is-primary` as stale after half of a 60 s window; peers
// look at that of a primary, only the host itself at that of a secondary.
const FRESH_MS: Readonly<Record<string, number>> = { "1": 10_000, "0": 20_000 };
// Ours. Whoever looks at it can have it fresher, but not more often.
const FRESH_MS_MIN = 1_000;

export interface ResourceFacts extends Stamps {
  readonly nowMs: number;
  readonly snapshot: Snapshot;
  /** Names below `actual-<host>` to values. */
  readonly states: Readonly<Record<string, string>>;
  /** Bytes of the disk; 0 while it is not known. */
  readonly diskBytes: number;
  readonly obstacles: readonly Obstacle[];
}

export class ResourceLinks {
  readonly #resource: string;
  readonly #host: string;
  readonly #messages: Messages;
  /** Values of message links, by their paths. */
  readonly #told = new Map<string, string>();
  #freshAtMs = -Infinity;
  #isAsked = false;
  /** As it was told last. */
  #isPrimary: string | undefined;

  /** @param snapshot with what an earlier daemon left behind */
  constructor(
    options: { resource: string; host: string; snapshot: Snapshot },
  ) {
    const { resource, host, snapshot } = options;
    this.#resource = resource;
    this.#host = host;
    const prefix = linkPath.actual(resource, host, "msg-");
    this.#messages = new Messages(messagesLeftBehind(snapshot, prefix));
  }

  /** Somebody wants to know: what is refreshed is due. */
  ask(): void {
    this.#isAsked = true;
  }

  /** Links to write now. */
  links(facts: ResourceFacts): LinkValue[] {
    const { snapshot, nowMs } = facts;
    this.#updateMessages(facts);
    const pathOf = (name: string): string =>
      linkPath.actual(this.#resource, this.#host, name);
    const links = Object.entries(facts.states)
      .map(([name, value]) => ({ path: pathOf(name), value }));
    if (facts.diskBytes > 0) {
      const path = linkPath.actsize(this.#resource, this.#host);
      links.push({ path, value: String(facts.diskBytes) });
    }
    for (const [path, value] of this.#told) links.push({ path, value });
    this.#isPrimary = facts.states["is-primary"];
    const isDue = this.#takeTurn(nowMs);
    const fresh = pathOf("is-primary");
    return links.filter(({ path, value }) =>
      (isDue && path === fresh) || snapshot.get(path)?.value !== value
    );
  }

  /** What has to be fresh and is due, where nothing else is to be told. */
  refreshed(nowMs: number): LinkValue[] {
    const value = this.#isPrimary;
    if (value === undefined || !this.#takeTurn(nowMs)) return [];
    const path = linkPath.actual(this.#resource, this.#host, "is-primary");
    return [{ path, value }];
  }

  #takeTurn(nowMs: number): boolean {
    const elapsedMs = nowMs - this.#freshAtMs;
    const dueMs = this.#isAsked
      ? FRESH_MS_MIN
      : FRESH_MS[this.#isPrimary ?? ""];
    if (elapsedMs < (dueMs ?? 0)) return false;
    this.#freshAtMs = nowMs;
    this.#isAsked = false;
    return true;
  }

  #updateMessages(facts: ResourceFacts): void {
    for (const [path, value] of this.#told) {
      const isOver = value === "OK" && facts.snapshot.get(path)?.value === "OK";
      if (isOver) this.#told.delete(path);
    }
    for (const [key, value] of this.#messages.update(facts.obstacles, facts)) {
      const name = `msg-${key}`;
      this.#told.set(linkPath.actual(this.#resource, this.#host, name), value);
    }
  }
}

/**
 * Writes links; one that cannot be written does not hold up the rest.
 *
 * @throws MarsError of the first one
 */
export function tellEach(
  links: readonly LinkValue[],
  publish: (links: readonly LinkValue[]) => void,
): void {
  if (links.length === 0) return;
  try {
    return publish(links);
  } catch (error) {
    if (!(error instanceof MarsError)) throw error;
  }
  let refusal: MarsError | undefined;
  for (const link of links) {
    try {
      publish([link]);
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      refusal ??= error;
    }
  }
  if (refusal !== undefined) throw refusal;
}
