// Pure
/**
 * A logger on simulated Io, beside a model of what it must do.
 *
 * The model is the list of all pieces ever submitted, in order; the log must
 * hold them in this order. From it follow what a read may return and what a
 * disk plus its logs must contain after a crash:
 *
 *   while logging  the state after one prefix of the pieces, exactly
 *   after bypass   what a disk with a volatile cache may hold: of each sector
 *                  the newest piece that must survive, or a later one
 *
 * The world is the daemon, too: it publishes positions, late, and in a bypass
 * the one behind the hole. Recovery begins at what was published last.
 */
import { assert, assertEquals } from "@std/assert";
import { equalBytes } from "../../src/base/bytes.ts";
import { Disk } from "../../src/block/disk.ts";
import type { BlockRequest } from "../../src/block/request.ts";
import { portableCrc32c } from "../../src/log/checksum.ts";
import { LogScanner } from "../../src/log/scanner.ts";
import type { Level } from "../../src/logger/commit.ts";
import { Logger, type LoggerState } from "../../src/logger/logger.ts";
import { SIM_SECTOR_BYTES as SECTOR } from "./file.ts";
import { SimIo } from "./io.ts";
import { Random } from "./random.ts";

export const PIECE_BYTES = 4096;
const DISK_PATH = "/disk";
const STEPS_MAX = 200_000;
/** A position is published once in so many turns. */
const PUBLISH_SHARE = 0.2;
/** Numbers of logs that a hole leaves out. */
const HOLE = 10;

interface LogOfWorld {
  readonly sequence: number;
  readonly path: string;
}

interface Piece {
  readonly write: Write;
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

interface Write {
  readonly firstPiece: number;
  readonly endPiece: number;
  readonly isDurable: boolean;
  /** Undefined until acknowledged. */
  errno: number | undefined;
  /** Acknowledged as durable, or before an acknowledged flush. */
  mustSurvivePowerCut: boolean;
}

export interface WorldOptions {
  readonly seed: number;
  readonly level: Level;
  readonly deviceBytes: number;
  readonly dirtyExtentsMax?: number;
  readonly shortShare?: number;
}

export class LoggerWorld {
  readonly io: SimIo;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly deviceBytes: number;
  /** Answers that are owed to requests. */
  owedCount = 0;
  /** Requests that failed. */
  failedCount = 0;
  readonly #level: Level;
  readonly #pieces: Piece[] = [];
  readonly #acknowledged: Write[] = [];
  readonly #logs: LogOfWorld[] = [];
  readonly #random: Random;
  #published = { sequence: 1, bytes: 0 };
  /** The log behind the hole, while it is not written to. */
  #behind: LogOfWorld | undefined = undefined;
  /** The disk was written without the log, or may have been. */
  #isLoose = false;
  /** Pieces that cover a sector, in order. */
  readonly #history = new Map<number, number[]>();
  #lastState: LoggerState;
  #stampCount = 0;

  constructor(options: WorldOptions) {
    this.#level = options.level;
    this.#random = new Random(options.seed);
    this.deviceBytes = options.deviceBytes;
    this.io = new SimIo({
      seed: options.seed,
      shortShare: options.shortShare ?? 0.1,
      hasDirect: options.seed % 2 === 0,
    });
    this.io.create(DISK_PATH, new Uint8Array(options.deviceBytes));
    this.disk = Disk.open(this.io, DISK_PATH, options.deviceBytes);
    this.logger = new Logger({
      io: this.io,
      crc: portableCrc32c,
      disk: this.disk,
      sizeBytes: options.deviceBytes,
      level: options.level,
      log: this.#openLog(this.#createLog(1)),
      now: () => ({ seconds: 1, nanoseconds: this.#stampCount++ }),
      ...(options.dirtyExtentsMax === undefined
        ? {}
        : { dirtyExtentsMax: options.dirtyExtentsMax }),
    });
    this.#lastState = this.logger.state();
  }

  write(
    offsetBytes: number,
    lengthBytes: number,
    options: { readonly isZeroes?: boolean; readonly isFua?: boolean } = {},
  ): Write {
    const isZeroes = options.isZeroes ?? false;
    const isFua = options.isFua ?? false;
    const bytes = new Uint8Array(lengthBytes);
    const firstPiece = this.#pieces.length;
    if (!isZeroes) fillUniquely(bytes, firstPiece + 1);
    const end = offsetBytes + lengthBytes;
    const bounds = [offsetBytes];
    for (let at = offsetBytes; at < end;) {
      at = Math.min(end, (Math.floor(at / PIECE_BYTES) + 1) * PIECE_BYTES);
      bounds.push(at);
    }
    const write: Write = {
      firstPiece,
      endPiece: firstPiece + bounds.length - 1,
      isDurable: isFua || this.#level === "durable",
      errno: undefined,
      mustSurvivePowerCut: false,
    };
    for (let index = 0; index + 1 < bounds.length; index++) {
      const start = bounds[index] ?? 0;
      const stop = bounds[index + 1] ?? 0;
      for (let sector = start / SECTOR; sector < stop / SECTOR; sector++) {
        const history = this.#history.get(sector) ?? [];
        history.push(this.#pieces.length);
        this.#history.set(sector, history);
      }
      this.#pieces.push({
        write,
        offsetBytes: start,
        bytes: bytes.slice(start - offsetBytes, stop - offsetBytes),
      });
    }
    // Memory of a front end is used again as soon as it was acknowledged.
    this.#submit(
      {
        kind: isZeroes ? "writeZeroes" : "write",
        offsetBytes,
        lengthBytes,
        memory: { bytes, address: 0 },
        start: 0,
        forceUnitAccess: isFua,
      },
      (errno) => {
        bytes.fill(0xee);
        write.errno = errno;
        if (errno !== 0) return;
        this.#acknowledged.push(write);
        if (write.isDurable) write.mustSurvivePowerCut = true;
      },
    );
    return write;
  }

