// Pure
/**
 * The format of ublk: what a server and the kernel's driver tell each other.
 *
 *   control command  32 bytes in an entry of 128: which device, a buffer, a word
 *   device info      64 bytes: queues, depth, state, features
 *   parameters       variable: sector sizes, limits, what the device can do
 *   descriptor       24 bytes per tag in shared memory: one request
 *   queue command    16 bytes in an entry: queue, tag, result, buffer
 *
 * All integers are little-endian. Features are words of 32 bits here; those
 * above bit 31 do not concern us.
 *
 * Source: include/uapi/linux/ublk_cmd.h.
 */
import { assert } from "../base/assert.ts";

// Prescribed by Linux.
export const CONTROL_PATH = "/dev/ublk-control";
const CONTROL_BYTES = 32;
export const INFO_BYTES = 64;
export const FEATURES_BYTES = 8;
export const DESCRIPTOR_BYTES = 24;
const DEPTH_MAX = 4096;
export const SECTOR_BYTES = 512;
const QUEUE_COMMAND_BYTES = 16;

const READ = 2;
const READ_WRITE = 3;

/** The number of a command as ioctl numbers are made. */
function commandOf(direction: number, number: number, bytes: number): number {
  return (direction << 30 | bytes << 16 | 0x75 << 8 | number) >>> 0;
}

/** UBLK_U_CMD_*. */
export const CONTROL = {
  addDevice: commandOf(READ_WRITE, 0x04, CONTROL_BYTES),
  deleteDevice: commandOf(READ_WRITE, 0x05, CONTROL_BYTES),
  startDevice: commandOf(READ_WRITE, 0x06, CONTROL_BYTES),
  stopDevice: commandOf(READ_WRITE, 0x07, CONTROL_BYTES),
  setParameters: commandOf(READ_WRITE, 0x08, CONTROL_BYTES),
  startRecovery: commandOf(READ_WRITE, 0x10, CONTROL_BYTES),
  endRecovery: commandOf(READ_WRITE, 0x11, CONTROL_BYTES),
  getInfo: commandOf(READ, 0x02, CONTROL_BYTES),
  getParameters: commandOf(READ, 0x09, CONTROL_BYTES),
  getFeatures: commandOf(READ, 0x13, CONTROL_BYTES),
  deleteDeviceLater: commandOf(READ, 0x14, CONTROL_BYTES),
  updateSize: commandOf(READ_WRITE, 0x15, CONTROL_BYTES),
  quiesceDevice: commandOf(READ_WRITE, 0x16, CONTROL_BYTES),
  tryStopDevice: commandOf(READ_WRITE, 0x17, CONTROL_BYTES),
} as const;

/** UBLK_U_IO_*. */
export const QUEUE = {
  fetch: commandOf(READ_WRITE, 0x20, QUEUE_COMMAND_BYTES),
  commitAndFetch: commandOf(READ_WRITE, 0x21, QUEUE_COMMAND_BYTES),
} as const;

/** UBLK_F_*. */
export const FEATURE = {
  userRecovery: 1 << 3,
  reissue: 1 << 4,
  ioctlEncoded: 1 << 6,
  userCopy: 1 << 7,
  updateSize: 1 << 10,
  quiesce: 1 << 12,
  perIoDaemon: 1 << 13,
  batch: 1 << 15,
  safeStop: 1 << 17,
} as const;

/** UBLK_IO_OP_*. */
export const OPERATION = {
  read: 0,
  write: 1,
  flush: 2,
  discard: 3,
  writeZeroes: 5,
} as const;
export const FLAG_FUA = 1 << 13;

/** What a completed fetch says if the queue is to end. */
export const RESULT_ABORT = -19;

/** UBLK_S_DEV_*. */
const STATES = ["dead", "live", "quiesced", "failing"] as const;
export type UblkState = typeof STATES[number];

/** One control command. */
export interface ControlCommand {
  /** -1: any free one. */
  readonly deviceId: number;
  readonly address: number;
  readonly lengthBytes: number;
  readonly data: number;
}

const NO_QUEUE = 0xffff;
const HALF = 0x1_0000_0000;

export function encodeControl(command: ControlCommand): Uint32Array {
  const words = new Uint32Array(CONTROL_BYTES / 4);
  words[0] = command.deviceId;
  words[1] = NO_QUEUE | command.lengthBytes << 16;
  putLong(words, 2, command.address);
  putLong(words, 4, command.data);
  return words;
}

export interface DeviceInfo {
  readonly queueCount: number;
  readonly depth: number;
  readonly state: UblkState;
  readonly requestBytesMax: number;
  readonly deviceId: number;
  readonly serverPid: number;
  readonly features: number;
  /** Kept by the kernel for whoever serves it. */
  readonly mark: Mark;
}

/** Whose a device is. None of ours is zero. */
export interface Mark {
  /** Digest of what all devices of one daemon have in common. */
  readonly owner: number;
  /** Digest of its name. */
  readonly name: number;
}

/** @param directory where the daemon notes its devices */
export function markOf(directory: string, name: string): Mark {
  return { owner: digestOf(directory), name: digestOf(name) };
}

/** FNV-1a; never 0. */
function digestOf(text: string): number {
  let digest = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    digest = Math.imul(digest ^ byte, 0x01000193) >>> 0;
  }
  return digest === 0 ? 1 : digest;
}

