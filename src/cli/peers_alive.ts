/**
 * Waiting for peers: who is alive?
 *
 * The daemon asks its peers to look at their trees. One that does refreshes its
 * `time`, which comes back as a link: with a connected peer that takes
 * milliseconds.
 *
 *   alive    `time` is newer than when the wait began, and than the beginning
 *   dead     it is not, after half a window
 *   unknown  else: it is asked again, once a second
 *
 * The wait ends when nobody is unknown. The dead are only named: nobody can
 * wait for them. With --force those that were silent for half a window before
 * the wait count as dead at once, and a timeout is no error.
 *
 * Source: "cluster wait" of `marsadm`, which fails for dead peers if --force is
 * given; that is a mistake of it.
 */
import { MS_PER_S, NS_PER_MS } from "../base/time.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { resourcesOf } from "./arguments.ts";
import { type Desk, type Phase, POLL_MS } from "./command.ts";

/** Messages of the trigger, as MARS has them. */
export const ASK = {
  /** Look, and tell peers to look. */
  peers: "2",
  /** The same, and ask them for news. */
  everybody: "3",
  /** The same, as if nothing were known. */
  fully: "8",
} as const;

const PEERS = "a sign of life of peers";

/** Other members and guests of resources; undefined: all other hosts. */
export function peersOf(
  desk: Desk,
  snapshot: Snapshot,
  resources: readonly string[] | undefined,
): string[] {
  const hosts = resources === undefined
    ? snapshot.hosts()
    : resources.flatMap((resource) => hostsOfResource(snapshot, resource));
  return [...new Set(hosts)].filter((host) =>
    host !== desk.host && isCounted(desk, snapshot, host)
  ).sort();
}

/** Members and guests, sorted. */
export function hostsOfResource(
  snapshot: Snapshot,
  resource: string,
): string[] {
  const prefix = linkPath.device(resource, "");
  const guests = [...snapshot.children(linkPath.resource(resource))]
    .filter(({ path }) =>
      path.startsWith(prefix) && snapshot.value(path) !== undefined
    )
    .map(({ path }) => path.slice(prefix.length));
  return [...new Set([...snapshot.members(resource), ...guests])].sort();
}

/** Hosts that left the cluster count only if the option says so. */
function isCounted(desk: Desk, snapshot: Snapshot, host: string): boolean {
  return desk.options.ignoreDeletedPeers === 0 ||
    !snapshot.isTombstone(linkPath.ip(host));
}

/**
 * The wait as phases of a command.
 *
 * @param word names resources, as for any command; undefined: all hosts
 */
export function peerPhases(
  desk: Desk,
  word: string | undefined,
  message: string,
): readonly Phase[] {
  const watch = new PeerWatch(desk, message);
  return [
    {
      title: "hear of peers",
      act: () => {
        const snapshot = desk.snapshot();
        const resources = word === undefined
          ? undefined
          : resourcesOf(word, snapshot, desk);
        watch.begin(peersOf(desk, snapshot, resources));
      },
      goal: PEERS,
      until: (snapshot) => watch.obstacles(snapshot),
    },
    { title: "count peers", act: () => watch.report() },
  ];
}

/** The wait inside of a phase. @throws TimeoutError */
export async function waitForPeers(
  desk: Desk,
  peers: readonly string[],
  message: string = ASK.everybody,
): Promise<void> {
  const watch = new PeerWatch(desk, message);
  watch.begin(peers);
  await desk.waitUntil({
    goal: PEERS,
    until: (snapshot) => watch.obstacles(snapshot),
  });
  watch.report();
}

/** What was known of a peer when the wait began. */
interface Start {
  readonly stampNs: bigint;
  readonly isSilent: boolean;
}

type Verdict = "alive" | "dead" | "unknown";

class PeerWatch {
  readonly #desk: Desk;
  readonly #message: string;
  readonly #starts = new Map<string, Start>();
  readonly #patienceMs: number;
  #startNs = 0n;
  #startMs = 0;
  #askedMs = 0;

  constructor(desk: Desk, message: string) {
    this.#desk = desk;
    this.#message = message;
    this.#patienceMs = Math.round(desk.options.windowMs / 2);
  }

  begin(peers: readonly string[]): void {
    const snapshot = this.#desk.snapshot();
    this.#startNs = this.#desk.nowNs();
    const patienceNs = BigInt(this.#patienceMs) * NS_PER_MS;
    this.#startMs = this.#desk.clock.monotonicMs();
    for (const peer of peers) {
      const stampNs = lastSign(snapshot, peer);
      this.#starts.set(peer, {
        stampNs,
        isSilent: stampNs + patienceNs < this.#startNs,
      });
    }
    if (peers.length === 0) return;
    if (!this.#desk.isDaemonRunning()) {
      this.#desk.warn(
        "WARNING: no daemon runs here that could hear of peers; start it",
      );
    }
    this.#ask();
  }

  /** Who is unknown. */
  obstacles(snapshot: Snapshot): readonly string[] {
    const { clock, options } = this.#desk;
    const unknown = this.#who(snapshot, "unknown");
    const nowMs = clock.monotonicMs();
    const isOver = options.force &&
      nowMs + POLL_MS >= this.#startMs + options.timeoutMs;
    if (unknown.length === 0 || isOver) return [];
    if (nowMs >= this.#askedMs + MS_PER_S) this.#ask();
    const patienceS = Math.round(this.#patienceMs / MS_PER_S);
    return unknown.map((peer) =>
      `"${peer}" was not heard of; it counts as dead after ${patienceS} s`
    );
  }

  /** Names the dead and counts the living. */
  report(): void {
    const snapshot = this.#desk.snapshot();
    const alive = this.#who(snapshot, "alive");
    for (const peer of this.#starts.keys()) {
      if (alive.includes(peer)) continue;
      this.#desk.warn(`WARNING: "${peer}" seems to be dead`);
    }
    this.#desk.print(
      `${alive.length}/${this.#starts.size} peer(s) seem to be alive`,
    );
  }

  #ask(): void {
    this.#askedMs = this.#desk.clock.monotonicMs();
    this.#desk.trigger(this.#message);
  }

  #who(snapshot: Snapshot, verdict: Verdict): string[] {
    return [...this.#starts]
      .filter(([peer, start]) =>
        this.#verdict(snapshot, peer, start) === verdict
      )
      .map(([peer]) => peer);
  }

  #verdict(snapshot: Snapshot, peer: string, start: Start): Verdict {
    const stampNs = lastSign(snapshot, peer);
    if (stampNs > start.stampNs && stampNs > this.#startNs) return "alive";
    if (this.#desk.options.force && start.isSilent) return "dead";
    // A sign from before says nothing: this host may just have come back.
    const waitedMs = this.#desk.clock.monotonicMs() - this.#startMs;
    return waitedMs > this.#patienceMs ? "dead" : "unknown";
  }
}

/** Nanoseconds since 1970; 0 if a host was never heard of. */
function lastSign(snapshot: Snapshot, host: string): bigint {
  return snapshot.stampNs(linkPath.global(host, "time")) ?? 0n;
}
