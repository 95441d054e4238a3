/**
 * Writer: an application that never rests, and remembers each answer.
 *
 * Some requests are in flight at a time, at a steady pace, with a flush now and
 * then, as a database would. When the server dies the writer ends; what had no
 * reply is unknown in the ledger.
 */
import { MarsError } from "../../base/errors.ts";
import { sleep } from "../../base/time.ts";
import type { Ledger, LedgerWrite } from "./ledger.ts";
import { NbdClient } from "./nbd_client.ts";
import { BLOCK_BYTES, fillBlock } from "./pattern.ts";

export interface WriterOptions {
  readonly socketPath: string;
  readonly device: string;
  /** Where the region of the ledger begins on the device. */
  readonly regionStartBytes: number;
  readonly ledger: Ledger;
}

// Ours. Enough to keep three hosts busy on two cores, and few enough that a
// minute of it fits anywhere.
const LANES = 8;
const WRITES_PER_S = 600;
const FLUSH_EACH = 32;

export class Writer {
  readonly #options: WriterOptions;
  readonly #client: NbdClient;
  readonly #latenciesMs: number[] = [];
  #isStopping = false;
  #failure: MarsError | undefined;
  #firstReply = Promise.withResolvers<void>();
  /** Resolves when nothing is in flight any more. */
  readonly ended: Promise<void>;

  /** @throws MarsError if the device cannot be opened */
  static async start(options: WriterOptions): Promise<Writer> {
    const { socketPath, device } = options;
    const client = await NbdClient.connect(socketPath, device);
    return new Writer(options, client);
  }

  private constructor(options: WriterOptions, client: NbdClient) {
    this.#options = options;
    this.#client = client;
    const lanes = Array.from({ length: LANES }, () => this.#lane());
    this.ended = Promise.all(lanes).then(() => this.#firstReply.resolve());
  }

  /** Why the device ended under the writer; undefined while it works. */
  get failure(): MarsError | undefined {
    return this.#failure;
  }

  /** Writes acknowledged through this device. */
  get count(): number {
    return this.#latenciesMs.length;
  }

  /** Time from request to reply of the writes since number `from`, sorted. */
  latenciesMs(from: number): number[] {
    return this.#latenciesMs.slice(from).sort((left, right) => left - right);
  }

  /** Resolves at the first acknowledged write, or at the end. */
  firstReply(): Promise<void> {
    return this.#firstReply.promise;
  }

  /** Finishes what is in flight, flushes, hangs up. @throws MarsError */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.ended;
    if (this.#failure !== undefined) throw this.#failure;
    await this.#client.flush();
    await this.#client.disconnect();
  }

  async #lane(): Promise<void> {
    const room = new Uint8Array(BLOCK_BYTES);
    const intervalMs = 1_000 * LANES / WRITES_PER_S;
    let dueMs = performance.now();
    while (!this.#isStopping && this.#failure === undefined) {
      const write = this.#options.ledger.begin();
      try {
        await this.#write(write, room);
        if (write.sequence % FLUSH_EACH === 0) await this.#client.flush();
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        this.#failure ??= new MarsError(`Writing ended: ${error.message}`, {
          cause: error,
        });
      }
      // Pauses are not made up for.
      dueMs = Math.max(dueMs + intervalMs, performance.now() - intervalMs);
      const pauseMs = dueMs - performance.now();
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }

  async #write(write: LedgerWrite, room: Uint8Array): Promise<void> {
    const { ledger, regionStartBytes } = this.#options;
    fillBlock(room, write);
    const sentMs = performance.now();
    try {
      await this.#client.write(
        regionStartBytes + write.blockIndex * BLOCK_BYTES,
        room,
      );
    } catch (error) {
      ledger.forget(write);
      throw error;
    }
    ledger.acknowledge(write);
    this.#latenciesMs.push(performance.now() - sentMs);
    this.#firstReply.resolve();
  }
}