  /** Checks what comes back against everything it may be. */
  read(offsetBytes: number, lengthBytes: number): { errno?: number } {
    const bytes = new Uint8Array(lengthBytes).fill(0xaa);
    const answer: { errno?: number } = {};
    const oldest: number[] = [];
    for (let at = 0; at < lengthBytes; at += SECTOR) {
      oldest.push(this.#newestAcknowledged((offsetBytes + at) / SECTOR));
    }
    this.#submit(
      {
        kind: "read",
        offsetBytes,
        lengthBytes,
        memory: { bytes, address: 0 },
        start: 0,
        forceUnitAccess: false,
      },
      (errno) => {
        answer.errno = errno;
        if (errno !== 0) return;
        for (const [index, first] of oldest.entries()) {
          const offset = offsetBytes + index * SECTOR;
          const found = bytes.subarray(index * SECTOR, (index + 1) * SECTOR);
          assert(
            this.#mayBe(found, offset, first),
            `I3: sector at ${offset} is newest or in flight`,
          );
        }
      },
    );
    return answer;
  }

  flush(): { errno?: number } {
    const answer: { errno?: number } = {};
    const coveredCount = this.#acknowledged.length;
    this.#submit(this.#plain("flush"), (errno) => {
      answer.errno = errno;
      if (errno !== 0) return;
      for (const write of this.#acknowledged.slice(0, coveredCount)) {
        write.mustSurvivePowerCut = true;
      }
    });
    return answer;
  }

  discard(): void {
    this.#submit(this.#plain("discard"), () => {});
  }

  /** Whether a rotation would lead somewhere. */
  get mayRotate(): boolean {
    const { logger } = this;
    return logger.mayRotateTo(this.#nextSequence) || logger.state().bypass > 0;
  }

  /** Into the next log, or behind a hole if it has to be. */
  rotate(): void {
    assert(this.mayRotate, "a rotation is possible");
    const { logger } = this;
    const next = this.#nextSequence;
    const isHole = this.#behind !== undefined || !logger.mayRotateTo(next);
    if (isHole) this.#makeHole();
    const log = this.#behind ?? this.#createLog(next);
    this.#behind = undefined;
    logger.setBypass("off");
    logger.rotate(this.#openLog(log));
  }

  /** As the daemon does: a position behind a hole, then the permission. */
  serve(): void {
    assertEquals(this.logger.state().bypass, 1, "all is on the disk");
    this.#makeHole();
    this.logger.setBypass("serve");
  }

  /** Serves without a log as soon as that is possible. */
  enterBypass(): void {
    this.until(() => this.logger.state().bypass === 1, "all is on the disk");
    this.serve();
    this.until(() => this.logger.state().bypass === 2, "the bypass");
  }

  /** What recovery would begin at. */
  publish(): void {
    const { writtenBackSequence, writtenBackBytes } = this.logger.state();
    if (writtenBackSequence < this.#published.sequence) return;
    this.#published = {
      sequence: writtenBackSequence,
      bytes: writtenBackBytes,
    };
  }

  /** One turn of a worker: the end of a turn, then one completion. */
  turn(): boolean {
    this.logger.endOfTurn();
    this.#checkState();
    if (this.#random.chance(PUBLISH_SHARE)) this.publish();
    return this.io.step();
  }

  /** Turns until the condition holds; fails if it never does. */
  until(condition: () => boolean, text: string): void {
    for (let step = 0; !condition(); step++) {
      assert(step < STEPS_MAX, `never happened: ${text}`);
      const isAwake = this.turn() || condition();
      assert(isAwake, `asleep forever before: ${text}`);
    }
    this.logger.endOfTurn();
    this.#checkState();
  }

  /** Turns until every request has its answer. */
  settle(): void {
    this.until(() => this.owedCount === 0, "all requests are answered");
  }

  /** What is on the disk, logs not applied. */
  diskImage(): Uint8Array {
    return this.io.content(DISK_PATH);
  }

  /** What the device must show when nothing is in flight. */
  expectedImage(): Uint8Array {
    const image = new Uint8Array(this.deviceBytes);
    for (const { write, offsetBytes, bytes } of this.#pieces) {
      if (write.errno === 0) image.set(bytes, offsetBytes);
    }
    return image;
  }

  /**
   * Crashes a copy of the world and recovers it: disk plus logs from the
   * written-back position must be a state that the device once had, and no
   * write may be missing that must survive.
   */
  checkCrash(kind: "kill" | "power", seed: number): void {
    const io = this.io.crashed(kind, seed);
    const state = this.logger.state();
    const recovered = io.content(DISK_PATH);
    const found: boolean[] = [];
    const published = this.#published;
    let next = 0;
    let before = 0;
    for (const { sequence, path } of this.#logs) {
      const bytes = io.content(path);
      const startBytes = sequence < published.sequence
        ? Infinity
        : sequence === published.sequence
        ? published.bytes
        : 0;
      assert(
        startBytes === Infinity || startBytes <= bytes.length,
        "I4: what was written back is in the log",
      );
      let isBehindHole = sequence > before + 1;
      const end = this.#scan(bytes, (startOfRecord, offset, payload) => {
        next = this.#match(offset, payload, next, { found, isBehindHole });
        isBehindHole = false;
        if (startOfRecord >= startBytes) recovered.set(payload, offset);
      });
      assert(
        startBytes === Infinity || startBytes <= end,
        "I11: what was written back is intact in the log",
      );
      before = sequence;
    }
    // While a rescue moves data of a failed flush, one moment may lose them.
    const isRescuing = state.logErrno !== 0 && this.logger.isRotating;
    const isAllKept = kind === "kill" && !isRescuing;
    if (this.#isLoose) return this.#checkSectors(recovered, isAllKept);
    const wanted = new Uint8Array(this.deviceBytes);
    // In order, whatever the order was in which logs were applied.
    for (const [piece, { offsetBytes, bytes }] of this.#pieces.entries()) {
      if (found[piece]) wanted.set(bytes, offsetBytes);
    }
    assertSameImage(recovered, wanted, "I6: disk and logs are a prefix");
    for (const write of this.#acknowledged) {
      if (!isAllKept && !write.mustSurvivePowerCut) continue;
      for (let piece = write.firstPiece; piece < write.endPiece; piece++) {
        assert(found[piece], `I1: acknowledged piece ${piece} is there`);
      }
    }
  }

  /** What a disk with a volatile cache may hold. */
  #checkSectors(recovered: Uint8Array, isAllKept: boolean): void {
    for (let offset = 0; offset < this.deviceBytes; offset += SECTOR) {
      const oldest = this.#history.get(offset / SECTOR)?.findLast((piece) => {
        const write = this.#pieces[piece]?.write;
        return isAllKept ? write?.errno === 0 : write?.mustSurvivePowerCut;
      }) ?? -1;
      const bytes = recovered.subarray(offset, offset + SECTOR);
      assert(
        this.#mayBe(bytes, offset, oldest),
        `I1: sector at ${offset} holds piece ${oldest} or a later one`,
      );
    }
  }

  /**
   * The piece that a record holds: the next one, except that pieces of failed
   * writes may be missing, that a rescue may repeat some, and that behind a hole
   * those are missing that went directly to the disk.
   */
  #match(
    offset: number,
    payload: Uint8Array,
    next: number,
    context: { readonly found: boolean[]; readonly isBehindHole: boolean },
  ): number {
    const { found, isBehindHole } = context;
    for (let index = next; index < this.#pieces.length; index++) {
      const piece = this.#pieces[index];
      if (piece === undefined) break;
      if (piece.offsetBytes === offset && equalBytes(piece.bytes, payload)) {
        found[index] = true;
        return index + 1;
      }
      const isFailed = piece.write.errno !== undefined &&
        piece.write.errno !== 0;
      if (!isFailed && !isBehindHole) break;
    }
    for (let index = next - 1; index >= 0; index--) {
      const piece = this.#pieces[index];
      if (piece === undefined || !found[index]) continue;
      if (piece.offsetBytes === offset && equalBytes(piece.bytes, payload)) {
        return index + 1;
      }
    }
    throw new Error(`I5: record at ${offset} is not piece ${next}`);
  }

  /** Calls back for each intact record; returns where they end. */
  #scan(
    bytes: Uint8Array,
    take: (start: number, offset: number, payload: Uint8Array) => void,
  ): number {
    const scanner = new LogScanner({
      crc: portableCrc32c,
      startBytes: 0,
      deviceSizeBytes: this.deviceBytes,
    });
    scanner.setWindow({
      bytes,
      startBytes: 0,
      lengthBytes: bytes.length,
      endBytes: bytes.length,
    });
    while (scanner.next() === "record") {
      const { payload, payloadStart, payloadLength } = scanner;
      take(
        scanner.positionBytes - scanner.totalBytes,
        scanner.offsetBytes,
        payload.subarray(payloadStart, payloadStart + payloadLength),
      );
    }
    return scanner.positionBytes;
  }

  #checkState(): void {
    const state = this.logger.state();
    const last = this.#lastState;
    const isInDoubt = state.logErrno !== 0 &&
      state.durableBytes < state.loggedBytes && !this.logger.isRotating;
    if (isInDoubt || state.bypass === 2) {
      this.#isLoose = true;
      // Nothing repairs what was written without a log.
      this.io.tearsSectors = false;
    }
    assert(state.durableBytes <= state.loggedBytes, "I4: durable is logged");
    if (state.logSequence === last.logSequence) {
      // What was in doubt has come to the disk and left the log.
      const isSalvaged = state.bypass === 2 && last.bypass === 1;
      const grows = state.loggedBytes >= last.loggedBytes;
      assert(grows || isSalvaged, "I4: logged grows");
      assert(state.durableBytes >= last.durableBytes, "I4: durable grows");
    } else {
      assert(state.logSequence > last.logSequence, "I4: later logs follow");
    }
    if (state.writtenBackSequence === state.logSequence) {
      assert(state.writtenBackBytes <= state.durableBytes, "I4: written back");
    }
    if (state.writtenBackSequence === last.writtenBackSequence) {
      assert(state.writtenBackBytes >= last.writtenBackBytes, "I4: grows");
    } else {
      assert(state.writtenBackSequence > last.writtenBackSequence, "I4");
    }
    assertEquals(state.inFlight, this.owedCount);
    this.#lastState = state;
  }

  #newestAcknowledged(sector: number): number {
    return this.#history.get(sector)?.findLast((piece) =>
      this.#pieces[piece]?.write.errno === 0
    ) ?? -1;
  }

  #mayBe(found: Uint8Array, offset: number, oldest: number): boolean {
    if (oldest === -1 && found.every((byte) => byte === 0)) return true;
    const history = this.#history.get(offset / SECTOR) ?? [];
    return history.some((index) => {
      const piece = this.#pieces[index];
      if (piece === undefined || index < oldest) return false;
      const at = offset - piece.offsetBytes;
      return equalBytes(piece.bytes.subarray(at, at + SECTOR), found);
    });
  }

  #submit(request: BlockRequest, answered: (errno: number) => void): void {
    this.owedCount++;
    let isAnswered = false;
    this.logger.submit(request, (errno) => {
      assert(!isAnswered, "a request is answered once");
      isAnswered = true;
      this.owedCount--;
      if (errno !== 0) this.failedCount++;
      answered(errno);
    });
    assert(!isAnswered, "no answer before submit has returned");
  }

  #plain(kind: "flush" | "discard"): BlockRequest {
    return {
      kind,
      offsetBytes: 0,
      lengthBytes: kind === "flush" ? 0 : this.deviceBytes,
      memory: { bytes: new Uint8Array(0), address: 0 },
      start: 0,
      forceUnitAccess: false,
    };
  }

  get #nextSequence(): number {
    return (this.#logs.at(-1)?.sequence ?? 0) + 1;
  }

  #makeHole(): void {
    if (this.#behind !== undefined) return;
    const sequence = this.#nextSequence + HOLE;
    this.#behind = this.#createLog(sequence);
    this.#published = { sequence, bytes: 0 };
  }

  #createLog(sequence: number): LogOfWorld {
    const log = { sequence, path: `/log-${sequence}` };
    this.#logs.push(log);
    this.io.create(log.path, new Uint8Array(0));
    return log;
  }

  #openLog(log: LogOfWorld): { fd: number; sequence: number; host: string } {
    const fd = this.io.open(log.path);
    return { fd, sequence: log.sequence, host: "alpha" };
  }
}

/** Fails without printing two images. */
export function assertSameImage(
  actual: Uint8Array,
  wanted: Uint8Array,
  text: string,
): void {
  assertEquals(actual.length, wanted.length, text);
  if (equalBytes(actual, wanted)) return;
  const at = actual.findIndex((byte, index) => byte !== wanted[index]);
  assert(at === -1, `${text}: differs at byte ${at}`);
}

/** Each sector says which write it belongs to. */
function fillUniquely(bytes: Uint8Array, id: number): void {
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += SECTOR) {
    bytes.fill(1 + id % 251, at, at + SECTOR);
    view.setUint32(at, id);
    view.setUint32(at + 4, at);
  }
}
