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
 * Who is not trusted can do one thing: join, with a token, if one is open.
 */
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
import {
  encodeFrameHead,
  type Frame,
  FRAME_KIND,
  STRANGER_LIMITS,
} from "./frame.ts";
import { encodeProof, type Encounter } from "./handshake.ts";
import type { Identity } from "./identity.ts";
import { publicKeyOf } from "./key.ts";
import { type Line, LINE_TIMING, type LineTiming } from "./line.ts";
import { addressText, meet } from "./meeting.ts";
import { Refusals } from "./refusals.ts";
import {
  type After,
  decodeJsonObject,
  EMPTY_BODY,
  isJsonObject,
  type JsonObject,
  type RpcClient,
  type RpcHandlers,
} from "./rpc.ts";
import { testAgainstStrangers } from "./self_check.ts";
import { PROTOCOL } from "./tls.ts";
import {
  decodeToken,
  type JoinDesk,
  type PeerAddress,
  signJoin,
} from "./token.ts";
import type { TrustStore } from "./trust.ts";

/** What a line is for. */
export type TrafficClass = "meta" | "log" | "sync";

export const TRAFFIC_CLASSES: readonly TrafficClass[] = ["meta", "log", "sync"];

/**
 * Lines of one peer and class; one more ends the oldest. A peer needs one, and
 * for a while a second when it has lost the first and we do not know yet.
 */
export const LINES_PER_PEER_MAX = 8;

/** How long `join` waits for the inviter. */
const JOIN_TIMEOUT_MS = 30_000;

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
  readonly timing?: LineTiming;
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

  #serve({ peer, line, encounter, proof }: TrustedLine): void {
    const trafficClass = classOf(proof);
    const peerLine = { peer, trafficClass, line };
    const answerer = new RpcAnswerer({
      peer,
      handlers: this.#options.handlers[trafficClass],
      send: line.send,
      report: (method, error) =>
        trace.error("peer", "Call failed inside", { peer, method, error }),
    });
    line.onFrame = (frame) => answerer.receive(frame);
    line.onTick = () => checkTrust(this.#options.trust, encounter, peer);
    line.establish();
    this.#lines.add(peerLine);
    trace.info("peer", "Peer is connected", { peer, trafficClass });
    line.ended.then((reason) => {
      this.#lines.delete(peerLine);
      answerer.lose();
      trace.info("peer", "Peer is gone", {
        peer,
        trafficClass,
        reason: reason.message,
      });
    });
    this.#endSurplus(peerLine);
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
  readonly timing?: LineTiming;
}

/**
 * A line to `host`. Nothing is sent before its key was found to be the one that
 * is trusted for this name.
 *
 * @throws MarsError, TimeoutError
 */
export async function dial(options: DialOptions): Promise<RpcClient> {
  const { host, trust, trafficClass } = options;
  const expected = trust.keyOf(host);
  if (expected === undefined) {
    throw new MarsError(`Cannot call "${host}": its key is not trusted here`);
  }
  const { crypto, line, encounter, features } = await meet({
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
  const caller = new RpcCaller({ peer: host, send: line.send, after });
  line.onFrame = (frame) => caller.receive(frame);
  line.roomFor = (header) => caller.roomFor(header);
  line.onTick = () => checkTrust(trust, encounter, host);
  const closed = line.ended.then((reason) => caller.lose(reason));
  line.establish();
  line.send(
    encodeProof(crypto, encounter, JSON.stringify({ trafficClass })),
    EMPTY_BODY,
  );
  return {
    peer: host,
    features,
    call: (method, params, callOptions) =>
      caller.call(method, params, callOptions),
    close: () => line.end(new MarsError("Line was closed by this host")),
    closed,
  };
}

/** What came of joining. */
export interface Joined {
  /** The inviter. */
  readonly peer: string;
  /** Its key, to be trusted from now on. */
  readonly publicKeyLine: string;
  /** What the inviter's daemon answered. */
  readonly reply: JsonObject;
}

/**
 * Asks the inviter of a token to trust this host. The inviter learns the host's
 * name, key, `own.address` and `params`, these two as
 * `{ ...params, address: { hostname, port } }`.
 *
 * @throws MarsError, with the inviter's message if it refuses
 */
export async function join(
  options: {
    identity: Identity;
    token: string;
    /** Where the inviter is found, if not where the token says. */
    inviterAddress?: PeerAddress;
    own: { host: string; address: PeerAddress };
    params?: JsonObject;
    timeoutMs?: number;
    signal?: AbortSignal;
  },
): Promise<Joined> {
  const { identity, own } = options;
  const token = decodeToken(options.token);
  const address = options.inviterAddress ?? token.address;
  let inviterLine = "";
  const { crypto, line, encounter } = await meet({
    identity,
    address,
    protocol: PROTOCOL.join,
    refusal: "the token is unknown, used or expired",
    timeoutMs: options.timeoutMs ?? JOIN_TIMEOUT_MS,
    timing: LINE_TIMING,
    signal: options.signal,
    checkKey: (crypto, raw) => {
      const key = publicKeyOf(crypto, { raw, host: token.host });
      inviterLine = key.line;
      if (key.fingerprint === token.fingerprint) return;
      throw new MarsError(
        `Cannot join "${token.host}" at "${addressText(address)}": its ` +
          `key is ${key.fingerprint}, the token says ${token.fingerprint}`,
      );
    },
  });
  const { hostname, port } = own.address;
  const json = JSON.stringify({
    host: own.host,
    publicKeyLine: identity.publicKeyLine,
    params: { ...options.params, address: { hostname, port } },
  });
  const proof = await signJoin(token.secret, {
    inviterHash: encounter.peerHash,
    joinerHash: identity.keyHash,
    request: new TextEncoder().encode(json),
  });
  const answer = untilFrame(line);
  line.establish();
  line.send(encodeProof(crypto, encounter, ""), EMPTY_BODY);
  line.send(
    encodeFrameHead({
      kind: FRAME_KIND.join,
      id: 0,
      json,
      bodyBytes: proof.length,
    }, STRANGER_LIMITS),
    proof,
  );
  const frame = await answer;
  line.end(new MarsError("Line was closed by this host"));
  const { reply, message } = decodeJsonObject(frame.json);
  if (frame.kind === FRAME_KIND.join && isJsonObject(reply)) {
    return { peer: token.host, publicKeyLine: inviterLine, reply };
  }
  throw new MarsError(
    typeof message === "string" ? message : "Cannot join: no reason was given",
  );
}

const after: After = (delayMs, callBack) => {
  const timer = setTimeout(callBack, delayMs);
  return () => clearTimeout(timer);
};

function untilFrame(line: Line): Promise<Frame> {
  return new Promise((resolve, reject) => {
    line.onFrame = resolve;
    line.ended.then(reject);
  });
}

/** @throws MarsError if the peer's key speaks for it no more */
function checkTrust(
  trust: TrustStore,
  encounter: Encounter,
  host: string,
): void {
  if (trust.hostOf(encounter.peerHash) === host) return;
  throw new MarsError(`Line was closed: "${host}" is not trusted any more`);
}

/** @throws FormatError */
function classOf(proof: Frame): TrafficClass {
  const { trafficClass } = decodeJsonObject(proof.json);
  const known = TRAFFIC_CLASSES.find((name) => name === trafficClass);
  if (known === undefined) {
    throw new FormatError(`Cannot serve a line of class "${trafficClass}"`);
  }
  return known;
}
