// Pure
/**
 * NBD: the device as an export on a unix socket.
 *
 * The server accepts clients and calls the same `BlockTarget` for all of them,
 * hence a flush of one covers what others were acknowledged (MULTI_CONN).
 *
 *   nbd.ts             who is connected
 *   nbd_connection.ts  one client: bytes in, requests out, replies back
 *   nbd_handshake.ts   options and their answers
 *   nbd_intake.ts      the receive buffer
 *   nbd_window.ts      requests in flight and room for their replies
 *   nbd_reply.ts       replies as bytes
 *   nbd_protocol.ts    the format
 *
 * Rules
 *   (1) Replies are sent at the end of the turn, all together: the worker calls
 *       `endOfTurn` before it sleeps, after everybody who acknowledges. To call
 *       it in front of the logger's, too, lets clients go on while the logger
 *       writes.
 *   (2) A client may do what it wants, and vanish at any byte: it harms nobody
 *       else and costs no more than its share of memory.
 *   (3) More than CLIENT_COUNT_MAX are turned away at once. Who has not finished
 *       the handshake in time is, too.
 */
import { assert } from "../base/assert.ts";
import { ERRNO } from "../base/errors.ts";
import type { SocketIo } from "../ring/io.ts";
import type { FrontEnd } from "./front_end.ts";
import type { BlockTarget } from "../block/request.ts";
import {
  type ConnectionMemory,
  NbdConnection,
  RECEIVE_BYTES,
  SEND_BYTES,
} from "./nbd_connection.ts";
import { BLOCK_BYTES_MIN, type NbdExport } from "./nbd_handshake.ts";
import { NAME_BYTES_MAX } from "./nbd_protocol.ts";

/** Each has about 1 MiB; tools open up to 8 connections. */
const CLIENT_COUNT_MAX = 16;
const HANDSHAKE_MS = 10_000;
/** After a failure to accept for want of memory or file descriptors. */
const ACCEPT_PAUSE_MS = 100;

export interface NbdServerOptions {
  readonly io: SocketIo;
  readonly target: BlockTarget;
  readonly exportName: string;
  /** A rest below 512 bytes cannot be reached. */
  readonly sizeBytes: number;
  /** Of the socket. Its directory exists. */
  readonly path: string;
}

export class NbdServer implements FrontEnd {
  readonly #io: SocketIo;
  readonly #target: BlockTarget;
  readonly #export: NbdExport;
  readonly #path: string;
  readonly #clients = new Set<NbdConnection>();
  readonly #freeMemory: ConnectionMemory[] = [];
  #listener = -1;
  #isListening = false;
  #isWatching = false;
  #touched: NbdConnection[] = [];
  #ending: NbdConnection[] = [];

  constructor(options: NbdServerOptions) {
    const nameBytes = new TextEncoder().encode(options.exportName).length;
    assert(nameBytes > 0, "Export has a name");
    assert(nameBytes <= NAME_BYTES_MAX, "Export name is short");
    this.#io = options.io;
    this.#target = options.target;
    this.#path = options.path;
    this.#export = { name: options.exportName, sizeBytes: 0 };
    this.resize(options.sizeBytes);
  }

  /** Clients in the transmission phase, or with requests in flight. */
  get openCount(): number {
    let count = 0;
    for (const client of this.#clients) if (client.isOpen) count++;
    return count;
  }

  /** Clients in any phase. */
  get clientCount(): number {
    return this.#clients.size;
  }

  /** Requests and pieces submitted and not yet acknowledged. */
  get inFlight(): number {
    let count = 0;
    for (const client of this.#clients) count += client.inFlight;
    return count;
  }

  /** Clients see a new size when they connect, but may use it at once. */
  resize(sizeBytes: number): void {
    this.#export.sizeBytes = sizeBytes - sizeBytes % BLOCK_BYTES_MIN;
  }

  /** Begins to listen. The listener before must have gone. @throws SyscallError */
  start(): void {
    assert(this.#listener < 0, "Server listens once");
    this.#listener = this.#io.listen(this.#path);
    this.#isListening = true;
    this.#accept();
  }

  /**
   * Lets nobody in any more; connected clients stay. Those in the handshake are
   * turned away, so that `openCount` does not rise again.
   */
  stopListening(): void {
    if (!this.#isListening) return;
    this.#isListening = false;
    this.#io.unlisten(this.#listener, this.#path);
    for (const client of [...this.#clients]) {
      if (client.isShakingHands) client.end();
    }
  }

  get isOn(): boolean {
    return this.#isListening;
  }

  /** What keeps it from listening is thrown by `start`. */
  readonly errno = 0;
  readonly step = 0;
  /** It always announces flushes. */
  readonly mustBeDurable = false;
  readonly canGrow = true;
  /** Who asks is told at once. */
  readonly shownBytes = Infinity;

  /** Whether `start` may be called. */
  get isStopped(): boolean {
    return this.#listener < 0;
  }

  /** Hangs up on all clients; `clientCount` is 0 when nothing is in flight. */
  closeAll(): void {
    for (const client of [...this.#clients]) client.end();
  }

  /** Its memory ends with the ring, its sockets with their clients. */
  close(): void {}

  /** Sends the replies of this turn. Costs nothing if there are none. */
  endOfTurn(): void {
    if (this.#touched.length === 0) return;
    const list = this.#touched;
    this.#touched = this.#ending;
    this.#ending = list;
    for (let index = 0; index < list.length; index++) list[index]?.endOfTurn();
    list.length = 0;
  }

  #accept(): void {
    this.#io.accept(this.#listener, this.#accepted, 0);
  }

  readonly #accepted = (result: number): void => {
    if (!this.#isListening) {
      if (result >= 0) this.#io.close(result);
      this.#io.close(this.#listener);
      this.#listener = -1;
    } else if (result >= 0) {
      this.#admit(result);
      this.#accept();
    } else if (result === -ERRNO.ECONNABORTED) {
      this.#accept();
    } else {
      this.#io.timer(ACCEPT_PAUSE_MS, this.#acceptLater, 0);
    }
  };

  readonly #acceptLater = (): void => {
    if (this.#isListening) this.#accept();
    else this.#accepted(-ERRNO.ECANCELED);
  };

  #admit(fd: number): void {
    if (this.#clients.size >= CLIENT_COUNT_MAX) return this.#io.close(fd);
    const client = new NbdConnection({
      io: this.#io,
      target: this.#target,
      exported: this.#export,
      fd,
      memory: this.#freeMemory.pop() ?? {
        receive: this.#io.allocate(RECEIVE_BYTES),
        send: this.#io.allocate(SEND_BYTES),
      },
      touched: (client) => this.#touched.push(client),
      closed: (client) => {
        this.#clients.delete(client);
        this.#freeMemory.push(client.memory);
      },
    });
    this.#clients.add(client);
    client.start();
    this.#watch();
  }

  /** Ends handshakes that take too long, as long as there are any. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#io.timer(HANDSHAKE_MS, this.#watched, 0);
  }

  readonly #watched = (): void => {
    this.#isWatching = false;
    const latestMs = this.#io.monotonicMs() - HANDSHAKE_MS;
    let isAnyLeft = false;
    for (const client of [...this.#clients]) {
      if (!client.isShakingHands) continue;
      if (client.sinceMs <= latestMs) client.end();
      else isAnyLeft = true;
    }
    if (isAnyLeft) this.#watch();
  };
}
