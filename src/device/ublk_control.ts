// Pure
/**
 * Control commands of ublk: one at a time, each with an answer.
 *
 * A command may take as long as the I/O that it waits for. Its buffer is one
 * page that is used again by the next.
 *
 * Source: Documentation/block/ublk.rst of Linux.
 */
import { assert } from "../base/assert.ts";
import type { CommandIo, Memory } from "../ring/io.ts";
import {
  CONTROL,
  CONTROL_PATH,
  type ControlCommand,
  encodeControl,
} from "./ublk_protocol.ts";

const PAGE_BYTES = 4096;

export class UblkControl {
  readonly #io: CommandIo;
  readonly #fd: number;
  readonly #buffer: Memory;
  /** What a command is given, or gives back. */
  readonly words: Uint32Array;

  /** @throws SyscallError where the kernel has no ublk */
  constructor(io: CommandIo) {
    this.#io = io;
    this.#fd = io.open(CONTROL_PATH, "readwrite");
    this.#buffer = io.allocate(PAGE_BYTES);
    const { buffer, byteOffset } = this.#buffer.bytes;
    this.words = new Uint32Array(buffer, byteOffset, PAGE_BYTES / 4);
  }

  /** @param done gets the result, or a negative errno */
  send(
    name: keyof typeof CONTROL,
    command: Partial<ControlCommand>,
    done: (result: number) => void,
  ): void {
    const { lengthBytes = 0 } = command;
    assert(lengthBytes <= PAGE_BYTES, "What is asked for has room");
    const words = encodeControl({
      deviceId: -1,
      address: this.#buffer.address,
      lengthBytes,
      data: 0,
      ...command,
    });
    this.#io.command(this.#fd, CONTROL[name], words, done, 0);
  }

  close(): void {
    this.#io.release(this.#buffer);
    this.#io.close(this.#fd);
  }
}
