/**
 * Peers: which lines are up to all the hosts that are needed; see `peer_lines.ts`
 * for those to one of them.
 *
 * The address of a host that left the cluster is a tombstone: nobody dials it
 * any more. The host itself goes on for a while, so that everybody hears of
 * that, and then talks to nobody.
 */
import { MarsError } from "../base/errors.ts";
import { PORT } from "../base/settings.ts";
import type { RpcClient } from "../peer/rpc.ts";
import type { TrafficClass } from "../peer/terms.ts";
import type { PeerAddress } from "../peer/token.ts";
import type { Obstacle } from "../resource/plan_types.ts";
import { FOREIGN } from "../transfer/intake.ts";
import { linkPath } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import { type HostAddress, parseHostAddress } from "../tree/values.ts";
import { DIAL_TIMEOUT_MS, PeerLines, type PeersOptions } from "./peer_lines.ts";

// Ours. Peers that cannot be reached in that time hear it from others.
const FAREWELL_MS = 60_000;

export class Peers {
  readonly #options: PeersOptions;
  #networkState: string | undefined;
  readonly #peers = new Map<string, PeerLines>();
  /** Lines of hosts that are not known yet. */
  readonly #early = new Map<string, RpcClient>();
  readonly #cancel = new AbortController();
  /** When it was first seen that this host has left; undefined: it has not. */
  #leftAtMs: number | undefined;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Keeps lines to exactly the hosts that `snapshot` names. */
  update(snapshot: Snapshot): void {
    const { host: own, network } = this.#options;
    const wanted = new Map<string, PeerAddress>();
    const hosts = this.#hasGone(snapshot) ? [] : snapshot.hosts();
    for (const host of hosts) {
      const text = snapshot.value(linkPath.ip(host));
      const address = peerAddress(parseHostAddress(text ?? ""));
      const isOther = host !== own && network.isTrusted(host);
      if (!isOther || address === undefined) continue;
      wanted.set(host, address);
    }
    for (const [host, peer] of this.#peers) {
      if (wanted.has(host)) continue;
      peer.close();
      this.#peers.delete(host);
    }
    for (const [host, address] of wanted) {
      const peer = this.#peers.get(host) ?? new PeerLines(host, this.#options);
      this.#peers.set(host, peer);
      peer.setAddress(address);
      const early = this.#early.get(host);
      if (early === undefined) continue;
      this.#early.delete(host);
      peer.accept("meta", early);
    }
  }

