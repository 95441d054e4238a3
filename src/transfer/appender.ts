/**
 * A local file that grows at its end and is flushed in the background.
 *
 *   durable <= written; both only grow, until the end is cut off
 *
 * One flush runs at a time and appending goes on meanwhile; what is written
 * during a flush is covered by the next one. After a failed write or flush
 * nobody knows what the bytes behind the durable end are: the owner calls
 * `cutBack` and gives up.
 */
import { SyscallError } from "../base/errors.ts";
import type { FileOpener, RandomFile } from "./file.ts";

// Ours. A flush costs the disk the same for 4 KiB and for 8 MiB.
const FLUSH_BYTES = 8 * 1024 * 1024;
const FLUSH_DELAY_MS = 100;
// At this bound appending waits for the flush.
const UNFLUSHED_BYTES_MAX = 4 * FLUSH_BYTES;

export type AppenderOptions = {
  /** The durable end has moved. */
  readonly onDurable: () => void;
  /** A flush in the background failed; called at most once. */
  readonly onFailure: (error: SyscallError) => void;
};

export class Appender {
  readonly #file: RandomFile;
  readonly #options: AppenderOptions;
  #writtenBytes: number;
  #durableBytes: number;
  #flushing: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #error: SyscallError | undefined;
  #isUrgent = false;
  #isClosing = false;

  /**
   * Opens or creates a file. What a process that died has left behind is made
   * durable first.
   *
   * @throws SyscallError
   */
  static async open(
    source: { readonly files: FileOpener; readonly path: string },
    options: AppenderOptions,
  ): Promise<Appender> {
    const file = await source.files.open(source.path, "create");
    try {
      await file.flush();
      return new Appender(file, options);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  private constructor(file: RandomFile, options: AppenderOptions) {
    this.#file = file;
    this.#options = options;
    this.#writtenBytes = file.sizeBytes();
    this.#durableBytes = this.#writtenBytes;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get durableBytes(): number {
    return this.#durableBytes;
  }

  /** Writes at the end. @throws SyscallError */
  async append(bytes: Uint8Array): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    await this.#file.write(bytes, this.#writtenBytes);
    this.#writtenBytes += bytes.length;
    const unflushedBytes = this.#writtenBytes - this.#durableBytes;
    this.#schedule();
    if (unflushedBytes >= UNFLUSHED_BYTES_MAX) await this.#flushing;
  }

  /** Nothing more is expected for now: does not wait for a larger flush. */
  flushNow(): void {
    this.#isUrgent = true;
    this.#start();
  }

  /** Makes everything durable. @throws SyscallError */
  async flush(): Promise<void> {
    while (this.#durableBytes < this.#writtenBytes) {
      if (this.#error !== undefined) throw this.#error;
      this.#start();
      await this.#flushing;
    }
  }

  /** Cuts the file to its durable length. @throws SyscallError */
  async cutBack(): Promise<void> {
    // What a running flush makes durable stays.
    await this.#settle();
    await this.cutTo(this.#durableBytes);
  }

  /** Cuts off what is behind `bytes`; nothing is appended any more. */
  async cutTo(bytes: number): Promise<void> {
    await this.#settle();
    await this.#file.truncate(bytes);
    this.#writtenBytes = bytes;
    this.#durableBytes = Math.min(this.#durableBytes, bytes);
  }

  /** Waits for a flush that is running; starts none. */
  async close(): Promise<void> {
    await this.#settle();
    this.#file.close();
  }

  async #settle(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    await this.#flushing;
  }

  #schedule(): void {
    const unflushedBytes = this.#writtenBytes - this.#durableBytes;
    if (unflushedBytes === 0 || this.#isClosing) return;
    if (this.#isUrgent || unflushedBytes >= FLUSH_BYTES) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), FLUSH_DELAY_MS);
  }

  /** Starts a flush unless one is running; that one is followed by another. */
  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#flushing !== undefined || this.#isClosing) return;
    if (this.#error !== undefined) return;
    this.#isUrgent = false;
    this.#flushing = this.#flushInBackground();
  }

  async #flushInBackground(): Promise<void> {
    try {
      const endBytes = this.#writtenBytes;
      await this.#file.flush();
      this.#durableBytes = endBytes;
      this.#options.onDurable();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#error = error;
      this.#options.onFailure(error);
    } finally {
      this.#flushing = undefined;
    }
    this.#schedule();
  }
}
