/** The queue and the device against a driver that a test plays. */
import { assert, assertEquals } from "@std/assert";
import { DEVICE_STEP } from "../base/device_trouble.ts";
import { ERRNO, SyscallError } from "../base/errors.ts";
import type { BlockRequest, BlockTarget } from "../block/request.ts";
import type { CommandIo, Completion, Memory } from "../ring/io.ts";
import { UblkDevice } from "./ublk.ts";
import {
  CONTROL,
  decodeInfo,
  DESCRIPTOR_BYTES,
  type DeviceInfo,
  encodeInfo,
  encodeParameters,
  FEATURE,
  FLAG_FUA,
  INFO_BYTES,
  markOf,
  OPERATION,
  QUEUE,
  RESULT_ABORT,
} from "./ublk_protocol.ts";

interface Sent {
  readonly operation: number;
  readonly words: Uint32Array;
  readonly done: Completion;
  readonly tag: number;
}

/** The kernel's side: keeps commands until the test answers them. */
class Driver {
  readonly sent: Sent[] = [];
  readonly opened: string[] = [];
  readonly closed: number[] = [];
  descriptors: Uint32Array = new Uint32Array(0);
  openErrno = 0;
  releasedCount = 0;
  readonly written: {
    readonly path: string;
    readonly text: string;
    readonly done: () => void;
  }[] = [];
  readonly timers: (() => void)[] = [];
  readonly claims: {
    readonly path: string;
    readonly done: (result: number) => void;
  }[] = [];
  /** Of the page that control commands share. */
  control: Uint32Array = new Uint32Array(0);

  /** As much of the interface as a ublk device uses. */
  readonly io: CommandIo = {
    ...unused(),
    open: (path) => {
      if (this.openErrno !== 0) {
        throw new SyscallError("open", path, this.openErrno);
      }
      this.opened.push(path);
      return this.opened.length;
    },
    close: (fd) => void this.closed.push(fd),
    write: (fd, { bytes }, start, length, _offset, done, tag) => {
      const path = this.opened[fd - 1] ?? "";
      const text = new TextDecoder().decode(bytes.subarray(start, length));
      this.written.push({ path, text, done: () => done(length, tag) });
    },
    allocate: (lengthBytes) => {
      const given = memory(lengthBytes);
      if (lengthBytes === 4096) {
        this.control = new Uint32Array(given.bytes.buffer);
      }
      return given;
    },
    timer: (_durationMs, done, tag) =>
      void this.timers.push(() => done(0, tag)),
    map: (_fd, _offset, lengthBytes) => {
      const shown = memory(lengthBytes);
      this.descriptors = new Uint32Array(shown.bytes.buffer);
      return shown;
    },
    release: () => void this.releasedCount++,
    claim: ({ bytes }, done, tag) => {
      const path = new TextDecoder().decode(bytes).split("\0", 1)[0] ?? "";
      this.claims.push({ path, done: (result) => done(result, tag) });
    },
    command: (_fd, operation, words, done, tag) =>
      void this.sent.push({ operation, words: words.slice(), done, tag }),
    standingCommand: (_fd, operation, words, done, tag) =>
      void this.sent.push({ operation, words: words.slice(), done, tag }),
  };

  answerClaim(result: number): void {
    const claim = this.claims.shift();
    assert(claim !== undefined, "somebody wants to claim it");
    claim.done(result);
  }

  /** Answers the oldest command of this kind. */
  answer(operation: number, result: number, tag?: number): void {
    const index = this.sent.findIndex((each) =>
      each.operation === operation && (tag === undefined || each.tag === tag)
    );
    const [found] = index < 0 ? [] : this.sent.splice(index, 1);
    assert(found !== undefined, `command ${operation} was sent`);
    found.done(result, found.tag);
  }

  /** Puts a request of the kernel under `tag`. */
  request(
    tag: number,
    request: {
      readonly operation: number;
      readonly sector: number;
      readonly sectors: number;
    },
  ): void {
    const at = tag * DESCRIPTOR_BYTES / 4;
    this.descriptors[at] = request.operation;
    this.descriptors[at + 1] = request.sectors;
    this.descriptors[at + 2] = request.sector;
  }
}

let lastAddress = 0x10_0000;

function memory(lengthBytes: number): Memory {
  lastAddress += 0x1000_0000;
  return { bytes: new Uint8Array(lengthBytes), address: lastAddress };
}

function unused(): CommandIo {
  const never = (): never => {
    throw new Error("not used by a ublk device");
  };
  return {
    read: never,
    write: never,
    append: never,
    flush: never,
    zero: never,
    timer: never,
    monotonicMs: () => 0,
    allocate: never,
    open: never,
    size: never,
    truncate: never,
    close: never,
    command: never,
    standingCommand: never,
    claim: never,
    map: never,
    release: never,
  };
}