  /** Whether this host has left, and has said so for long enough. */
  #hasGone(snapshot: Snapshot): boolean {
    const hasLeft = snapshot.isTombstone(linkPath.ip(this.#options.host));
    if (!hasLeft) this.#leftAtMs = undefined;
    else this.#leftAtMs ??= performance.now();
    return this.#leftAtMs !== undefined &&
      performance.now() >= this.#leftAtMs + FAREWELL_MS;
  }

  /** Sends changes to every connected peer but `except`. */
  push(links: readonly Link[], except?: string): void {
    for (const [host, peer] of this.#peers) {
      if (host !== except) peer.push(links);
    }
  }

  /** A line of text per peer, for people. */
  lines(): string[] {
    return [...this.#peers].map(([host, peer]) => `peer ${host}: ${peer.state}`)
      .sort();
  }

  /** Why there is no line to `host`; undefined if there is. */
  obstacleTo(host: string): string | undefined {
    const peer = this.#peers.get(host);
    if (peer !== undefined) {
      return peer.hasExchanged ? undefined : peer.state;
    }
    return this.#options.network.isTrusted(host)
      ? "no address is known"
      : "its key is not trusted here";
  }

  /** Hosts that are said to be ours and belong to another cluster. */
  foreign(): string[] {
    return [...this.#peers].filter(([, peer]) => peer.state.includes(FOREIGN))
      .map(([host]) => host);
  }

  /** Hosts whose lines are up. */
  connected(): string[] {
    return [...this.#peers].filter(([, peer]) => peer.hasExchanged)
      .map(([host]) => host);
  }

  /** A peer has dialed and can be called on its line. */
  accept(trafficClass: TrafficClass, rpc: RpcClient): void {
    const peer = this.#peers.get(rpc.peer);
    if (peer !== undefined) return peer.accept(trafficClass, rpc);
    // Its address has not arrived yet, or it has left.
    if (trafficClass !== "meta") return;
    this.#early.set(rpc.peer, rpc);
    rpc.closed.then(() => {
      if (this.#early.get(rpc.peer) === rpc) this.#early.delete(rpc.peer);
    });
  }

  /** A peer that cannot dial this host wants a line. */
  open(host: string, trafficClass: "log" | "sync"): void {
    this.#peers.get(host)?.line(trafficClass);
  }

  /**
   * Whoever waits tries again when the network of this host is another one: a
   * new address or route may lead to whom none led before.
   */
  lookAtNetwork(state: string | undefined): void {
    const hasChanged = this.#networkState !== undefined &&
      state !== this.#networkState;
    this.#networkState = state;
    if (!hasChanged) return;
    for (const peer of this.#peers.values()) peer.retry();
  }

  /** Peers whom only their own lines connect. */
  obstacles(): Obstacle[] {
    return [...this.#peers].flatMap(([host, { dialError }]) =>
      dialError === undefined ? [] : [{
        key: `wrn-dial-${host}`,
        text: `Connected by the line that "${host}" has dialed: ${dialError}`,
      }]
    );
  }

  /** Asks every peer for what it has and this host has not; dials at once. */
  ask(): void {
    for (const peer of this.#peers.values()) peer.ask();
  }

  /** Compares all links with every connected peer, also what is known. */
  compareAgain(): void {
    for (const peer of this.#peers.values()) peer.compareAgain();
  }

  /** Asks every connected peer to look at its tree. */
  tell(): void {
    for (const peer of this.#peers.values()) peer.tell();
  }

  /**
   * Lets `act` use a metadata line to a trusted host: the one that is up, or
   * one of its own, if there is none or the host shall be reached elsewhere.
   *
   * @param address as a link has it; undefined for the one in the tree
   * @throws MarsError
   */
  async visit(
    host: string,
    address: string | undefined,
    act: (rpc: RpcClient) => Promise<void>,
  ): Promise<void> {
    const { network } = this.#options;
    if (!network.isTrusted(host)) {
      throw new MarsError(
        `Cannot reach "${host}": its key is not trusted here; add the output of "mars key show" there to authorized_peers`,
      );
    }
    const peer = this.#peers.get(host);
    const place = address === undefined
      ? peer?.address
      : peerAddress(parseHostAddress(address));
    if (place === undefined) {
      throw new MarsError(`Cannot reach "${host}": no address is known`);
    }
    const open = peer?.metadataAt(place);
    if (open !== undefined) return await act(open);
    const rpc = await network.dial({
      host,
      address: place,
      trafficClass: "meta",
      timeoutMs: DIAL_TIMEOUT_MS,
      signal: this.#cancel.signal,
    });
    try {
      await act(rpc);
    } finally {
      rpc.close();
    }
  }

  /** Whether everything that `host` knew when its line came up is here. */
  hasExchanged(host: string): boolean {
    return this.#peers.get(host)?.hasExchanged === true;
  }

  /** An open line; undefined while there is none, then it is dialed. */
  line(host: string, trafficClass: "log" | "sync"): RpcClient | undefined {
    return this.#peers.get(host)?.line(trafficClass);
  }

  async close(): Promise<void> {
    this.#cancel.abort();
    const all = [...this.#peers.values()];
    this.#peers.clear();
    for (const peer of all) peer.close();
    await Promise.all(all.map((peer) => peer.finished));
  }
}

function peerAddress(
  address: HostAddress | undefined,
): PeerAddress | undefined {
  return address && { hostname: address.address, port: address.port ?? PORT };
}