export function encodeInfo(info: DeviceInfo): Uint32Array {
  assert(info.depth > 0, "Queue is not empty");
  assert(info.depth <= DEPTH_MAX, "Queue depth is bounded");
  const words = new Uint32Array(INFO_BYTES / 4);
  words[0] = info.queueCount | info.depth << 16;
  words[1] = STATES.indexOf(info.state);
  words[2] = info.requestBytesMax;
  words[3] = info.deviceId;
  words[4] = info.serverPid;
  words[6] = info.features;
  words[8] = info.mark.owner;
  words[9] = info.mark.name;
  return words;
}

/** @param words at least `INFO_BYTES` */
export function decodeInfo(words: Uint32Array): DeviceInfo {
  const word = (index: number): number => words[index] ?? 0;
  return {
    queueCount: word(0) & 0xffff,
    depth: word(0) >>> 16,
    state: STATES[word(1) & 0xffff] ?? "dead",
    requestBytesMax: word(2),
    deviceId: word(3),
    serverPid: word(4) | 0,
    features: word(6),
    mark: { owner: word(8), name: word(9) },
  };
}

/** What the block device is. */
export interface Parameters {
  readonly sizeBytes: number;
  /** Powers of two, 512 to 4096. */
  readonly logicalBlockBytes: number;
  /** Not below the logical one. */
  readonly physicalBlockBytes: number;
  readonly requestBytesMax: number;
  readonly isReadOnly: boolean;
  /** Whether acknowledged writes need a flush to become durable. */
  readonly hasVolatileCache: boolean;
  /** 0: no discard. */
  readonly discardBytesMax: number;
  readonly writeZeroesBytesMax: number;
}

const TYPE_BASIC = 1;
const TYPE_DISCARD = 2;
const ATTRIBUTE = { readOnly: 1, volatileCache: 4, fua: 8 } as const;
const DISCARD_SEGMENTS_MAX = 1;
export const PARAMETERS_BYTES = 60;

/** What a device has announced, as far as somebody has to know later. */
export function decodeParameters(
  words: Uint32Array,
): Pick<Parameters, "sizeBytes" | "hasVolatileCache"> {
  const word = (index: number): number => words[index] ?? 0;
  return {
    sizeBytes: (word(6) + word(7) * HALF) * SECTOR_BYTES,
    hasVolatileCache: (word(2) & ATTRIBUTE.volatileCache) !== 0,
  };
}

export function encodeParameters(parameters: Parameters): Uint32Array {
  const {
    sizeBytes,
    logicalBlockBytes,
    physicalBlockBytes,
    requestBytesMax,
    discardBytesMax,
    writeZeroesBytesMax,
  } = parameters;
  assert(sizeBytes % logicalBlockBytes === 0, "Size is whole blocks");
  assert(physicalBlockBytes >= logicalBlockBytes, "Physical is not smaller");
  const logicalShift = Math.log2(logicalBlockBytes);
  const physicalShift = Math.log2(physicalBlockBytes);
  const words = new Uint32Array(PARAMETERS_BYTES / 4);
  words[0] = PARAMETERS_BYTES;
  words[1] = TYPE_BASIC | (discardBytesMax > 0 ? TYPE_DISCARD : 0);
  words[2] = (parameters.isReadOnly ? ATTRIBUTE.readOnly : 0) |
    (parameters.hasVolatileCache ? ATTRIBUTE.volatileCache | ATTRIBUTE.fua : 0);
  // Logical, physical, best and smallest I/O.
  words[3] = logicalShift | physicalShift << 8 | physicalShift << 16 |
    physicalShift << 24;
  words[4] = requestBytesMax / SECTOR_BYTES;
  putLong(words, 6, sizeBytes / SECTOR_BYTES);
  if (discardBytesMax > 0) {
    words[11] = logicalBlockBytes;
    words[12] = discardBytesMax / SECTOR_BYTES;
    words[13] = writeZeroesBytesMax / SECTOR_BYTES;
    words[14] = DISCARD_SEGMENTS_MAX;
  }
  return words;
}

/** Descriptors of a queue, as the kernel shows them. */
export class Descriptors {
  readonly #words: Uint32Array;

  constructor(bytes: Uint8Array) {
    this.#words = new Uint32Array(
      bytes.buffer,
      bytes.byteOffset,
      bytes.byteLength / 4,
    );
  }

  operation(tag: number): number {
    return this.#word(tag, 0) & 0xff;
  }

  flags(tag: number): number {
    return this.#word(tag, 0) & ~0xff;
  }

  lengthBytes(tag: number): number {
    return this.#word(tag, 1) * SECTOR_BYTES;
  }

  offsetBytes(tag: number): number {
    return (this.#word(tag, 2) + this.#word(tag, 3) * HALF) * SECTOR_BYTES;
  }

  #word(tag: number, index: number): number {
    return this.#words[tag * (DESCRIPTOR_BYTES / 4) + index] ?? 0;
  }
}

/** Where the descriptors of a queue begin in the device's mapping. */
export function descriptorsAt(queue: number): number {
  return queue * DEPTH_MAX * DESCRIPTOR_BYTES;
}

/** Writes a queue command into `words`, which are used again. */
export function putQueueCommand(
  words: Uint32Array,
  tag: number,
  result: number,
  address: number,
): void {
  // Queue 0: there is one per device.
  words[0] = tag << 16;
  words[1] = result;
  putLong(words, 2, address);
}

function putLong(words: Uint32Array, index: number, value: number): void {
  const high = Math.floor(value / HALF);
  words[index] = value - high * HALF;
  words[index + 1] = high;
}