/** Keeps requests until the test acknowledges them. */
class Target implements BlockTarget {
  readonly requests: {
    readonly request: BlockRequest;
    readonly acknowledge: (errno: number) => void;
  }[] = [];

  submit(request: BlockRequest, acknowledge: (errno: number) => void): void {
    this.requests.push({ request: { ...request }, acknowledge });
  }
}

const MIB = 1 << 20;

const OURS = markOf("/run/mars/ublk", "r");

function deviceOf(
  driver: Driver,
  target: Target,
  deviceIds: readonly number[] = [],
): { device: UblkDevice; added: number[] } {
  const added: number[] = [];
  const device = new UblkDevice({
    io: driver.io,
    target,
    sizeBytes: MIB,
    logicalBlockBytes: 512,
    physicalBlockBytes: 4096,
    hasVolatileCache: () => true,
    mark: OURS,
    deviceIds: () => deviceIds,
    pid: 4711,
    onAdded: (deviceId) => added.push(deviceId),
  });
  return { device, added };
}

function neverBusy(): void {
  throw new Error("nobody has it open");
}

/** A device that is on. */
function started(
  features = 0,
): { driver: Driver; target: Target; device: UblkDevice } {
  const driver = new Driver();
  const target = new Target();
  const { device } = deviceOf(driver, target);
  device.start();
  answerFeatures(driver, features);
  driver.answer(CONTROL.addDevice, 0);
  driver.answer(CONTROL.setParameters, 0);
  driver.answer(CONTROL.startDevice, 0);
  assertEquals(device.phase, "on");
  return { driver, target, device };
}

Deno.test("A device is added, set, fetched for and started, in order", () => {
  const driver = new Driver();
  const { device, added } = deviceOf(driver, new Target());
  device.start();
  driver.answer(CONTROL.getFeatures, -ERRNO.EOPNOTSUPP);
  assertEquals(driver.sent.map(({ operation }) => operation), [
    CONTROL.addDevice,
  ]);
  driver.answer(CONTROL.addDevice, 0);
  assertEquals(added, [device.deviceId]);
  driver.answer(CONTROL.setParameters, 0);
  const fetches = driver.sent.filter(({ operation }) =>
    operation === QUEUE.fetch
  );
  assertEquals(fetches.length, 64);
  assertEquals(driver.sent.at(-1)?.operation, CONTROL.startDevice);
  assertEquals(driver.sent.at(-1)?.words[4], 4711);
});

Deno.test("A device that was made gets no scheduler", () => {
  const { driver, device } = started();
  const [order] = driver.written;
  const path = `/sys/block/ublkb${device.deviceId}/queue/scheduler`;
  assertEquals(order?.path, path);
  assertEquals(order?.text, "none");
  order?.done();
  assertEquals(driver.closed, [driver.opened.indexOf(path) + 1]);
});
Deno.test("A write reaches the target, its result the kernel", () => {
  const { driver, target } = started();
  driver.request(5, {
    operation: OPERATION.write | FLAG_FUA,
    sector: 8,
    sectors: 16,
  });
  driver.answer(QUEUE.fetch, 0, 5);
  const [taken] = target.requests;
  assertEquals(taken?.request.kind, "write");
  assertEquals(taken?.request.offsetBytes, 4096);
  assertEquals(taken?.request.lengthBytes, 8192);
  assertEquals(taken?.request.forceUnitAccess, true);
  taken?.acknowledge(0);
  const commit = driver.sent.at(-1);
  assertEquals(commit?.operation, QUEUE.commitAndFetch);
  assertEquals(commit?.words[0], 5 << 16);
  assertEquals(commit?.words[1], 8192);
});

Deno.test("Errors and unknown operations reach the kernel as errno", () => {
  const { driver, target } = started();
  driver.request(0, { operation: OPERATION.read, sector: 0, sectors: 8 });
  driver.answer(QUEUE.fetch, 0, 0);
  target.requests[0]?.acknowledge(ERRNO.EIO);
  assertEquals((driver.sent.at(-1)?.words[1] ?? 0) | 0, -ERRNO.EIO);
  driver.request(1, { operation: 99, sector: 0, sectors: 8 });
  driver.answer(QUEUE.fetch, 0, 1);
  assertEquals((driver.sent.at(-1)?.words[1] ?? 0) | 0, -ERRNO.EOPNOTSUPP);
  driver.request(2, { operation: OPERATION.write, sector: 0, sectors: 9999 });
  driver.answer(QUEUE.fetch, 0, 2);
  assertEquals((driver.sent.at(-1)?.words[1] ?? 0) | 0, -ERRNO.EINVAL);
  assertEquals(target.requests.length, 1);
});

