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
 * names it, fetches with a queue of its own and ends the recovery; requests that
 * were in flight come again. That is safe because a record that is written
 * twice changes nothing.
 *
 * Source: Documentation/block/ublk.rst of Linux.
 */
import { assert } from "../base/assert.ts";
import { ERRNO, MarsError, SyscallError } from "../base/errors.ts";
import type { BlockTarget } from "../block/request.ts";
import type { CommandIo, Memory } from "../ring/io.ts";
import {
  CONTROL,
  CONTROL_PATH,
  type ControlCommand,
  decodeInfo,
  DESCRIPTOR_BYTES,
  Descriptors,
  descriptorsAt,
  type DeviceInfo,
  encodeControl,
  encodeInfo,
  encodeParameters,
  FEATURE,
  FEATURES_BYTES,
  INFO_BYTES,
  type Parameters,
  SECTOR_BYTES,
} from "./ublk_protocol.ts";
import { UblkQueue } from "./ublk_queue.ts";

// Ours: as many requests as tools keep in flight, of the size that one record
// batch holds well.
const DEPTH = 64;
const REQUEST_BYTES_MAX = 256 * 1024;
/** Longer ranges come in several requests. */
const RANGE_BYTES_MAX = 64 * 1024 * 1024;
const PAGE_BYTES = 4096;

export interface UblkOptions {
  readonly io: CommandIo;
  readonly target: BlockTarget;
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number;
  readonly hasVolatileCache: boolean;
  /** Of a device that an earlier process left; undefined: a new one. */
  readonly leftDeviceId: number | undefined;
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
  readonly #controlFd: number;
  readonly #buffer: Memory;
  readonly #words: Uint32Array;
  #phase: Phase = "off";
  #deviceId = -1;
  #fd = -1;
  #queue: UblkQueue | undefined;
  /** To be given back with the device. */
  readonly #memory: Memory[] = [];
  #errno = 0;
  /** What this kernel's driver can do; 0 for one that does not tell. */
  #features = 0;
  #sizeBytes: number;
  #left: number | undefined;

  /** @throws SyscallError where the kernel has no ublk */
  constructor(options: UblkOptions) {
    this.#options = options;
    this.#io = options.io;
    this.#sizeBytes = options.sizeBytes;
    this.#left = options.leftDeviceId;
    this.#controlFd = options.io.open(CONTROL_PATH, "readwrite");
    this.#buffer = options.io.allocate(PAGE_BYTES);
    const { buffer, byteOffset } = this.#buffer.bytes;
    this.#words = new Uint32Array(buffer, byteOffset, PAGE_BYTES / 4);
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

  get inFlight(): number {
    return this.#queue?.inFlight ?? 0;
  }

  /** Whether the kernel itself uses it: mounted, part of a volume, swap. */
  isClaimed(): boolean {
    try {
      this.#io.close(this.#io.open(`/dev/ublkb${this.#deviceId}`, "claim"));
      return false;
    } catch (error) {
      const errno = error instanceof SyscallError ? error.errno : 0;
      if (errno === ERRNO.EBUSY) return true;
      if (errno === 0) throw error;
      // It is about to go.
      return false;
    }
  }

  /** Makes the device, or takes over the one that was left. */
  start(): void {
    assert(this.#phase === "off", "the device is off");
    this.#errno = 0;
    this.#phase = "adding";
    this.#control("getFeatures", { lengthBytes: FEATURES_BYTES }, (result) => {
      // Older drivers do not know the command.
      this.#features = result < 0 ? 0 : this.#words[0] ?? 0;
      this.#begin();
    });
  }

  #begin(): void {
    const leftDeviceId = this.#left;
    this.#left = undefined;
    if (leftDeviceId === undefined) return this.#add();
    this.#phase = "recovering";
    this.#control("startRecovery", { deviceId: leftDeviceId }, (result) => {
      // Gone since, or never quiesced: nothing is left to be taken over.
      if (result < 0) return this.#add();
      this.#deviceId = leftDeviceId;
      this.#serve("endRecovery");
    });
  }

  /**
   * Ends the device if nobody has it open, as far as this kernel can tell:
   * then it stays on, and its caller tries again later.
   */
  stopIfUnused(): void {
    if (this.#phase !== "on") return;
    if ((this.#features & FEATURE.safeStop) === 0) return this.stop();
    this.#phase = "stopping";
    this.#control("tryStopDevice", {}, (result) => {
      if (result < 0) this.#phase = "on";
      else this.#delete();
    });
  }

  /** Ends the device; its users get errors. */
  stop(): void {
    if (this.#phase !== "on" && this.#phase !== "starting") return;
    this.#phase = "stopping";
    this.#control("stopDevice", {}, () => this.#delete());
  }

  /** Lets it grow, where the kernel can. */
  resize(sizeBytes: number, done: (errno: number) => void): void {
    this.#sizeBytes = sizeBytes;
    if (this.#phase !== "on") return done(0);
    if ((this.#features & FEATURE.updateSize) === 0) {
      return done(ERRNO.EOPNOTSUPP);
    }
    this.#control(
      "updateSize",
      { data: sizeBytes / SECTOR_BYTES },
      (result) => done(Math.max(0, -result)),
    );
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
    };
    this.#words.set(encodeInfo(info));
    this.#control("addDevice", { lengthBytes: INFO_BYTES }, (result) => {
      if (result < 0) return this.#fail(result);
      this.#deviceId = decodeInfo(this.#words).deviceId;
      this.#options.onAdded(this.#deviceId);
      this.#setParameters();
    });
  }

  #setParameters(): void {
    const words = encodeParameters(this.#parameters());
    this.#words.set(words);
    const lengthBytes = words.byteLength;
    this.#control("setParameters", { lengthBytes }, (result) => {
      if (result < 0) return this.#fail(result);
      this.#serve("startDevice");
    });
  }

  #parameters(): Parameters {
    const { logicalBlockBytes, physicalBlockBytes, hasVolatileCache } =
      this.#options;
    return {
      sizeBytes: this.#sizeBytes,
      logicalBlockBytes,
      physicalBlockBytes,
      requestBytesMax: REQUEST_BYTES_MAX,
      isReadOnly: false,
      hasVolatileCache,
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
      return this.#fail(-errno);
    }
    this.#queue.start();
    this.#control(last, { data: this.#options.pid }, (result) => {
      if (result < 0) return this.#fail(result);
      if (this.#phase === "starting") this.#phase = "on";
    });
  }

  /** Lets go of everything. A device that is on waits for the next process. */
  close(): void {
    this.#letGo();
    this.#io.release(this.#buffer);
    this.#io.close(this.#controlFd);
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
    this.#control("deleteDevice", {}, () => {
      this.#phase = "off";
      this.#deviceId = -1;
      this.#queue = undefined;
    });
  }

  /** Takes back what was begun. */
  #fail(result: number): void {
    this.#errno = -result;
    if (this.#deviceId >= 0) return this.#delete();
    this.#phase = "off";
  }

  #control(
    name: keyof typeof CONTROL,
    command: Partial<ControlCommand>,
    done: (result: number) => void,
  ): void {
    const words = encodeControl({
      deviceId: this.#deviceId,
      address: this.#buffer.address,
      lengthBytes: 0,
      data: 0,
      ...command,
    });
    this.#io.command(this.#controlFd, CONTROL[name], words, done, 0);
  }
}
