/**
 * Role "log": the primary's data plane of one device.
 *
 *   serving ──► closing ──► draining ──► over
 *      ▲           │  └───► stopping ─────┘
 *      └───────────┘
 *
 *   serving   clients may connect; what they write goes to the log
 *   closing   nobody new is let in. As long as a client has the device open it
 *             is served: a busy device is never pulled away. "stop" hangs up
 *   draining  everything goes back to the disk
 *   stopping  the log is made durable; recovery writes back what is dirty
 *
 * The log may fail, or be unwanted, in each of these phases: then the device is
 * served without it, see `bypass.ts` of the logger. "stop" does not wait for the
 * permission to do that: requests that wait for it fail, their clients are gone.
 *
 * A higher `logSequence` rotates. A log to write to exists and is empty, else it
 * is refused: nothing is ever appended to an old log.
 */
import { join } from "@std/path";
import { DEVICE_STEP, deviceTroubleText } from "../base/device_trouble.ts";
import { ERRNO, MarsError, RefusedError } from "../base/errors.ts";
import { logFileName } from "../base/names.ts";
import { trace } from "../base/trace.ts";
import { geometryOf } from "../device/geometry.ts";
import { type FrontEnd, FrontEnds } from "../device/front_end.ts";
import { NbdServer } from "../device/nbd.ts";
import { UblkFront } from "../device/ublk_front.ts";
import type { LogFile } from "../logger/open_logs.ts";
import { Logger } from "../logger/logger.ts";
import type { Desired } from "./mailbox.ts";
import { Precedence } from "./precedence.ts";
import { errnoOf, type Parts, type Report, type Role } from "./role.ts";

/** Ours. A new log that cannot be opened is tried again after this. */
const OPEN_RETRY_MS = 1_000;

const NO_TROUBLE = [DEVICE_STEP.none, 0] as const;

type Phase = "serving" | "closing" | "draining" | "stopping" | "over";

export class LogRole implements Role {
  readonly #parts: Parts;
  readonly #logger: Logger;
  readonly #server: FrontEnd;
  readonly #precedence: Precedence | undefined;
  #desiredLevel: Desired["level"];
  /** The kernel cannot let the device grow while it is on. */
  #isGrowthRefused = false;
  readonly #before: { readonly [Key in TotalName]: number };
  #phase: Phase = "serving";
  /** Highest sequence that was handed to the logger. */
  #sequence: number;
  #sizeBytes: number;
  #openErrno = 0;
  #openAtMs = 0;
  #bypass = 0;

