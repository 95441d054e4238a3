/**
 * Devices that an earlier daemon has left: those that nobody will take over go,
 * unless somebody has one open. Then he waits, maybe for ever, and that is told,
 * with what to type.
 *
 *   the resource is primary here and attached   its worker takes the device over
 *   else, not open                              it is ended
 *   else, open                                  a message, until it is closed,
 *                                               abandoned, or wanted again
 *
 * What is noted of devices that are gone is forgotten.
 */
import { MarsError, messageOf } from "../base/errors.ts";
import { trace } from "../base/trace.ts";
import type { KernelDevice } from "../dataplane/kernel_devices.ts";
import { blocked, type Obstacle, type Plan } from "../resource/plan_types.ts";
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";

/** Key of the message. */
export const LEFT_KEY = "err-device-left";

/** A device that could not be ended. */
export interface LeftDevice {
  /** Undefined if nobody knows it. */
  readonly name: string | undefined;
  /** Why, and what to type. */
  readonly text: string;
}

/** What can be asked for and done; see `kernel_devices.ts`. */
export interface DeviceShelf extends Disposable {
  list(names: Iterable<string>): KernelDevice[];
  notedNames(): string[];
  isOpen(device: KernelDevice): boolean;
  end(device: KernelDevice): void;
  forget(name: string): void;
}

export interface LeftDevicesOptions {
  readonly host: string;
  /** Of this process. */
  readonly pid: number;
  /** Undefined where the kernel has no such devices. */
  readonly open: () => DeviceShelf | undefined;
}

export class LeftDevices {
  readonly #options: LeftDevicesOptions;
  /** What was traced of each device. */
  readonly #told = new Map<string, string>();

  constructor(options: LeftDevicesOptions) {
    this.#options = options;
  }

  /** Cleans up; what is left nevertheless. Never fails for what is foreseen. */
  look(snapshot: Snapshot): LeftDevice[] {
    try {
      using shelf = this.#options.open();
      return shelf === undefined ? [] : this.#sweep(shelf, snapshot);
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      return [{ name: undefined, text: error.message }];
    }
  }

  #sweep(shelf: DeviceShelf, snapshot: Snapshot): LeftDevice[] {
    const awaited = awaitedDevices(snapshot, this.#options.host);
    const there = shelf.list(awaited);
    const left = there
      .filter((device) => this.#isLeft(device))
      .filter(({ name }) => name === undefined || !awaited.has(name))
      .flatMap((device) => {
        const text = this.#end(shelf, device);
        return text === undefined ? [] : [{ name: device.name, text }];
      });
    const known = new Set(there.map(({ name }) => name));
    for (const name of shelf.notedNames()) {
      if (!known.has(name) && !awaited.has(name)) shelf.forget(name);
    }
    return left;
  }

  /** Nobody serves it, and nobody is about to make it. */
  #isLeft({ state, serverPid }: KernelDevice): boolean {
    if (state === "quiesced" || state === "failing") return true;
    // A process that dies leaves it live for another moment.
    return state === "dead" && serverPid !== this.#options.pid;
  }

  /** Why it could not be ended; undefined if it was. */
  #end(shelf: DeviceShelf, device: KernelDevice): string | undefined {
    const { name, path } = device;
    const subject = name ?? path;
    if (shelf.isOpen(device)) {
      return this.#tell(
        subject,
        `Device "${subject}" (${path}) is open and nobody serves it: it is not primary here any more. End it: mars device abandon ${subject} --force`,
      );
    }
    try {
      shelf.end(device);
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      return this.#tell(subject, messageOf(error));
    }
    this.#told.delete(subject);
    trace.info("device", "Device of an earlier daemon removed", {
      device: subject,
      path,
    });
    return undefined;
  }

  #tell(subject: string, text: string): string {
    if (this.#told.get(subject) !== text) {
      this.#told.set(subject, text);
      trace.warn("device", text, { device: subject });
    }
    return text;
  }
}

/** Names of devices that some worker makes, or takes over, or will. */
function awaitedDevices(snapshot: Snapshot, host: string): Set<string> {
  const names = snapshot.resources().flatMap((resource) => {
    const name = snapshot.value(linkPath.device(resource, host));
    if (name === undefined) return [];
    const { designated, own } = resourceView(snapshot, resource, host);
    const isAwaited = designated === host && own?.desired.attach === true;
    return isAwaited ? [name] : [];
  });
  return new Set(names);
}

/** Of those that belong to no resource of this host, and so nobody tells of. */
export function ownerless(
  left: readonly LeftDevice[],
  snapshot: Snapshot,
  host: string,
): Obstacle[] {
  if (left.length === 0) return [];
  const names = new Set(
    snapshot.resources().map((resource) =>
      snapshot.value(linkPath.device(resource, host))
    ),
  );
  return left.filter(({ name }) => name === undefined || !names.has(name))
    .map(({ text }) => ({ key: LEFT_KEY, text }));
}

/** The plan, and what an earlier daemon has left of the device. */
export function withLeft(
  next: Plan,
  device: string | undefined,
  left: readonly LeftDevice[],
): Plan {
  return left.filter(({ name }) => name !== undefined && name === device)
    .reduce((plan, { text }) => blocked(plan, LEFT_KEY, text), next);
}
