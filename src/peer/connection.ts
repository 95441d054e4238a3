/**
 * Lines between hosts: the server that accepts them, and how to dial one.
 *
 *   dialer  ── TLS 1.3, certificates, proofs ──►  PeerServer
 *           ── calls ───────────────────────────►  handlers of the class
 *
 * A line belongs to one traffic class, so that bulk never delays metadata. A
 * key decides who a peer is; both ends look it up, and check that the peer
 * holds it, before they read anything else (`handshake.ts`). A line whose key
 * is removed from the list of trusted ones ends within one `pingMs`.
 *
 * Who is not trusted can do one thing: join, with a token, if one is open; see
 * `joining.ts`.
 *
 * A dialer says whether it answers calls, too. Then the acceptor can call it on
 * the same line: of two hosts only one needs to know where the other is.
 */
import { assert } from "../base/assert.ts";
import { FormatError, MarsError } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import {
  Acceptor,
  type AcceptorOptions,
  type TrustedLine,
} from "./acceptor.ts";
import { RpcAnswerer } from "./answerer.ts";
import { RpcCaller } from "./caller.ts";
import { type Frame, FRAME_KIND, type FrameKind } from "./frame.ts";
import { encodeProof, type Encounter } from "./handshake.ts";
import type { Identity } from "./identity.ts";
import { publicKeyOf } from "./key.ts";
import { type Line, LINE_TIMING, type LineTiming } from "./line.ts";
import { addressText, featuresOf, meet } from "./meeting.ts";
import { Refusals } from "./refusals.ts";
import {
  type After,
  CALLS_IN_FLIGHT_MAX,
  decodeJsonObject,
  EMPTY_BODY,
  FEW_CALLS_IN_FLIGHT_MAX,
  MANY_CALLS,
  type RpcClient,
  type RpcHandlers,
} from "./rpc.ts";
import { testAgainstStrangers } from "./self_check.ts";
import { PROTOCOL } from "./tls.ts";
import {
  type LineTerms,
  type SocketPorts,
  TRAFFIC_CLASSES,
  type TrafficClass,
} from "./terms.ts";
import type { JoinDesk, PeerAddress } from "./token.ts";
import type { TrustStore } from "./trust.ts";

/**
 * Lines of one peer and class; one more ends the oldest. A peer needs one, and
 * for a while a second when it has lost the first and we do not know yet.
 */
export const LINES_PER_PEER_MAX = 8;

const LOOPBACK = "127.0.0.1";

export interface PeerServerOptions {
  readonly identity: Identity;
  readonly trust: TrustStore;
  /** Port 0 takes a free one. */
  readonly listen: PeerAddress;
  readonly handlers: Readonly<Record<TrafficClass, RpcHandlers>>;
  /** See `RpcClient.features`. */
  readonly features?: readonly string[];
  /** Undefined: nobody can join here. */
  readonly join: JoinDesk | undefined;
  /** Tells how long a line has been silent. */
  readonly clock: Clock;
  /** Where there are no terms. */
  readonly timing?: LineTiming;
  readonly terms?: LineTerms;
  /** A line came in whose dialer answers calls, too. */
  readonly onCallable?: (trafficClass: TrafficClass, rpc: RpcClient) => void;
}

interface PeerLine {
  readonly peer: string;
  readonly trafficClass: TrafficClass;
  readonly line: Line;
}

/** Accepts lines and answers calls on them. */
export class PeerServer {
  readonly #options: PeerServerOptions;
  readonly #refusals = new Refusals();
  /** Oldest first. */
  readonly #lines = new Set<PeerLine>();
  #acceptor: Acceptor | undefined;

  private constructor(options: PeerServerOptions) {
    this.#options = options;
  }

  /**
   * Tests itself against strangers and then listens.
   *
   * @throws MarsError if the address cannot be used or a stranger gets in
   */
  static async start(options: PeerServerOptions): Promise<PeerServer> {
    const server = new PeerServer(options);
    // In private: nobody else may come in through a door that does not close.
    const trial = await Acceptor.listen(
      { hostname: LOOPBACK, port: 0 },
      { ...server.#acceptorOptions(), refused: () => {} },
    );
    try {
      await testAgainstStrangers({ hostname: LOOPBACK, port: trial.port });
    } finally {
      await trial.close();
    }
    server.#acceptor = await Acceptor.listen(
      options.listen,
      server.#acceptorOptions(),
    );
    return server;
  }

