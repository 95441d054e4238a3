/**
 * Virtual time: one queue of events, and the timers of the runtime on top.
 *
 * While it is installed, `setTimeout`, `Date.now`, `performance.now` and the
 * digests of WebCrypto belong to the simulation, so production code that waits
 * or digests runs in it unchanged and never in real time:
 *
 *   take the earliest event → run it → let all promises settle → again
 *
 * Promises settle in the order of the language, events of one time in the order
 * in which they were made. So a run depends on nothing but its seed.
 */
import { setImmediate } from "node:timers";
import { HostDied } from "./life.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  callBack: (() => void) | undefined;
}

/** The date on which every simulation begins, milliseconds since 1970. */
export const EPOCH_MS = 1_750_000_000_000;

/** Real timers are never faster, and a loop of them must let time pass. */
const TIMER_MS_MIN = 1;

const STACK_LIMIT = 6;

export class VirtualTime {
  nowMs = 0;
  /** How much later it is by the calendar: time in which nothing happened. */
  skippedMs = 0;
  /** Events so far: the steps of a run. */
  stepCount = 0;
  /** What an event threw that nobody foresaw. */
  failure: unknown = undefined;
  readonly #heap: Event[] = [];
  #order = 0;

  /** Events that are to come. */
  get pendingCount(): number {
    return this.#heap.filter(({ callBack }) => callBack !== undefined).length;
  }

  /** Calls back after `delayMs`; the result cancels. */
  after(delayMs: number, callBack: () => void): () => void {
    const event = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: this.#order++,
      callBack,
    } satisfies Event as Event;
    this.#push(event);
    return () => event.callBack = undefined;
  }

  /** Lets `work` go on by itself; if it fails, the run does. */
  spawn(work: Promise<unknown>): void {
    void work.catch((error: unknown) => this.#fail(error));
  }

  /** Resolves after `delayMs`. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /**
   * Runs events until `untilMs`, or until `isOver`.
   *
   * @throws whatever an event or a promise failed with
   */
  async run(
    untilMs: number,
    isOver: () => boolean = () => false,
  ): Promise<void> {
    await settle();
    while (!isOver()) {
      this.#check();
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      const { callBack } = next;
      if (callBack === undefined) continue;
      this.nowMs = next.atMs;
      this.stepCount++;
      this.#call(callBack);
      await settle();
    }
    this.#check();
    if (!isOver()) this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** Forgets all events, and what becomes of promises. */
  async end(): Promise<void> {
    this.#heap.length = 0;
    await settle();
    await settle();
    this.#heap.length = 0;
  }

  /** Takes over the timers, clocks and digests of this thread. */
  install(): Disposable {
    const real = {
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      dateNow: Date.now,
      digest: crypto.subtle.digest,
      stackTraceLimit: Error.stackTraceLimit,
    };
    // Errors that are foreseen are many, and their stacks cost the most.
    Error.stackTraceLimit = STACK_LIMIT;
    const timers = new Map<number, () => void>();
    let lastId = 0;
    const set = (
      callBack: (...args: unknown[]) => void,
      delayMs = 0,
      ...args: unknown[]
    ): number => {
      const id = ++lastId;
      const cancel = this.after(Math.max(TIMER_MS_MIN, delayMs), () => {
        timers.delete(id);
        callBack(...args);
      });
      timers.set(id, cancel);
      return id;
    };
    const clear = (id?: number): void => {
      timers.get(id ?? 0)?.();
      timers.delete(id ?? 0);
    };
    const onRejection = (event: PromiseRejectionEvent): void => {
      event.preventDefault();
      this.#fail(event.reason);
    };
    globalThis.addEventListener("unhandledrejection", onRejection);
    replace(globalThis, "setTimeout", set);
    replace(globalThis, "clearTimeout", clear);
    Date.now = () => EPOCH_MS + Math.floor(this.nowMs + this.skippedMs);
    replace(performance, "now", () => this.nowMs);
    crypto.subtle.digest = (_algorithm, data) =>
      Promise.resolve(digestOf(bytesOf(data)));
    return {
      [Symbol.dispose]: () => {
        globalThis.removeEventListener("unhandledrejection", onRejection);
        replace(globalThis, "setTimeout", real.setTimeout);
        replace(globalThis, "clearTimeout", real.clearTimeout);
        Date.now = real.dateNow;
        Reflect.deleteProperty(performance, "now");
        crypto.subtle.digest = real.digest;
        Error.stackTraceLimit = real.stackTraceLimit;
      },
    };
  }

  #call(callBack: () => void): void {
    try {
      callBack();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof HostDied)) this.failure ??= error;
  }

  #check(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (below === undefined) break;
      if (right !== undefined && isBefore(right, below)) {
        child++;
        below = right;
      }
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

/** By definition, since the types of Deno's timers have brands. */
function replace(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, {
    value,
    configurable: true,
    writable: true,
  });
}

function isBefore(left: Event, right: Event): boolean {
  return left.atMs < right.atMs ||
    (left.atMs === right.atMs && left.order < right.order);
}

/** Everything that promises can do without a new event is done. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function bytesOf(data: BufferSource): Uint8Array {
  return data instanceof ArrayBuffer
    ? new Uint8Array(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** 32 bytes, good enough against chance, and at once. */
function digestOf(bytes: Uint8Array): ArrayBuffer {
  const words = new Uint32Array(8);
  let low = 0x811c9dc5 ^ bytes.length;
  let high = 0x1b873593;
  const wholeCount = bytes.byteOffset % 4 === 0 ? bytes.length >> 2 : 0;
  const whole = new Uint32Array(
    bytes.buffer,
    wholeCount === 0 ? 0 : bytes.byteOffset,
    wholeCount,
  );
  for (const word of whole) {
    low = Math.imul(low ^ word, 0x01000193);
    high = Math.imul(high ^ low ^ (word >>> 15), 0x85ebca6b) + word | 0;
  }
  for (let at = wholeCount * 4; at < bytes.length; at++) {
    low = Math.imul(low ^ (bytes[at] ?? 0), 0x01000193);
    high = Math.imul(high ^ low, 0x85ebca6b);
  }
  words[0] = low;
  words[1] = high;
  words[2] = Math.imul(low ^ (high >>> 13), 0xc2b2ae35);
  words[3] = Math.imul(high ^ (low >>> 16), 0x27d4eb2f);
  return words.buffer;
}
