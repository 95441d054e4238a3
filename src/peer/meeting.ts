/**
 * How a dialer meets an acceptor: connect, TLS, check its key, have it proved.
 *
 * Nothing is sent before the acceptor's key was found to be the expected one,
 * and nothing but its proof is read before that was checked.
 */
import type { TLSSocket } from "node:tls";
import {
  MarsError,
  messageOf,
  TimeoutError,
  UnreachableError,
} from "../base/errors.ts";
import { systemClock } from "../base/time.ts";
import type { PeerAddress } from "./token.ts";
import { type Frame, STRANGER_LIMITS } from "./frame.ts";
import { type Encounter, encounterOf, isProof } from "./handshake.ts";
import type { Identity } from "./identity.ts";
import { loadNodeCrypto, type NodeCrypto } from "./key.ts";
import { Line, type LineTiming } from "./line.ts";
import { decodeJsonObject } from "./rpc.ts";
import {
  certifiedKeyOf,
  loadNodeTls,
  type Protocol,
  protocolOf,
  tlsOptions,
} from "./tls.ts";
import type { SocketPorts } from "./terms.ts";

/** An acceptor that is what it should be. */
export interface Meeting {
  readonly crypto: NodeCrypto;
  readonly line: Line;
  readonly encounter: Encounter;
  /** What the acceptor says that it understands. */
  readonly features: ReadonlySet<string>;
  readonly ports: SocketPorts;
}

/** `checkKey` throws a MarsError unless the acceptor has the right key. */
export interface MeetOptions {
  readonly identity: Identity;
  readonly address: PeerAddress;
  readonly protocol: Protocol;
  /** What it may mean that the acceptor hangs up without a word. */
  readonly refusal: string;
  readonly timeoutMs: number;
  readonly timing: LineTiming;
  readonly signal: AbortSignal | undefined;
  readonly checkKey: (crypto: NodeCrypto, raw: Uint8Array) => void;
}

/** `host:port`, an IPv6 address in brackets. */
export function addressText(address: PeerAddress): string {
  const { hostname, port } = address;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/** @throws MarsError, TimeoutError */
export async function meet(options: MeetOptions): Promise<Meeting> {
  const [tls, crypto] = await Promise.all([loadNodeTls(), loadNodeCrypto()]);
  if (options.signal?.aborted) {
    throw new MarsError(
      `Connecting to "${addressText(options.address)}" was canceled`,
    );
  }
  const { hostname, port } = options.address;
  const socket = tls.connect({
    ...tlsOptions(options.identity, [options.protocol]),
    host: hostname,
    port,
    // Says nothing to the acceptor but would tell names to who listens.
    servername: "",
  });
  const where = addressText(options.address);
  const giveUp = (error: Error): void => {
    socket.destroy(error);
  };
  const timer = setTimeout(() => {
    const text = `Cannot connect to "${where}": no answer in ` +
      `${options.timeoutMs} ms`;
    giveUp(new TimeoutError(text));
  }, options.timeoutMs);
  const abort = (): void =>
    giveUp(new MarsError(`Connecting to "${where}" was canceled`));
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    await untilSecure(socket);
    return await untilProved(crypto, socket, options);
  } catch (error) {
    socket.destroy();
    if (error instanceof MarsError) throw error;
    throw new UnreachableError(
      `Cannot connect to "${where}": ${messageOf(error)}`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
  }
}

/** 0 where a socket has none any more. */
export function portsOf(
  socket: Pick<TLSSocket, "localAddress" | "localPort" | "remotePort">,
): SocketPorts {
  return {
    own: socket.localPort ?? 0,
    peer: socket.remotePort ?? 0,
    address: plainAddress(socket.localAddress ?? ""),
  };
}

/** As interfaces have it: no zone, and no IPv4 in the clothes of IPv6. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
}

function untilSecure(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays for good: an error later on must not end the process.
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection was closed")));
    socket.once("secureConnect", resolve);
  });
}

async function untilProved(
  crypto: NodeCrypto,
  socket: TLSSocket,
  options: MeetOptions,
): Promise<Meeting> {
  const where = addressText(options.address);
  if (protocolOf(socket) !== options.protocol) {
    throw new MarsError(
      `Cannot talk to "${where}": it does not speak "${options.protocol}"`,
    );
  }
  const peerRaw = certifiedKeyOf(crypto, socket);
  if (peerRaw === undefined) {
    throw new MarsError(`Cannot talk to "${where}": it shows no Ed25519 key`);
  }
  options.checkKey(crypto, peerRaw);
  const encounter = encounterOf(crypto, socket, {
    role: "dialer",
    identity: options.identity,
    peerRaw,
  });
  if (encounter === undefined) {
    throw new MarsError(`Cannot talk to "${where}": TLS gives no binding`);
  }
  const line = new Line({
    socket,
    limits: STRANGER_LIMITS,
    timing: options.timing,
    clock: systemClock,
  });
  const proof = await firstFrame(line, where, options.refusal);
  if (isProof(crypto, encounter, proof)) {
    const features = featuresOf(proof);
    return { crypto, line, encounter, features, ports: portsOf(socket) };
  }
  const reason = new MarsError(
    `Cannot talk to "${where}": it does not hold the key it shows`,
  );
  line.end(reason);
  throw reason;
}

/**
 * Builds before this one say nothing there. Anything that is no list of words
 * names no feature.
 *
 * @throws FormatError if the proof carries no JSON object
 */
export function featuresOf(proof: Frame): ReadonlySet<string> {
  const { features } = decodeJsonObject(proof.json);
  const words = Array.isArray(features) ? features : [];
  return new Set(words.filter((word) => typeof word === "string"));
}

/** Rejects with the line's reason, in words for who dials. */
function firstFrame(
  line: Line,
  where: string,
  refusal: string,
): Promise<Frame> {
  return new Promise((resolve, reject) => {
    line.onFrame = (frame) => {
      // Whoever takes the line over says what comes next.
      line.onFrame = () => line.end(new MarsError("Line broke its rules"));
      resolve(frame);
    };
    line.ended.then((reason) => {
      // Our own reasons, a timeout say, are better than what they cause.
      const cause = reason.cause instanceof MarsError ? reason.cause : reason;
      const isOwn = cause instanceof TimeoutError || cause !== reason;
      reject(
        isOwn ? cause : new MarsError(
          `Cannot talk to "${where}": it ended the connection; ${refusal}`,
          { cause },
        ),
      );
    });
    line.start();
  });
}