  /** The port that is listened on. */
  get port(): number {
    return this.#acceptor?.port ?? 0;
  }

  /** Connections that have not proved who they are. */
  get strangerCount(): number {
    return this.#acceptor?.strangerCount ?? 0;
  }

  /** Names of the hosts that are connected, in order. */
  peers(): readonly string[] {
    return [...new Set([...this.#lines].map(({ peer }) => peer))].sort();
  }

  /** Ends all lines; resolves when the port is free again. */
  async close(): Promise<void> {
    const closed = this.#acceptor?.close();
    for (const { line } of this.#lines) {
      line.end(new MarsError("Line was closed: this host stops"));
    }
    await closed;
  }

  #acceptorOptions(): AcceptorOptions {
    const { identity, trust, join, clock, timing } = this.#options;
    return {
      identity,
      trust,
      join,
      clock,
      timing: timing ?? LINE_TIMING,
      features: this.#options.features ?? [],
      onLine: (trusted) => this.#serve(trusted),
      refused: (source, reason) => this.#refusals.report(source, reason),
    };
  }

  #serve({ peer, line, encounter, proof, ports }: TrustedLine): void {
    const { handlers, trust, terms, onCallable } = this.#options;
    const { trafficClass, isCallable, features } = purposeOf(proof);
    const peerLine = { peer, trafficClass, line };
    const calls = new Calls(line, peer, {
      isCaller: isCallable,
      handlers: handlers[trafficClass],
      features,
    });
    line.onTick = () => checkTrust(trust, encounter, peer);
    establish(line, { peer, trafficClass, ports, terms });
    this.#lines.add(peerLine);
    trace.info("peer", "Peer is connected", { peer, trafficClass });
    line.ended.then((reason) => {
      this.#lines.delete(peerLine);
      trace.info("peer", "Peer is gone", {
        peer,
        trafficClass,
        reason: reason.message,
      });
    });
    this.#endSurplus(peerLine);
    if (isCallable) onCallable?.(trafficClass, calls.client(features));
  }

  #endSurplus({ peer, trafficClass }: PeerLine): void {
    const same = [...this.#lines].filter((other) =>
      other.peer === peer && other.trafficClass === trafficClass
    );
    if (same.length <= LINES_PER_PEER_MAX) return;
    same[0]?.line.end(new MarsError("Line was closed: newer ones replace it"));
  }
}

export interface DialOptions {
  readonly identity: Identity;
  readonly trust: TrustStore;
  /** The host that is expected there. */
  readonly host: string;
  readonly address: PeerAddress;
  readonly trafficClass: TrafficClass;
  /** Until the line is up. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Where there are no terms. */
  readonly timing?: LineTiming;
  readonly terms?: LineTerms;
  /** See `RpcClient.features`; for the acceptor, if it may call. */
  readonly features?: readonly string[];
  /** What the acceptor may call on this line; undefined: nothing. */
  readonly handlers?: RpcHandlers;
}

/**
 * A line to `host`. Nothing is sent before its key was found to be the one that
 * is trusted for this name.
 *
 * @throws MarsError, TimeoutError
 */
export async function dial(options: DialOptions): Promise<RpcClient> {
  const { host, trust, trafficClass, terms, handlers } = options;
  const expected = trust.keyOf(host);
  if (expected === undefined) {
    throw new MarsError(`Cannot call "${host}": its key is not trusted here`);
  }
  const { crypto, line, encounter, features, ports } = await meet({
    ...options,
    protocol: PROTOCOL.line,
    refusal: `does it trust the key of "${options.identity.host}"?`,
    timing: options.timing ?? LINE_TIMING,
    signal: options.signal,
    checkKey: (crypto, raw) => {
      const { fingerprint } = publicKeyOf(crypto, { raw, host });
      if (fingerprint === expected.fingerprint) return;
      throw new MarsError(
        `Cannot talk to "${host}" at "${addressText(options.address)}": its ` +
          `key is ${fingerprint}, expected ${expected.fingerprint}`,
      );
    },
  });
  const calls = new Calls(line, host, { isCaller: true, handlers, features });
  line.onTick = () => checkTrust(trust, encounter, host);
  establish(line, { peer: host, trafficClass, ports, terms });
  const purpose = {
    trafficClass,
    ...(handlers === undefined ? {} : {
      isCallable: true,
      features: options.features ?? [],
    }),
  };
  line.send(
    encodeProof(crypto, encounter, JSON.stringify(purpose)),
    EMPTY_BODY,
  );
  return calls.client(features);
}