Deno.test("A device that stops serves what is in flight, then goes", () => {
  const { driver, target, device } = started();
  driver.request(0, { operation: OPERATION.flush, sector: 0, sectors: 0 });
  driver.answer(QUEUE.fetch, 0, 0);
  device.stopIfUnused(neverBusy);
  driver.answerClaim(99);
  target.requests[0]?.acknowledge(0);
  assertEquals(device.inFlight, 0);
  for (let tag = 1; tag < 64; tag++) {
    driver.answer(QUEUE.fetch, RESULT_ABORT, tag);
  }
  driver.answer(QUEUE.commitAndFetch, RESULT_ABORT, 0);
  // Nobody gets in before it has ended.
  assert(!driver.closed.includes(99));
  driver.answer(CONTROL.stopDevice, 0);
  assert(driver.closed.includes(99));
  assertEquals(device.phase, "deleting");
  assertEquals(driver.releasedCount, 2);
  driver.answer(CONTROL.deleteDevice, 0);
  assertEquals(device.phase, "off");
});

Deno.test("A device that somebody has open stays on", () => {
  for (const features of [0, FEATURE.safeStop]) {
    const { driver, device } = started(features);
    const path = `/dev/ublkb${device.deviceId}`;
    let busyCount = 0;
    const ask = (): void => device.stopIfUnused(() => busyCount++);
    ask();
    // It is asked once, and serves meanwhile.
    ask();
    assertEquals(device.phase, "on");
    if (features === 0) {
      assertEquals(driver.claims.map((claim) => claim.path), [path]);
      driver.answerClaim(-ERRNO.EBUSY);
    } else driver.answer(CONTROL.tryStopDevice, -ERRNO.EBUSY);
    assertEquals(busyCount, 1);
    assertEquals(device.phase, "on");
    // What can be asked is never known by opening it here.
    assert(!driver.opened.includes(path));
    ask();
    if (features === 0) {
      driver.answerClaim(99);
      driver.answer(CONTROL.stopDevice, 0);
    } else driver.answer(CONTROL.tryStopDevice, 0);
    assertEquals(device.phase, "deleting");
    assertEquals(busyCount, 1);
  }
});

/** Answers what is asked of a device that somebody has made. */
function answerInfo(driver: Driver, info: Partial<DeviceInfo>): void {
  driver.control.set(encodeInfo({
    queueCount: 1,
    depth: 64,
    state: "quiesced",
    requestBytesMax: MIB,
    deviceId: 7,
    serverPid: 1,
    features: 0,
    mark: OURS,
    ...info,
  }));
  driver.answer(CONTROL.getInfo, 0);
}

/** What a device of `sizeBytes` has announced. */
function announce(
  driver: Driver,
  sizeBytes: number,
  hasVolatileCache: boolean,
): void {
  driver.control.set(encodeParameters({
    sizeBytes,
    logicalBlockBytes: 512,
    physicalBlockBytes: 4096,
    requestBytesMax: MIB,
    isReadOnly: false,
    hasVolatileCache,
    discardBytesMax: MIB,
    writeZeroesBytesMax: MIB,
  }));
  driver.answer(CONTROL.getParameters, 0);
}

function answerFeatures(driver: Driver, features: number): void {
  driver.control[0] = features;
  driver.answer(CONTROL.getFeatures, 0);
}

Deno.test("A device that was left is recovered, not made anew", () => {
  const driver = new Driver();
  const { device, added } = deviceOf(driver, new Target(), [7, 8]);
  device.start();
  driver.answer(CONTROL.getFeatures, 0);
  // Somebody else's comes first.
  answerInfo(driver, { deviceId: 8, mark: markOf("/run/mars/ublk", "s") });
  answerInfo(driver, {});
  announce(driver, MIB, true);
  driver.answer(CONTROL.startRecovery, 0);
  assertEquals(driver.opened.at(-1), "/dev/ublkc7");
  driver.answer(CONTROL.endRecovery, 0);
  assertEquals(device.phase, "on");
  assertEquals(device.deviceId, 7);
  assertEquals(added, []);
});

Deno.test("A device that was left and is gone is made anew", () => {
  const driver = new Driver();
  const { device } = deviceOf(driver, new Target(), [7]);
  device.start();
  driver.answer(CONTROL.getFeatures, 0);
  driver.answer(CONTROL.getInfo, -ERRNO.ENODEV);
  assertEquals(driver.sent.at(-1)?.operation, CONTROL.addDevice);
  assertEquals(device.phase, "adding");
});

