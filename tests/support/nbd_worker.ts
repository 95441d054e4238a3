/**
 * A worker that serves NBD from memory or from a file, without log: what tests
 * of the protocol and benches of the front end talk to.
 *
 * Born with one `NbdWorkerOptions`; ends when `eventfd` is added to.
 */
import type {
  Acknowledge,
  BlockRequest,
  BlockTarget,
} from "../../src/block/request.ts";
import { ERRNO } from "../../src/base/errors.ts";
import { NbdServer } from "../../src/device/nbd.ts";
import type { SocketIo } from "../../src/ring/io.ts";
import { Ring } from "../../src/ring/ring.ts";
import { loadShim } from "../../ffi/shim.ts";

export interface NbdWorkerOptions {
  readonly shimPath: string;
  readonly socketPath: string;
  readonly exportName: string;
  readonly sizeBytes: number;
  /** Of the file; memory if undefined. */
  readonly filePath: string | undefined;
  readonly eventfd: number;
  /** Requests that touch this byte fail with EIO; -1 for none. */
  readonly badByte: number;
  /** Acknowledged at once, or at the end of the turn, last one first. */
  readonly order: "atOnce" | "reversed";
  /**
   * 0 clients in transmission phase, 1 clients, 2 requests in flight, 3 most
   * requests in flight, 4 flushes, 5 writes with FUA, 6 discards, 7 1 at end.
   */
  readonly counts: Int32Array;
}

/** The worker's own, which the types of a window do not have. */
declare function postMessage(message: string): void;

/** A disk in memory. */
class MemoryTarget implements BlockTarget {
  readonly #bytes: Uint8Array;
  readonly #options: NbdWorkerOptions;
  readonly #done: { acknowledge: Acknowledge; errno: number }[] = [];

  constructor(options: NbdWorkerOptions) {
    this.#bytes = new Uint8Array(options.sizeBytes);
    this.#options = options;
  }

  submit(request: BlockRequest, acknowledge: Acknowledge): void {
    const errno = this.#perform(request);
    if (this.#options.order === "atOnce") acknowledge(errno);
    else this.#done.push({ acknowledge, errno });
  }

  endOfTurn(): void {
    for (;;) {
      const last = this.#done.pop();
      if (last === undefined) return;
      last.acknowledge(last.errno);
    }
  }

  #perform(request: BlockRequest): number {
    const { kind, offsetBytes, lengthBytes, memory, start } = request;
    const { badByte, counts } = this.#options;
    const endBytes = offsetBytes + lengthBytes;
    if (kind === "flush") Atomics.add(counts, 4, 1);
    if (kind === "discard") Atomics.add(counts, 6, 1);
    if (request.forceUnitAccess) Atomics.add(counts, 5, 1);
    const isData = kind === "read" || kind === "write";
    if (isData && offsetBytes <= badByte && badByte < endBytes) {
      return ERRNO.EIO;
    }
    if (kind === "read") {
      memory.bytes.set(this.#bytes.subarray(offsetBytes, endBytes), start);
    } else if (kind === "write") {
      const payload = memory.bytes.subarray(start, start + lengthBytes);
      this.#bytes.set(payload, offsetBytes);
    } else if (kind === "writeZeroes") {
      this.#bytes.fill(0, offsetBytes, endBytes);
    }
    return 0;
  }
}

/** A file in the page cache. */
class FileTarget implements BlockTarget {
  readonly #io: SocketIo;
  readonly #fd: number;

  constructor(io: SocketIo, path: string) {
    this.#io = io;
    this.#fd = io.open(path, "readwrite");
  }

  submit(request: BlockRequest, acknowledge: Acknowledge): void {
    const { kind, offsetBytes, lengthBytes, memory, start } = request;
    const done = (result: number): void =>
      acknowledge(result < 0 ? -result : 0);
    switch (kind) {
      case "read":
        return this.#io.read(
          this.#fd,
          memory,
          start,
          lengthBytes,
          offsetBytes,
          done,
          0,
        );
      case "write":
        return this.#io.append(
          this.#fd,
          memory,
          start,
          lengthBytes,
          offsetBytes,
          done,
          0,
        );
      case "flush":
        return this.#io.flush(this.#fd, done, 0);
      case "writeZeroes":
        return this.#io.zero(this.#fd, offsetBytes, lengthBytes, true, done, 0);
      case "discard":
        return acknowledge(0);
    }
  }

  endOfTurn(): void {}
}

function serve(options: NbdWorkerOptions): void {
  const shim = loadShim(options.shimPath);
  const ring = Ring.create({ shim, entries: 256 });
  const target = options.filePath === undefined
    ? new MemoryTarget(options)
    : new FileTarget(ring, options.filePath);
  const server = new NbdServer({
    io: ring,
    target,
    exportName: options.exportName,
    sizeBytes: options.sizeBytes,
    path: options.socketPath,
  });
  let isStopping = false;
  ring.pollEvent(options.eventfd, () => {
    isStopping = true;
    server.stopListening();
    server.closeAll();
  }, 0);
  server.start();
  postMessage("ready");
  const { counts } = options;
  while (!isStopping || server.clientCount > 0 || !server.isStopped) {
    ring.enter(1);
    ring.reap();
    Atomics.store(counts, 3, Math.max(counts[3] ?? 0, server.inFlight));
    target.endOfTurn();
    server.endOfTurn();
    Atomics.store(counts, 0, server.openCount);
    Atomics.store(counts, 1, server.clientCount);
    Atomics.store(counts, 2, server.inFlight);
  }
  ring.end();
  Atomics.store(counts, 7, 1);
  postMessage("ended");
}

globalThis.addEventListener("message", (event) => {
  // Only our own starter sends to this worker, and only this.
  if (event instanceof MessageEvent) serve(event.data as NbdWorkerOptions);
});
