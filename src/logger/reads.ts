// Pure
/**
 * Reads of the device: dirty pieces from the log, the others from the disk.
 *
 * A request is looked up piece by piece when its operations start, so that each
 * byte comes from its newest place at that moment (I3). Data of a dirty piece
 * never change, and a piece becomes clean only after it is on the disk. What is
 * overwritten while a read is in flight may be returned old or new, as by any
 * disk.
 *
 * PARTS_MAX operations are in flight at most; further requests wait in order.
 * An error of one piece is the error of the request, after all pieces ended. A
 * piece of which only a suspect copy exists waits until that has been verified;
 * if it cannot be, it is EIO: better none than wrong data.
 */
import { assert } from "../base/assert.ts";
import { ERRNO } from "../base/errors.ts";
import type { Acknowledge, BlockRequest } from "../block/request.ts";
import type { Disk } from "../block/disk.ts";
import type { Transfers } from "../block/transfers.ts";
import type { Completion } from "../ring/io.ts";
import type { Commit } from "./commit.ts";
import type { OpenLog } from "./open_logs.ts";
import type { DirtyMap } from "./dirty_map.ts";

// Ours. Far above what front ends have in flight as whole requests.
const PARTS_MAX = 256;

/** A request being read. */
interface Job {
  readonly request: BlockRequest;
  readonly acknowledge: Acknowledge;
  /** End of what was started. */
  startedBytes: number;
  partCount: number;
  errno: number;
}

export class Reads {
  readonly #dirty: DirtyMap;
  readonly #disk: Disk;
  readonly #commit: Commit;
  readonly #transfers: Transfers;
  /** Jobs of which not all pieces have been started, oldest first. */
  readonly #unstarted: Job[] = [];
  #activeCount = 0;
  readonly #jobOf: (Job | undefined)[] = new Array(PARTS_MAX).fill(undefined);
  readonly #logOf: (OpenLog | undefined)[] = new Array(PARTS_MAX).fill(
    undefined,
  );
  readonly #free: number[] = [];
  readonly #onRead: Completion;

  constructor(
    options: {
      readonly dirty: DirtyMap;
      readonly disk: Disk;
      readonly commit: Commit;
      readonly transfers: Transfers;
    },
  ) {
    this.#dirty = options.dirty;
    this.#disk = options.disk;
    this.#commit = options.commit;
    this.#transfers = options.transfers;
    for (let tag = PARTS_MAX - 1; tag >= 0; tag--) this.#free.push(tag);
    this.#onRead = (result, tag) => this.#partEnded(result, tag);
  }

  /** Requests not yet acknowledged. */
  get activeCount(): number {
    return this.#activeCount;
  }

  /** Takes a request; `advance` starts it. */
  submit(request: BlockRequest, acknowledge: Acknowledge): void {
    this.#activeCount++;
    this.#unstarted.push({
      request,
      acknowledge,
      startedBytes: request.offsetBytes,
      partCount: 0,
      errno: 0,
    });
  }

  /** Starts what may start. */
  advance(): void {
    for (;;) {
      const job = this.#unstarted[0];
      if (job === undefined || !this.#start(job)) return;
      this.#unstarted.shift();
      if (job.partCount === 0) this.#finish(job);
    }
  }

  /** Starts the pieces of a job; false if some must wait. */
  #start(job: Job): boolean {
    const { request } = job;
    const endBytes = request.offsetBytes + request.lengthBytes;
    while (job.startedBytes < endBytes) {
      const pieceStart = job.startedBytes;
      const isDirty = this.#dirty.seek(pieceStart, endBytes);
      const pieceEnd = this.#dirty.pieceEndBytes;
      if (isDirty && this.#commit.isSuspectAt(this.#dirty.position)) {
        if (!this.#commit.isGivenUp) return false;
        job.errno = ERRNO.EIO;
        job.startedBytes = pieceEnd;
        continue;
      }
      const tag = this.#free.pop();
      if (tag === undefined) return false;
      this.#jobOf[tag] = job;
      job.partCount++;
      job.startedBytes = pieceEnd;
      const start = request.start + pieceStart - request.offsetBytes;
      const length = pieceEnd - pieceStart;
      if (!isDirty) {
        this.#disk.read(
          request.memory,
          start,
          length,
          pieceStart,
          this.#onRead,
          tag,
        );
        continue;
      }
      const log = this.#commit.logs.at(this.#dirty.position);
      log.readersCount++;
      this.#logOf[tag] = log;
      this.#transfers.read(
        log.fd,
        request.memory,
        start,
        length,
        this.#dirty.position - log.baseBytes,
        this.#onRead,
        tag,
      );
    }
    return true;
  }

  #partEnded(result: number, tag: number): void {
    const job = this.#jobOf[tag];
    assert(job !== undefined, "a piece was being read");
    const log = this.#logOf[tag];
    if (log !== undefined) log.readersCount--;
    this.#jobOf[tag] = undefined;
    this.#logOf[tag] = undefined;
    this.#free.push(tag);
    if (result < 0) job.errno = -result;
    job.partCount--;
    const { request } = job;
    const endBytes = request.offsetBytes + request.lengthBytes;
    if (job.partCount === 0 && job.startedBytes === endBytes) this.#finish(job);
  }

  #finish(job: Job): void {
    this.#activeCount--;
    job.acknowledge(job.errno);
  }
}
