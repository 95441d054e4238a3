/**
 * Peers: which lines are up.
 *
 * To every host that the tree names and whose key is trusted, one metadata line
 * is kept up: dialed, exchanged, then pushed to; dialed again after a pause
 * that doubles, and at once after its address has changed. Lines for logs and
 * disks are dialed when somebody asks, and are dropped when they end.
 */
import { messageOf } from "../base/errors.ts";
import { PORT } from "../base/settings.ts";
import { sleep } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import type { DialOptions, TrafficClass } from "../peer/connection.ts";
import type { RpcClient } from "../peer/rpc.ts";
import type { PeerAddress } from "../peer/token.ts";
import type { LinkIntake } from "../transfer/intake.ts";
import { MetadataLink } from "../transfer/metadata.ts";
import { linkPath } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import { parseHostAddress } from "../tree/values.ts";

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

export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<string, Peer>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Keeps lines to exactly the hosts that `snapshot` names. */
  update(snapshot: Snapshot): void {
    const { host: own, network } = this.#options;
    const wanted = new Map<string, PeerAddress>();
    for (const host of snapshot.hosts()) {
      const text = snapshot.value(linkPath.ip(host));
      const address = text === undefined ? undefined : parseHostAddress(text);
      const isOther = host !== own && network.isTrusted(host);
      if (!isOther || address === undefined) continue;
      wanted.set(host, {
        hostname: address.address,
        port: address.port ?? PORT,
      });
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

  /** Sends changes to every connected peer but `except`. */
  push(links: readonly Link[], except?: string): void {
    for (const [host, peer] of this.#peers) {
      if (host !== except) peer.push(links);
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
    const all = [...this.#peers.values()];
    this.#peers.clear();
    for (const peer of all) peer.close();
    await Promise.all(all.map((peer) => peer.finished));
  }
}

/** All lines to one host. */
class Peer {
  readonly #host: string;
  readonly #options: PeersOptions;
  readonly #cancel = new AbortController();
  /** Aborts the pause before the next dial. */
  #hurry = new AbortController();
  #address: PeerAddress | undefined;
  #addressText = "";
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

  setAddress(address: PeerAddress): void {
    const text = `${address.hostname} ${address.port}`;
    if (text === this.#addressText) return;
    this.#address = address;
    this.#addressText = text;
    this.#metadataRpc?.close();
    for (const rpc of this.#bulk.values()) rpc.close();
    this.#retryAtMs.clear();
    this.#hurry.abort();
    this.#finished ??= this.#keepUp();
  }

  push(links: readonly Link[]): void {
    this.#metadata?.push(links);
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
