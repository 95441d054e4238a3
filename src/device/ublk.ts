/**
 * A block device of the kernel, served by this process.
 *
 *   off ──► adding ──► setting ──► starting ──► on ──► stopping ──► deleting
 *            └─► (found quiesced) recovering ──┘  └─► off
 *
 * Control commands may take as long as the I/O that they wait for, so each is
 * an operation of the ring like any other: while the kernel starts or stops the
 * device, its requests are served.
 *
 * A process that dies leaves the device quiesced: its users wait. The next one
 * knows it by its mark, fetches with a queue of its own and ends the recovery;
 * requests that were in flight come again. That is safe because a record that is
 * written twice changes nothing. As long as there is a device with our mark, no
 * other one is made: it may have users. What was announced of it stays.
 *
 * Source: Documentation/block/ublk.rst of Linux.
 */
import { assert } from "../base/assert.ts";
import { DEVICE_STEP } from "../base/device_trouble.ts";
import { ERRNO, MarsError, SyscallError } from "../base/errors.ts";
import type { BlockTarget } from "../block/request.ts";
import type { CommandIo, Memory } from "../ring/io.ts";
import { UblkControl } from "./ublk_control.ts";
import {
  type CONTROL,
  type ControlCommand,
  decodeInfo,
  decodeParameters,
  DESCRIPTOR_BYTES,
  Descriptors,
  descriptorsAt,
  type DeviceInfo,
  encodeInfo,
  encodeParameters,
  FEATURE,
  FEATURES_BYTES,
  INFO_BYTES,
  type Mark,
  type Parameters,
  PARAMETERS_BYTES,
  SECTOR_BYTES,
} from "./ublk_protocol.ts";
import { UblkQueue } from "./ublk_queue.ts";
import { UblkScheduler } from "./ublk_scheduler.ts";

// Ours: as many requests as tools keep in flight, of the size that one record
// batch holds well.
const DEPTH = 64;
const REQUEST_BYTES_MAX = 256 * 1024;
/** Longer ranges come in several requests. */
const RANGE_BYTES_MAX = 64 * 1024 * 1024;
// Ours. The kernel notices within milliseconds that a process has died.
const RECOVER_PAUSE_MS = 5;
const RECOVER_TRIES = 400;
/** Of a path of a device. */
const PATH_BYTES = 64;

export interface UblkOptions {
  readonly io: CommandIo;
  readonly target: BlockTarget;
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number;
  /** Whether writes need a flush to become durable, as it is now. */
  readonly hasVolatileCache: () => boolean;
  /** By which a device is known that an earlier process has left. */
  readonly mark: Mark;
  /** Numbers of all devices that there are. */
  readonly deviceIds: () => readonly number[];
  /** Of this process, as the kernel shows it. */
  readonly pid: number;
  /** The kernel has given it a number; it is not there for anybody yet. */
  readonly onAdded: (deviceId: number) => void;
}

type Phase =
  | "off"
  | "adding"
  | "recovering"
  | "starting"
  | "on"
  | "stopping"
  | "deleting";

export class UblkDevice {
  readonly #options: UblkOptions;
  readonly #io: CommandIo;
  readonly #control: UblkControl;
  readonly #scheduler: UblkScheduler;
  #phase: Phase = "off";
  /** Whether somebody has it open is being asked. */
  #isAsking = false;
  /** Of the device, for the kernel. */
  readonly #path: Memory;
  #deviceId = -1;
  #fd = -1;
  #queue: UblkQueue | undefined;
  /** To be given back with the device. */
  readonly #memory: Memory[] = [];
  #errno = 0;
  #step: number = DEVICE_STEP.none;
  /** What this kernel's driver can do; 0 for one that does not tell. */
  #features = 0;
  #sizeBytes: number;
  /** An earlier process has made it. */
  #isAdopted = false;
  #announced: Pick<Parameters, "sizeBytes" | "hasVolatileCache">;

  /** @throws SyscallError where the kernel has no ublk */
  constructor(options: UblkOptions) {
    this.#options = options;
    this.#io = options.io;
    this.#sizeBytes = options.sizeBytes;
    this.#announced = {
      sizeBytes: options.sizeBytes,
      hasVolatileCache: options.hasVolatileCache(),
    };
    this.#control = new UblkControl(options.io);
    this.#scheduler = new UblkScheduler(options.io);
    this.#path = options.io.allocate(PATH_BYTES);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** -1 before it has one. */
  get deviceId(): number {
    return this.#deviceId;
  }

  /** Why it could not be made, or did not come back; 0 if all is well. */
  get errno(): number {
    return this.#errno;
  }

  /** At which step; one of `DEVICE_STEP`. */
  get step(): number {
    return this.#step;
  }

