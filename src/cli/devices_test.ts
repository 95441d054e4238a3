/** Tests of `mars device` on devices that a test makes up. */
import { assertEquals, assertThrows } from "@std/assert";
import { RefusedError, UsageError } from "../base/errors.ts";
import {
  abandonDevice,
  type Devices,
  listDevices,
  type ServedDevice,
} from "./devices.ts";

interface Made extends ServedDevice {
  readonly isOpen: boolean;
}

const SERVED: Made = {
  name: "served",
  path: "/dev/ublkb0",
  state: "live",
  serverPid: 42,
  isOpen: true,
};
const LEFT: Made = {
  ...SERVED,
  name: "left",
  path: "/dev/ublkb1",
  state: "quiesced",
};
const NAMELESS: Made = {
  ...LEFT,
  name: undefined,
  path: "/dev/ublkb2",
  isOpen: false,
};

function made(): Devices<Made> & { readonly ended: string[] } {
  const ended: string[] = [];
  return {
    ended,
    list: () => [SERVED, LEFT, NAMELESS],
    isOpen: (device) => device.isOpen,
    end: (device) => void ended.push(device.path),
  };
}

function optionsOf(lines: string[], force = false): {
  json: boolean;
  force: boolean;
  daemonPid: number;
  print: (line: string) => void;
} {
  return {
    json: false,
    force,
    daemonPid: 42,
    print: (line) => void lines.push(line),
  };
}

Deno.test("device list says who serves what", () => {
  const lines: string[] = [];
  listDevices(made(), optionsOf(lines));
  assertEquals(lines, [
    "served  /dev/ublkb0  live  process 42 serves it  open",
    "left  /dev/ublkb1  quiesced  nobody serves it  open",
    "(unknown)  /dev/ublkb2  quiesced  nobody serves it  not open",
  ]);
});

Deno.test("device abandon refuses what the daemon serves, also by force", () => {
  const devices = made();
  assertThrows(
    () => abandonDevice(devices, "served", optionsOf([], true)),
    RefusedError,
    "process 42 serves it",
  );
  assertEquals(devices.ended, []);
});

Deno.test("device abandon ends an open device by force only", () => {
  const devices = made();
  assertThrows(
    () => abandonDevice(devices, "left", optionsOf([])),
    RefusedError,
    "add --force",
  );
  assertEquals(devices.ended, []);
  abandonDevice(devices, "left", optionsOf([], true));
  abandonDevice(devices, "/dev/ublkb2", optionsOf([]));
  assertEquals(devices.ended, ["/dev/ublkb1", "/dev/ublkb2"]);
});

Deno.test("device abandon names what shows the devices that there are", () => {
  assertThrows(
    () => abandonDevice(made(), "other", optionsOf([])),
    UsageError,
    "mars device list",
  );
});
