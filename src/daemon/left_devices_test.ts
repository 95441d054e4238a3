/** Tests of what becomes of devices that an earlier daemon has left. */
import { assertEquals } from "@std/assert";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import { ERRNO, SyscallError } from "../base/errors.ts";
import type { KernelDevice } from "../dataplane/kernel_devices.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { type DeviceShelf, LeftDevices, ownerless } from "./left_devices.ts";

const PID = 4711;

/** Resource "r" with its device here; `extra` links on top. */
function tree(extra: Readonly<Record<string, string>>): Snapshot {
  const links = {
    "resource-r/size": "1048576",
    "resource-r/data-alpha": "/dev/a",
    "resource-r/device-alpha": "r",
    "resource-r/todo-alpha/attach": "1",
    ...extra,
  };
  return snapshotOf(links);
}

const PRIMARY = tree({ "resource-r/primary": "alpha" });
const SECONDARY = tree({ "resource-r/primary": "beta" });
const DETACHED = tree({
  "resource-r/primary": "alpha",
  "resource-r/todo-alpha/attach": "0",
});
const DELETED = tree({ "resource-r/device-alpha": ".deleted" });

function device(parts: Partial<KernelDevice>): KernelDevice {
  return {
    name: "r",
    deviceId: 0,
    path: "/dev/ublkb0",
    state: "quiesced",
    serverPid: 1,
    ...parts,
  };
}

class Shelf implements DeviceShelf {
  readonly ended: string[] = [];
  readonly forgotten: string[] = [];
  readonly devices: KernelDevice[];
  noted = ["r"];
  isInUse = false;
  endErrno = 0;

  constructor(...devices: KernelDevice[]) {
    this.devices = devices;
  }

  list(): KernelDevice[] {
    return this.devices;
  }

  notedNames(): string[] {
    return this.noted;
  }

  isOpen(): boolean {
    return this.isInUse;
  }

  end({ path }: KernelDevice): void {
    if (this.endErrno !== 0) throw new SyscallError("end", path, this.endErrno);
    this.ended.push(path);
  }

  forget(name: string): void {
    this.forgotten.push(name);
  }

  [Symbol.dispose](): void {}
}

function look(shelf: Shelf, snapshot: Snapshot): string[] {
  const left = new LeftDevices({ host: "alpha", pid: PID, open: () => shelf });
  return left.look(snapshot).map(({ name, text }) => `${name}: ${text}`);
}

Deno.test("LeftDevices leaves to its worker what is primary here", () => {
  const shelf = new Shelf(device({}));
  assertEquals(look(shelf, PRIMARY), []);
  assertEquals(shelf.ended, []);
  assertEquals(shelf.forgotten, []);
});

Deno.test("LeftDevices ends what nobody has open and nobody will serve", () => {
  for (const snapshot of [SECONDARY, DETACHED, DELETED]) {
    const shelf = new Shelf(device({}), device({ name: undefined }));
    assertEquals(look(shelf, snapshot), []);
    assertEquals(shelf.ended.length, 2);
  }
});

Deno.test("LeftDevices tells of an open device what to type, and leaves it", () => {
  for (const snapshot of [SECONDARY, DETACHED, DELETED]) {
    const shelf = new Shelf(device({}));
    shelf.isInUse = true;
    assertEquals(look(shelf, snapshot), [
      'r: Device "r" (/dev/ublkb0) is open and nobody serves it: it is not primary here any more. End it: mars device abandon r --force',
    ]);
    assertEquals(shelf.ended, []);
    assertEquals(shelf.forgotten, []);
  }
});

Deno.test("LeftDevices lets alone what is served, dying, or about to be made", () => {
  const shelf = new Shelf(
    device({ state: "live", serverPid: PID }),
    device({ state: "live", serverPid: 1 }),
    device({ state: "dead", serverPid: PID }),
  );
  assertEquals(look(shelf, SECONDARY), []);
  assertEquals(shelf.ended, []);
});

Deno.test("LeftDevices removes what a process has made and never started", () => {
  const shelf = new Shelf(device({ state: "dead" }));
  assertEquals(look(shelf, SECONDARY), []);
  assertEquals(shelf.ended, ["/dev/ublkb0"]);
});

Deno.test("LeftDevices forgets what was noted of devices that are gone", () => {
  const shelf = new Shelf();
  shelf.noted = ["r", "garbage"];
  assertEquals(look(shelf, PRIMARY), []);
  assertEquals(shelf.forgotten, ["garbage"]);
});

Deno.test("LeftDevices tells what cannot be ended, and goes on", () => {
  const shelf = new Shelf(device({}), device({ path: "/dev/ublkb1" }));
  shelf.endErrno = ERRNO.EBUSY;
  assertEquals(look(shelf, SECONDARY).length, 2);
});

Deno.test("LeftDevices has nothing to do where the kernel has no ublk", () => {
  const left = new LeftDevices({
    host: "alpha",
    pid: PID,
    open: () => undefined,
  });
  assertEquals(left.look(PRIMARY), []);
});

Deno.test("ownerless() are those whose resource tells nothing", () => {
  const left = ["r", "gone", undefined].map((name) => ({
    name,
    text: `left ${name}`,
  }));
  assertEquals(
    ownerless(left, SECONDARY, "alpha").map(({ text }) => text),
    ["left gone", "left undefined"],
  );
  assertEquals(ownerless(left, DELETED, "alpha").length, 3);
});