/** The calls on one line, of one of its ends or of both. */
class Calls {
  readonly #line: Line;
  readonly #peer: string;
  readonly #caller: RpcCaller | undefined;
  readonly #answerer: RpcAnswerer | undefined;
  readonly #closed: Promise<void>;

  constructor(
    line: Line,
    peer: string,
    own: {
      isCaller: boolean;
      handlers: RpcHandlers | undefined;
      features: ReadonlySet<string>;
    },
  ) {
    const { send } = line;
    this.#line = line;
    this.#peer = peer;
    this.#caller = own.isCaller
      ? new RpcCaller({
        peer,
        send,
        after,
        callsMax: own.features.has(MANY_CALLS)
          ? CALLS_IN_FLIGHT_MAX
          : FEW_CALLS_IN_FLIGHT_MAX,
      })
      : undefined;
    this.#answerer = own.handlers && new RpcAnswerer({
      peer,
      handlers: own.handlers,
      send,
      report: (method, error) =>
        trace.error("peer", "Call failed inside", { peer, method, error }),
    });
    line.onFrame = (frame) => this.#receive(frame);
    line.roomFor = (header) =>
      isAnswer(header.kind) ? this.#caller?.roomFor(header) : undefined;
    this.#closed = line.ended.then((reason) => {
      this.#answerer?.lose();
      this.#caller?.lose(reason);
    });
  }

  /** For who calls the peer. */
  client(features: ReadonlySet<string>): RpcClient {
    const caller = this.#caller;
    assert(caller !== undefined, "who calls has a caller");
    return {
      peer: this.#peer,
      features,
      call: (method, params, options) => caller.call(method, params, options),
      close: () =>
        this.#line.end(new MarsError("Line was closed by this host")),
      closed: this.#closed,
    };
  }

  #receive(frame: Frame): void {
    const taker = isAnswer(frame.kind) ? this.#caller : this.#answerer;
    if (taker !== undefined) return taker.receive(frame);
    throw new FormatError(`Cannot take a frame of kind "${frame.kind}" here`);
  }
}

function isAnswer(kind: FrameKind): boolean {
  return kind === FRAME_KIND.reply || kind === FRAME_KIND.refusal;
}

function establish(
  line: Line,
  { peer, trafficClass, ports, terms }: {
    peer: string;
    trafficClass: TrafficClass;
    ports: SocketPorts;
    terms: LineTerms | undefined;
  },
): void {
  line.establish(terms?.pace(peer, trafficClass), terms?.timing());
  const closed = terms?.opened({
    trafficClass,
    ports,
    retime: (timing) => line.retime(timing),
    end: (reason) => line.end(reason),
  });
  if (closed !== undefined) line.ended.then(closed);
}

const after: After = (delayMs, callBack) => {
  const timer = setTimeout(callBack, delayMs);
  return () => clearTimeout(timer);
};

/** @throws MarsError if the peer's key speaks for it no more */
function checkTrust(
  trust: TrustStore,
  encounter: Encounter,
  host: string,
): void {
  if (trust.hostOf(encounter.peerHash) === host) return;
  throw new MarsError(`Line was closed: "${host}" is not trusted any more`);
}

/** What the dialer says about the line. @throws FormatError */
function purposeOf(
  proof: Frame,
): {
  trafficClass: TrafficClass;
  isCallable: boolean;
  features: ReadonlySet<string>;
} {
  const { trafficClass, isCallable } = decodeJsonObject(proof.json);
  const known = TRAFFIC_CLASSES.find((name) => name === trafficClass);
  if (known === undefined) {
    throw new FormatError(`Cannot serve a line of class "${trafficClass}"`);
  }
  const features = featuresOf(proof);
  return { trafficClass: known, isCallable: isCallable === true, features };
}
