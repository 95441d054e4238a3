/**
 * A block device of the kernel that forgets what is written, and reads as what
 * was in the buffer: our queue without anything behind it. What it costs is the
 * way of a request through the driver, the ring and back.
 *
 *   deno run --allow-all tests/bench/null_device.ts MIB
 *
 * Prints the path of the device and serves it until it is killed.
 */
import { loadShim } from "../../ffi/shim.ts";
import { MarsError } from "../../src/base/errors.ts";
import type { BlockTarget } from "../../src/block/request.ts";
import { UblkDevice } from "../../src/device/ublk.ts";
import { deviceIds } from "../../src/device/ublk_devices.ts";
import { markOf } from "../../src/device/ublk_protocol.ts";
import { Ring } from "../../src/ring/ring.ts";

// As the worker has it.
const RING_ENTRIES = 256;
const MIB = 1024 * 1024;

const NULL: BlockTarget = {
  submit: (_request, acknowledge) => acknowledge(0),
};

function serve(sizeBytes: number): void {
  const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));
  const ring = Ring.create({ shim, entries: RING_ENTRIES });
  const device = new UblkDevice({
    io: ring,
    target: NULL,
    sizeBytes,
    logicalBlockBytes: 512,
    physicalBlockBytes: 4096,
    hasVolatileCache: () => true,
    mark: markOf("bench", "null"),
    deviceIds,
    pid: Deno.pid,
    onAdded: () => {},
  });
  device.start();
  let isTold = false;
  for (;;) {
    ring.enter(1);
    ring.reap();
    if (device.errno !== 0) {
      throw new MarsError(`Cannot serve a device: errno ${device.errno}`);
    }
    if (isTold || device.phase !== "on") continue;
    isTold = true;
    // deno-lint-ignore no-console -- who started this waits for it.
    console.log(`/dev/ublkb${device.deviceId}`);
  }
}

serve(Number(Deno.args[0]) * MIB);
