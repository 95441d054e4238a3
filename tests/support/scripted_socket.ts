/**
 * A `SocketIo` without sockets, for tests of front ends: bytes go in as the
 * test cuts them, bytes come out in `sent`, and completions are delivered by
 * `turn`.
 */
import { assert } from "../../src/base/assert.ts";
import { ERRNO } from "../../src/base/errors.ts";
import type { Completion, Memory, SocketIo } from "../../src/ring/io.ts";

interface Receive {
  readonly memory: Memory;
  readonly start: number;
  readonly length: number;
  readonly done: Completion;
}

/** One end of a connection, seen by the test. */
class Line {
  readonly sent: Uint8Array[] = [];
  readonly input: Uint8Array[] = [];
  receive: Receive | undefined = undefined;
  isEnded = false;
  isShutDown = false;
  isClosed = false;
  /** Bytes per turn that the socket takes; the rest of a send waits. */
  isBlocked = false;
  blocked: { bytes: Uint8Array; done: Completion } | undefined = undefined;
}

export class ScriptedSockets implements SocketIo {
  readonly lines = new Map<number, Line>();
  allocatedBytes = 0;
  #ready: (() => void)[] = [];
  #accept: Completion | undefined = undefined;
  #nextFd = 10;
  #nowMs = 0;
  #timers: { atMs: number; done: Completion; tag: number }[] = [];

  // ---- the test's side ---------------------------------------------------

  /** A client connects; returns its fd. */
  connect(): number {
    const fd = this.#nextFd++;
    this.lines.set(fd, new Line());
    const accept = this.#accept;
    assert(accept !== undefined, "Somebody accepts");
    this.#accept = undefined;
    this.#ready.push(() => accept(fd, 0));
    return fd;
  }

  /** The client sends `bytes`, to be received as one piece at most. */
  say(fd: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.lineOf(fd).input.push(bytes.slice());
  }

  /** The client sends no more. */
  hangUp(fd: number): void {
    this.lineOf(fd).isEnded = true;
  }

  /** Everything sent to the client, which is taken. */
  takeSent(fd: number): Uint8Array {
    const parts = this.lineOf(fd).sent.splice(0);
    const bytes = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** Delivers what is ready, once; returns whether anything was. */
  turn(): boolean {
    for (const line of this.lines.values()) this.#feed(line);
    for (const timer of this.#timers.filter((t) => t.atMs <= this.#nowMs)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      this.#ready.push(() => timer.done(0, timer.tag));
    }
    const ready = this.#ready;
    this.#ready = [];
    for (const call of ready) call();
    return ready.length > 0;
  }

  /** Lets time pass. */
  pass(durationMs: number): void {
    this.#nowMs += durationMs;
  }

  lineOf(fd: number): Line {
    const line = this.lines.get(fd);
    assert(line !== undefined, "Connection exists");
    return line;
  }

  #feed(line: Line): void {
    const { receive, blocked } = line;
    if (blocked !== undefined && (line.isShutDown || !line.isBlocked)) {
      line.blocked = undefined;
      const isLost = line.isShutDown;
      if (!isLost) line.sent.push(blocked.bytes);
      const result = isLost ? -ERRNO.EPIPE : blocked.bytes.length;
      this.#ready.push(() => blocked.done(result, 0));
    }
    if (receive === undefined) return;
    const first = line.input[0];
    if (!line.isShutDown && first !== undefined) {
      const count = Math.min(receive.length, first.length);
      receive.memory.bytes.set(first.subarray(0, count), receive.start);
      if (count === first.length) line.input.shift();
      else line.input[0] = first.subarray(count);
      line.receive = undefined;
      this.#ready.push(() => receive.done(count, 0));
    } else if (line.isShutDown || line.isEnded) {
      line.receive = undefined;
      this.#ready.push(() => receive.done(0, 0));
    }
  }

  // ---- the server's side -------------------------------------------------

  listen(): number {
    return 3;
  }

  unlisten(): void {
    const accept = this.#accept;
    this.#accept = undefined;
    if (accept !== undefined) {
      this.#ready.push(() => accept(-ERRNO.EINVAL, 0));
    }
  }

  accept(_fd: number, done: Completion): void {
    assert(this.#accept === undefined, "One accept at a time");
    this.#accept = done;
  }

  receive(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    done: Completion,
  ): void {
    const line = this.lineOf(fd);
    assert(line.receive === undefined, "One receive at a time");
    assert(length > 0, "Receive is not empty");
    assert(start + length <= memory.bytes.length, "Receive is inside memory");
    assert(!line.isClosed, "Receive on an open socket");
    line.receive = { memory, start, length, done };
  }

  send(
    fd: number,
    memory: Memory,
    start: number,
    length: number,
    done: Completion,
  ): void {
    const line = this.lineOf(fd);
    assert(line.blocked === undefined, "One send at a time");
    assert(length > 0, "Send is not empty");
    assert(start + length <= memory.bytes.length, "Send is inside memory");
    assert(!line.isClosed, "Send on an open socket");
    line.blocked = { bytes: memory.bytes.slice(start, start + length), done };
  }

  shutdown(fd: number): void {
    this.lineOf(fd).isShutDown = true;
  }

  close(fd: number): void {
    if (fd === 3) return;
    const line = this.lineOf(fd);
    assert(!line.isClosed, "Socket is closed once");
    assert(line.receive === undefined, "Nothing is in flight");
    assert(line.blocked === undefined, "Nothing is in flight");
    line.isClosed = true;
  }

  timer(durationMs: number, done: Completion, tag: number): void {
    this.#timers.push({ atMs: this.#nowMs + durationMs, done, tag });
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  allocate(lengthBytes: number): Memory {
    this.allocatedBytes += lengthBytes;
    return { bytes: new Uint8Array(lengthBytes), address: 0 };
  }

  read(): void {
    assert(false, "Front ends do not read files");
  }

  write(): void {
    assert(false, "Front ends do not write files");
  }

  append(): void {
    assert(false, "Front ends do not append");
  }

  flush(): void {
    assert(false, "Front ends do not flush files");
  }

  zero(): void {
    assert(false, "Front ends do not zero files");
  }

  truncate(): void {
    assert(false, "Front ends do not truncate files");
  }

  open(): number {
    assert(false, "Front ends do not open files");
    return -1;
  }

  size(): number {
    assert(false, "Front ends do not measure files");
    return -1;
  }
}
