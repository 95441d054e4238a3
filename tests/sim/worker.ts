/**
 * The data plane of a simulated host, as the daemon sees it: a worker that
 * obeys the contract of the mailbox.
 *
 *   log      records are appended, durable a little later, and written back;
 *            as long as a client has the device open it is served. Without room
 *            for the log writes wait, and go to the disk when they may
 *   replay   records are applied one by one; a checkpoint flushes the disk and
 *            moves the position
 *
 * It is small where the real one is large, and checked against the truth at
 * each step that matters. What it writes is volatile until it has flushed it.
 */
import { ERRNO } from "../../src/base/errors.ts";
import { logFileName, type LogName } from "../../src/base/names.ts";
import type { Dataplane, WorkerSubject } from "../../src/dataplane/handle.ts";
import type { Actual, Desired } from "../../src/dataplane/mailbox.ts";
import type { Position } from "../../src/resource/view.ts";
import type { Verdict } from "../../src/log/verdict.ts";
import { IDLE_WORKER } from "../support/idle.ts";
import type { SimFileSystem } from "./file_system.ts";
import type { Life } from "./life.ts";
import type { Random } from "./random.ts";
import {
  CELL_BYTES,
  encodeRecord,
  RECORD_BYTES,
  RecordReader,
  type SimRecord,
  writeCell,
} from "./records.ts";
import type { Truth } from "./truth.ts";
import type { VirtualTime } from "./virtual_time.ts";
import type { VolatileFile } from "./volatile_file.ts";

/** What a worker tells the world; the world checks. */
export interface WorkerWatch {
  /**
   * It begins to log.
   *
   * @param behind end of its own log that it leaves; undefined at the begin
   * @param isBypassed it has written to the disk without a log since
   */
  readonly onLog: (
    worker: SimWorker,
    log: LogName,
    behind: Position | undefined,
    isBypassed: boolean,
  ) => void;
  /** Records before `at` are on their way to the disk. */
  readonly onApplied: (worker: SimWorker, at: Position) => void;
  /** Everything before `at` is on the disk, and nothing else of this log. */
  readonly onReplayed: (worker: SimWorker, at: Position) => void;
  readonly onRole: (worker: SimWorker, role: Actual["role"]) => void;
  /** It is told to go on without its log, which has not failed. */
  readonly onEmergency: (worker: SimWorker) => void;
}

export interface WorkerOptions {
  readonly host: string;
  readonly subject: WorkerSubject;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly files: SimFileSystem;
  readonly truth: Truth;
  readonly life: Life;
  readonly watch: WorkerWatch;
}

/** A log that is written, or that was and is not written back. */
interface OpenLog {
  readonly log: LogName;
  readonly file: VolatileFile;
  /** Records that are not on the disk, in their order. */
  dirty: { readonly record: SimRecord; readonly endBytes: number }[];
  durableBytes: number;
}

const NOTHING: Actual = {
  ...IDLE_WORKER,
  diskBytes: 0,
  desiredVersion: 0,
  role: "idle",
  loggedBytes: 0,
  writeCount: 0,
  writeBytes: 0,
  readCount: 0,
  readBytes: 0,
  replayCount: 0,
  replayBytes: 0,
};

const RETRY_MS = 1_000;
/** As the real handle does. */
const CHANGE_INTERVAL_MS = 10;
const POSITION_INTERVAL_MS = 100;

/** As the production replay has it: 1 for the end, 2 for a torn record. */
function statusOf({ kind, status, restBytes }: Verdict): number {
  if (kind === "damage") return status;
  return kind === "eof" && restBytes === 0 ? 1 : 2;
}

/** What is told at once when it differs. */
function stateOf(actual: Actual): string {
  const { desiredVersion, role, logSequence, writtenBackSequence } = actual;
  const { deviceOn, openCount, diskErrno, logErrno, replayStatus } = actual;
  const isClean = actual.writtenBackBytes === actual.loggedBytes;
  return `${desiredVersion} ${role} ${logSequence} ${writtenBackSequence} ` +
    `${deviceOn} ${openCount} ${diskErrno} ${logErrno} ${replayStatus} ${isClean}`;
}

