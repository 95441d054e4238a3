/**
 * Mailbox: how control and data plane agree. Two records in shared memory.
 *
 *   Desired  written by the daemon, read by the worker
 *   Actual   written by the worker, read by the daemon
 *
 * Each has a version that is odd while being written; a reader retries on a
 * change. The newest value counts; intermediate ones may be missed, and that is
 * correct, because both describe a state and not an event.
 *
 *   word   field of either record, in words of 32 bits
 *      0   version, wraps around; 0 before the first write
 *      1   spare
 *    2-3   Lamport stamp of the writer, nanoseconds
 *    4 ..  numbers, two words each, in the order of the tables below; roles
 *          and levels as the index of their name
 *   then   Desired only: bytes of `logHost`, as many as the last number says
 *
 * Everything shared is read and written with `Atomics`, so the order of the
 * memory model is the order of the text. A writer stores only the words that
 * changed, and nothing at all if none did.
 *
 * Waking: the daemon adds to the worker's eventfd, the worker notifies the
 * version of `Actual`.
 *
 * Behind both stand two words by which a worker learns whether the daemon's
 * thread comes to run: it counts its questions, the daemon repeats the count.
 */
import { assert } from "../base/assert.ts";
import { MarsError } from "../base/errors.ts";
import type { TraceLevel } from "../base/trace.ts";

/** What the daemon wants from a worker. */
export interface Desired {
  /**
   * "idle"    disk open, nothing else
   * "log"     primary: serve the device, write to the log, write back
   * "replay"  apply the log from `startBytes` up to `logEndBytes`
   * "stop"    finish everything and end the thread
   */
  readonly role: "idle" | "log" | "replay" | "stop";
  /**
   * Log to write to or to replay. While logging, a higher sequence asks for a
   * rotation: the new file exists already and is empty.
   */
  readonly logSequence: number;
  readonly logHost: string;
  /** Where replay begins; ignored while logging, which begins at 0. */
  readonly startBytes: number;
  /** Replay may read up to here; later bytes are not durable here yet. */
  readonly logEndBytes: number;
  /** Bytes of the device. */
  readonly sizeBytes: number;
  /** When a write is acknowledged. */
  readonly level: "flush" | "durable";
  /**
   * Emergency mode, of the log that `logSequence` names:
   *
   * "off"      log if possible
   * "prepare"  write everything back and wait; a log that fails does so anyway
   * "serve"    serve the device without the log. Only when the replay link of
   *            this host names, durably, a log behind a hole
   *
   * Ends when a higher `logSequence` names that log.
   */
  readonly bypass: "off" | "prepare" | "serve";
  /** 1: space is short, and replication, which frees it, waits for nobody. */
  readonly isShort: number;
}

/** What a worker does. Positions belong to `logSequence` unless named. */
export interface Actual {
  /** Version of the `Desired` that was adopted last; even. */
  readonly desiredVersion: number;
  readonly role: "idle" | "log" | "replay" | "stopped";
  readonly logSequence: number;
  /** End of what is in the log file. While replaying: end of this run. */
  readonly loggedBytes: number;
  /** End of what is durable in the log file. */
  readonly durableBytes: number;
  /**
   * Everything before this position is durable on the disk. Its log may be an
   * older one than `logSequence` for a while after a rotation.
   */
  readonly writtenBackSequence: number;
  readonly writtenBackBytes: number;
  /** 1 while clients may connect to the device. */
  readonly deviceOn: number;
  /** 0, or the positive errno that keeps the device from being there. */
  readonly deviceErrno: number;
  /** At which step that is; one of `DEVICE_STEP`. */
  readonly deviceStep: number;
  /** Bytes that clients see; 0 without a device. */
  readonly deviceBytes: number;
  /**
   * Emergency mode: 0 not, or not yet; 1 everything logged is on the disk, and
   * writes wait for "serve"; 2 writes go to the disk without the log.
   */
  readonly bypass: number;
  /** Clients that have the device open. */
  readonly openCount: number;
  /** Requests accepted and not yet acknowledged. */
  readonly inFlight: number;
  /** Bytes of the backing disk; 0 while it is not open. */
  readonly diskBytes: number;
  /** 0, or the positive errno of the disk; stays until it works again. */
  readonly diskErrno: number;
  /** 0, or the positive errno of the log: logging has ended. */
  readonly logErrno: number;
  /**
   * Replay: 0 running, 1 `logEndBytes` reached, 2 incomplete record before
   * `logEndBytes`, negative errno: damage at `writtenBackBytes`.
   */
  readonly replayStatus: number;
  /** Negative detail code of the scanner and byte of a repeated pattern. */
  readonly replayDetail: number;
  readonly replayByte: number;
  /** Totals since the worker started, for rates. */
  readonly writeCount: number;
  readonly writeBytes: number;
  readonly readCount: number;
  readonly readBytes: number;
  readonly replayCount: number;
  readonly replayBytes: number;
}

