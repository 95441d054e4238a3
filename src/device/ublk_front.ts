/**
 * The block device of a resource: `/dev/mars/<name>`.
 *
 *   wanted      the device is made, or taken over from a process that died;
 *               a failure is told once and tried again
 *   not wanted  it goes as soon as nobody has it open
 *   left        this process ends, and somebody has it open: he waits for the
 *               next process
 *
 * Which device of the kernel belongs to us stands in a file of the run
 * directory, written before the device starts and removed after it is gone.
 * The run directory is as short-lived as the kernel's devices.
 */
import { dirname } from "@std/path";
import { errnoText, MarsError } from "../base/errors.ts";
import { trace } from "../base/trace.ts";
import type { BlockTarget } from "../block/request.ts";
import type { CommandIo } from "../ring/io.ts";
import type { FrontEnd } from "./front_end.ts";
import { openersOf } from "./openers.ts";
import { UblkDevice } from "./ublk.ts";

// Ours. A device that could not be made is tried again so soon.
const RETRY_MS = 2_000;
// Ours. How often somebody is asked whether he still has it open.
const BUSY_CHECK_MS = 250;

export interface UblkFrontOptions {
  readonly io: CommandIo;
  readonly target: BlockTarget;
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number;
  readonly hasVolatileCache: boolean;
  /** The link that people open. */
  readonly linkPath: string;
  /** The file that says which device is ours. */
  readonly statePath: string;
}

export class UblkFront implements FrontEnd {
  readonly #options: UblkFrontOptions;
  readonly #device: UblkDevice;
  #isWanted = false;
  #isLeft = false;
  /** Nothing is tried or asked before. */
  #nextAtMs = -Infinity;
  #openCount = 0;
  #shownErrno = 0;
  #isShown = false;

  /** @throws SyscallError where the kernel has no ublk */
  constructor(options: UblkFrontOptions) {
    this.#options = options;
    this.#device = new UblkDevice({
      ...options,
      leftDeviceId: readState(options.statePath),
      pid: Deno.pid,
      onAdded: (deviceId) => writeState(options.statePath, deviceId),
    });
  }

  start(): void {
    this.#isWanted = true;
    this.#nextAtMs = -Infinity;
    this.endOfTurn();
  }

  stopListening(): void {
    this.#isWanted = false;
    this.#nextAtMs = -Infinity;
  }

  /** The wish may come back at any time. */
  get isStopped(): boolean {
    return !this.#isWanted;
  }

  get isOn(): boolean {
    return !this.#isLeft && this.#device.phase === "on";
  }

  get errno(): number {
    return this.#isWanted ? this.#device.errno : 0;
  }

  get clientCount(): number {
    return this.#isLeft || this.#device.phase === "off" ? 0 : 1;
  }

  get openCount(): number {
    return this.#isLeft ? 0 : this.#openCount;
  }

  /** Somebody who has it open must not lose it because a daemon ends. */
  closeAll(): void {
    if (this.#isLeft) return;
    if (this.#device.phase === "on" && this.#countOpeners() > 0) {
      this.#isLeft = true;
      trace.info("device", "Device is left to the next daemon", {
        device: this.#options.linkPath,
      });
    } else this.#device.stopIfUnused();
  }

  resize(sizeBytes: number): void {
    this.#device.resize(sizeBytes, (errno) => {
      if (errno === 0) return;
      trace.error("device", "Device cannot grow while it is there", {
        device: this.#options.linkPath,
        reason: errnoText(errno),
      });
    });
  }

  close(): void {
    this.#device.close();
  }

  endOfTurn(): void {
    this.#show();
    const { io } = this.#options;
    if (this.#isLeft || io.monotonicMs() < this.#nextAtMs) return;
    const { phase } = this.#device;
    if (phase === "off" && this.#isWanted) {
      this.#later(RETRY_MS);
      this.#device.start();
    } else if (phase === "on") {
      this.#later(BUSY_CHECK_MS);
      this.#openCount = this.#isWanted
        ? this.#device.isClaimed() ? 1 : 0
        : this.#countOpeners();
      if (!this.#isWanted && this.#openCount === 0) this.#device.stopIfUnused();
    }
  }

  #later(durationMs: number): void {
    const { io } = this.#options;
    this.#nextAtMs = io.monotonicMs() + durationMs;
    io.timer(durationMs, () => {}, 0);
  }

  #countOpeners(): number {
    const { deviceId } = this.#device;
    const count = openersOf(`/dev/ublkb${deviceId}`);
    return count === 0 && this.#device.isClaimed() ? 1 : count;
  }

  /** The link and the state file follow the device. */
  #show(): void {
    const { linkPath, statePath } = this.#options;
    const { phase, deviceId, errno } = this.#device;
    if (phase === "on" && !this.#isShown) {
      this.#isShown = true;
      placeLink(linkPath, `/dev/ublkb${deviceId}`);
    } else if (phase === "stopping" && this.#isShown) {
      this.#isShown = false;
      removeIfThere(linkPath);
    } else if (phase === "off" && !this.#isWanted) removeIfThere(statePath);
    if (errno === this.#shownErrno) return;
    this.#shownErrno = errno;
    if (errno === 0) return;
    trace.error("device", "Device cannot be made", {
      device: linkPath,
      reason: errnoText(errno),
    });
  }
}

/** The device that an earlier process had. */
function readState(path: string): number | undefined {
  try {
    const text = Deno.readTextFileSync(path).trim();
    return /^\d+$/.test(text) ? Number(text) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function writeState(path: string, deviceId: number): void {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.tmp`;
  Deno.writeTextFileSync(draft, `${deviceId}\n`);
  Deno.renameSync(draft, path);
}

/** @throws MarsError if something that is no link is in the way */
function placeLink(path: string, target: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const draft = `${path}.tmp`;
  removeIfThere(draft);
  Deno.symlinkSync(target, draft);
  try {
    Deno.renameSync(draft, path);
  } catch (error) {
    throw new MarsError(`Cannot place link "${path}"`, { cause: error });
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
