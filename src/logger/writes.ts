// Pure
/**
 * Writes: requests on their way to the log, or past it to the disk.
 *
 *   submit ──► records of the batch                        room, and a log
 *      └─────► waiting, in order ──► records of the batch
 *                       ├──────────► the disk              bypass, see there
 *                       └──────────► errno                 given up
 *
 * A write is cut at multiples of PAYLOAD_BYTES_MAX of the device; what finds no
 * room waits, and everything behind it.
 */
import { ERRNO } from "../base/errors.ts";
import type { Acknowledge, BlockRequest } from "../block/request.ts";
import { PAYLOAD_BYTES_MAX } from "../log/record.ts";
import { AckQueue } from "./ack_queue.ts";
import type { Bypass } from "./bypass.ts";
import type { Commit } from "./commit.ts";

/** Lamport time; may be one object that the next call changes. */
export interface Stamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A write of which not all records are collected or on their way. */
interface WaitingWrite {
  readonly request: BlockRequest;
  readonly acknowledge: Acknowledge;
  readonly seconds: number;
  readonly nanoseconds: number;
  collectedBytes: number;
}

export class Writes {
  readonly #commit: Commit;
  readonly #bypass: Bypass;
  readonly #now: () => Stamp;
  readonly #waiting: WaitingWrite[] = [];
  /** Those that fail; the number is the errno. */
  readonly #failed = new AckQueue();

  constructor(
    options: {
      readonly commit: Commit;
      readonly bypass: Bypass;
      /** Strictly increasing. */
      readonly now: () => Stamp;
    },
  ) {
    this.#commit = options.commit;
    this.#bypass = options.bypass;
    this.#now = options.now;
  }

  /** Those that nobody else knows yet. */
  get count(): number {
    return this.#waiting.length + this.#failed.count;
  }

  submit(request: BlockRequest, acknowledge: Acknowledge): void {
    if (this.#commit.isGivenUp) {
      this.#failed.push(acknowledge, this.#commit.errno);
      return;
    }
    // Taken when the request comes in, before it may have to wait.
    const { seconds, nanoseconds } = this.#now();
    let collectedBytes = 0;
    if (this.#waiting.length === 0 && !this.#bypass.hasDirect) {
      collectedBytes = this.#collect(request, 0, seconds, nanoseconds);
      if (collectedBytes === request.lengthBytes) {
        this.#commit.answer(acknowledge, request.forceUnitAccess);
        return;
      }
    }
    this.#waiting.push({
      request,
      acknowledge,
      seconds,
      nanoseconds,
      collectedBytes,
    });
  }

  /** Once per turn: lets those go on that can. */
  advance(): void {
    while (this.#failed.count > 0) {
      const errno = this.#failed.firstNumber;
      this.#failed.shift()(errno);
    }
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      const isServed = this.#bypass.hasDirect
        ? this.#writeDirectly(first)
        : this.#collectRest(first);
      if (!isServed) return;
      this.#waiting.shift();
    }
  }

  /** Fails what waits for the permission of a bypass. */
  giveUp(): void {
    if (!this.#bypass.isActive || this.#bypass.hasDirect) return;
    const errno = this.#commit.errno || ERRNO.ESHUTDOWN;
    this.#bypass.giveUp(errno);
    for (const { acknowledge } of this.#waiting.splice(0)) acknowledge(errno);
  }

  /** Appends records as long as there is room; returns the new progress. */
  #collect(
    request: BlockRequest,
    collectedBytes: number,
    seconds: number,
    nanoseconds: number,
  ): number {
    const commit = this.#commit;
    const source = request.kind === "write" ? request.memory.bytes : undefined;
    let progress = collectedBytes;
    while (progress < request.lengthBytes) {
      const offsetBytes = request.offsetBytes + progress;
      const length = Math.min(
        PAYLOAD_BYTES_MAX - offsetBytes % PAYLOAD_BYTES_MAX,
        request.lengthBytes - progress,
      );
      if (!commit.hasRoomFor(length)) break;
      commit.append(
        source,
        request.start + progress,
        length,
        offsetBytes,
        seconds,
        nanoseconds,
      );
      progress += length;
    }
    return progress;
  }

  /** Whether the whole write is collected now, or has failed. */
  #collectRest(write: WaitingWrite): boolean {
    const { request, acknowledge, seconds, nanoseconds } = write;
    if (this.#commit.isGivenUp) {
      acknowledge(this.#commit.errno);
      return true;
    }
    write.collectedBytes = this.#collect(
      request,
      write.collectedBytes,
      seconds,
      nanoseconds,
    );
    if (write.collectedBytes < request.lengthBytes) return false;
    this.#commit.answer(acknowledge, request.forceUnitAccess);
    return true;
  }

  /** Whether a write is on its way to the disk now, or what is left of it. */
  #writeDirectly(write: WaitingWrite): boolean {
    if (!this.#bypass.isDirect) return false;
    const { request, acknowledge, collectedBytes } = write;
    const { direct } = this.#bypass;
    const offsetBytes = request.offsetBytes + collectedBytes;
    const lengthBytes = request.lengthBytes - collectedBytes;
    if (!direct.hasRoomFor(offsetBytes, lengthBytes)) return false;
    const mustBeDurable = request.forceUnitAccess ||
      this.#commit.level === "durable";
    if (request.kind === "writeZeroes") {
      direct.writeZeroes(lengthBytes, offsetBytes, mustBeDurable, acknowledge);
    } else {
      direct.write(
        request.memory,
        request.start + collectedBytes,
        lengthBytes,
        offsetBytes,
        mustBeDurable,
        acknowledge,
      );
    }
    return true;
  }
}
