// Pure
/**
 * Precedence: requests to the device come before replication.
 *
 * A log may be sent later, a request may not wait. So as long as the device is
 * in use, the thread that carries the lines to other hosts runs only when
 * nobody else wants its processor (SCHED_IDLE): it delays no request, and where
 * processors are idle it is as fast as ever.
 *
 * That thread also serves commands, links and the deletion of logs, which must
 * go on however busy the device and other programs are. Therefore it is asked
 * each `TICK_MS` whether it comes to run. If it has not answered for `LATE_MS`
 * it runs as others do, until it has.
 *
 *   off      nothing in use     as others do
 *   on       in use             yields, unless it is late
 *
 * Nor does it yield while `/mars` is getting full: what lines carry away may be
 * deleted then, and a full one ends logging.
 *
 * On begins with a request and ends `QUIET_MS` after the last one, at once when
 * the last client is gone, which somebody may wait to hear of, or when the
 * device is not to be served any more: a handover waits for nobody. Programs
 * that use a block device without a mount are not counted as clients.
 */
import type { Io } from "../ring/io.ts";

// Ours. A tick costs two system calls while the device is in use.
const TICK_MS = 50;
// Ours. Somebody who types a command waits that long beside a device and
// programs that keep all processors busy; replication then gets a share of
// TICK_MS / (LATE_MS + TICK_MS), at least.
const LATE_MS = 500;
// Ours. Longer than between two requests of a database that is hardly used.
const QUIET_MS = 1_000;

/** The thread that may have to wait. */
export interface YieldingThread {
  /** From now on it runs only when nobody else wants to. */
  yield(): void;
  /** From now on it runs as others do. */
  restore(): void;
  ask(): void;
  /** Whether it has run since it was asked last. */
  readonly isAnswered: boolean;
}

export class Precedence {
  readonly #io: Pick<Io, "timer" | "monotonicMs">;
  readonly #thread: YieldingThread;
  #isOn = false;
  /** Ticks of an earlier use of the device mean nothing. */
  #era = 0;
  #isPermitted = true;
  #requestCount = 0;
  #openCount = 0;
  #isUsed = false;
  #usedMs = 0;
  #askedMs = 0;

  constructor(
    io: Pick<Io, "timer" | "monotonicMs">,
    thread: YieldingThread,
  ) {
    this.#io = io;
    this.#thread = thread;
  }

  /** Once per turn. @param requestCount of the device, in total */
  endOfTurn(
    { requestCount, openCount }: {
      readonly requestCount: number;
      readonly openCount: number;
    },
  ): void {
    const isLeft = openCount === 0 && this.#openCount > 0;
    this.#openCount = openCount;
    const isAsked = requestCount !== this.#requestCount;
    this.#requestCount = requestCount;
    if (isLeft) return this.end();
    if (!isAsked) return;
    this.#isUsed = true;
    if (this.#isOn || !this.#isPermitted) return;
    this.#isOn = true;
    this.#ask();
    this.#thread.yield();
    this.#arm();
  }

  /** Whether the thread may be made to yield at all. */
  permit(isPermitted: boolean): void {
    this.#isPermitted = isPermitted;
    if (!isPermitted) this.end();
  }

  /** The device is not served any more, for now or for ever. */
  end(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#era++;
    this.#thread.restore();
  }

  #arm(): void {
    this.#io.timer(TICK_MS, (_result, era) => this.#tick(era), this.#era);
  }

  #tick(era: number): void {
    if (!this.#isOn || era !== this.#era) return;
    const nowMs = this.#io.monotonicMs();
    if (this.#isUsed) this.#usedMs = nowMs;
    this.#isUsed = false;
    if (nowMs - this.#usedMs >= QUIET_MS) return this.end();
    if (this.#thread.isAnswered) this.#ask();
    // Said anew each time: other devices may want something else.
    if (nowMs - this.#askedMs < LATE_MS) this.#thread.yield();
    else this.#thread.restore();
    this.#arm();
  }

  #ask(): void {
    this.#thread.ask();
    this.#askedMs = this.#io.monotonicMs();
  }
}
