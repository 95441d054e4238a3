/**
 * The lines to one host.
 *
 * A metadata line is kept up: dialed, exchanged, then pushed to; dialed again
 * after a pause that doubles, and at once when the address of the peer or the
 * network of this host has changed. Lines for logs and disks are dialed when
 * somebody asks, and are dropped when they end.
 *
 * Meanwhile the lines that the peer has dialed serve as well, if it answers
 * calls on them: one direction that works is enough. The own one is preferred
 * where both are up. A peer that cannot be dialed is asked to dial when a line
 * for logs or disks is needed.
 */
import { messageOf } from "../base/errors.ts";
import { sleep } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import type { DialOptions } from "../peer/connection.ts";
import type { RpcClient, RpcHandlers } from "../peer/rpc.ts";
import type { LineTerms, TrafficClass } from "../peer/terms.ts";
import type { PeerAddress } from "../peer/token.ts";
import type { LinkIntake } from "../transfer/intake.ts";
import { MetadataLink } from "../transfer/metadata.ts";
import { DIAL_METHOD } from "../transfer/metadata_service.ts";
import type { Link } from "../tree/snapshot.ts";

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
  readonly terms: LineTerms;
  /** What peers may call on lines that this host dials. */
  readonly handlers: (trafficClass: TrafficClass) => RpcHandlers;
  /** A line came up, ended, or was exchanged on. */
  readonly onChange: () => void;
}

/** Ours. A handshake takes milliseconds nearby and a second far away. */
export const DIAL_TIMEOUT_MS = 10_000;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 5_000;

type BulkClass = "log" | "sync";

export class PeerLines {
  readonly #host: string;
  readonly #options: PeersOptions;
  readonly #cancel = new AbortController();
  /** Aborts the pause before the next dial. */
  #hurry = new AbortController();
  /** Aborts the dial that is going on. */
  #attempt = new AbortController();
  #address: PeerAddress | undefined;
  #metadata: MetadataLink | undefined;
  #metadataRpc: RpcClient | undefined;
  /** The last metadata line that the peer has dialed. */
  #incoming: RpcClient | undefined;
  #lastError = "";
  readonly #bulk = new Map<TrafficClass, RpcClient>();
  readonly #dialing = new Map<TrafficClass, Promise<void>>();
  readonly #retryAtMs = new Map<TrafficClass, number>();
  #finished: Promise<void> | undefined;
  readonly #exchanges = new Set<Promise<unknown>>();
  hasExchanged = false;

  constructor(host: string, options: PeersOptions) {
    this.#host = host;
    this.#options = options;
  }

