/**
 * The daemon's end of a worker: start, adjust, watch, stop.
 *
 * One handle is one worker thread, from its birth to its end. The daemon says
 * what it desires as often as it likes; only a difference wakes the worker. A
 * worker that throws ends its thread and nothing else: `failure` shows the
 * error, and the daemon decides whether to make a new handle.
 *
 * A worker is stopped by `Desired.role = "stop"`, never by `terminate()`, which
 * does not interrupt a system call.
 */
import { assert } from "../base/assert.ts";
import { MarsError, SyscallError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import { sleep } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import type { Shim } from "../../ffi/shim.ts";
import { type Actual, type Birth, type Desired, Mailbox } from "./mailbox.ts";
import { stopYielding } from "./threads.ts";

/** What is particular about the worker of one resource. */
export type WorkerSubject = Pick<
  Birth,
  "resource" | "logDirectory" | "diskPath" | "deviceName" | "nbdSocketPath"
>;

/** What a handle needs for its whole life. */
export interface DataplaneOptions extends Omit<Birth, "mailbox" | "eventFd"> {
  /** `worker.ts`, or the bundle that calls `runWorker()`. */
  readonly workerUrl: URL;
  readonly shim: Shim;
  /** The host's clock: its stamps go to the worker and come back. */
  readonly lamport: LamportClock;
}

// Ours. A change of state is told at once; positions and counts, which move
// with every batch, only so often: a round of the daemon costs milliseconds, at
// 70 of them a second it took more of the processor than the worker did.
const CHANGE_INTERVAL_MS = 10;
const POSITION_INTERVAL_MS = 100;

/** The daemon's end of a worker; a simulation has its own. */
export interface Dataplane {
  /** Tells the worker what to do; returns at once. Not heard after `stop`. */
  adjust(desired: Desired): void;
  /** What the worker does, as far as it has said. */
  actual(): Actual;
  /** Whether it has adopted what it was told last. */
  readonly isCurrent: boolean;
  /** Calls back after `actual()` or `failure` changed. */
  onChange(callback: () => void): void;
  /** Why the worker ended by itself; `undefined` while it is well. */
  readonly failure: Error | undefined;
  /** Ends the worker; resolves when it has closed everything. */
  stop(): Promise<void>;
}

/** A running worker thread. */
export class DataplaneHandle implements Dataplane {
  readonly #options: DataplaneOptions;
  readonly #mailbox = Mailbox.create();
  readonly #worker: Worker;
  readonly #watching: Promise<void>;
  #eventFd: number;
  #callbacks: (() => void)[] = [];
  #failure: Error | undefined;
  #isStopping = false;
  #hasEnded = false;

  /** Starts the thread; until `adjust` it desires nothing. @throws SyscallError */
  constructor(options: DataplaneOptions) {
    this.#options = options;
    this.#eventFd = options.shim.mars_eventfd_create();
    if (this.#eventFd < 0) {
      throw new SyscallError("create", "eventfd", -this.#eventFd);
    }
    this.#worker = new Worker(options.workerUrl, {
      type: "module",
      name: `resource ${options.resource}`,
    });
    this.#worker.addEventListener("error", (event) => {
      // Without this Deno ends the whole process.
      event.preventDefault();
      this.#fail(event.message);
    });
    this.#worker.postMessage(birthOf(options, this.#mailbox, this.#eventFd));
    this.#watching = this.#watch();
    this.#answer();
  }

  adjust(desired: Desired): void {
    if (this.#isStopping || this.#hasEnded) return;
    const stampNs = this.#options.lamport.now();
    if (!this.#mailbox.writeDesired(desired, stampNs)) return;
    const result = this.#options.shim.mars_eventfd_add(this.#eventFd, 1);
    assert(result >= 0, "eventfd of a worker accepts a wake-up");
  }

  actual(): Actual {
    const { stampNs, value } = this.#mailbox.readActual();
    this.#options.lamport.observe(stampNs);
    return value;
  }

  get isCurrent(): boolean {
    return this.actual().desiredVersion === this.desiredVersion;
  }

  /** Version of the last `Desired`; compare with `actual().desiredVersion`. */
  get desiredVersion(): number {
    return this.#mailbox.desiredVersion;
  }

  /**
   * At most once per
   * `CHANGE_INTERVAL_MS`, and once per `POSITION_INTERVAL_MS` if nothing but
   * positions and counts have moved. The last change is always told.
   */
  onChange(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  async stop(): Promise<void> {
    this.adjust({ ...this.#mailbox.readDesired().value, role: "stop" });
    this.#isStopping = true;
    await this.#watching;
  }

  /** Follows `Actual` until the worker has ended. */
  async #watch(): Promise<void> {
    let version = 0;
    let toldState = "";
    let toldAtMs = -Infinity;
    while (!this.#hasEnded) {
      // Returns at once as long as something is untold.
      await this.#mailbox.waitActual(version);
      if (this.#failure !== undefined) return;
      const letter = this.#mailbox.readActual();
      if (letter.version !== version && letter.value.role === "stopped") {
        this.#end();
      }
      const state = stateOf(letter.value);
      const isDue = performance.now() >= toldAtMs + POSITION_INTERVAL_MS;
      if (state !== toldState || isDue || this.#hasEnded) {
        version = letter.version;
        toldState = state;
        toldAtMs = performance.now();
        this.#tell();
      }
      if (!this.#hasEnded) await sleep(CHANGE_INTERVAL_MS);
    }
  }

  /** Says that this thread runs, whenever the worker asks. */
  async #answer(): Promise<void> {
    while (!this.#hasEnded) await this.#mailbox.answer();
  }

  #tell(): void {
    for (const callback of this.#callbacks) callback();
  }

  #fail(message: string): void {
    if (this.#hasEnded) return;
    const { resource } = this.#options;
    this.#failure = new MarsError(`Worker of "${resource}" ended: ${message}`);
    trace.error("dataplane", "Worker failed", { resource, message });
    // It may have made this thread yield.
    const { yieldingThread, shim } = this.#options;
    if (yieldingThread !== undefined) stopYielding(shim, yieldingThread);
    this.#end();
    this.#mailbox.notifyActual();
    this.#tell();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // Whatever was open is closed; only the thread itself may still be there.
    this.#worker.terminate();
    this.#mailbox.notifyAnswer();
    this.#options.shim.mars_file_close(this.#eventFd);
    this.#eventFd = -1;
  }
}

/** What is told at once when it differs. */
function stateOf(actual: Actual): string {
  const {
    desiredVersion,
    role,
    logSequence,
    writtenBackSequence,
    deviceOn,
    deviceErrno,
    deviceStep,
    bypass,
    openCount,
    diskErrno,
    logErrno,
    replayStatus,
  } = actual;
  const isClean = actual.writtenBackBytes === actual.loggedBytes;
  return `${desiredVersion} ${role} ${logSequence} ${writtenBackSequence} ` +
    `${deviceOn} ${deviceErrno} ${deviceStep} ${bypass} ${openCount} ${diskErrno} ` +
    `${logErrno} ${replayStatus} ${isClean}`;
}

function birthOf(
  options: DataplaneOptions,
  mailbox: Mailbox,
  eventFd: number,
): Birth {
  return {
    mailbox: mailbox.buffer,
    eventFd,
    shimPath: options.shimPath,
    host: options.host,
    resource: options.resource,
    logDirectory: options.logDirectory,
    diskPath: options.diskPath,
    deviceName: options.deviceName,
    nbdSocketPath: options.nbdSocketPath,
    ublk: options.ublk,
    yieldingThread: options.yieldingThread,
    traceLevel: options.traceLevel,
    traceFormat: options.traceFormat,
  };
}
