/**
 * The allocator of the C library, which also holds the bytes of all buffers.
 *
 * As it is, it raises the length from which on memory is mapped alone to that of
 * the longest buffer that was ever freed, and lets each of 8 threads per
 * processor allocate in a place of its own. Then buffers of 1 MiB lie between
 * small things that stay, all over these places, and what is freed between them
 * is neither used for others nor given back: a daemon that copies disks grew by
 * 20 to 40 MB in ten minutes, and nothing was kept.
 *
 *   long buffers   are mapped alone, and go when they are freed
 *   small things   share few places
 *   free pages     between them are given back once a minute; of 65 MB in use
 *                  at most, 25 had become free in a quarter of an hour
 */
import { ERRNO, SyscallError } from "../base/errors.ts";
import { MS_PER_S } from "../base/time.ts";
import type { Shim } from "../../ffi/shim.ts";

// Ours. Threads beside the main one allocate little, and those that there are
// when it is said keep their places.
const ARENAS_MAX = 2;
// Ours. What it is before it is raised: shorter than any read of bulk, longer
// than what lines take from their sockets at once.
const MAPPED_BYTES = 128 * 1024;
// Ours. Free memory at the end of a place.
const KEPT_BYTES = 1024 * 1024;
// Ours. It takes some milliseconds, in which who allocates may have to wait.
const TRIM_MS = 60 * MS_PER_S;

type AllocatorShim = Pick<Shim, "mars_memory_bound" | "mars_memory_trim_later">;

/** Bounds what is kept, until it is disposed of. */
export class AllocatorBounds implements Disposable {
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  /** @throws SyscallError */
  constructor(shim: AllocatorShim, trimMs = TRIM_MS) {
    const result = shim.mars_memory_bound(ARENAS_MAX, MAPPED_BYTES, KEPT_BYTES);
    // Another C library has other habits.
    if (result === -ERRNO.ENOSYS) return;
    if (result < 0) throw new SyscallError("bound", "memory", -result);
    // Whether there was something to be given back does not matter.
    this.#timer = setInterval(() => shim.mars_memory_trim_later(), trimMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
