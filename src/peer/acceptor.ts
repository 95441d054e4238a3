/**
 * Who may come in: listens, and lets through who proves to be trusted.
 *
 *   accepted     TCP only; counts as a stranger, with a deadline
 *   met          TLS is up; the key of the certificate is looked up. Unknown:
 *                ends, before anything is read
 *   greeted      our proof is sent, the peer's is awaited
 *   let through  proved; a line, no stranger any more
 *
 * Who asks to join needs no known key, but an open token; it stays a stranger
 * until it hangs up or its deadline passes.
 */
import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import { MarsError, messageOf } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import {
  encodeFrameHead,
  type Frame,
  FRAME_KIND,
  LINE_LIMITS,
  STRANGER_LIMITS,
} from "./frame.ts";
import {
  encodeProof,
  type Encounter,
  encounterOf,
  isProof,
} from "./handshake.ts";
import type { Identity } from "./identity.ts";
import {
  hashOfRawKey,
  loadNodeCrypto,
  type NodeCrypto,
  publicKeyOf,
} from "./key.ts";
import { Line, type LineTiming } from "./line.ts";
import { addressText, portsOf } from "./meeting.ts";
import { EMPTY_BODY, type JsonObject } from "./rpc.ts";
import { Strangers } from "./strangers.ts";
import {
  certifiedKeyOf,
  loadNodeTls,
  type NodeTls,
  PROTOCOL,
  protocolOf,
  tlsOptions,
} from "./tls.ts";
import type { SocketPorts } from "./terms.ts";
import type { JoinDesk, PeerAddress } from "./token.ts";
import type { TrustStore } from "./trust.ts";

/** A line whose other end has proved to be `peer`. */
export interface TrustedLine {
  readonly peer: string;
  readonly line: Line;
  readonly encounter: Encounter;
  /** Its JSON says what the line is for. */
  readonly proof: Frame;
  readonly ports: SocketPorts;
}

export interface AcceptorOptions {
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly join: JoinDesk | undefined;
  readonly timing: LineTiming;
  readonly clock: Clock;
  /** What is told to who has been let in: see `RpcClient.features`. */
  readonly features: readonly string[];
  /** Takes the line over, synchronously. What it throws ends the line. */
  readonly onLine: (trusted: TrustedLine) => void;
  /** `source` is an address without port. */
  readonly refused: (source: string, reason: string) => void;
}