  get finished(): Promise<void> {
    const all = [this.#finished, ...this.#dialing.values(), ...this.#exchanges];
    return Promise.all(all).then(() => {});
  }

  get state(): string {
    if (this.hasExchanged) return "connected";
    return this.#lastError === "" ? "connecting" : this.#lastError;
  }

  /** Why only the peer can connect; undefined if this is not so. */
  get dialError(): string | undefined {
    return this.hasExchanged && this.#isByPeer && this.#lastError !== ""
      ? this.#lastError
      : undefined;
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
    // What the peer has dialed has nothing to do with its address.
    if (!this.#isByPeer) this.#metadataRpc?.close();
    for (const rpc of this.#bulk.values()) rpc.close();
    this.retry();
    this.#finished ??= this.#keepUp();
  }

  /** Dials at once what is not connected. */
  retry(): void {
    this.#retryAtMs.clear();
    this.#attempt.abort();
    this.#hurry.abort();
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

  /** A line that the peer has dialed, and on which it answers calls. */
  accept(trafficClass: TrafficClass, rpc: RpcClient): void {
    if (this.#cancel.signal.aborted) return;
    if (trafficClass !== "meta") {
      if (!this.#bulk.has(trafficClass)) this.#keep(trafficClass, rpc);
      return;
    }
    this.#incoming = rpc;
    rpc.closed.then(() => {
      if (this.#incoming === rpc) this.#incoming = undefined;
    });
    if (this.#metadata === undefined) this.#goOnIncoming();
  }

  line(trafficClass: BulkClass): RpcClient | undefined {
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

  get #isByPeer(): boolean {
    return this.#metadataRpc !== undefined &&
      this.#metadataRpc === this.#incoming;
  }

  async #open(trafficClass: BulkClass): Promise<void> {
    try {
      if (this.#isByPeer) {
        // It comes in by `accept`.
        await this.#metadataRpc?.call(DIAL_METHOD, {
          ...this.#options.intake.greeting(),
          trafficClass,
        }, { timeoutMs: DIAL_TIMEOUT_MS });
        this.#retryAtMs.set(trafficClass, performance.now() + RETRY_MS_MAX);
      } else {
        this.#keep(
          trafficClass,
          await this.#dial(trafficClass, this.#cancel.signal),
        );
      }
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

  #keep(trafficClass: TrafficClass, rpc: RpcClient): void {
    this.#bulk.set(trafficClass, rpc);
    this.#retryAtMs.delete(trafficClass);
    rpc.closed.then(() => {
      if (this.#bulk.get(trafficClass) === rpc) {
        this.#bulk.delete(trafficClass);
      }
      this.#options.onChange();
    });
    this.#options.onChange();
  }

  async #dial(
    trafficClass: TrafficClass,
    signal: AbortSignal,
  ): Promise<RpcClient> {
    const { network, terms, handlers } = this.#options;
    const rpc = await network.dial({
      host: this.#host,
      address: this.#address ?? { hostname: "", port: 0 },
      trafficClass,
      timeoutMs: DIAL_TIMEOUT_MS,
      signal,
      terms,
      handlers: handlers(trafficClass),
    });
    if (signal.aborted) rpc.close();
    return rpc;
  }

  async #keepUp(): Promise<void> {
    let pauseMs = RETRY_MS_MIN;
    for (let attempt = 0; !this.#cancel.signal.aborted; attempt++) {
      this.#hurry = new AbortController();
      this.#attempt = new AbortController();
      try {
        const rpc = await this.#dial(
          "meta",
          AbortSignal.any([this.#cancel.signal, this.#attempt.signal]),
        );
        // Who lets us in and fails then is no better than who does not.
        if (await this.#exchange(rpc)) pauseMs = RETRY_MS_MIN;
      } catch (error) {
        const isOurs = this.#attempt.signal.aborted;
        if (!isOurs) this.#report(messageOf(error));
      }
      if (this.#cancel.signal.aborted) return;
      this.#goOnIncoming();
      await sleep(this.#spread(pauseMs, attempt), this.#hurry.signal);
      pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX);
    }
  }

  /**
   * Hosts that were cut off together do not come back together: 50 to 100 % of
   * the pause, another share for each pair of hosts and each attempt.
   */
  #spread(pauseMs: number, attempt: number): number {
    let hash = attempt;
    for (const character of `${this.#options.host}>${this.#host}`) {
      hash = (hash * 31 + character.charCodeAt(0)) % 65_521;
    }
    return pauseMs * (1 + hash / 65_521) / 2;
  }

  /** Uses the line that the peer has dialed while there is no other. */
  #goOnIncoming(): void {
    const rpc = this.#incoming;
    if (rpc === undefined || this.#metadata !== undefined) return;
    const exchange = this.#exchange(rpc);
    this.#exchanges.add(exchange);
    exchange.finally(() => this.#exchanges.delete(exchange));
  }

  /**
   * Exchanges and pushes links until the line ends or gives way; whether it was
   * of use.
   */
  async #exchange(rpc: RpcClient): Promise<boolean> {
    const { intake, onChange } = this.#options;
    let isOfUse = false;
    const before = this.#metadata;
    const metadata = MetadataLink.start({
      intake,
      rpc,
      onExchanged: () => {
        isOfUse = true;
        if (this.#metadata !== metadata || this.hasExchanged) {
          return onChange();
        }
        this.hasExchanged = true;
        if (!this.#isByPeer) this.#lastError = "";
        trace.info("peers", "Connected", { peer: this.#host });
        onChange();
      },
    });
    this.#metadata = metadata;
    this.#metadataRpc = rpc;
    if (rpc !== this.#incoming) this.#lastError = "";
    // What it has not sent yet the exchange finds.
    void before?.stop();
    const result = await metadata.finished;
    if (this.#metadata === metadata) {
      this.#metadata = undefined;
      this.#metadataRpc = undefined;
      this.hasExchanged = false;
      rpc.close();
    }
    if (result.kind === "lost") this.#report(result.message);
    onChange();
    return isOfUse;
  }

  #report(message: string): void {
    if (message === this.#lastError || this.#cancel.signal.aborted) return;
    this.#lastError = message;
    trace.warn("peers", "Not connected", { peer: this.#host, message });
  }
}

function isSameAddress(left: PeerAddress, right: PeerAddress): boolean {
  return left.hostname === right.hostname && left.port === right.port;
}
