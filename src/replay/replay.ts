// Pure
/**
 * Replay: applies one log to the disk, on a secondary and after a crash.
 *
 *   log file → reader → scanner → window → disk
 *
 * States
 *   running    records are applied as they come
 *   reached    everything up to the end is applied and durable: status 1
 *   torn       an incomplete record lies before the end: status 2
 *   damaged    status is a negative errno; nothing at or behind the damage was
 *              applied, nothing more will be
 *   stopping   finishes what is in flight, then calls back
 * Reached and torn go back to running when the end moves on.
 *
 * Rules
 *   (1) A record is scanned before it is believed (I11). One that reaches
 *       beyond the disk is damage.
 *   (2) Only new data are applied; other records count as done.
 *   (3) Overlapping records reach the disk in log order (I5), see `window.ts`.
 *   (4) A checkpoint waits until no write is in flight, notes the position,
 *       flushes the disk, and only then moves `writtenBackBytes` (I6). Records
 *       that are applied meanwhile lie behind the position and do no harm.
 *   (5) After a failed flush nobody knows what is on the disk: everything
 *       behind the last checkpoint is applied again.
 *   (6) `stop` gives up what the disk refuses: then there is no checkpoint.
 */
import { assert } from "../base/assert.ts";
import type { Disk } from "../block/disk.ts";
import type { Crc32c } from "../log/checksum.ts";
import { RECORD_CODE } from "../log/record.ts";
import { LogScanner } from "../log/scanner.ts";
import type { Completion, Io, Memory } from "../ring/io.ts";
import { Reader, READER_BYTES } from "./reader.ts";
import { RETRY_PAUSE_MS, STAGING_BYTES, Window } from "./window.ts";

/** Memory of one replay; a later replay may use the same. */
export const REPLAY_MEMORY_BYTES = READER_BYTES + STAGING_BYTES;

/** Prescribed by MARS. */
const CHECKPOINT_INTERVAL_MS = 3_000;
/** Ours. A disk is flushed at most so often while a log grows slowly. */
const CHECKPOINT_PAUSE_MS = 100;

/** Progress; one object that changes. Meanings as in `Actual`. */
export interface ReplayState {
  readonly endBytes: number;
  readonly writtenBackBytes: number;
  readonly status: number;
  readonly detail: number;
  readonly byte: number;
  readonly diskErrno: number;
  /** Records applied and bytes of their payloads, repetitions included. */
  readonly recordCount: number;
  readonly recordBytes: number;
}

/** What a replay works on. */
export interface ReplayOptions {
  readonly io: Io;
  readonly crc: Crc32c;
  /** Stays the caller's; not closed. */
  readonly disk: Disk;
  /** File of the log, open for reading; not closed. */
  readonly logFd: number;
  /** Durable on the disk is everything before. */
  readonly startBytes: number;
  /** The log may be read up to here; not before `startBytes`. */
  readonly endBytes: number;
  /** `REPLAY_MEMORY_BYTES`; free for others when `stop` has called back. */
  readonly memory: Memory;
}

/** Why scanning has ended; as in `Actual`. */
interface Outcome {
  readonly status: number;
  readonly detail: number;
  readonly byte: number;
}

type Mutable<Value> = { -readonly [Key in keyof Value]: Value[Key] };

const STATUS_RUNNING = 0;
const STATUS_REACHED = 1;
const STATUS_TORN = 2;

/** One run over one log; works by itself until `stop`. */
export class Replay {
  readonly #options: ReplayOptions;
  readonly #reader: Reader;
  readonly #window: Window;
  readonly #state: Mutable<ReplayState>;
  #scanner: LogScanner;
  #endBytes: number;
  /** Position behind the last record that the window has taken. */
  #positionBytes: number;
  /** The scanner holds a record that the window has not taken yet. */
  #isHolding = false;
  /** The scanner does not know yet what the reader has. */
  #isWindowOld = true;
  #outcome: Outcome | undefined;
  /** Nothing more is taken until the window is empty: a checkpoint is due. */
  #isDraining = false;
  #isFlushing = false;
  #flushedBytes = 0;
  #flushErrno = 0;
  #checkpointMs: number;
  #isCheckpointTimed = false;
  /** After a failed flush, until everything is applied again. */
  #isPaused = false;
  #onStopped: (() => void) | undefined;
  #isStopped = false;

