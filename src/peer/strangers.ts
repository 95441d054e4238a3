/**
 * Connections nobody has vouched for yet.
 *
 * Each has a deadline, and there are few: one more drops the oldest. So any
 * number of half-open connections costs little, and who comes late and is quick
 * still gets in.
 */
import type { Socket } from "node:net";

/** A daemon has a few peers with three lines each; the rest is reserve. */
export const STRANGERS_MAX = 64;

interface Stranger {
  readonly socket: Socket;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** The strangers of one server. */
export class Strangers {
  /** By remote address and port, oldest first. */
  readonly #strangers = new Map<string, Stranger>();
  readonly #deadlineMs: number;

  /** `deadlineMs` counts from the moment a connection came in. */
  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  get count(): number {
    return this.#strangers.size;
  }

  /** A connection came in. */
  admit(socket: Socket): void {
    const key = keyOf(socket);
    const timer = setTimeout(() => this.#drop(key), this.#deadlineMs);
    this.#strangers.set(key, { socket, timer });
    // Whoever resets a connection before it said who it is, is not missed.
    socket.on("error", () => {});
    socket.on("close", () => {
      // The same address and port may be in use again.
      if (this.#strangers.get(key)?.socket === socket) this.#forget(key);
    });
    if (this.#strangers.size <= STRANGERS_MAX) return;
    for (const oldest of this.#strangers.keys()) return this.#drop(oldest);
  }

  /** A connection has proved who it is. */
  release(socket: Socket): void {
    this.#forget(keyOf(socket));
  }

  /** Ends all. */
  close(): void {
    for (const key of [...this.#strangers.keys()]) this.#drop(key);
  }

  #drop(key: string): void {
    const stranger = this.#strangers.get(key);
    this.#forget(key);
    stranger?.socket.destroy();
  }

  #forget(key: string): void {
    clearTimeout(this.#strangers.get(key)?.timer);
    this.#strangers.delete(key);
  }
}

/** The same for a TCP socket and for the TLS socket on top of it. */
function keyOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
