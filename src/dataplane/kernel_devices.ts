/**
 * Block devices of the kernel that daemons with this run directory have made:
 * for those who look after what is left of them.
 *
 * A device is known by its mark. Its name stands in a file of the run directory;
 * if that is lost, the device is found nevertheless, without a name.
 *
 * Each call blocks for as long as the driver needs, which is short unless a
 * device ends: then what waits for it fails first.
 */
import { basename, dirname } from "@std/path";
import { ERRNO, SyscallError } from "../base/errors.ts";
import { isThere, removeIfThere } from "../base/remove.ts";
import { isNotedOpen, openersOf } from "../device/openers.ts";
import { UblkControl } from "../device/ublk_control.ts";
import { deviceIds } from "../device/ublk_devices.ts";
import {
  type CONTROL,
  CONTROL_PATH,
  type ControlCommand,
  decodeInfo,
  INFO_BYTES,
  markOf,
  type UblkState,
} from "../device/ublk_protocol.ts";
import type { Shim } from "../../ffi/shim.ts";
import { Ring } from "../ring/ring.ts";

const RING_ENTRIES = 8;
/** Ours. An answer takes microseconds, unless somebody waits for the device. */
const CLAIM_MS = 1_000;

/** Where a daemon notes its devices; `ublkPaths` of any name. */
export interface DevicePaths {
  readonly linkPath: string;
  readonly statePath: string;
}

export interface KernelDevice {
  /** Undefined if nobody has noted it. */
  readonly name: string | undefined;
  readonly deviceId: number;
  /** What applications open in the end. */
  readonly path: string;
  readonly state: UblkState;
  /** Who serves it, or did so last. */
  readonly serverPid: number;
}

/** Whether users wait for a device that nobody serves yet, as far as it shows. */
export function isLeftOpen({ statePath }: DevicePaths): boolean {
  return isNotedOpen(statePath);
}

export class KernelDevices implements Disposable {
  readonly #paths: (name: string) => DevicePaths;
  readonly #stateDirectory: string;
  readonly #ring: Ring;
  readonly #control: UblkControl;

  /** Undefined where the kernel has no ublk. @throws SyscallError */
  static open(
    shim: Shim,
    paths: (name: string) => DevicePaths,
  ): KernelDevices | undefined {
    return isThere(CONTROL_PATH) ? new KernelDevices(shim, paths) : undefined;
  }

  private constructor(shim: Shim, paths: (name: string) => DevicePaths) {
    this.#paths = paths;
    this.#stateDirectory = dirname(paths("any").statePath);
    this.#ring = Ring.create({ shim, entries: RING_ENTRIES });
    try {
      this.#control = new UblkControl(this.#ring);
    } catch (error) {
      this.#ring.end();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#control.close();
    this.#ring.end();
  }

  /** All devices of ours, by number. @param known names, noted or not */
  list(known: Iterable<string>): KernelDevice[] {
    const names = new Set([...known, ...this.notedNames(), ...this.#shown()]);
    const marks = new Map(
      [...names].map((name) => [this.#markOf(name).name, name] as const),
    );
    const { owner } = this.#markOf("any");
    return deviceIds().sort((left, right) => left - right)
      .flatMap((deviceId) => {
        const command = { deviceId, lengthBytes: INFO_BYTES };
        // It may have gone since.
        if (this.#call("getInfo", command) < 0) return [];
        const info = decodeInfo(this.#control.words);
        if (info.mark.owner !== owner) return [];
        return [{
          name: marks.get(info.mark.name),
          deviceId,
          path: `/dev/ublkb${deviceId}`,
          state: info.state,
          serverPid: info.serverPid,
        }];
      });
  }

  /** Names that were noted, whether there are such devices or not. */
  notedNames(): string[] {
    return namesIn(this.#stateDirectory);
  }

  /** Names that people open. */
  #shown(): string[] {
    return namesIn(dirname(this.#paths("any").linkPath));
  }

  /** Whether somebody would lose something if it ended now. */
  isOpen({ path, deviceId }: KernelDevice): boolean {
    if (openersOf(deviceId) > 0) return true;
    const memory = this.#ring.allocate(path.length + 1);
    new TextEncoder().encodeInto(path, memory.bytes);
    let result: number | undefined;
    this.#ring.claim(memory, (answer) => result = answer, 0);
    let isLate = false;
    this.#ring.timer(CLAIM_MS, () => isLate = true, 0);
    while (result === undefined && !isLate) this.#turn();
    // Whoever makes us wait has it open.
    if (result === undefined) return true;
    if (result >= 0) this.#ring.close(result);
    return result === -ERRNO.EBUSY;
  }

  /** Ends a device: its users get errors. @throws SyscallError */
  end(device: KernelDevice): void {
    const { deviceId, path, name } = device;
    const command = { deviceId };
    const result = this.#call("stopDevice", command);
    // Its worker may have been faster.
    if (result < 0 && result !== -ERRNO.ENODEV) {
      throw new SyscallError("end", path, -result);
    }
    // Only the node for servers stays as long as somebody has the device open;
    // to wait for that would be to wait for the users.
    if (this.#call("deleteDeviceLater", command) < 0) {
      this.#call("deleteDevice", command);
    }
    if (name !== undefined) this.forget(name, path);
  }

  /** Removes what was noted, and the link if it leads to `path` or nowhere. */
  forget(name: string, path?: string): void {
    const { linkPath, statePath } = this.#paths(name);
    removeIfThere(statePath);
    const target = targetOf(linkPath);
    if (target === undefined) return;
    if (target === path || !isThere(target)) removeIfThere(linkPath);
  }

  #markOf(name: string): ReturnType<typeof markOf> {
    const { statePath } = this.#paths(name);
    return markOf(dirname(statePath), basename(statePath));
  }

  #call(
    name: keyof typeof CONTROL,
    command: Partial<ControlCommand>,
  ): number {
    let answer: number | undefined;
    this.#control.send(name, command, (result) => answer = result);
    while (answer === undefined) this.#turn();
    return answer;
  }

  #turn(): void {
    this.#ring.enter(1);
    this.#ring.reap();
  }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name)
      .filter((name) => !name.endsWith(".tmp"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function targetOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    // Not there, or no link: nothing of ours.
    return undefined;
  }
}