Deno.test("A device that never started is removed, and made anew", () => {
  const driver = new Driver();
  const { device } = deviceOf(driver, new Target(), [7]);
  device.start();
  driver.answer(CONTROL.getFeatures, 0);
  answerInfo(driver, { state: "dead" });
  assertEquals(driver.sent.at(-1)?.words[0], 7);
  driver.answer(CONTROL.deleteDevice, 0);
  assertEquals(driver.sent.at(-1)?.operation, CONTROL.addDevice);
});

Deno.test("A device whose process is just dying is waited for, never doubled", () => {
  const driver = new Driver();
  const { device } = deviceOf(driver, new Target(), [7]);
  device.start();
  driver.answer(CONTROL.getFeatures, 0);
  answerInfo(driver, { state: "live" });
  announce(driver, MIB, true);
  driver.answer(CONTROL.startRecovery, -ERRNO.EBUSY);
  driver.timers.shift()?.();
  driver.answer(CONTROL.startRecovery, 0);
  assertEquals(device.phase, "starting");
  assertEquals(
    driver.sent.some(({ operation }) => operation === CONTROL.addDevice),
    false,
  );
});

Deno.test("A device that cannot be taken over stays what it is", () => {
  const driver = new Driver();
  const { device } = deviceOf(driver, new Target(), [7]);
  device.start();
  driver.answer(CONTROL.getFeatures, 0);
  answerInfo(driver, {});
  announce(driver, MIB, true);
  driver.answer(CONTROL.startRecovery, -ERRNO.EINVAL);
  assertEquals(device.phase, "off");
  assertEquals(device.step, DEVICE_STEP.recover);
  assertEquals(driver.sent, []);
});

Deno.test("What was announced of a device outlives the process", () => {
  const driver = new Driver();
  const { device } = deviceOf(driver, new Target(), [7]);
  device.start();
  answerFeatures(driver, FEATURE.updateSize);
  answerInfo(driver, {});
  announce(driver, MIB / 2, false);
  driver.answer(CONTROL.startRecovery, 0);
  driver.answer(CONTROL.endRecovery, 0);
  // Users without a cache send no flushes, whatever the level is now.
  assertEquals(device.hasVolatileCache, false);
  // The resource has grown meanwhile.
  const growth = driver.sent.at(-1);
  assertEquals(growth?.operation, CONTROL.updateSize);
  assertEquals(growth?.words[4], MIB / 512);
});

Deno.test("A device grows while it is on, where the kernel can", () => {
  const { driver, device } = started();
  device.resize(2 * MIB);
  assertEquals(device.step, DEVICE_STEP.grow);
  assertEquals(device.errno, ERRNO.EOPNOTSUPP);
  assertEquals(
    driver.sent.some(({ operation }) => operation === CONTROL.updateSize),
    false,
  );
  const other = started(FEATURE.updateSize);
  other.device.resize(2 * MIB);
  other.driver.answer(CONTROL.updateSize, 0);
  assertEquals(other.device.step, DEVICE_STEP.none);
});

Deno.test("What cannot be made is taken back, and says why", () => {
  const driver = new Driver();
  const { device } = deviceOf(driver, new Target());
  device.start();
  driver.answer(CONTROL.getFeatures, 0);
  driver.answer(CONTROL.addDevice, -ERRNO.EACCES);
  assertEquals(device.phase, "off");
  assertEquals(device.errno, ERRNO.EACCES);
  device.start();
  driver.answer(CONTROL.getFeatures, 0);
  driver.answer(CONTROL.addDevice, 0);
  driver.openErrno = ERRNO.EPERM;
  driver.answer(CONTROL.setParameters, 0);
  driver.answer(CONTROL.deleteDevice, 0);
  assertEquals(device.phase, "off");
  assertEquals(device.errno, ERRNO.EPERM);
});

Deno.test("Device info and parameters are laid out as the kernel wants", () => {
  const info = {
    queueCount: 1,
    depth: 64,
    state: "quiesced",
    requestBytesMax: MIB,
    deviceId: 3,
    serverPid: 4711,
    features: 0x58,
    mark: OURS,
  } as const;
  const words = encodeInfo(info);
  assertEquals(words.byteLength, INFO_BYTES);
  assertEquals(decodeInfo(words), info);
  const parameters = encodeParameters({
    sizeBytes: MIB,
    logicalBlockBytes: 512,
    physicalBlockBytes: 4096,
    requestBytesMax: MIB,
    isReadOnly: false,
    hasVolatileCache: true,
    discardBytesMax: MIB,
    writeZeroesBytesMax: MIB,
  });
  assertEquals([...parameters], [
    60,
    3,
    12,
    9 | 12 << 8 | 12 << 16 | 12 << 24,
    2048,
    0,
    2048,
    0,
    0,
    0,
    0,
    512,
    2048,
    2048,
    1,
  ]);
});