/** What a worker is told once, at birth; everything later is `Desired`. */
export interface Birth {
  readonly mailbox: SharedArrayBuffer;
  /** The worker sleeps on it; the daemon adds to it after `writeDesired`. */
  readonly eventFd: number;
  readonly shimPath: string;
  readonly host: string;
  readonly resource: string;
  readonly logDirectory: string;
  readonly diskPath: string;
  /** Name of the device, and of the NBD export. */
  readonly deviceName: string;
  readonly nbdSocketPath: string;
  /** Where the block device of the kernel is shown; undefined for none. */
  readonly ublk: {
    readonly linkPath: string;
    readonly statePath: string;
    /** Whether it is told if the kernel has no such devices. */
    readonly isExpected: boolean;
  } | undefined;
  /** The daemon's thread, if it may be made to yield; see `precedence.ts`. */
  readonly yieldingThread: number | undefined;
  readonly traceLevel: TraceLevel;
  readonly traceFormat: "text" | "json";
}

/** A record as it was at one version. */
export interface Letter<Value> {
  /** Even. */
  readonly version: number;
  /** The writer's Lamport clock at that time. */
  readonly stampNs: bigint;
  readonly value: Value;
}

/** `Desired` and `Actual` in shared memory; one per worker, one view per end. */
export class Mailbox {
  /** To be handed to the other end. */
  readonly buffer: SharedArrayBuffer;
  readonly #desired: SharedRecord;
  readonly #actual: SharedRecord;
  /** Questions, and how many of them are answered. */
  readonly #pulse: Int32Array;

  private constructor(buffer: SharedArrayBuffer) {
    assert(buffer.byteLength === MAILBOX_BYTES, "mailbox has its size");
    this.buffer = buffer;
    this.#desired = new SharedRecord(buffer, 0, DESIRED_BYTES);
    this.#actual = new SharedRecord(buffer, DESIRED_BYTES, ACTUAL_BYTES);
    this.#pulse = new Int32Array(buffer, DESIRED_BYTES + ACTUAL_BYTES, 2);
  }

  /** An empty mailbox: both roles "idle", all numbers 0, versions 0. */
  static create(): Mailbox {
    return new Mailbox(new SharedArrayBuffer(MAILBOX_BYTES));
  }

  /** The other end's view. */
  static attach(buffer: SharedArrayBuffer): Mailbox {
    return new Mailbox(buffer);
  }

