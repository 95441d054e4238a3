/**
 * The block device of a resource: `/dev/mars/<name>`.
 *
 *   wanted      the device is made, or taken over from a process that died;
 *               a failure is told once and tried again
 *   not wanted  it goes as soon as nobody has it open
 *   left        this process ends, and somebody has it open: he waits for the
 *               next process
 *
 * Without a driver there is no device, and that is not awaited: another front end
 * serves. A driver that is loaded later is noticed.
 *
 * Which device of the kernel belongs to us is seen by its mark, which the kernel
 * keeps as long as the device. A file of the run directory notes its name and
 * number for those who look after leftovers.
 */
import { basename, dirname } from "@std/path";
import { DEVICE_STEP, deviceTroubleText } from "../base/device_trouble.ts";
import { ERRNO, SyscallError } from "../base/errors.ts";
import { removeIfThere } from "../base/remove.ts";
import { trace } from "../base/trace.ts";
import type { FrontEnd } from "./front_end.ts";
import { isNotedOpen, isUsedByKernel, openersOf } from "./openers.ts";
import { UblkDevice, type UblkOptions } from "./ublk.ts";
import { deviceIds } from "./ublk_devices.ts";
import { markOf } from "./ublk_protocol.ts";

// Ours. A device that could not be made is tried again so soon.
const RETRY_MS = 2_000;
// Ours. A driver may be loaded at any time; to look costs a system call.
const DRIVER_RETRY_MS = 5_000;
// Ours. How often users are looked for, and whether they are gone: that is what
// somebody may wait for. A look takes 0.4 ms, in which no request is served.
const COUNT_MS = 1_000;
const BUSY_CHECK_MS = 250;

/** What the kernel is told of a device, and who serves it. */
type ServedDevice = Pick<
  UblkOptions,
  | "io"
  | "target"
  | "sizeBytes"
  | "logicalBlockBytes"
  | "physicalBlockBytes"
  | "hasVolatileCache"
>;

export type UblkFrontOptions = ServedDevice & {
  /** Whether it is told that the kernel has no driver. */
  readonly isExpected: boolean;
  /** The link that people open. */
  readonly linkPath: string;
  /** The file that says which device is ours. */
  readonly statePath: string;
};

export class UblkFront implements FrontEnd {
  readonly #options: UblkFrontOptions;
  /** Undefined as long as the kernel has no driver, or lets nobody use it. */
  #device: UblkDevice | undefined;
  #driverErrno = 0;
  /** The driver has come later: others serve until the device is on. */
  #isLate = false;
  #sizeBytes: number;
  /** As it was when the turn before ended. */
  #wasOn = false;
  #isWanted = false;
  #isLeft = false;
  /** Nothing is tried or asked before this pause is over; 0: no pause. */
  #pause = 0;
  #pauseCount = 0;
  #openCount = 0;
  /** What was traced last of `step` and `errno`. */
  #told = "";
  #isShown = false;
  #linkErrno = 0;

  constructor(options: UblkFrontOptions) {
    this.#options = options;
    this.#sizeBytes = options.sizeBytes;
    // One that is about to be taken over has users already.
    this.#openCount = isNotedOpen(options.statePath) ? 1 : 0;
    this.#findDriver();
  }