/** Listens on one address. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #crypto: NodeCrypto;
  readonly #server: Server;
  readonly #strangers: Strangers;

  private constructor(
    options: AcceptorOptions,
    crypto: NodeCrypto,
    tls: NodeTls,
  ) {
    this.#options = options;
    this.#crypto = crypto;
    this.#strangers = new Strangers(options.timing.handshakeMs);
    const protocols = [PROTOCOL.line, PROTOCOL.join];
    this.#server = tls.createServer(
      tlsOptions(options.identity, protocols),
      (socket) => this.#meet(socket),
    );
    this.#server.on("connection", (socket: Socket) => {
      this.#strangers.admit(socket);
    });
    this.#server.on("tlsClientError", (error, socket) => {
      this.#refuse(socket, `TLS failed: ${messageOf(error)}`);
    });
  }

  /** @throws MarsError if the address cannot be used */
  static async listen(
    address: PeerAddress,
    options: AcceptorOptions,
  ): Promise<Acceptor> {
    const [tls, crypto] = await Promise.all([loadNodeTls(), loadNodeCrypto()]);
    const acceptor = new Acceptor(options, crypto, tls);
    await acceptor.#listen(address);
    return acceptor;
  }

  /** The port that is listened on. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Connections that have not proved who they are. */
  get strangerCount(): number {
    return this.#strangers.count;
  }

  /** Resolves when all sockets are gone, those of lines let through as well. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) =>
      this.#server.close(() => resolve())
    );
    this.#strangers.close();
    await closed;
  }

  #listen(address: PeerAddress): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void =>
        reject(
          new MarsError(
            `Cannot listen on "${addressText(address)}": ${messageOf(error)}`,
            { cause: error },
          ),
        );
      this.#server.once("error", fail);
      this.#server.listen(
        { host: address.hostname, port: address.port },
        () => {
          this.#server.off("error", fail);
          this.#server.on(
            "error",
            (error) => trace.error("peer", "Listening failed", { error }),
          );
          resolve();
        },
      );
    });
  }

  /** TLS is up. Nothing has been read, and nothing will be from strangers. */
  #meet(socket: TLSSocket): void {
    socket.on("error", () => {});
    const protocol = protocolOf(socket);
    if (protocol === undefined) return this.#refuse(socket, "wrong protocol");
    const peerRaw = certifiedKeyOf(this.#crypto, socket);
    if (peerRaw === undefined) return this.#refuse(socket, "no Ed25519 key");
    const peer = this.#options.trust.hostOf(
      hashOfRawKey(this.#crypto, peerRaw),
    );
    const encounter = encounterOf(this.#crypto, socket, {
      role: "acceptor",
      identity: this.#options.identity,
      peerRaw,
    });
    if (encounter === undefined) {
      return this.#refuse(socket, "TLS gives no channel binding");
    }
    if (protocol === PROTOCOL.join) {
      this.#meetJoiner(socket, encounter);
      return;
    }
    if (peer === undefined) {
      const { fingerprint } = publicKeyOf(this.#crypto, {
        raw: peerRaw,
        host: "unknown",
      });
      return this.#refuse(socket, `unknown key ${fingerprint}`);
    }
    this.#greet(socket, encounter, (line, proof) => {
      this.#strangers.release(socket);
      const ports = portsOf(socket);
      this.#options.onLine({ peer, line, encounter, proof, ports });
    });
  }

  async #meetJoiner(socket: TLSSocket, encounter: Encounter): Promise<void> {
    const desk = this.#options.join;
    try {
      if (desk === undefined || !await desk.hasTokens()) {
        return this.#refuse(socket, "nobody may join: no token is open");
      }
    } catch (error) {
      return this.#refuse(socket, `tokens: ${messageOf(error)}`);
    }
    const source = socket.remoteAddress ?? "unknown";
    this.#greet(socket, encounter, (line) => {
      const peer = { line, encounter, source };
      line.onFrame = (frame) => this.#answerJoin(desk, peer, frame);
    });
  }

  /** Proves who we are, and goes on when the peer has done so too. */
  #greet(
    socket: TLSSocket,
    encounter: Encounter,
    goOn: (line: Line, proof: Frame) => void,
  ): void {
    if (socket.destroyed) return;
    const line = new Line({
      socket,
      limits: STRANGER_LIMITS,
      timing: this.#options.timing,
      clock: this.#options.clock,
    });
    const source = socket.remoteAddress ?? "unknown";
    line.onFrame = (frame) => {
      if (isProof(this.#crypto, encounter, frame)) return goOn(line, frame);
      this.#options.refused(source, "it does not hold the key it shows");
      line.end(new MarsError("Line was refused: no proof"));
    };
    const json = JSON.stringify({ features: this.#options.features });
    line.send(encodeProof(this.#crypto, encounter, json), EMPTY_BODY);
    line.start();
  }

  /** One request, one answer; then it is the joiner's turn to hang up. */
  async #answerJoin(
    desk: JoinDesk,
    peer: { line: Line; encounter: Encounter; source: string },
    frame: Frame,
  ): Promise<void> {
    const { line, encounter, source } = peer;
    if (frame.kind !== FRAME_KIND.join) {
      return line.end(new MarsError("Line was refused: no request to join"));
    }
    line.onFrame = () => line.end(new MarsError("Line broke its rules"));
    try {
      const json = await desk.answer({
        json: frame.json,
        proof: frame.body,
        joinerHash: encounter.peerHash,
      });
      trace.info("peer", "Host has joined with a token", { source });
      sendJson(line, FRAME_KIND.join, json);
    } catch (error) {
      const isForeseen = error instanceof MarsError;
      if (!isForeseen) trace.error("peer", "Joining failed inside", { error });
      const message = isForeseen ? error.message : "Internal error";
      this.#options.refused(source, message);
      sendJson(line, FRAME_KIND.refusal, { message });
    }
  }

  #refuse(socket: Socket, reason: string): void {
    const source = socket.remoteAddress ?? "unknown";
    socket.destroy();
    this.#options.refused(source, reason);
  }
}

function sendJson(
  line: Line,
  kind: typeof FRAME_KIND.join | typeof FRAME_KIND.refusal,
  json: JsonObject,
): void {
  const text = JSON.stringify(json);
  const head = { kind, id: 0, json: text, bodyBytes: 0 };
  line.send(encodeFrameHead(head, LINE_LIMITS), EMPTY_BODY);
}
