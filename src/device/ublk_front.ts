/**
 * The block device of a resource: `/dev/mars/<name>`.
 *
 *   wanted      the device is made, or taken over from a process that died;
 *               a failure is told once and tried again
 *   not wanted  it goes as soon as nobody has it open
 *   left        this process ends, and somebody has it open: he waits for the
 *               next process
 *
 * Which device of the kernel belongs to us is seen by its mark, which the kernel
 * keeps as long as the device. A file of the run directory notes its name and
 * number for those who look after leftovers.
 */
import { basename, dirname } from "@std/path";
import { DEVICE_STEP, deviceTroubleText } from "../base/device_trouble.ts";
import { ERRNO } from "../base/errors.ts";
import { removeIfThere } from "../base/remove.ts";
import { trace } from "../base/trace.ts";
import type { BlockTarget } from "../block/request.ts";
import type { CommandIo } from "../ring/io.ts";
import type { FrontEnd } from "./front_end.ts";
import { openersOf } from "./openers.ts";
import { UblkDevice } from "./ublk.ts";
import { deviceIds } from "./ublk_devices.ts";
import { markOf } from "./ublk_protocol.ts";

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
  /** Whether writes need a flush to become durable, as it is now. */
  readonly hasVolatileCache: () => boolean;
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
  /** What was traced last of `step` and `errno`. */
  #told = "";
  #isShown = false;
  #linkErrno = 0;

  /** @throws SyscallError where the kernel has no ublk */
  constructor(options: UblkFrontOptions) {
    this.#options = options;
    const { statePath } = options;
    this.#device = new UblkDevice({
      ...options,
      mark: markOf(dirname(statePath), basename(statePath)),
      deviceIds,
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
    if (!this.#isWanted) return 0;
    const { errno } = this.#device;
    return errno !== 0 ? errno : this.#linkErrno;
  }

  get step(): number {
    const { phase, step, hasVolatileCache } = this.#device;
    if (!this.#isWanted || step !== DEVICE_STEP.none) return step;
    if (this.#linkErrno !== 0) return DEVICE_STEP.link;
    const isHeld = phase === "on" && !hasVolatileCache &&
      this.#options.hasVolatileCache();
    return isHeld ? DEVICE_STEP.level : DEVICE_STEP.none;
  }

  get mustBeDurable(): boolean {
    const { phase, hasVolatileCache } = this.#device;
    return phase !== "off" && !hasVolatileCache;
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

  get canGrow(): boolean {
    return this.#device.canGrow;
  }

  get shownBytes(): number {
    const { phase, sizeBytes } = this.#device;
    return phase === "on" ? sizeBytes : Infinity;
  }

  resize(sizeBytes: number): void {
    this.#device.resize(sizeBytes);
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
      // What was in the way may be gone.
      if (this.#linkErrno !== 0) this.#isShown = false;
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
    const { phase, deviceId } = this.#device;
    if (phase === "on" && !this.#isShown) {
      this.#isShown = true;
      this.#linkErrno = placeLink(linkPath, `/dev/ublkb${deviceId}`);
    } else if (phase === "stopping") {
      if (this.#isShown && this.#linkErrno === 0) removeIfThere(linkPath);
      this.#isShown = false;
      this.#linkErrno = 0;
    } else if (phase === "off" && !this.#isWanted) removeIfThere(statePath);
    this.#traceTrouble();
  }

  #traceTrouble(): void {
    const { step, errno } = this;
    const told = `${step} ${errno}`;
    if (told === this.#told) return;
    this.#told = told;
    if (step === DEVICE_STEP.none) return;
    trace.warn("device", deviceTroubleText(step, errno), {
      device: this.#options.linkPath,
      errno,
    });
  }
}

function writeState(path: string, deviceId: number): void {
  Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.tmp`;
  Deno.writeTextFileSync(draft, `${deviceId}\n`);
  Deno.renameSync(draft, path);
}

/** The errno; 0 if all is well. What is no link is nobody's to replace. */
function placeLink(path: string, target: string): number {
  const draft = `${path}.tmp`;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    removeIfThere(draft);
    if (isInTheWay(path)) return ERRNO.EEXIST;
    Deno.symlinkSync(target, draft);
    Deno.renameSync(draft, path);
    return 0;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return ERRNO.EACCES;
    if (error instanceof Deno.errors.NotADirectory) return ERRNO.EEXIST;
    if (error instanceof Deno.errors.AlreadyExists) return ERRNO.EEXIST;
    // Full, or read-only: the device itself is there.
    if (error instanceof Error && "code" in error) return ERRNO.EIO;
    throw error;
  }
}

function isInTheWay(path: string): boolean {
  try {
    return !Deno.lstatSync(path).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
