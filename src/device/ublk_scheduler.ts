// Pure
/**
 * The kernel's scheduler of a ublk device: none.
 *
 * By default the kernel sorts the requests of such a device and merges what it
 * can. Behind it is a log, which takes them in any order, so that is work for
 * nothing. Who wants another one may choose it as soon as the device is on.
 *
 * The kernel changes it when all requests have ended, and they are served by
 * this thread: hence a write of the ring, which another thread waits for.
 *
 * Source: Documentation/block/switching-sched.rst of Linux.
 */
import { SyscallError } from "../base/errors.ts";
import type { CommandIo, Memory } from "../ring/io.ts";

const NONE = new TextEncoder().encode("none");

export class UblkScheduler {
  readonly #io: CommandIo;
  #memory: Memory | undefined = undefined;
  #fd = -1;

  constructor(io: CommandIo) {
    this.#io = io;
  }

  /** Asks for none; whether that is granted changes nothing but speed. */
  choose(deviceId: number): void {
    if (this.#fd >= 0) return;
    const path = `/sys/block/ublkb${deviceId}/queue/scheduler`;
    try {
      this.#fd = this.#io.open(path, "readwrite");
    } catch (error) {
      // A kernel without schedulers, or settings that nobody may change.
      if (error instanceof SyscallError) return;
      throw error;
    }
    this.#memory ??= this.#io.allocate(NONE.length);
    this.#memory.bytes.set(NONE);
    const done = (): void => this.#letGo();
    this.#io.write(this.#fd, this.#memory, 0, NONE.length, 0, done, 0);
  }

  close(): void {
    this.#letGo();
    if (this.#memory !== undefined) this.#io.release(this.#memory);
    this.#memory = undefined;
  }

  #letGo(): void {
    if (this.#fd >= 0) this.#io.close(this.#fd);
    this.#fd = -1;
  }
}