export class SimWorker implements Dataplane {
  readonly failure = undefined;
  readonly options: WorkerOptions;
  readonly #random: Random;
  readonly #callbacks: (() => void)[] = [];
  #actual: Actual = NOTHING;
  #desired: Desired | undefined;
  #desiredText = "";
  #version = 0;
  #toldState = "";
  #tellAtMs = Infinity;
  #cancelTelling: () => void = () => {};
  #hasStopped: () => void = () => {};
  readonly #stopped: Promise<void>;
  #wake: () => void = () => {};
  /** Newest first is the one written to. */
  #open: OpenLog[] = [];
  #clientCount = 0;
  #deviceBytes = CELL_BYTES;
  /** As in `logger/bypass.ts`. */
  #bypass: "none" | "prepare" | "ready" | "direct" = "none";
  /** Writes that wait for the end of that, or for the permission. */
  #held: SimRecord[] = [];

  constructor(options: WorkerOptions) {
    this.options = options;
    this.#random = options.random;
    this.#stopped = new Promise((resolve) => this.#hasStopped = resolve);
    options.time.spawn(this.#work());
  }

  get resource(): string {
    return this.options.subject.resource;
  }

  get disk(): VolatileFile | undefined {
    return this.options.files.disk(this.options.subject.diskPath);
  }

  adjust(desired: Desired): void {
    this.options.life.check();
    if (this.#desired?.role === "stop") return;
    const text = JSON.stringify(desired);
    if (text === this.#desiredText) return;
    this.#desired = desired;
    this.#desiredText = text;
    this.#version += 2;
    this.options.time.after(0.05 + this.#random.next(), () => this.#wake());
  }

  actual(): Actual {
    this.options.life.check();
    return this.#actual;
  }

  get isCurrent(): boolean {
    return this.actual().desiredVersion === this.#version;
  }

  onChange(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  stop(): Promise<void> {
    const desired = this.#desired;
    if (desired !== undefined) this.adjust({ ...desired, role: "stop" });
    else this.#hasStopped();
    return this.options.life.guard(() => this.#stopped);
  }

  // ---- the client of the device --------------------------------------------

  get isServing(): boolean {
    return !this.options.life.isOver && this.#actual.deviceOn === 1;
  }

  /** End of the log that is written. */
  get loggedBytes(): number {
    return this.#actual.loggedBytes;
  }

  get clientCount(): number {
    return this.options.life.isOver ? 0 : this.#clientCount;
  }

  openDevice(): void {
    this.#clientCount++;
    this.#report({ openCount: this.#clientCount });
  }

  closeDevice(): void {
    this.#clientCount = Math.max(0, this.#clientCount - 1);
    this.#report({ openCount: this.#clientCount });
    this.#wake();
  }

  /** One write; acknowledged at once, durable later. */
  write(): void {
    const { truth, files } = this.options;
    if (this.#open.length === 0) return;
    const record = {
      id: truth.nextWrite(),
      cell: this.#random.below(this.#cellCount),
    };
    if (this.#bypass === "none" && files.growthErrno !== 0) {
      this.#bypass = "prepare";
      this.#report({ logErrno: files.growthErrno });
      this.#wake();
    }
    this.#take(record);
  }

  /** Writes go to the disk without a log. */
  get isBypassing(): boolean {
    return this.#bypass === "direct";
  }

  /** A device that is being closed is as large as it was last. */
  get #cellCount(): number {
    this.#deviceBytes = this.#actual.deviceBytes || this.#deviceBytes;
    return Math.floor(this.#deviceBytes / CELL_BYTES);
  }

  /** To the log, to the disk, or to those that wait. */
  #take(record: SimRecord): void {
    const { disk } = this;
    const [current] = this.#open;
    if (this.#bypass === "direct" && disk !== undefined) {
      return writeCell(disk, record);
    }
    if (this.#bypass !== "none" || current === undefined) {
      this.#held.push(record);
      return;
    }
    const offsetBytes = current.file.lengthBytes;
    current.file.write(encodeRecord(record, offsetBytes), offsetBytes);
    const endBytes = offsetBytes + RECORD_BYTES;
    current.dirty.push({ record, endBytes });
    this.options.truth.append(current.log, record);
    this.#report({ loggedBytes: endBytes });
  }

  // ---- the thread -----------------------------------------------------------

  async #work(): Promise<void> {
    const { life } = this.options;
    while (!life.isOver) {
      const desired = this.#desired;
      if (desired === undefined) await this.#pause();
      else if (desired.role === "stop") break;
      else await this.#play(desired);
    }
    if (life.isOver) return;
    this.#setRole("stopped", { diskBytes: 0 });
    this.#hasStopped();
  }

  async #play(desired: Desired): Promise<void> {
    this.#adopted();
    const diskBytes = this.disk?.lengthBytes ?? 0;
    if (diskBytes === 0 || diskBytes < desired.sizeBytes) {
      const diskErrno = diskBytes === 0 ? ERRNO.ENOENT : ERRNO.EFBIG;
      this.#setRole("idle", { diskBytes: 0, diskErrno });
      return await this.#pause(RETRY_MS);
    }
    this.#report({ diskBytes, diskErrno: 0 });
    switch (desired.role) {
      case "idle":
        this.#setRole("idle", { logErrno: 0 });
        return await this.#pause();
      case "log":
        return await this.#log(desired);
      case "replay":
        return await this.#replay(desired);
      case "stop":
        return;
    }
  }

  /** Waits for a wake-up, at most so long. */
  async #pause(atMostMs = Infinity): Promise<void> {
    const { life, time } = this.options;
    const version = this.#version;
    if (version !== this.#actual.desiredVersion && atMostMs === Infinity) {
      // Something else is desired already.
      return await life.guard(() => time.sleep(0.01));
    }
    await life.guard(() =>
      new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (atMostMs < Infinity) time.after(atMostMs, resolve);
      })
    );
  }

  #adopted(): void {
    this.#report({ desiredVersion: this.#version });
  }