  readonly #onFlushed: Completion = (result) => this.#flushed(result);
  readonly #onPause: Completion = () => this.#repeat();
  readonly #onCheckpointTime: Completion = () => {
    this.#isCheckpointTimed = false;
    this.#pump();
  };

  constructor(options: ReplayOptions) {
    const { io, disk, memory, startBytes, endBytes } = options;
    assert(startBytes <= endBytes, "replay does not begin behind its end");
    assert(memory.bytes.length >= REPLAY_MEMORY_BYTES, "replay has memory");
    const onChange = (): void => this.#pump();
    this.#options = options;
    this.#positionBytes = startBytes;
    this.#endBytes = endBytes;
    this.#checkpointMs = io.monotonicMs();
    this.#reader = new Reader({
      io,
      fd: options.logFd,
      memory,
      startBytes,
      endBytes,
      onChange,
    });
    this.#window = new Window({
      io,
      disk,
      memory,
      stagingStart: READER_BYTES,
      onChange,
    });
    this.#scanner = this.#newScanner(startBytes);
    this.#state = {
      endBytes,
      writtenBackBytes: startBytes,
      status: STATUS_RUNNING,
      detail: 0,
      byte: 0,
      diskErrno: 0,
      recordCount: 0,
      recordBytes: 0,
    };
    this.#pump();
  }

  /** The log may be read up to here from now on; it never gets shorter. */
  setEnd(endBytes: number): void {
    assert(endBytes >= this.#endBytes, "the end of a log does not move back");
    if (endBytes === this.#endBytes) return;
    this.#endBytes = endBytes;
    this.#state.endBytes = endBytes;
    this.#reader.setEnd(endBytes);
    this.#isWindowOld = true;
    if (!this.#isDamaged()) this.#setOutcome(undefined);
    this.#pump();
  }

  /**
   * Ends the run: finishes what is in flight, makes a checkpoint and calls
   * back. Does not wait for a disk that fails.
   */
  stop(done: () => void): void {
    assert(this.#onStopped === undefined, "replay is stopped once");
    this.#onStopped = done;
    this.#isDraining = false;
    this.#window.abandon();
    this.#pump();
  }

  state(): ReplayState {
    this.#state.diskErrno = this.#window.diskErrno || this.#flushErrno;
    return this.#state;
  }

  #pump(): void {
    if (this.#isStopped) return;
    this.#scan();
    this.#window.submit();
    const isGoingOn = this.#checkpoint();
    if (!isGoingOn) return;
    this.#scan();
    this.#window.submit();
  }

  /** Hands records to the window as long as it takes them. */
  #scan(): void {
    if (this.#onStopped !== undefined || this.#isPaused) return;
    while (!this.#isDraining && this.#outcome === undefined) {
      if (this.#isHolding) {
        if (!this.#apply()) return;
        continue;
      }
      if (this.#isWindowOld) this.#showWindow();
      const found = this.#scanner.next();
      if (found === "record") this.#isHolding = true;
      else if (found === "end") this.#endScan();
      else if (this.#reader.more()) this.#isWindowOld = true;
      else return this.#miss();
    }
  }

  /** Returns false if the record has to wait. */
  #apply(): boolean {
    const scanner = this.#scanner;
    if (scanner.code === RECORD_CODE.writeNew && scanner.payloadLength > 0) {
      const isTaken = this.#window.add(
        scanner.payload,
        scanner.payloadStart,
        scanner.payloadLength,
        scanner.offsetBytes,
      );
      if (!isTaken) {
        assert(!this.#window.isEmpty, "only writes in flight make one wait");
        return false;
      }
      this.#state.recordCount++;
      this.#state.recordBytes += scanner.payloadLength;
    }
    this.#isHolding = false;
    this.#reader.advance(scanner.totalBytes);
    this.#positionBytes = scanner.positionBytes;
    return true;
  }

  #showWindow(): void {
    const reader = this.#reader;
    this.#isWindowOld = false;
    this.#scanner.setWindow({
      bytes: reader.bytes,
      startBytes: reader.positionBytes - reader.start,
      lengthBytes: reader.limit,
      endBytes: this.#endBytes,
    });
  }

  /** The scanner asks for bytes that are not there. */
  #miss(): void {
    const { errno, isAtEnd } = this.#reader;
    if (errno !== 0) {
      this.#setOutcome({ status: -errno, detail: 0, byte: 0 });
    } else if (isAtEnd) {
      // The file is shorter than announced.
      this.#setOutcome({ status: STATUS_TORN, detail: 0, byte: 0 });
    }
  }

  #endScan(): void {
    const { kind, status, detail, byteCode, restBytes } = this.#scanner.verdict;
    if (kind === "damage") {
      this.#setOutcome({ status, detail, byte: byteCode });
    } else if (kind === "eof" && restBytes === 0) {
      this.#setOutcome({ status: STATUS_REACHED, detail: 0, byte: 0 });
    } else {
      this.#setOutcome({ status: STATUS_TORN, detail, byte: 0 });
    }
  }

  /** The status is shown only when the position is durable, see `#settle`. */
  #setOutcome(outcome: Outcome | undefined): void {
    this.#outcome = outcome;
    this.#state.status = STATUS_RUNNING;
    this.#state.detail = 0;
    this.#state.byte = 0;
  }

  #isDamaged(): boolean {
    return this.#outcome !== undefined && this.#outcome.status < 0;
  }

  /** Begins a checkpoint if it is time; returns whether scanning may go on. */
  #checkpoint(): boolean {
    if (this.#isFlushing) return false;
    if (this.#onStopped !== undefined) {
      this.#finish();
      return false;
    }
    if (this.#isPaused) return false;
    if (this.#positionBytes === this.#state.writtenBackBytes) {
      this.#settle();
      return false;
    }
    const ageMs = this.#options.io.monotonicMs() - this.#checkpointMs;
    if (this.#outcome === undefined) {
      if (ageMs >= CHECKPOINT_INTERVAL_MS) this.#isDraining = true;
    } else if (ageMs >= CHECKPOINT_PAUSE_MS) {
      this.#isDraining = true;
    } else if (!this.#isCheckpointTimed) {
      this.#isCheckpointTimed = true;
      const pauseMs = CHECKPOINT_PAUSE_MS - ageMs;
      this.#options.io.timer(pauseMs, this.#onCheckpointTime, 0);
    }
    if (!this.#isDraining || !this.#window.isEmpty) return false;
    this.#flush();
    return true;
  }

  #flush(): void {
    assert(this.#window.isEmpty, "a checkpoint has no write in flight");
    this.#isDraining = false;
    this.#isFlushing = true;
    this.#flushedBytes = this.#positionBytes;
    this.#options.disk.flush(this.#onFlushed, 0);
  }

  #flushed(result: number): void {
    this.#isFlushing = false;
    this.#checkpointMs = this.#options.io.monotonicMs();
    if (result < 0) {
      this.#flushErrno = -result;
      this.#isPaused = true;
      // While stopping there is no second try, and nobody left to wait for it.
      if (this.#onStopped === undefined) {
        this.#options.io.timer(RETRY_PAUSE_MS, this.#onPause, 0);
      }
    } else {
      this.#flushErrno = 0;
      assert(this.#flushedBytes >= this.#state.writtenBackBytes, "I4");
      this.#state.writtenBackBytes = this.#flushedBytes;
    }
    this.#pump();
  }

  /** Everything behind the last checkpoint once more. */
  #repeat(): void {
    // Stopped or about to: then what is lost stays lost, see `#finish`.
    if (this.#onStopped !== undefined) return;
    const { writtenBackBytes } = this.#state;
    this.#isPaused = false;
    this.#isHolding = false;
    this.#positionBytes = writtenBackBytes;
    this.#reader.rewind(writtenBackBytes);
    this.#scanner = this.#newScanner(writtenBackBytes);
    this.#isWindowOld = true;
    this.#setOutcome(undefined);
    this.#pump();
  }

  /** All that was applied is durable: the outcome may be shown. */
  #settle(): void {
    if (this.#outcome === undefined) return;
    this.#state.status = this.#outcome.status;
    this.#state.detail = this.#outcome.detail;
    this.#state.byte = this.#outcome.byte;
  }

  #finish(): void {
    if (!this.#window.isEmpty || this.#reader.isReading) return;
    const isLost = this.#isPaused || this.#window.hasLost;
    if (!isLost && this.#positionBytes !== this.#state.writtenBackBytes) {
      return this.#flush();
    }
    if (!isLost) this.#settle();
    this.#isStopped = true;
    this.#onStopped?.();
  }

  #newScanner(startBytes: number): LogScanner {
    return new LogScanner({
      crc: this.#options.crc,
      startBytes,
      deviceSizeBytes: this.#options.disk.sizeBytes,
    });
  }
}
