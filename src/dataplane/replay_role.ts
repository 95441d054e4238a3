/**
 * Role "replay": applies one log as long as it is desired.
 *
 * A run is named by its log and where it began. `startBytes` may follow the
 * position that the run itself has reached; any other change of these ends the
 * run, and so does an end that moves back. An end that moves on extends it.
 */
import { join } from "@std/path";
import { logFileName } from "../base/names.ts";
import { trace } from "../base/trace.ts";
import { Replay } from "../replay/replay.ts";
import type { Memory } from "../ring/io.ts";
import type { Desired } from "./mailbox.ts";
import type { Parts, Report, Role } from "./role.ts";

export class ReplayRole implements Role {
  readonly #parts: Parts;
  readonly #desired: Desired;
  readonly #logFd: number;
  readonly #replay: Replay;
  /** Totals of earlier runs. */
  readonly #recordsBefore: number;
  readonly #bytesBefore: number;
  #isStopping = false;
  #isOver = false;
  #tracedStatus = 0;

  /**
   * Begins the run. @param options `memory` is for this run alone until it is
   * over; `totals` is what earlier runs have counted
   * @throws SyscallError if the log cannot be opened
   */
  constructor(
    parts: Parts,
    desired: Desired,
    options: { memory: Memory; totals: Report },
  ) {
    const { birth, ring, crc, disk } = parts;
    const { logSequence, logHost, startBytes } = desired;
    const name = logFileName({ sequence: logSequence, host: logHost });
    this.#parts = parts;
    this.#desired = desired;
    this.#recordsBefore = options.totals.replayCount;
    this.#bytesBefore = options.totals.replayBytes;
    this.#logFd = ring.open(join(birth.logDirectory, name), "read");
    this.#replay = new Replay({
      io: ring,
      crc,
      disk,
      logFd: this.#logFd,
      startBytes,
      endBytes: Math.max(startBytes, desired.logEndBytes),
      memory: options.memory,
    });
    const { resource } = birth;
    trace.info("replay", "Replay begins", { resource, log: name, startBytes });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  adopt(desired: Desired): void {
    if (this.#isStopping) return;
    if (this.#isWanted(desired)) {
      this.#replay.setEnd(Math.max(desired.logEndBytes, desired.startBytes));
      return;
    }
    this.#isStopping = true;
    this.#replay.stop(() => {
      this.#isOver = true;
      this.#parts.ring.close(this.#logFd);
    });
  }

  endOfTurn(): void {
    this.#traceStatus();
  }

  report(report: Report): void {
    const state = this.#replay.state();
    const { logSequence } = this.#desired;
    report.role = "replay";
    report.logSequence = logSequence;
    report.loggedBytes = state.endBytes;
    report.durableBytes = state.endBytes;
    report.writtenBackSequence = logSequence;
    report.writtenBackBytes = state.writtenBackBytes;
    report.diskErrno = state.diskErrno;
    report.replayStatus = state.status;
    report.replayDetail = state.detail;
    report.replayByte = state.byte;
    report.replayCount = this.#recordsBefore + state.recordCount;
    report.replayBytes = this.#bytesBefore + state.recordBytes;
  }

  abandon(): void {
    if (!this.#isOver) this.#parts.ring.close(this.#logFd);
    this.#isOver = true;
  }

  #isWanted(desired: Desired): boolean {
    const own = this.#desired;
    if (desired.role !== "replay") return false;
    if (desired.logSequence !== own.logSequence) return false;
    if (desired.logHost !== own.logHost) return false;
    const { endBytes, writtenBackBytes, status } = this.#replay.state();
    const isFollowing = status >= 0 && desired.startBytes > own.startBytes &&
      desired.startBytes <= writtenBackBytes;
    if (desired.startBytes !== own.startBytes && !isFollowing) return false;
    return Math.max(desired.logEndBytes, desired.startBytes) >= endBytes;
  }

  /** Damage is told once. */
  #traceStatus(): void {
    const { status, detail, writtenBackBytes } = this.#replay.state();
    if (status === this.#tracedStatus) return;
    this.#tracedStatus = status;
    if (status >= 0) return;
    const { resource } = this.#parts.birth;
    const { logSequence, logHost } = this.#desired;
    trace.error("replay", "Log is damaged", {
      resource,
      logSequence,
      logHost,
      positionBytes: writtenBackBytes,
      status,
      detail,
    });
  }
}