  /**
   * Opens the log and lets clients in. `totals` is what earlier roles have
   * counted.
   *
   * @throws SyscallError, RefusedError
   */
  constructor(parts: Parts, desired: Desired, totals: Report) {
    const { ring, crc, disk, stamps, yielding } = parts;
    const { sizeBytes, level, logSequence } = desired;
    this.#parts = parts;
    this.#before = totalsOf(totals);
    this.#sequence = logSequence;
    this.#sizeBytes = sizeBytes;
    this.#desiredLevel = level;
    this.#precedence = yielding && new Precedence(ring, yielding);
    this.#precedence?.permit(desired.isShort === 0);
    this.#logger = new Logger({
      io: ring,
      crc,
      disk,
      sizeBytes,
      level,
      log: this.#openLog(desired),
      now: () => stamps.next(),
    });
    try {
      this.#server = this.#frontEnds(parts, desired);
      this.#server.start();
    } catch (error) {
      this.#logger.close();
      throw error;
    }
    this.#trace("Device is on");
  }

  #frontEnds({ birth, ring }: Parts, desired: Desired): FrontEnd {
    const { sizeBytes } = desired;
    const common = { io: ring, target: this.#logger, sizeBytes };
    const nbd = new NbdServer({
      ...common,
      exportName: birth.deviceName,
      path: birth.nbdSocketPath,
    });
    if (birth.ublk === undefined) return nbd;
    const ublk = new UblkFront({
      ...common,
      ...birth.ublk,
      ...geometryOf(birth.diskPath),
      hasVolatileCache: () => this.#desiredLevel === "flush",
    });
    return new FrontEnds([nbd, ublk]);
  }

  get isOver(): boolean {
    return this.#phase === "over";
  }

  adopt(desired: Desired): void {
    this.#precedence?.permit(desired.isShort === 0);
    if (desired.logSequence === this.#logger.logSequence) {
      this.#logger.setBypass(desired.bypass);
    }
    switch (this.#phase) {
      case "serving":
        if (this.#isWanted(desired)) return this.#follow(desired);
        this.#server.stopListening();
        this.#precedence?.end();
        this.#phase = "closing";
        this.#trace("Device lets nobody in");
        return this.#close(desired);
      case "closing":
        return this.#close(desired);
      case "draining":
        if (desired.role === "stop") this.#giveUp();
        return;
      case "stopping":
      case "over":
        return;
    }
  }

  endOfTurn(desired: Desired): void {
    // What ends here lets the next phase begin, and that has to do something.
    for (;;) {
      const phase = this.#phase;
      if (phase === "over") return;
      this.#logger.endOfTurn();
      this.#traceBypass();
      this.#server.endOfTurn();
      this.#keepPromise();
      if (phase === "serving") {
        this.#precedence?.endOfTurn({
          requestCount: this.#logger.requestCount,
          openCount: this.#server.openCount,
        });
      }
      if (this.#phase === "closing") this.#close(desired);
      if (this.#phase === phase) return;
    }
  }

  report(report: Report): void {
    const state = this.#logger.state();
    const before = this.#before;
    report.role = "log";
    report.logSequence = state.logSequence;
    report.loggedBytes = state.loggedBytes;
    report.durableBytes = state.durableBytes;
    report.writtenBackSequence = state.writtenBackSequence;
    report.writtenBackBytes = state.writtenBackBytes;
    const isServing = this.#phase === "serving";
    report.deviceOn = isServing && this.#server.isOn ? 1 : 0;
    const [step, errno] = isServing ? this.#trouble() : NO_TROUBLE;
    report.deviceStep = step;
    report.deviceErrno = errno;
    report.deviceBytes = isServing
      ? Math.min(this.#sizeBytes, this.#server.shownBytes)
      : 0;
    report.bypass = state.bypass;
    report.openCount = this.#server.openCount;
    report.inFlight = state.inFlight;
    report.diskBytes = this.#parts.disk.sizeBytes;
    report.diskErrno = state.diskErrno;
    report.logErrno = state.logErrno || this.#openErrno;
    report.writeCount = before.writeCount + state.writeCount;
    report.writeBytes = before.writeBytes + state.writeBytes;
    report.readCount = before.readCount + state.readCount;
    report.readBytes = before.readBytes + state.readBytes;
  }

  abandon(): void {
    this.#precedence?.end();
    this.#server.stopListening();
    this.#server.closeAll();
    this.#server.close();
    this.#phase = "over";
  }

  #isWanted(desired: Desired): boolean {
    return desired.role === "log" && desired.logHost === this.#parts.birth.host;
  }

  /** Does what has changed while serving. */
  #follow(desired: Desired): void {
    this.#desiredLevel = desired.level;
    this.#keepPromise();
    this.#resize(desired.sizeBytes);
    const { logSequence } = desired;
    if (logSequence <= this.#sequence) {
      this.#openErrno = 0;
      return;
    }
    if (this.#logger.isRotating) return;
    // Whoever named it did not know yet that a hole is needed.
    if (!this.#logger.mayRotateTo(logSequence)) return;
    this.#rotate(desired);
  }

  /** What is wrong with the device, and the errno. */
  #trouble(): readonly [step: number, errno: number] {
    if (this.#isGrowthRefused) return [DEVICE_STEP.grow, ERRNO.EOPNOTSUPP];
    return [this.#server.step, this.#server.errno];
  }

  /**
   * A device that was announced without a cache gets no flushes: it stays
   * durable as long as it is there, whatever is wanted meanwhile.
   */
  #keepPromise(): void {
    this.#logger.setLevel(
      this.#server.mustBeDurable ? "durable" : this.#desiredLevel,
    );
  }

  /** A device may grow; what does not fit onto the disk waits. */
  #resize(sizeBytes: number): void {
    const isLarger = sizeBytes > this.#sizeBytes;
    const isRefused = isLarger && !this.#server.canGrow;
    if (isRefused && !this.#isGrowthRefused) {
      const text = deviceTroubleText(DEVICE_STEP.grow, ERRNO.EOPNOTSUPP);
      trace.warn("log", text, { resource: this.#parts.birth.resource });
    }
    this.#isGrowthRefused = isRefused;
    if (!isLarger || isRefused) return;
    const { disk } = this.#parts;
    if (sizeBytes > disk.sizeBytes) disk.measure();
    if (sizeBytes > disk.sizeBytes) return;
    this.#sizeBytes = sizeBytes;
    this.#logger.resize(sizeBytes);
    this.#server.resize(sizeBytes);
    this.#trace("Device has grown");
  }

  #rotate(desired: Desired): void {
    const { ring } = this.#parts;
    const isChanged = this.#openErrno === 0;
    if (!isChanged && ring.monotonicMs() < this.#openAtMs) return;
    try {
      const log = this.#openLog(desired);
      this.#openErrno = 0;
      this.#sequence = desired.logSequence;
      this.#logger.setBypass("off");
      this.#logger.rotate(log);
      this.#trace("Log is rotated");
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      // The log before goes on; shown, and tried again.
      this.#openErrno = errnoOf(error, ERRNO.EEXIST);
      this.#openAtMs = ring.monotonicMs() + OPEN_RETRY_MS;
      ring.timer(OPEN_RETRY_MS, () => {}, 0);
      if (isChanged) {
        const { resource } = this.#parts.birth;
        trace.error("log", "Log cannot be rotated", { resource, error });
      }
    }
  }

  /** @throws SyscallError, RefusedError */
  #openLog(desired: Desired): LogFile {
    const { ring, birth } = this.#parts;
    const { logSequence: sequence, logHost: host } = desired;
    const name = logFileName({ sequence, host });
    const fd = ring.open(join(birth.logDirectory, name), "readwrite");
    const lengthBytes = ring.size(fd);
    if (lengthBytes === 0) return { fd, sequence, host };
    ring.close(fd);
    throw new RefusedError(`Cannot write to log "${name}"`, [
      `it has ${lengthBytes} bytes already`,
    ]);
  }

  #close(desired: Desired): void {
    const server = this.#server;
    if (desired.role === "stop") {
      server.closeAll();
      this.#logger.hangUp();
      if (server.clientCount > 0 || !server.isStopped) return;
      this.#phase = "stopping";
      this.#logger.stop((errno) => this.#ended(errno));
      return;
    }
    if (!server.isStopped) return;
    if (this.#isWanted(desired)) {
      server.start();
      this.#phase = "serving";
      this.#trace("Device is on");
      return;
    }
    if (server.clientCount > 0) return;
    this.#phase = "draining";
    this.#logger.drain((errno) => this.#ended(errno));
  }

  #ended(errno: number): void {
    this.#server.close();
    this.#logger.close();
    this.#phase = "over";
    this.#trace("Device is off");
    if (errno === 0) return;
    const { resource } = this.#parts.birth;
    trace.error("log", "Acknowledged data may be lost", { resource, errno });
  }

  /** Draining to a disk that fails never ends; recovery can do it later. */
  #giveUp(): void {
    if (this.#logger.state().diskErrno === 0) return;
    this.#phase = "stopping";
    this.#logger.stop((errno) => this.#ended(errno));
  }

  #traceBypass(): void {
    const { bypass } = this.#logger;
    if (bypass === this.#bypass) return;
    this.#bypass = bypass;
    const { resource } = this.#parts.birth;
    const { logErrno } = this.#logger.state();
    const values = { resource, logSequence: this.#sequence, errno: logErrno };
    if (bypass === 0) trace.warn("log", "Log is written again", values);
    else if (bypass === 1) {
      trace.warn("log", "Log is left, writes wait", values);
    } else trace.warn("log", "Device is served without a log", values);
  }

  #trace(sentence: string): void {
    const { resource, deviceName } = this.#parts.birth;
    trace.info("log", sentence, {
      resource,
      device: deviceName,
      logSequence: this.#sequence,
      sizeBytes: this.#sizeBytes,
    });
  }
}

type TotalName = "writeCount" | "writeBytes" | "readCount" | "readBytes";

function totalsOf(report: Report): { [Key in TotalName]: number } {
  const { writeCount, writeBytes, readCount, readBytes } = report;
  return { writeCount, writeBytes, readCount, readBytes };
}