  #findDriver(): void {
    const options = this.#options;
    const { statePath } = options;
    try {
      this.#device = new UblkDevice({
        ...options,
        sizeBytes: this.#sizeBytes,
        mark: markOf(dirname(statePath), basename(statePath)),
        deviceIds,
        pid: Deno.pid,
        onAdded: (deviceId) => writeState(statePath, deviceId),
      });
      this.#driverErrno = 0;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#driverErrno = error.errno;
      this.#isLate = true;
    }
  }

  get #phase(): UblkDevice["phase"] {
    return this.#device?.phase ?? "off";
  }

  start(): void {
    this.#isWanted = true;
    this.#pause = 0;
    this.endOfTurn();
  }

  stopListening(): void {
    this.#isWanted = false;
    this.#pause = 0;
  }

  /** The wish may come back at any time. */
  get isStopped(): boolean {
    return !this.#isWanted;
  }

  get isOn(): boolean {
    return !this.#isLeft && (this.#isLate || this.#phase === "on");
  }

  get errno(): number {
    if (!this.#isWanted) return 0;
    if (this.#device === undefined) {
      return this.#options.isExpected ? this.#driverErrno : 0;
    }
    const { errno } = this.#device;
    return errno !== 0 ? errno : this.#linkErrno;
  }

  get step(): number {
    if (this.#device === undefined) {
      // Where several hosts share a machine nobody expects a driver.
      return this.#options.isExpected ? DEVICE_STEP.driver : DEVICE_STEP.none;
    }
    const { phase, step, hasVolatileCache } = this.#device;
    if (!this.#isWanted || step !== DEVICE_STEP.none) return step;
    if (this.#linkErrno !== 0) return DEVICE_STEP.link;
    const isHeld = phase === "on" && !hasVolatileCache &&
      this.#options.hasVolatileCache();
    return isHeld ? DEVICE_STEP.level : DEVICE_STEP.none;
  }

  get mustBeDurable(): boolean {
    return this.#phase !== "off" && this.#device?.hasVolatileCache === false;
  }

  get clientCount(): number {
    return this.#isLeft || this.#phase === "off" ? 0 : 1;
  }

  get openCount(): number {
    return this.#isLeft ? 0 : this.#openCount;
  }

  /** Somebody who has it open must not lose it because a daemon ends. */
  closeAll(): void {
    const device = this.#device;
    if (this.#isLeft || device === undefined) return;
    if (device.phase === "on" && openersOf(device.deviceId) > 0) this.#leave();
    else device.stopIfUnused(() => this.#leave());
  }

  #leave(): void {
    this.#isLeft = true;
    trace.info("device", "Device is left to the next daemon", {
      device: this.#options.linkPath,
    });
  }

  get canGrow(): boolean {
    return this.#device?.canGrow ?? true;
  }

  get shownBytes(): number {
    const { phase, sizeBytes = Infinity } = this.#device ?? {};
    return phase === "on" ? sizeBytes : Infinity;
  }

  resize(sizeBytes: number): void {
    this.#sizeBytes = sizeBytes;
    this.#device?.resize(sizeBytes);
  }

  close(): void {
    this.#device?.close();
  }

  endOfTurn(): void {
    this.#show();
    if (this.#isLeft) return;
    const isOn = this.#phase === "on";
    if (isOn && !this.#wasOn) this.#pause = 0;
    this.#wasOn = isOn;
    if (this.#pause !== 0) return;
    if (this.#phase === "off" && this.#isWanted) {
      if (this.#device === undefined) this.#findDriver();
      this.#later(this.#device === undefined ? DRIVER_RETRY_MS : RETRY_MS);
      this.#device?.start();
    } else if (isOn) {
      // What was in the way may be gone.
      if (this.#linkErrno !== 0) this.#isShown = false;
      this.#count();
      const isIdle = this.#isWanted && this.#openCount === 0;
      this.#later(isIdle ? COUNT_MS : BUSY_CHECK_MS);
    }
  }

  /** Lets a device go that is neither wanted nor used. */
  #count(): void {
    const device = this.#device;
    if (device === undefined) return;
    const { deviceId } = device;
    if (this.#isWanted) {
      // To look at all processes, all the time, would be too much.
      this.#openCount = isUsedByKernel(deviceId) ? 1 : 0;
      return;
    }
    this.#openCount = openersOf(deviceId);
    if (this.#openCount > 0) return;
    // Somebody has it whom this host does not show.
    device.stopIfUnused(() => this.#openCount = 1);
  }

  #later(durationMs: number): void {
    this.#pause = ++this.#pauseCount;
    this.#options.io.timer(durationMs, this.#pauseOver, this.#pause);
  }

  readonly #pauseOver = (_result: number, pause: number): void => {
    if (this.#pause === pause) this.#pause = 0;
  };

  /** The link and the state file follow the device. */
  #show(): void {
    const { linkPath, statePath } = this.#options;
    const phase = this.#phase;
    const deviceId = this.#device?.deviceId ?? -1;
    if (phase === "on" && !this.#isShown) {
      this.#isShown = true;
      this.#isLate = false;
      this.#linkErrno = placeLink(linkPath, `/dev/ublkb${deviceId}`);
    } else if (phase === "stopping" || phase === "deleting") {
      if (this.#isShown && this.#linkErrno === 0) removeIfThere(linkPath);
      this.#isShown = false;
      this.#linkErrno = 0;
    } else if (phase === "off" && !this.#isWanted) removeIfThere(statePath);
    this.#traceTrouble();
  }

  #traceTrouble(): void {
    const hasDriver = this.#driverErrno === 0;
    const step = hasDriver ? this.step : DEVICE_STEP.driver;
    const errno = hasDriver ? this.errno : this.#driverErrno;
    const told = `${step} ${errno}`;
    if (told === this.#told) return;
    this.#told = told;
    if (step === DEVICE_STEP.none) return;
    const text = deviceTroubleText(step, errno);
    const values = { device: this.#options.linkPath, errno };
    if (hasDriver || this.#options.isExpected) {
      trace.warn("device", text, values);
    } else trace.info("device", text, values);
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
