/**
 * Worker: the thread of one resource. It composes ring, disk and one role at a
 * time, and makes them what is desired.
 *
 *   for (;;) {
 *     adopt what is desired      begin, change or end a role
 *     end of turn                group commit, replies
 *     publish what is actual
 *     enter the ring             the only sleep
 *     call back
 *   }
 *
 * A role lives in a ring of its own: when it is over the ring ends with it, and
 * all of its memory. A role that cannot begin (no disk, no log) is tried again
 * once a second; `Actual` shows why.
 *
 * The thread gets one message at its birth and hears of nothing else but the
 * mailbox, since it sleeps inside a system call. What it throws ends it and is
 * seen by the handle.
 */
import { loadShim, type Shim } from "../../ffi/shim.ts";
import { Disk } from "../block/disk.ts";
import { assert } from "../base/assert.ts";
import { ERRNO, MarsError, messageOf } from "../base/errors.ts";
import { startTrace, trace } from "../base/trace.ts";
import type { Crc32c } from "../log/checksum.ts";
import { shimCrc32c } from "../log/shim_crc32c.ts";
import { REPLAY_MEMORY_BYTES } from "../replay/replay.ts";
import { Ring } from "../ring/ring.ts";
import { LogRole } from "./log_role.ts";
import { type Birth, type Desired, Mailbox } from "./mailbox.ts";
import { ReplayRole } from "./replay_role.ts";
import { errnoOf, type Parts, type Report, type Role } from "./role.ts";
import { StampSource } from "./stamps.ts";
import { DaemonThread, stopYielding } from "./threads.ts";

/** Ours. Twice the requests that a busy client has in flight. */
const RING_ENTRIES = 256;
/** Ours. What could not begin is tried again after this. */
const RETRY_MS = 1_000;
/** Ours. A wall clock that was set is noticed after this. */
const WALL_CLOCK_MS = 1_000;

/** Makes this thread a worker: it waits for the message of its birth. */
export function runWorker(): void {
  addEventListener("message", (event) => {
    // True because only `handle.ts` starts workers with this module.
    const birth = (event as MessageEvent).data as Birth;
    const { host, traceLevel, traceFormat } = birth;
    startTrace({ level: traceLevel, format: traceFormat, host });
    new ResourceWorker(birth).run();
    close();
  }, { once: true });
}

class ResourceWorker {
  readonly #birth: Birth;
  readonly #shim: Shim;
  readonly #crc: Crc32c;
  readonly #mailbox: Mailbox;
  readonly #stamps = new StampSource(() => this.#wallMs());
  readonly #report: Report;
  readonly #yielding: DaemonThread | undefined;
  #desired: Desired;
  #ring: Ring;
  #disk: Disk | undefined;
  #role: Role | undefined;
  #isStopped = false;
  /** The turn before has left that to this one. */
  #isUnpublished = false;
  /** The ring before may have swallowed a wake-up: look once more. */
  #isRenewed = false;
  /** Nothing is begun before this, unless something else is desired. */
  #retryAtMs = -Infinity;
  #refusal = "";
  /** How far the wall clock is ahead of the ring's, and when to look again. */
  #wallAheadMs = 0;
  #wallCheckAtMs = -Infinity;