  /** Daemon only. Returns whether anything changed; then wake the worker. */
  writeDesired(desired: Desired, stampNs: bigint): boolean {
    encodeDesired(this.#desired, desired);
    return this.#desired.publish(stampNs);
  }

  readDesired(): Letter<Desired> {
    const version = this.#desired.load();
    const stampNs = this.#desired.stampNs();
    return { version, stampNs, value: decodeDesired(this.#desired) };
  }

  /** Version of `Desired` now; odd while it is being written. */
  get desiredVersion(): number {
    return this.#desired.version;
  }

  /** Worker only. Wakes who waits if anything changed, and returns that. */
  writeActual(actual: Actual, stampNs: bigint): boolean {
    encodeActual(this.#actual, actual);
    if (!this.#actual.publish(stampNs)) return false;
    this.#actual.notify();
    return true;
  }

  readActual(): Letter<Actual> {
    const version = this.#actual.load();
    const stampNs = this.#actual.stampNs();
    return { version, stampNs, value: decodeActual(this.#actual) };
  }

  /** Resolves when the version of `Actual` is not `version` any more. */
  waitActual(version: number): Promise<void> {
    return this.#actual.wait(version);
  }

  /** Ends all pending `waitActual` although nothing changed. */
  notifyActual(): void {
    this.#actual.notify();
  }

  /** Worker only: a question; see `isAnswered`. */
  ask(): void {
    Atomics.add(this.#pulse, 0, 1);
    Atomics.notify(this.#pulse, 0);
  }

  /** Whether the daemon has run since the last question. */
  get isAnswered(): boolean {
    return Atomics.load(this.#pulse, 0) === Atomics.load(this.#pulse, 1);
  }

  /** Daemon only: answers what was asked; resolves at the next question. */
  answer(): Promise<void> {
    const asked = Atomics.load(this.#pulse, 0);
    Atomics.store(this.#pulse, 1, asked);
    return changeOf(this.#pulse, asked);
  }

  /** Ends a pending `answer` although nothing was asked. */
  notifyAnswer(): void {
    Atomics.notify(this.#pulse, 0);
  }
}

const DESIRED_ROLES = ["idle", "log", "replay", "stop"] as const;
const ACTUAL_ROLES = ["idle", "log", "replay", "stopped"] as const;
const LEVELS = ["flush", "durable"] as const;
const BYPASSES = ["off", "prepare", "serve"] as const;

/**
 * Numbers of `Desired` in their order; after them role, level, bypass, and the
 * length of the host's name.
 */
const DESIRED_NUMBERS = [
  "logSequence",
  "startBytes",
  "logEndBytes",
  "sizeBytes",
  "isShort",
] as const;

/** Numbers of `Actual` in their order; after them the role. */
const ACTUAL_NUMBERS = [
  "desiredVersion",
  "logSequence",
  "loggedBytes",
  "durableBytes",
  "writtenBackSequence",
  "writtenBackBytes",
  "deviceOn",
  "deviceErrno",
  "deviceStep",
  "deviceBytes",
  "bypass",
  "openCount",
  "inFlight",
  "diskBytes",
  "diskErrno",
  "logErrno",
  "replayStatus",
  "replayDetail",
  "replayByte",
  "writeCount",
  "writeBytes",
  "readCount",
  "readBytes",
  "replayCount",
  "replayBytes",
] as const;

/** Ours. A host is named by the first label of a node name: 63 at most. */
const HOST_BYTES_MAX = 256;

const HEAD_BYTES = 16;
const DESIRED_BYTES = HEAD_BYTES + 8 * (DESIRED_NUMBERS.length + 4) +
  HOST_BYTES_MAX;
const ACTUAL_BYTES = HEAD_BYTES + 8 * (ACTUAL_NUMBERS.length + 1);
const MAILBOX_BYTES = DESIRED_BYTES + ACTUAL_BYTES + 8;

/** Ours. A writer holds a record for less than a microsecond while it runs. */
const READ_SPINS = 1_000;
/** Ours. A writer that was interrupted is given 5 s to continue. */
const READ_PAUSES_MAX = 5_000;

function encodeDesired(record: SharedRecord, desired: Desired): void {
  const { numbers, text } = record;
  let index = 0;
  for (const field of DESIRED_NUMBERS) numbers[index++] = desired[field];
  numbers[index++] = DESIRED_ROLES.indexOf(desired.role);
  numbers[index++] = LEVELS.indexOf(desired.level);
  numbers[index++] = BYPASSES.indexOf(desired.bypass);
  const host = new TextEncoder().encode(desired.logHost);
  assert(host.length <= HOST_BYTES_MAX, "host name fits into the mailbox");
  numbers[index++] = host.length;
  const start = index * 8;
  text.fill(0, start);
  text.set(host, start);
}

function decodeDesired(record: SharedRecord): Desired {
  const { numbers, text } = record;
  let index = 0;
  // True because the loop assigns each key of the table.
  const fields = {} as Record<typeof DESIRED_NUMBERS[number], number>;
  for (const field of DESIRED_NUMBERS) fields[field] = numbers[index++] ?? 0;
  const role = DESIRED_ROLES[numbers[index++] ?? 0];
  const level = LEVELS[numbers[index++] ?? 0];
  const bypass = BYPASSES[numbers[index++] ?? 0];
  const hostLength = numbers[index++] ?? 0;
  assert(role !== undefined, "desired role is known");
  assert(level !== undefined, "level is known");
  assert(bypass !== undefined, "bypass is known");
  assert(hostLength <= HOST_BYTES_MAX, "host name fits into the mailbox");
  const start = index * 8;
  const host = text.subarray(start, start + hostLength);
  const logHost = new TextDecoder().decode(host);
  return { role, level, bypass, logHost, ...fields };
}

/** In the order of `ACTUAL_NUMBERS`: a loop over names takes six times as long. */
function encodeActual(record: SharedRecord, actual: Actual): void {
  const { numbers } = record;
  numbers[0] = actual.desiredVersion;
  numbers[1] = actual.logSequence;
  numbers[2] = actual.loggedBytes;
  numbers[3] = actual.durableBytes;
  numbers[4] = actual.writtenBackSequence;
  numbers[5] = actual.writtenBackBytes;
  numbers[6] = actual.deviceOn;
  numbers[7] = actual.deviceErrno;
  numbers[8] = actual.deviceStep;
  numbers[9] = actual.deviceBytes;
  numbers[10] = actual.bypass;
  numbers[11] = actual.openCount;
  numbers[12] = actual.inFlight;
  numbers[13] = actual.diskBytes;
  numbers[14] = actual.diskErrno;
  numbers[15] = actual.logErrno;
  numbers[16] = actual.replayStatus;
  numbers[17] = actual.replayDetail;
  numbers[18] = actual.replayByte;
  numbers[19] = actual.writeCount;
  numbers[20] = actual.writeBytes;
  numbers[21] = actual.readCount;
  numbers[22] = actual.readBytes;
  numbers[23] = actual.replayCount;
  numbers[24] = actual.replayBytes;
  numbers[25] = ACTUAL_ROLES.indexOf(actual.role);
}

function decodeActual(record: SharedRecord): Actual {
  const { numbers } = record;
  let index = 0;
  // True because the loop assigns each key of the table.
  const fields = {} as Record<typeof ACTUAL_NUMBERS[number], number>;
  for (const field of ACTUAL_NUMBERS) fields[field] = numbers[index++] ?? 0;
  const role = ACTUAL_ROLES[numbers[index++] ?? 0];
  assert(role !== undefined, "actual role is known");
  return { role, ...fields };
}

/**
 * One record in shared memory with its version, and a private copy of it. A
 * writer fills the copy and publishes it; a reader loads it and decodes.
 */
class SharedRecord {
  /** The private copy behind its head, as numbers and as bytes. */
  readonly numbers: Float64Array;
  readonly text: Uint8Array;
  readonly #stamp: BigInt64Array;
  readonly #words: Int32Array;
  readonly #shared: Int32Array;

  constructor(buffer: SharedArrayBuffer, start: number, length: number) {
    const copy = new ArrayBuffer(length);
    this.#shared = new Int32Array(buffer, start, length / 4);
    this.#words = new Int32Array(copy);
    this.#stamp = new BigInt64Array(copy, 8, 1);
    this.numbers = new Float64Array(copy, HEAD_BYTES);
    this.text = new Uint8Array(copy, HEAD_BYTES);
  }

  get version(): number {
    return Atomics.load(this.#shared, 0);
  }

  stampNs(): bigint {
    return this.#stamp[0] ?? 0n;
  }

  /** Stores the copy unless it equals what is there. */
  publish(stampNs: bigint): boolean {
    const shared = this.#shared;
    const words = this.#words;
    const first = firstDifference(shared, words);
    // Version 0 means "never written", hence the first write always counts.
    if (first === words.length && this.version !== 0) return false;
    this.#stamp[0] = stampNs;
    const before = Atomics.add(shared, 0, 1);
    assert(before % 2 === 0, "a record of the mailbox has one writer");
    storeWord(shared, words, 2);
    storeWord(shared, words, 3);
    for (let index = first; index < words.length; index++) {
      // Only we write here, so a plain load sees what is there.
      if (shared[index] !== words[index]) storeWord(shared, words, index);
    }
    // 2 and not 0 follows after -2, because 0 means "never written".
    if (before === -2) Atomics.store(shared, 0, 2);
    else Atomics.add(shared, 0, 1);
    return true;
  }

  /** Copies the record as it was at one moment; returns its version. */
  load(): number {
    const shared = this.#shared;
    const words = this.#words;
    for (let attempt = 0; attempt < READ_SPINS + READ_PAUSES_MAX; attempt++) {
      const before = Atomics.load(shared, 0);
      if (before % 2 === 0) {
        for (let index = 2; index < words.length; index++) {
          words[index] = Atomics.load(shared, index);
        }
        if (Atomics.load(shared, 0) === before) return before;
      }
      // The writer may have lost its processor in the middle.
      if (attempt >= READ_SPINS) Atomics.wait(shared, 0, before, 1);
    }
    throw new MarsError("Cannot read the mailbox: its writer does not finish");
  }

  wait(version: number): Promise<void> {
    return changeOf(this.#shared, version);
  }

  notify(): void {
    Atomics.notify(this.#shared, 0);
  }
}

/** Resolves when the first word is not `value` any more, or at a notification. */
function changeOf(words: Int32Array, value: number): Promise<void> {
  const outcome = Atomics.waitAsync(words, 0, value);
  return outcome.async ? outcome.value.then(() => {}) : Promise.resolve();
}

/** Index of the first word behind the head that differs, or the length. */
function firstDifference(left: Int32Array, right: Int32Array): number {
  let index = HEAD_BYTES / 4;
  while (index < right.length && left[index] === right[index]) index++;
  return index;
}

function storeWord(to: Int32Array, from: Int32Array, index: number): void {
  Atomics.store(to, index, from[index] ?? 0);
}
