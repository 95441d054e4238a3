// Pure
/**
 * Rotation: logging goes on in another file.
 *
 *   none ──► waitForOld ──► finish ──► (switch) ──► none
 *                             └──► rescue ──► (switch) ──► none
 *
 *   waitForOld  the log before the current one is still being written back:
 *               logging goes on as before, the writeback is urged. A log that
 *               has ended is left at once
 *   finish      nothing is appended any more; the batch is written and the log
 *               made durable; writers wait
 *   rescue      only after a failed flush: see `rescue.ts`
 *
 * Once a bypass has left the log behind, it is only left: see `bypass.ts`. Until
 * then a log that has ended (see `commit.ts`) is left as follows:
 *
 *   failed write   it was cut behind its last record; it is made durable, and
 *                  acknowledged data are all in it
 *   failed flush   what is suspect moves into the new log and is made durable
 *                  there; the old one is cut to its durable part
 *
 * If a rescue fails, the new file is emptied and closed, `errno` stays, and a
 * later rotation into another file tries again. If the data cannot be read back
 * intact, only recovery helps: it continues from the last record that is.
 */
import { assert } from "../base/assert.ts";
import type { Transfers } from "../block/transfers.ts";
import type { Crc32c } from "../log/checksum.ts";
import type { Io, Memory } from "../ring/io.ts";
import type { Bypass } from "./bypass.ts";
import type { Commit } from "./commit.ts";
import { type LogFile, OLD_LOGS_MAX } from "./open_logs.ts";
import { Rescue, RESCUE_MEMORY_BYTES } from "./rescue.ts";
import type { Writeback } from "./writeback.ts";

type Phase = "none" | "waitForOld" | "finish" | "rescue";

export class Rotation {
  /** Logs left behind, given up or closed. */
  stepCount = 0;

  readonly #io: Io;
  readonly #crc: Crc32c;
  readonly #transfers: Transfers;
  readonly #commit: Commit;
  readonly #writeback: Writeback;
  readonly #bypass: Bypass;
  #phase: Phase = "none";
  #next: LogFile | undefined = undefined;
  #rescue: Rescue | undefined = undefined;
  /** Taken once, when it is needed for the first time. */
  #memory: Memory | undefined = undefined;

  constructor(
    options: {
      readonly io: Io;
      readonly crc: Crc32c;
      readonly transfers: Transfers;
      readonly commit: Commit;
      readonly writeback: Writeback;
      readonly bypass: Bypass;
    },
  ) {
    this.#io = options.io;
    this.#crc = options.crc;
    this.#transfers = options.transfers;
    this.#commit = options.commit;
    this.#writeback = options.writeback;
    this.#bypass = options.bypass;
  }

  get isActive(): boolean {
    return this.#phase !== "none";
  }

  start(file: LogFile): void {
    assert(this.#phase === "none", "one rotation at a time");
    assert(
      this.#bypass.mayRotateTo(file.sequence),
      "a rotation goes to a later log, behind a hole if data are in no log",
    );
    this.#next = file;
    this.#phase = "waitForOld";
  }

  /** Gives up a rotation that only waits. */
  halt(): void {
    if (this.#phase === "waitForOld") this.#abandon();
  }

  /** Once per turn. @param deviceSizeBytes bound of what is rescued */
  advance(deviceSizeBytes: number): void {
    this.#closeOld();
    const { errno, logs: { oldCount } } = this.#commit;
    if (this.#phase === "waitForOld" && this.#bypass.isSalvaging) return;
    if (this.#phase === "waitForOld" && this.#bypass.isPastLog) {
      if (oldCount < OLD_LOGS_MAX && this.#bypass.leave()) this.#leave();
      return;
    }
    const mayLeave = oldCount === 0 ||
      (errno !== 0 && oldCount < OLD_LOGS_MAX);
    if (this.#phase === "waitForOld" && mayLeave) {
      this.#commit.isHeld = true;
      this.#phase = "finish";
    }
    if (this.#phase === "finish") this.#finish(deviceSizeBytes);
    if (this.#phase === "rescue") this.#checkRescue();
  }

  #closeOld(): void {
    while (this.#commit.logs.closeOldest(this.#writeback.writtenBackBytes)) {
      this.stepCount++;
    }
  }

  #finish(deviceSizeBytes: number): void {
    const commit = this.#commit;
    if (!commit.isQuiet) return;
    if (commit.errno !== 0 && !commit.cut()) return this.#abandon();
    const { durableBytes, loggedBytes, logs: { current } } = commit;
    if (durableBytes === loggedBytes) return this.#switch(0);
    if (!commit.isSuspect) return commit.wantDurable(loggedBytes);
    this.#memory ??= this.#io.allocate(RESCUE_MEMORY_BYTES);
    this.#rescue = new Rescue({
      io: this.#io,
      memory: this.#memory,
      crc: this.#crc,
      transfers: this.#transfers,
      sourceFd: current.fd,
      targetFd: this.#nextFile().fd,
      startBytes: durableBytes - current.baseBytes,
      endBytes: loggedBytes - current.baseBytes,
      deviceSizeBytes,
      cutSource: () =>
        commit.logs.truncate(current.fd, durableBytes - current.baseBytes),
    });
    this.#phase = "rescue";
  }

  #checkRescue(): void {
    const rescue = this.#rescue;
    assert(rescue !== undefined, "a rescue is running");
    if (rescue.outcome === "running") return;
    if (rescue.outcome === "done") this.#switch(rescue.recordCount);
    else this.#abandon();
  }

  #leave(): void {
    this.#switch(0);
    this.#bypass.left();
  }

  #switch(recordCount: number): void {
    this.#commit.switchTo(this.#nextFile(), recordCount);
    this.#end();
  }

  #abandon(): void {
    const { fd } = this.#nextFile();
    // Best effort: whatever the file holds, it holds in `current` as well.
    this.#commit.logs.truncate(fd, 0);
    this.#io.close(fd);
    this.#commit.isHeld = false;
    this.#end();
  }

  #end(): void {
    this.#next = undefined;
    this.#rescue = undefined;
    this.#phase = "none";
    this.stepCount++;
  }

  #nextFile(): LogFile {
    assert(this.#next !== undefined, "a rotation has a target");
    return this.#next;
  }
}
