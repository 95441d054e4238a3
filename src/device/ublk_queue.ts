// Pure
/**
 * The queue of a ublk device: requests of the kernel, and their results.
 *
 *   fetch ──► the kernel has a request ──► target ──► commit and fetch ──► …
 *
 * Each tag has one command at the kernel or one request at the target, never
 * both. Data lie in a buffer per tag: the kernel copies what is written there
 * before it completes the fetch, and takes what was read from there at the
 * commit. When the device stops, fetches end with an abort and the tag is done.
 *
 * Source: Documentation/block/ublk.rst of Linux.
 */
import { assert } from "../base/assert.ts";
import { ERRNO } from "../base/errors.ts";
import type {
  Acknowledge,
  BlockRequest,
  BlockTarget,
} from "../block/request.ts";
import type { CommandIo, Completion, Memory } from "../ring/io.ts";
import {
  type Descriptors,
  FLAG_FUA,
  OPERATION,
  putQueueCommand,
  QUEUE,
} from "./ublk_protocol.ts";

export interface UblkQueueOptions {
  readonly io: CommandIo;
  /** Of the character device. */
  readonly fd: number;
  readonly descriptors: Descriptors;
  readonly depth: number;
  /** Room of each tag. */
  readonly requestBytesMax: number;
  /** `depth` times as much. */
  readonly buffers: Memory;
  readonly target: BlockTarget;
}

/** A tag: its request, made once and used again. */
class Tag implements BlockRequest {
  kind: BlockRequest["kind"] = "flush";
  offsetBytes = 0;
  lengthBytes = 0;
  forceUnitAccess = false;
  readonly memory: Memory;
  readonly start: number;
  readonly acknowledge: Acknowledge;

  constructor(memory: Memory, start: number, acknowledge: Acknowledge) {
    this.memory = memory;
    this.start = start;
    this.acknowledge = acknowledge;
  }
}

export class UblkQueue {
  readonly #options: UblkQueueOptions;
  readonly #tags: Tag[] = [];
  readonly #command = new Uint32Array(4);
  readonly #fetched: Completion;
  #atKernel = 0;
  #atTarget = 0;

  constructor(options: UblkQueueOptions) {
    const { depth, requestBytesMax, buffers } = options;
    assert(buffers.bytes.length >= depth * requestBytesMax, "Tags have room");
    this.#options = options;
    for (let tag = 0; tag < depth; tag++) {
      const start = tag * requestBytesMax;
      this.#tags.push(
        new Tag(buffers, start, (errno) => this.#answer(tag, errno)),
      );
    }
    this.#fetched = (result, tag) => this.#take(result, tag);
  }

  /** Requests at the target. */
  get inFlight(): number {
    return this.#atTarget;
  }

  /** Whether nothing will happen any more. */
  get isOver(): boolean {
    return this.#atKernel === 0 && this.#atTarget === 0;
  }

  /** Asks for the first request of each tag. */
  start(): void {
    assert(this.isOver, "the queue was not started yet");
    for (let tag = 0; tag < this.#tags.length; tag++) {
      this.#tell(QUEUE.fetch, tag, 0);
    }
  }

  #tell(command: number, tag: number, result: number): void {
    const { io, fd } = this.#options;
    const { memory, start } = this.#at(tag);
    putQueueCommand(this.#command, tag, result, memory.address + start);
    this.#atKernel++;
    io.standingCommand(fd, command, this.#command, this.#fetched, tag);
  }

  /** A fetch has ended: with a request, or with the device. */
  #take(result: number, tag: number): void {
    this.#atKernel--;
    if (result !== 0) return;
    this.#atTarget++;
    const request = this.#at(tag);
    const errno = this.#decode(tag, request);
    if (errno === 0) {
      this.#options.target.submit(request, request.acknowledge);
    } else request.acknowledge(errno);
  }

  /** Reads the descriptor of `tag`; what is wrong with it as errno. */
  #decode(tag: number, request: Tag): number {
    const { descriptors, requestBytesMax } = this.#options;
    request.offsetBytes = descriptors.offsetBytes(tag);
    request.lengthBytes = descriptors.lengthBytes(tag);
    request.forceUnitAccess = (descriptors.flags(tag) & FLAG_FUA) !== 0;
    switch (descriptors.operation(tag)) {
      case OPERATION.read:
        request.kind = "read";
        break;
      case OPERATION.write:
        request.kind = "write";
        break;
      case OPERATION.flush:
        request.kind = "flush";
        return 0;
      case OPERATION.discard:
        request.kind = "discard";
        return 0;
      case OPERATION.writeZeroes:
        request.kind = "writeZeroes";
        return 0;
      default:
        return ERRNO.EOPNOTSUPP;
    }
    return request.lengthBytes <= requestBytesMax ? 0 : ERRNO.EINVAL;
  }

  #answer(tag: number, errno: number): void {
    const { kind, lengthBytes } = this.#at(tag);
    this.#atTarget--;
    const moved = kind === "flush" ? 0 : lengthBytes;
    this.#tell(QUEUE.commitAndFetch, tag, errno === 0 ? moved : -errno);
  }

  #at(tag: number): Tag {
    const found = this.#tags[tag];
    assert(found !== undefined, "Tag exists");
    return found;
  }
}
