/** A world for one replay: log and disk in a simulated Io. */
import { assert } from "../../src/base/assert.ts";
import { Disk } from "../../src/block/disk.ts";
import { portableCrc32c } from "../../src/log/checksum.ts";
import { encodeRecord, type LogRecord } from "../../src/log/record.ts";
import {
  Replay,
  REPLAY_MEMORY_BYTES,
  type ReplayState,
} from "../../src/replay/replay.ts";
import { SimIo } from "../sim/io.ts";
import { Random } from "../sim/random.ts";

const LOG = "log";
const DISK = "disk";
/** Slow enough that checkpoints become due in the middle of a short log. */
const LATENCY_MS_MAX = 200;

/** Log, disk and time. */
export class ReplayWorld {
  readonly io: SimIo;
  readonly #random: Random;

  /** `shortShare` of transfers is short; every second world has some. */
  constructor(
    log: Uint8Array,
    diskBytes: number,
    options: { seed: number; shortShare?: number },
  ) {
    const { seed } = options;
    this.#random = new Random(seed);
    this.io = new SimIo({
      seed,
      latencyMsMax: LATENCY_MS_MAX,
      shortShare: options.shortShare ?? (this.#random.chance(0.5) ? 0 : 0.2),
    });
    this.io.dropsOnFailedFlush = this.#random.chance(0.5);
    this.io.create(LOG, log);
    this.io.create(DISK, new Uint8Array(diskBytes));
  }

  /** The log file has these bytes from now on. */
  setLog(bytes: Uint8Array): void {
    this.io.create(LOG, bytes);
  }

  start(startBytes: number, endBytes: number): Replay {
    return new Replay({
      io: this.io,
      crc: portableCrc32c,
      disk: Disk.open(this.io, DISK, 0),
      logFd: this.io.open(LOG),
      startBytes,
      endBytes,
      memory: this.io.allocate(REPLAY_MEMORY_BYTES),
    });
  }

  /** Completes up to `count` operations. */
  run(count: number): void {
    for (let done = 0; done < count && this.io.step(); done++);
  }

  /** Completes everything that ever comes. */
  settle(): void {
    for (let count = 0; this.io.step(); count++) {
      assert(count < 1_000_000, "world comes to rest");
    }
  }

  /**
   * `count` of the next operations on the disk that `kinds` names fail: every
   * second one about, or all if there is no end.
   */
  failDisk(count: number, kinds: readonly string[]): void {
    const random = this.#random;
    let left = count;
    this.io.inject = ({ kind, path }) => {
      if (path !== DISK || left === 0) return 0;
      if (!kinds.includes(kind)) return 0;
      if (count !== Infinity && random.chance(0.5)) return 0;
      left--;
      return 5;
    };
  }

  /** The disk as a power cut now leaves it. */
  diskAfterPowerCut(): Uint8Array {
    const seed = this.#random.below(2 ** 31);
    return this.io.crashed("power", seed).content(DISK);
  }
}

/** A log and where its records end. */
export interface BuiltLog {
  readonly bytes: Uint8Array;
  readonly records: readonly LogRecord[];
  /** Positions: of the start, and behind each record. */
  readonly positions: readonly number[];
}

export type Draft = Pick<LogRecord, "offsetBytes" | "payload" | "code">;

/** Encodes records one behind the other. */
export function buildLog(drafts: readonly Draft[]): BuiltLog {
  const records = drafts.map((draft, index) => ({
    ...draft,
    sequence: index + 1,
    seconds: 1_700_000_000,
    nanoseconds: index,
  }));
  const positions = [0];
  const pieces = records.map((record, index) => {
    const piece = encodeRecord(record, {
      digest: index % 5 === 4 ? "sha1" : "crc32c",
      compression: index % 3 === 2 ? "zlib" : "none",
      crc: portableCrc32c,
    });
    positions.push((positions.at(-1) ?? 0) + piece.length);
    return piece;
  });
  const bytes = new Uint8Array(positions.at(-1) ?? 0);
  pieces.forEach((piece, index) => bytes.set(piece, positions[index] ?? 0));
  return { bytes, records, positions };
}

/** The disk after the first `count` records. */
export function diskAfter(
  log: BuiltLog,
  count: number,
  diskBytes: number,
): Uint8Array {
  const disk = new Uint8Array(diskBytes);
  applyTo(disk, log.records.slice(0, count));
  return disk;
}

/** Applies records one by one: what replay must be equal to. */
export function applyTo(disk: Uint8Array, records: readonly LogRecord[]): void {
  for (const { code, payload, offsetBytes } of records) {
    if (code === 1) disk.set(payload, offsetBytes);
  }
}

/** The parts of a state that tests compare. */
export function outcomeOf(
  state: ReplayState,
): Pick<ReplayState, "status" | "writtenBackBytes" | "diskErrno"> {
  const { status, writtenBackBytes, diskErrno } = state;
  return { status, writtenBackBytes, diskErrno };
}