  // ---- role "log" -----------------------------------------------------------

  async #log(desired: Desired): Promise<void> {
    const { host, truth } = this.options;
    if (!this.#openLog(desired)) {
      this.#setRole("idle", { logErrno: ERRNO.EEXIST });
      return await this.#pause(RETRY_MS);
    }
    const { logSequence } = desired;
    this.#setRole("log", {
      logSequence,
      loggedBytes: 0,
      durableBytes: 0,
      writtenBackSequence: logSequence,
      writtenBackBytes: 0,
      deviceOn: 1,
      logErrno: 0,
    });
    for (;;) {
      const now = this.#desired ?? desired;
      this.#adopted();
      if (now.role === "stop") {
        this.#clientCount = 0;
        await this.#flushLog();
        break;
      }
      const isWanted = now.role === "log" && now.logHost === host;
      const diskBytes = this.disk?.lengthBytes ?? 0;
      const fits = now.sizeBytes <= diskBytes;
      this.#report({
        deviceOn: isWanted ? 1 : 0,
        deviceBytes: isWanted && fits ? now.sizeBytes : 0,
        diskBytes,
      });
      if (!isWanted && this.#clientCount === 0) {
        await this.#writeBack();
        if (this.#clientCount === 0) break;
        continue;
      }
      await this.#goAround(now);
      if (isWanted) await this.#rotate(now);
      if (this.#random.chance(0.3)) await this.#writeBack();
      else await this.#flushLog();
      await this.#pause(20 + 150 * this.#random.next());
    }
    for (const { log, durableBytes } of this.#open) {
      truth.setDurable(log, durableBytes);
    }
    this.#open = [];
    // Whoever waits there is told that it has failed.
    this.#held = [];
    this.#bypass = "none";
    this.#setRole("idle", {
      deviceOn: 0,
      deviceBytes: 0,
      openCount: 0,
      bypass: 0,
      logErrno: 0,
    });
  }

  /** A step of the way around a log that has no room. */
  async #goAround(desired: Desired): Promise<void> {
    if (this.#bypass === "none" && desired.bypass !== "off") {
      this.options.watch.onEmergency(this);
      this.#bypass = "prepare";
    }
    if (this.#bypass === "prepare") {
      const mayGoOn = desired.bypass === "off" && this.#actual.logErrno === 0;
      if (mayGoOn) return this.#release("none");
      await this.#writeBack();
      const isClean = this.#open.every(({ dirty }) => dirty.length === 0);
      if (isClean && this.#open.length === 1) {
        this.#bypass = "ready";
        this.#report({ bypass: 1 });
      }
    }
    if (this.#bypass === "ready" && desired.bypass === "serve") {
      this.#release("direct");
      this.#report({ bypass: 2 });
    }
    if (this.#bypass === "direct") await this.#flushDisk();
  }

  /** Lets those go on that wait. */
  #release(bypass: "none" | "direct"): void {
    this.#bypass = bypass;
    for (const record of this.#held.splice(0)) this.#take(record);
  }

  async #flushDisk(): Promise<void> {
    const finish = this.disk?.beginFlush();
    await this.#delay(0.2, 4);
    finish?.();
  }

  /** Takes a log that is there and empty. */
  #openLog({ logSequence, logHost }: Desired): boolean {
    const { files, watch } = this.options;
    const log = { sequence: logSequence, host: logHost };
    const file = files.log(this.resource, log);
    if (file === undefined || file.lengthBytes > 0) return false;
    const [current] = this.#open;
    watch.onLog(
      this,
      log,
      current && { log: current.log, bytes: current.file.lengthBytes },
      this.#bypass !== "none",
    );
    this.#open.unshift({ log, file, dirty: [], durableBytes: 0 });
    return true;
  }

  async #rotate(desired: Desired): Promise<void> {
    const [current, before] = this.#open;
    if (current === undefined || before !== undefined) return;
    if (desired.logSequence <= current.log.sequence) return;
    if (this.#bypass === "prepare") return;
    if (this.#bypass === "direct") await this.#flushDisk();
    await this.#flushLog();
    // Clients may have written meanwhile; they must not be left behind.
    current.file.flush();
    this.options.truth.setDurable(current.log, current.file.lengthBytes);
    current.durableBytes = current.file.lengthBytes;
    if (!this.#openLog(desired)) {
      return this.#report({ logErrno: ERRNO.EEXIST });
    }
    this.#report({
      logSequence: desired.logSequence,
      loggedBytes: 0,
      durableBytes: 0,
      logErrno: 0,
      bypass: 0,
    });
    this.#release("none");
  }

  async #flushLog(): Promise<void> {
    const [current] = this.#open;
    if (current === undefined) return;
    const endBytes = current.file.lengthBytes;
    if (endBytes === current.durableBytes) return;
    const finish = current.file.beginFlush();
    await this.#delay(0.2, 4);
    finish();
    current.durableBytes = endBytes;
    this.options.truth.setDurable(current.log, endBytes);
    this.#report({ durableBytes: endBytes });
  }

  /** What is durable in the log goes to the disk, the oldest log first. */
  async #writeBack(): Promise<void> {
    await this.#flushLog();
    const { disk } = this;
    if (disk === undefined) return;
    const goals = this.#open.map((open) => open.durableBytes);
    for (const [index, open] of [...this.#open.entries()].reverse()) {
      const goalBytes = goals[index] ?? 0;
      for (const { record, endBytes } of open.dirty) {
        if (endBytes > goalBytes) break;
        if (this.#random.chance(0.1)) await this.#delay(0.05, 1);
        writeCell(disk, record);
      }
      open.dirty = open.dirty.filter(({ endBytes }) => endBytes > goalBytes);
    }
    await this.#flushDisk();
    // Nothing is written to an old log any more.
    if (this.#open.length > 1) this.#open.pop();
    const [oldest] = this.#open;
    if (oldest === undefined) return;
    this.#report({
      writtenBackSequence: oldest.log.sequence,
      writtenBackBytes: goals[0] ?? 0,
    });
  }

  // ---- role "replay" --------------------------------------------------------

  async #replay(desired: Desired): Promise<void> {
    const { files, watch } = this.options;
    const log = { sequence: desired.logSequence, host: desired.logHost };
    const file = files.log(this.resource, log);
    const { disk } = this;
    if (file === undefined || disk === undefined) {
      this.#setRole("idle", { logErrno: ERRNO.ENOENT });
      return await this.#pause(RETRY_MS);
    }
    const { startBytes } = desired;
    let at = startBytes;
    let flushed = startBytes;
    let endBytes = Math.max(startBytes, desired.logEndBytes);
    const reader = new RecordReader(file, {
      startBytes,
      deviceBytes: disk.lengthBytes,
    });
    this.#setRole("replay", {
      logSequence: log.sequence,
      loggedBytes: endBytes,
      durableBytes: endBytes,
      writtenBackSequence: log.sequence,
      writtenBackBytes: startBytes,
      replayStatus: 0,
      logErrno: 0,
    });
    for (;;) {
      const now = this.#desired ?? desired;
      this.#adopted();
      const isFollowing = this.#actual.replayStatus >= 0 &&
        now.startBytes > startBytes && now.startBytes <= flushed;
      const isSame = now.role === "replay" &&
        now.logSequence === log.sequence && now.logHost === log.host &&
        (now.startBytes === startBytes || isFollowing) &&
        Math.max(now.logEndBytes, now.startBytes) >= endBytes;
      if (!isSame) break;
      endBytes = Math.max(now.logEndBytes, now.startBytes);
      this.#report({ loggedBytes: endBytes, durableBytes: endBytes });
      let status = 0;
      let detail = 0;
      for (let count = this.#random.below(12); count >= 0; count--) {
        const found = reader.next(endBytes);
        if ("kind" in found) {
          status = statusOf(found);
          detail = found.detail;
          break;
        }
        writeCell(disk, found);
        at = reader.positionBytes;
      }
      watch.onApplied(this, { log, bytes: at });
      if (at > flushed || status !== 0) {
        const finish = disk.beginFlush();
        const reached = at;
        await this.#delay(0.2, 4);
        finish();
        flushed = reached;
      }
      watch.onReplayed(this, { log, bytes: at });
      this.#report({
        writtenBackBytes: flushed,
        replayStatus: status,
        replayDetail: detail,
      });
      if (status === 0) await this.#delay(0.1, 2);
      else await this.#pause();
    }
    this.#setRole("idle", { replayStatus: 0 });
  }

  // ---- telling --------------------------------------------------------------

  async #delay(least: number, span: number): Promise<void> {
    const { life, time } = this.options;
    await life.guard(() => time.sleep(least + span * this.#random.next()));
  }

  #setRole(role: Actual["role"], more: Partial<Actual> = {}): void {
    if (role !== this.#actual.role) this.options.watch.onRole(this, role);
    this.#report({ role, ...more });
  }

  /** Changes of state are told at once, positions only so often. */
  #report(change: Partial<Actual>): void {
    this.#actual = { ...this.#actual, ...change };
    if (this.options.life.isOver) return;
    const state = stateOf(this.#actual);
    const delayMs = state === this.#toldState
      ? POSITION_INTERVAL_MS
      : 0.1 + CHANGE_INTERVAL_MS * this.#random.next();
    this.#toldState = state;
    const { time, life } = this.options;
    const dueMs = time.nowMs + delayMs;
    if (this.#tellAtMs <= dueMs) return;
    this.#tellAtMs = dueMs;
    this.#cancelTelling();
    this.#cancelTelling = time.after(delayMs, () => {
      this.#tellAtMs = Infinity;
      if (life.isOver) return;
      for (const callback of this.#callbacks) callback();
    });
  }

  /** For reports of failures. */
  describe(): string {
    const { role, logSequence, durableBytes, writtenBackBytes } = this.#actual;
    const [current] = this.#open;
    return `${role} ${logSequence} durable ${durableBytes} written back ` +
      `${writtenBackBytes}${
        current === undefined ? "" : ` in ${logFileName(current.log)}`
      }`;
  }
}
