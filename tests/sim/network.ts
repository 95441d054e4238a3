/**
 * The network of a simulated cluster: lines between hosts, and what happens to
 * them.
 *
 *   delay      per message and direction; messages of a line keep their order
 *   blocked    a direction in which nothing arrives until it is unblocked; a
 *              line that is blocked for too long is lost at both ends
 *   reset      a line is lost at once, with everything on its way
 *   duplicate  a push of links is handled twice, as after a repetition
 *
 * Calls travel as JSON, so that nothing passes that a real line could not
 * carry.
 */
import { MarsError, messageOf, TimeoutError } from "../../src/base/errors.ts";
import type { TrafficClass } from "../../src/peer/terms.ts";
import {
  ANSWER_BUFFER_BYTES,
  EMPTY_BODY,
  type JsonObject,
  type RpcCallOptions,
  type RpcClient,
  type RpcHandlers,
  type RpcReply,
} from "../../src/peer/rpc.ts";
import { LINE_FEATURES } from "../../src/transfer/line_features.ts";
import type { Life } from "./life.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** Who accepts lines at a host. */
export interface Door {
  readonly life: Life;
  readonly handlers: Readonly<Record<TrafficClass, RpcHandlers>>;
}

/** A line that does not get through for so long is given up. */
const SILENCE_MS = 8_000;
/** A dial into the void. */
const DIAL_MS = 3_000;
const DUPLICATE_SHARE = 0.02;

interface Direction {
  isBlocked: boolean;
  delayMs: number;
}

export class SimNetwork {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly #doors = new Map<string, Door>();
  readonly #directions = new Map<string, Direction>();
  readonly #lines = new Set<SimLine>();
  readonly #known = new Set<string>();
  /** Buffers that handlers borrow. */
  readonly buffers: Uint8Array[] = [];

  constructor(time: VirtualTime, random: Random) {
    this.time = time;
    this.random = random;
  }

  /** Lines that are up. */
  get lineCount(): number {
    return this.#lines.size;
  }

