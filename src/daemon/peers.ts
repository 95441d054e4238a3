/**
 * Peers: which lines are up.
 *
 * To every host that the tree names and whose key is trusted, one metadata line
 * is kept up: dialed, exchanged, then pushed to; dialed again after a pause
 * that doubles, and at once after its address has changed. Lines for logs and
 * disks are dialed when somebody asks, and are dropped when they end.
 *
 * The address of a host that left the cluster is a tombstone: nobody dials it
 * any more. The host itself goes on for a while, so that everybody hears of
 * that, and then talks to nobody.
 */
import { MarsError, messageOf } from "../base/errors.ts";
import { PORT } from "../base/settings.ts";
import { sleep } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import type { DialOptions, TrafficClass } from "../peer/connection.ts";
import type { RpcClient } from "../peer/rpc.ts";
import type { PeerAddress } from "../peer/token.ts";
import { FOREIGN, type LinkIntake } from "../transfer/intake.ts";
import { MetadataLink } from "../transfer/metadata.ts";
import { linkPath } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import { type HostAddress, parseHostAddress } from "../tree/values.ts";

/** How this host reaches others. */
export interface Network {
  /** Whether the key of `host` is known. */
  isTrusted(host: string): boolean;
  /** @throws MarsError, TimeoutError */
  dial(options: Omit<DialOptions, "identity" | "trust">): Promise<RpcClient>;
}

export interface PeersOptions {
  /** The local host. */
  readonly host: string;
  readonly network: Network;
  readonly intake: LinkIntake;
  /** A line came up, ended, or was exchanged on. */
  readonly onChange: () => void;
}

// Ours. A handshake takes milliseconds nearby and a second far away.
const DIAL_TIMEOUT_MS = 10_000;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 5_000;
// Ours. Peers that cannot be reached in that time hear it from others.
const FAREWELL_MS = 60_000;

export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<string, Peer>();
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
      const peer = this.#peers.get(host) ?? new Peer(host, this.#options);
      this.#peers.set(host, peer);
      peer.setAddress(address);
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

function isSameAddress(left: PeerAddress, right: PeerAddress): boolean {
  return left.hostname === right.hostname && left.port === right.port;
}

/** All lines to one host. */
class Peer {
  readonly #host: string;
  readonly #options: PeersOptions;
  readonly #cancel = new AbortController();
  /** Aborts the pause before the next dial. */
  #hurry = new AbortController();
  #address: PeerAddress | undefined;
  #metadata: MetadataLink | undefined;
  #metadataRpc: RpcClient | undefined;
  #lastError = "";
  readonly #bulk = new Map<TrafficClass, RpcClient>();
  readonly #dialing = new Map<TrafficClass, Promise<void>>();
  readonly #retryAtMs = new Map<TrafficClass, number>();
  #finished: Promise<void> | undefined;
  hasExchanged = false;

  constructor(host: string, options: PeersOptions) {
    this.#host = host;
    this.#options = options;
  }

  get finished(): Promise<void> {
    return Promise.all([this.#finished, ...this.#dialing.values()])
      .then(() => {});
  }

  get state(): string {
    if (this.hasExchanged) return "connected";
    return this.#lastError === "" ? "connecting" : this.#lastError;
  }

  get address(): PeerAddress | undefined {
    return this.#address;
  }

  /** The metadata line, if it is up and goes to `address`. */
  metadataAt(address: PeerAddress): RpcClient | undefined {
    return this.#address !== undefined && isSameAddress(address, this.#address)
      ? this.#metadataRpc
      : undefined;
  }

  setAddress(address: PeerAddress): void {
    const isKnown = this.#address !== undefined &&
      isSameAddress(address, this.#address);
    if (isKnown) return;
    this.#address = address;
    this.#metadataRpc?.close();
    for (const rpc of this.#bulk.values()) rpc.close();
    this.#retryAtMs.clear();
    this.#hurry.abort();
    this.#finished ??= this.#keepUp();
  }

  push(links: readonly Link[]): void {
    this.#metadata?.push(links);
  }

  ask(): void {
    if (this.#metadata === undefined) this.#hurry.abort();
    else this.#metadata.refresh();
  }

  compareAgain(): void {
    this.#metadata?.compareAgain();
  }

  tell(): void {
    this.#metadata?.look();
  }

  line(trafficClass: "log" | "sync"): RpcClient | undefined {
    const open = this.#bulk.get(trafficClass);
    if (open !== undefined) return open;
    const isPausing = performance.now() <
      (this.#retryAtMs.get(trafficClass) ?? 0);
    // Where metadata cannot go, nothing else can.
    if (this.#metadata === undefined || isPausing) return undefined;
    if (!this.#dialing.has(trafficClass)) {
      this.#dialing.set(trafficClass, this.#open(trafficClass));
    }
    return undefined;
  }

  close(): void {
    this.#cancel.abort();
    this.#hurry.abort();
    this.#metadataRpc?.close();
    for (const rpc of this.#bulk.values()) rpc.close();
  }

  async #open(trafficClass: TrafficClass): Promise<void> {
    try {
      const rpc = await this.#dial(trafficClass);
      this.#bulk.set(trafficClass, rpc);
      rpc.closed.then(() => {
        this.#bulk.delete(trafficClass);
        this.#options.onChange();
      });
    } catch (error) {
      this.#retryAtMs.set(trafficClass, performance.now() + RETRY_MS_MIN);
      trace.debug("peers", "No line", {
        peer: this.#host,
        trafficClass,
        error: messageOf(error),
      });
    } finally {
      this.#dialing.delete(trafficClass);
      this.#options.onChange();
    }
  }

  async #dial(trafficClass: TrafficClass): Promise<RpcClient> {
    const address = this.#address ?? { hostname: "", port: 0 };
    const rpc = await this.#options.network.dial({
      host: this.#host,
      address,
      trafficClass,
      timeoutMs: DIAL_TIMEOUT_MS,
      signal: this.#cancel.signal,
    });
    if (this.#cancel.signal.aborted) rpc.close();
    return rpc;
  }

  async #keepUp(): Promise<void> {
    let pauseMs = RETRY_MS_MIN;
    while (!this.#cancel.signal.aborted) {
      this.#hurry = new AbortController();
      try {
        const rpc = await this.#dial("meta");
        pauseMs = RETRY_MS_MIN;
        await this.#exchange(rpc);
      } catch (error) {
        this.#report(messageOf(error));
      }
      if (this.#cancel.signal.aborted) return;
      await sleep(pauseMs, this.#hurry.signal);
      pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX);
    }
  }

  async #exchange(rpc: RpcClient): Promise<void> {
    const { intake, onChange } = this.#options;
    this.#metadataRpc = rpc;
    this.#metadata = MetadataLink.start({
      intake,
      rpc,
      onExchanged: () => {
        if (this.hasExchanged) return onChange();
        this.hasExchanged = true;
        this.#lastError = "";
        trace.info("peers", "Connected", { peer: this.#host });
        onChange();
      },
    });
    const result = await this.#metadata.finished;
    this.#metadata = undefined;
    this.#metadataRpc = undefined;
    this.hasExchanged = false;
    rpc.close();
    if (result.kind === "lost") this.#report(result.message);
    onChange();
  }

  #report(message: string): void {
    if (message === this.#lastError || this.#cancel.signal.aborted) return;
    this.#lastError = message;
    trace.warn("peers", "Not connected", { peer: this.#host, message });
  }
}
