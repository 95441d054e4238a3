/**
 * `mars device list` and `mars device abandon`: block devices of the kernel.
 *
 * A device whose daemon has died waits for the next one, and its users with it.
 * If there will be none, the device is ended by hand: its users get errors.
 */
import { RefusedError, UsageError } from "../base/errors.ts";

/** Of `docs/view-json.md`. */
const SCHEMA = 1;

/** A block device that a daemon of this host has made. */
export interface ServedDevice {
  /** Undefined if nobody has noted it. */
  readonly name: string | undefined;
  readonly path: string;
  readonly state: string;
  readonly serverPid: number;
}

/** What can be asked for and done. */
export interface Devices<Device extends ServedDevice> {
  /** @param known names that are to be recognized */
  list(known: readonly string[]): Device[];
  isOpen(device: Device): boolean;
  /** @throws SyscallError */
  end(device: Device): void;
}

export interface DeviceOptions {
  readonly json: boolean;
  readonly force: boolean;
  /** Of the running daemon. */
  readonly daemonPid: number | undefined;
  readonly print: (line: string) => void;
}

/** One line per device: name, kernel device, state, who serves it, use. */
export function listDevices<Device extends ServedDevice>(
  devices: Devices<Device>,
  options: DeviceOptions,
): void {
  const rows = devices.list([]).map((device) => ({
    name: device.name ?? "",
    kernelDevice: device.path,
    state: device.state,
    servedBy: isServed(device, options) ? device.serverPid : 0,
    isOpen: devices.isOpen(device),
  }));
  if (options.json) {
    options.print(JSON.stringify({ schema: SCHEMA, devices: rows }));
    return;
  }
  for (const { name, kernelDevice, state, servedBy, isOpen } of rows) {
    options.print([
      name === "" ? "(unknown)" : name,
      kernelDevice,
      state,
      servedBy === 0 ? "nobody serves it" : `process ${servedBy} serves it`,
      isOpen ? "open" : "not open",
    ].join("  "));
  }
}

/**
 * Ends a device that nobody serves.
 *
 * @param name of the device, or of its kernel device
 * @throws UsageError, RefusedError, SyscallError
 */
export function abandonDevice<Device extends ServedDevice>(
  devices: Devices<Device>,
  name: string,
  options: DeviceOptions,
): void {
  const device = devices.list([name])
    .find((each) => each.name === name || each.path === name);
  if (device === undefined) {
    throw new UsageError(
      `There is no device "${name}" of the kernel here; mars device list shows them`,
    );
  }
  if (isServed(device, options)) {
    throw new RefusedError(`Cannot abandon device "${name}"`, [
      `process ${device.serverPid} serves it; mars secondary or mars down ends it in good order`,
    ]);
  }
  if (!options.force && devices.isOpen(device)) {
    throw new RefusedError(`Cannot abandon device "${name}"`, [
      "it is open: its users would get errors, and lose what they have not written yet; a daemon that starts serves it again; add --force if none will",
    ]);
  }
  devices.end(device);
  options.print(`Device "${name}" (${device.path}) is gone`);
}

function isServed(device: ServedDevice, options: DeviceOptions): boolean {
  return device.state === "live" && device.serverPid === options.daemonPid;
}