  /** Lets others in at `host`; the result closes the door. */
  listen(host: string, door: Door): () => void {
    this.#doors.set(host, door);
    this.#known.add(host);
    const close = (): void => {
      if (this.#doors.get(host) === door) this.#doors.delete(host);
      for (const line of this.#lines) {
        if (line.door === door) line.lose();
      }
    };
    door.life.onEnd(close);
    return close;
  }

  /** Everybody that has ever listened. */
  hosts(): readonly string[] {
    return [...this.#known];
  }

  direction(from: string, to: string): Direction {
    const key = `${from} ${to}`;
    let direction = this.#directions.get(key);
    if (direction === undefined) {
      direction = { isBlocked: false, delayMs: 0.2 + 3 * this.random.next() };
      this.#directions.set(key, direction);
    }
    return direction;
  }

  block(from: string, to: string): void {
    const direction = this.direction(from, to);
    if (direction.isBlocked) return;
    direction.isBlocked = true;
    this.time.after(SILENCE_MS, () => {
      if (!direction.isBlocked) return;
      for (const line of this.#lines) if (line.uses(from, to)) line.lose();
    });
  }

  unblock(from: string, to: string): void {
    this.direction(from, to).isBlocked = false;
    for (const line of this.#lines) line.goOn();
  }

  /** All lines of a host, or of two. */
  reset(left: string, right?: string): void {
    for (const line of [...this.#lines]) {
      const isMeant = right === undefined
        ? line.isOf(left)
        : line.isOf(left) && line.isOf(right);
      if (isMeant) line.lose();
    }
  }

  unblockAll(): void {
    for (const direction of this.#directions.values()) {
      direction.isBlocked = false;
    }
    for (const line of this.#lines) line.goOn();
  }

  isBlocked(from: string, to: string): boolean {
    return this.direction(from, to).isBlocked;
  }

  /** @throws MarsError */
  async dial(
    from: { readonly host: string; readonly life: Life },
    to: string,
    trafficClass: TrafficClass,
    signal: AbortSignal | undefined,
  ): Promise<RpcClient> {
    const { time } = this;
    const sleepUnlessAborted = async (durationMs: number): Promise<void> => {
      await new Promise<void>((resolve) => {
        time.after(durationMs, resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
      if (signal?.aborted === true) throw new MarsError("Canceled");
    };
    const roundTripMs = (): number =>
      this.direction(from.host, to).delayMs +
      this.direction(to, from.host).delayMs;
    await sleepUnlessAborted(2 * roundTripMs());
    const isCut = this.isBlocked(from.host, to) ||
      this.isBlocked(to, from.host);
    if (isCut) {
      await sleepUnlessAborted(DIAL_MS);
      throw new MarsError(`Cannot reach "${to}": no answer`);
    }
    const door = this.#doors.get(to);
    if (door === undefined) {
      throw new MarsError(`Cannot reach "${to}": connection refused`);
    }
    const handlers = door.handlers[trafficClass];
    const line = new SimLine(this, { from, to, door, handlers });
    this.#lines.add(line);
    const forget = from.life.onEnd(() => line.lose());
    void line.closed.then(() => {
      this.#lines.delete(line);
      forget();
    });
    return line;
  }
}

/** One line, with both of its ends. */
class SimLine implements RpcClient {
  readonly peer: string;
  readonly features: ReadonlySet<string> = new Set(LINE_FEATURES);
  readonly closed: Promise<void>;
  readonly door: Door;
  readonly #network: SimNetwork;
  readonly #from: { readonly host: string; readonly life: Life };
  readonly #handlers: RpcHandlers;
  readonly #lost = new AbortController();
  #close: () => void = () => {};
  readonly #there: Channel;
  readonly #back: Channel;

  constructor(
    network: SimNetwork,
    ends: {
      from: { readonly host: string; readonly life: Life };
      to: string;
      door: Door;
      handlers: RpcHandlers;
    },
  ) {
    this.#network = network;
    this.#from = ends.from;
    this.peer = ends.to;
    this.door = ends.door;
    this.#handlers = ends.handlers;
    this.closed = new Promise((resolve) => this.#close = resolve);
    this.#there = new Channel(network, ends.from.host, ends.to);
    this.#back = new Channel(network, ends.to, ends.from.host);
  }

  isOf(host: string): boolean {
    return host === this.peer || host === this.#from.host;
  }

  uses(from: string, to: string): boolean {
    return (this.#from.host === from && this.peer === to) ||
      (this.#from.host === to && this.peer === from);
  }

  goOn(): void {
    this.#there.goOn();
    this.#back.goOn();
  }

  close(): void {
    this.lose();
  }

  /** Both ends learn of it at once. */
  lose(): void {
    if (this.#lost.signal.aborted) return;
    this.#lost.abort();
    this.#there.end();
    this.#back.end();
    this.#close();
  }

  call(
    method: string,
    params: JsonObject,
    options: RpcCallOptions = {},
  ): Promise<RpcReply> {
    this.#from.life.check();
    const text = JSON.stringify(params);
    const body = options.body?.slice() ?? EMPTY_BODY;
    const { signal, timeoutMs } = options;
    const handling = new AbortController();
    return new Promise((resolve, reject) => {
      const forget: (() => void)[] = [];
      const finish = (act: () => void): void => {
        for (const undo of forget) undo();
        // A dead caller hears nothing any more.
        if (!this.#from.life.isOver) act();
      };
      const fail = (error: MarsError): void => {
        handling.abort();
        finish(() => reject(error));
      };
      const onAbort = (source: AbortSignal, message: string): void => {
        const listener = (): void => fail(new MarsError(message));
        source.addEventListener("abort", listener, { once: true });
        forget.push(() => source.removeEventListener("abort", listener));
      };
      if (this.#lost.signal.aborted) return reject(lost(this.peer));
      if (signal?.aborted) return reject(new MarsError("Canceled"));
      onAbort(this.#lost.signal, lost(this.peer).message);
      if (signal !== undefined) onAbort(signal, "Canceled");
      if (timeoutMs !== undefined) {
        forget.push(
          this.#network.time.after(
            timeoutMs,
            () => fail(new TimeoutError(`No answer of "${this.peer}"`)),
          ),
        );
      }
      this.#there.send(() => {
        if (this.door.life.isOver) return;
        const answers = this.#answer(method, text, body, handling.signal);
        this.#network.time.spawn(answers.then((send) => {
          if (this.door.life.isOver) return;
          this.#back.send(() =>
            finish(() => {
              try {
                resolve(placed(send(), options.into));
              } catch (error) {
                reject(error);
              }
            })
          );
        }));
      });
    });
  }

  /** Handles a call, at times twice; the result gives the reply or throws. */
  async #answer(
    method: string,
    text: string,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<() => RpcReply> {
    const isTwice = method === "meta.push" &&
      this.#network.random.chance(DUPLICATE_SHARE);
    if (isTwice) await this.#handle(method, text, body, signal);
    return await this.#handle(method, text, body, signal);
  }

  async #handle(
    method: string,
    text: string,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<() => RpcReply> {
    const { buffers } = this.#network;
    const handler = this.#handlers[method];
    let borrowed: Uint8Array | undefined;
    try {
      if (handler === undefined) throw new MarsError(`No method "${method}"`);
      const reply = await handler({
        peer: this.#from.host,
        params: JSON.parse(text),
        body,
        signal,
        buffer: () => {
          borrowed = buffers.pop() ?? new Uint8Array(ANSWER_BUFFER_BYTES);
          return Promise.resolve(borrowed);
        },
      });
      const answer = JSON.stringify(reply.params);
      const bytes = borrowed === undefined ? reply.body : reply.body.slice();
      if (borrowed !== undefined) buffers.push(borrowed);
      return () => ({ params: JSON.parse(answer), body: bytes });
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      const message = messageOf(error);
      return () => {
        throw new MarsError(message);
      };
    }
  }
}

/** One direction of a line: messages arrive late and in order. */
class Channel {
  readonly #network: SimNetwork;
  readonly #from: string;
  readonly #to: string;
  readonly #waiting: (() => void)[] = [];
  #arrivalMs = 0;
  #hasEnded = false;

  constructor(network: SimNetwork, from: string, to: string) {
    this.#network = network;
    this.#from = from;
    this.#to = to;
  }

  send(deliver: () => void): void {
    const { time, random } = this.#network;
    const { delayMs } = this.#network.direction(this.#from, this.#to);
    const jitterMs = random.chance(0.05) ? 50 * random.next() : random.next();
    this.#arrivalMs = Math.max(
      this.#arrivalMs,
      time.nowMs + delayMs + jitterMs,
    );
    time.after(this.#arrivalMs - time.nowMs, () => {
      this.#waiting.push(deliver);
      this.goOn();
    });
  }

  goOn(): void {
    while (!this.#hasEnded && this.#waiting.length > 0) {
      if (this.#network.isBlocked(this.#from, this.#to)) return;
      this.#waiting.shift()?.();
    }
  }

  end(): void {
    this.#hasEnded = true;
  }
}

function lost(peer: string): MarsError {
  return new MarsError(`Lost the line to "${peer}"`);
}

/** The reply with its body in the caller's room, where it fits. */
function placed(reply: RpcReply, into: Uint8Array | undefined): RpcReply {
  const hasRoom = into !== undefined && into.length >= reply.body.length;
  if (!hasRoom) return reply;
  into.set(reply.body);
  return { ...reply, body: into.subarray(0, reply.body.length) };
}