  /** Before it is on it may have any size. */
  get canGrow(): boolean {
    return this.#phase !== "on" || (this.#features & FEATURE.updateSize) !== 0;
  }

  /** Bytes that its users see. */
  get sizeBytes(): number {
    return this.#announced.sizeBytes;
  }

  /** Whether its users know that writes need a flush to become durable. */
  get hasVolatileCache(): boolean {
    return this.#announced.hasVolatileCache;
  }

  get inFlight(): number {
    return this.#queue?.inFlight ?? 0;
  }

  /** Makes the device, or takes over the one that was left. */
  start(): void {
    assert(this.#phase === "off", "the device is off");
    this.#tell(0, DEVICE_STEP.none);
    this.#isAdopted = false;
    this.#phase = "adding";
    this.#send("getFeatures", { lengthBytes: FEATURES_BYTES }, (result) => {
      // Older drivers do not know the command.
      this.#features = result < 0 ? 0 : this.#control.words[0] ?? 0;
      this.#find([...this.#options.deviceIds()]);
    });
  }

  /** Looks for the device that was left; makes one if there is none. */
  #find(deviceIds: number[]): void {
    const deviceId = deviceIds.pop();
    if (deviceId === undefined) return this.#add();
    this.#send("getInfo", { deviceId, lengthBytes: INFO_BYTES }, (result) => {
      const { mark } = this.#options;
      const info = decodeInfo(this.#control.words);
      const isOurs = result >= 0 && info.mark.owner === mark.owner &&
        info.mark.name === mark.name;
      if (!isOurs) return this.#find(deviceIds);
      // It was never started, so nobody has it.
      if (info.state === "dead") {
        return this.#send("deleteDevice", { deviceId }, () => this.#add());
      }
      this.#deviceId = deviceId;
      this.#isAdopted = true;
      this.#phase = "recovering";
      this.#readParameters();
    });
  }

  #readParameters(): void {
    const { words } = this.#control;
    words[0] = PARAMETERS_BYTES;
    const lengthBytes = PARAMETERS_BYTES;
    this.#send("getParameters", { lengthBytes }, (result) => {
      if (result < 0) return this.#fail(result, DEVICE_STEP.recover);
      this.#announced = decodeParameters(words);
      this.#recover(1);
    });
  }

  #recover(attempt: number): void {
    this.#send("startRecovery", {}, (result) => {
      if (result >= 0) return this.#serve("endRecovery");
      // Its process has died, or its ring has ended, just now.
      if (result !== -ERRNO.EBUSY || attempt === RECOVER_TRIES) {
        return this.#fail(result, DEVICE_STEP.recover);
      }
      this.#io.timer(RECOVER_PAUSE_MS, () => this.#recover(attempt + 1), 0);
    });
  }

  /**
   * Ends the device unless somebody has it open, as far as this kernel can
   * tell: then it stays on, and `onBusy` is called.
   */
  stopIfUnused(onBusy: () => void): void {
    if (this.#phase !== "on" || this.#isAsking) return;
    this.#isAsking = true;
    if ((this.#features & FEATURE.safeStop) !== 0) {
      this.#send("tryStopDevice", {}, (result) => {
        this.#isAsking = false;
        if (result < 0) onBusy();
        else this.#delete();
      });
      return;
    }
    // Whoever has claimed it keeps others from doing so until it has ended.
    const { bytes } = this.#path;
    new TextEncoder().encodeInto(`/dev/ublkb${this.#deviceId}\0`, bytes);
    this.#io.claim(this.#path, (result) => {
      this.#isAsking = false;
      if (result === -ERRNO.EBUSY) return onBusy();
      this.#end(() => {
        if (result >= 0) this.#io.close(result);
      });
    }, 0);
  }

  #end(onEnded: () => void): void {
    this.#phase = "stopping";
    this.#send("stopDevice", {}, () => {
      onEnded();
      this.#delete();
    });
  }

  /** Lets it grow, where the kernel can. */
  resize(sizeBytes: number): void {
    this.#sizeBytes = sizeBytes;
    if (this.#phase === "on") this.#grow();
  }

  #grow(): void {
    const sizeBytes = this.#sizeBytes;
    if (sizeBytes <= this.#announced.sizeBytes) return;
    const done = (result: number): void => {
      if (result >= 0) {
        this.#announced = { ...this.#announced, sizeBytes };
        if (this.#step === DEVICE_STEP.grow) this.#tell(0, DEVICE_STEP.none);
        return this.#grow();
      }
      this.#tell(result, DEVICE_STEP.grow);
    };
    if ((this.#features & FEATURE.updateSize) === 0) {
      return done(-ERRNO.EOPNOTSUPP);
    }
    this.#send("updateSize", { data: sizeBytes / SECTOR_BYTES }, done);
  }

  #add(): void {
    this.#phase = "adding";
    const info: DeviceInfo = {
      queueCount: 1,
      depth: DEPTH,
      state: "dead",
      requestBytesMax: REQUEST_BYTES_MAX,
      deviceId: -1,
      serverPid: this.#options.pid,
      features: FEATURE.ioctlEncoded | FEATURE.userRecovery | FEATURE.reissue,
      mark: this.#options.mark,
    };
    this.#announced = {
      sizeBytes: this.#sizeBytes,
      hasVolatileCache: this.#options.hasVolatileCache(),
    };
    const { words } = this.#control;
    words.set(encodeInfo(info));
    this.#send("addDevice", { lengthBytes: INFO_BYTES }, (result) => {
      if (result < 0) return this.#fail(result, DEVICE_STEP.add);
      this.#deviceId = decodeInfo(words).deviceId;
      this.#options.onAdded(this.#deviceId);
      this.#setParameters();
    });
  }

  #setParameters(): void {
    const words = encodeParameters(this.#parameters());
    this.#control.words.set(words);
    const lengthBytes = words.byteLength;
    this.#send("setParameters", { lengthBytes }, (result) => {
      if (result < 0) return this.#fail(result, DEVICE_STEP.start);
      this.#serve("startDevice");
    });
  }

  #parameters(): Parameters {
    const { logicalBlockBytes, physicalBlockBytes } = this.#options;
    return {
      ...this.#announced,
      logicalBlockBytes,
      physicalBlockBytes,
      requestBytesMax: REQUEST_BYTES_MAX,
      isReadOnly: false,
      discardBytesMax: RANGE_BYTES_MAX,
      writeZeroesBytesMax: RANGE_BYTES_MAX,
    };
  }

  /** Fetches, and tells the kernel that somebody does. */
  #serve(last: "startDevice" | "endRecovery"): void {
    this.#phase = "starting";
    try {
      this.#fd = this.#io.open(`/dev/ublkc${this.#deviceId}`, "readwrite");
      const descriptors = this.#io.map(
        this.#fd,
        descriptorsAt(0),
        DEPTH * DESCRIPTOR_BYTES,
      );
      const buffers = this.#io.allocate(DEPTH * REQUEST_BYTES_MAX);
      this.#memory.push(descriptors, buffers);
      this.#queue = new UblkQueue({
        io: this.#io,
        fd: this.#fd,
        descriptors: new Descriptors(descriptors.bytes),
        depth: DEPTH,
        requestBytesMax: REQUEST_BYTES_MAX,
        buffers,
        target: this.#options.target,
      });
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      const errno = error instanceof SyscallError ? error.errno : ERRNO.EIO;
      return this.#fail(-errno, DEVICE_STEP.start);
    }
    this.#queue.start();
    this.#send(last, { data: this.#options.pid }, (result) => {
      if (result < 0) return this.#fail(result, DEVICE_STEP.start);
      if (this.#phase !== "starting") return;
      this.#phase = "on";
      // What somebody has chosen since it was made stays.
      if (!this.#isAdopted) this.#scheduler.choose(this.#deviceId);
      this.#grow();
    });
  }

  /** Lets go of everything. A device that is on waits for the next process. */
  close(): void {
    this.#letGo();
    this.#io.release(this.#path);
    this.#scheduler.close();
    this.#control.close();
  }

  #letGo(): void {
    for (const memory of this.#memory.splice(0)) this.#io.release(memory);
    if (this.#fd >= 0) this.#io.close(this.#fd);
    this.#fd = -1;
  }

  #delete(): void {
    this.#phase = "deleting";
    // The kernel deletes it when nobody has the character device open or mapped.
    this.#letGo();
    this.#send("deleteDevice", {}, () => {
      this.#phase = "off";
      this.#deviceId = -1;
      this.#queue = undefined;
    });
  }

  /** Takes back what was begun; what an earlier process has made stays. */
  #fail(result: number, step: number): void {
    this.#tell(result, step);
    if (this.#deviceId >= 0 && !this.#isAdopted) return this.#delete();
    if (this.#queue !== undefined && this.#isAdopted) {
      // Its fetches end with the ring, and so this ring has to.
      throw new SyscallError(
        "take over",
        `/dev/ublkc${this.#deviceId}`,
        -result,
      );
    }
    this.#letGo();
    this.#deviceId = -1;
    this.#phase = "off";
  }

  #tell(result: number, step: number): void {
    this.#errno = -result;
    this.#step = step;
  }

  #send(
    name: keyof typeof CONTROL,
    command: Partial<ControlCommand>,
    done: (result: number) => void,
  ): void {
    this.#control.send(name, { deviceId: this.#deviceId, ...command }, done);
  }
}