  constructor(birth: Birth) {
    this.#birth = birth;
    this.#shim = loadShim(birth.shimPath);
    this.#crc = shimCrc32c(this.#shim);
    this.#mailbox = Mailbox.attach(birth.mailbox);
    this.#desired = this.#mailbox.readDesired().value;
    const { yieldingThread: thread } = birth;
    // Born while it yielded, this thread would do so, too.
    if (thread !== undefined) stopYielding(this.#shim, 0);
    // A client that shares the only processor is to hand over all that it has
    // before we wake up: one turn for it, not one for each request.
    if (navigator.hardwareConcurrency === 1) this.#shim.mars_thread_patient();
    this.#yielding = thread === undefined
      ? undefined
      : new DaemonThread(this.#shim, { mailbox: this.#mailbox, thread });
    this.#report = { ...this.#mailbox.readActual().value };
    this.#ring = this.#newRing();
  }

  /** Works until "stop" is desired and done; says so when all is closed. */
  run(): void {
    this.#work();
    this.#publish();
  }

  #work(): void {
    try {
      for (;;) {
        this.#adopt();
        if (this.#isStopped) return;
        this.#role?.endOfTurn(this.#desired);
        // What has completed without the kernel makes another turn at once.
        this.#isUnpublished = !this.#isUnpublished && this.#ring.hasReady;
        if (!this.#isUnpublished) this.#publish();
        // Nothing may be left to do before the only sleep.
        if (this.#role?.isOver || this.#isRenewed) continue;
        this.#ring.enter(1);
        this.#ring.reap();
      }
    } finally {
      // Only what failed has left a role behind.
      this.#role?.abandon();
      this.#closeDisk();
      this.#ring.end();
    }
  }

  /** Compares what is desired with what there is. */
  #adopt(): void {
    this.#isRenewed = false;
    this.#readDesired();
    this.#role?.adopt(this.#desired);
    if (this.#role?.isOver) {
      this.#role.report(this.#report);
      this.#role = undefined;
      this.#renew();
    }
    if (this.#role !== undefined) return;
    if (this.#desired.role === "stop") {
      this.#isStopped = true;
    } else if (this.#ring.monotonicMs() >= this.#retryAtMs) {
      this.#begin();
    }
  }

  #readDesired(): void {
    if (this.#mailbox.desiredVersion === this.#report.desiredVersion) return;
    const { version, stampNs, value } = this.#mailbox.readDesired();
    this.#stamps.observe(stampNs);
    this.#desired = value;
    this.#report.desiredVersion = version;
    this.#retryAtMs = -Infinity;
  }

  /** Opens the disk, and begins the desired role if it is not "idle". */
  #begin(): void {
    const { role } = this.#desired;
    if (role === "idle" && this.#disk !== undefined) {
      this.#setErrnos(0, 0);
      return;
    }
    // A disk may have grown since it was opened.
    this.#renew();
    if (!this.#openDisk() || role === "idle") return;
    const disk = this.#disk;
    assert(disk !== undefined, "the disk is open");
    const parts: Parts = {
      birth: this.#birth,
      ring: this.#ring,
      crc: this.#crc,
      stamps: this.#stamps,
      disk,
      yielding: this.#yielding,
    };
    try {
      this.#role = role === "log"
        ? new LogRole(parts, this.#desired, this.#report)
        : new ReplayRole(parts, this.#desired, {
          memory: this.#ring.allocate(REPLAY_MEMORY_BYTES),
          totals: this.#report,
        });
      this.#refusal = "";
    } catch (error) {
      this.#refuse(error);
      this.#setErrnos(0, errnoOf(error, ERRNO.EEXIST));
    }
  }

  #openDisk(): boolean {
    const { role, sizeBytes } = this.#desired;
    const sizeBytesMin = role === "idle" ? 0 : sizeBytes;
    try {
      this.#disk = Disk.open(this.#ring, this.#birth.diskPath, sizeBytesMin);
    } catch (error) {
      this.#refuse(error);
      this.#setErrnos(errnoOf(error, ERRNO.EFBIG), 0);
      return false;
    }
    this.#report.diskBytes = this.#disk.sizeBytes;
    this.#setErrnos(0, 0);
    return true;
  }

  /** Tells why nothing can begin, and notes when to try again. */
  #refuse(error: unknown): void {
    if (!(error instanceof MarsError)) throw error;
    this.#retryAtMs = this.#ring.monotonicMs() + RETRY_MS;
    this.#ring.timer(RETRY_MS, () => {}, 0);
    const refusal = messageOf(error);
    if (refusal === this.#refusal) return;
    this.#refusal = refusal;
    const { resource } = this.#birth;
    const { role } = this.#desired;
    trace.error("worker", "Role cannot begin", { resource, role, error });
  }

  #setErrnos(diskErrno: number, logErrno: number): void {
    this.#report.diskErrno = diskErrno;
    this.#report.logErrno = logErrno;
  }

  #publish(): void {
    const report = this.#report;
    if (this.#role !== undefined) {
      this.#role.report(report);
    } else {
      report.role = this.#isStopped ? "stopped" : "idle";
      report.deviceOn = 0;
      report.deviceErrno = 0;
      report.deviceStep = 0;
      report.deviceBytes = 0;
      report.bypass = 0;
      report.openCount = 0;
      report.inFlight = 0;
      report.replayStatus = 0;
      report.replayDetail = 0;
      report.replayByte = 0;
    }
    this.#mailbox.writeActual(report, this.#stamps.newestNs());
  }

  /** The wall clock, by the one look at a clock that a turn takes. */
  #wallMs(): number {
    const nowMs = this.#ring.monotonicMs();
    if (nowMs >= this.#wallCheckAtMs) {
      this.#wallAheadMs = Date.now() - nowMs;
      this.#wallCheckAtMs = nowMs + WALL_CLOCK_MS;
    }
    return nowMs + this.#wallAheadMs;
  }

  /** A new ring, and no disk. */
  #renew(): void {
    this.#closeDisk();
    this.#ring.end();
    this.#ring = this.#newRing();
    this.#isRenewed = true;
  }

  #closeDisk(): void {
    this.#disk?.close();
    this.#disk = undefined;
    this.#report.diskBytes = 0;
  }

  #newRing(): Ring {
    const ring = Ring.create({ shim: this.#shim, entries: RING_ENTRIES });
    const wait = (): void => ring.pollEvent(this.#birth.eventFd, wait, 0);
    wait();
    return ring;
  }
}

// In the bundle `main.ts` is the worker's module and calls `runWorker` itself.
const isWorkerThread = "WorkerGlobalScope" in globalThis && import.meta.main &&
  import.meta.url.endsWith("/worker.ts");
if (isWorkerThread) runWorker();
