/**
 * Who uses a device, for the one who wants it gone: mounts, volumes and swap of
 * its block device, processes that have that open, and clients of its socket.
 */
import { clientsOf } from "../device/nbd_clients.ts";
import {
  kernelUsesOf,
  notedId,
  type Opener,
  openingProcesses,
} from "../device/openers.ts";

/** Ours. Who reads a message wants to know where to begin. */
const USERS_MAX = 3;
/** Ours. A place may be thousands of characters deep. */
const CHARACTERS_MAX = 120;

export interface DeviceToLookAt {
  /** Where the number of the block device is noted. */
  readonly statePath: string;
  readonly socketPath: string;
  /** Process at the other end of a socket of ours. */
  readonly peerPid: (fd: number) => number;
  /** Look at every process of the machine. */
  readonly isThorough: boolean;
}

/** `mounted on "/srv", "fio" (pid 17)`; empty if nobody is seen. */
export function deviceUsers(device: DeviceToLookAt): string {
  const deviceId = notedId(device.statePath);
  const uses = deviceId === undefined ? [] : kernelUsesOf(deviceId);
  const processes = clientsOf(device.socketPath, device.peerPid);
  if (deviceId !== undefined && device.isThorough) {
    processes.push(...openingProcesses(deviceId));
  }
  return usersText(uses, processes);
}

/** The first few of them. */
export function usersText(
  uses: readonly string[],
  processes: readonly Opener[],
): string {
  const all = [...uses, ...processes.map(openerText)];
  const shown = all.slice(0, USERS_MAX).map((text) =>
    text.length > CHARACTERS_MAX ? `${text.slice(0, CHARACTERS_MAX)}…` : text
  );
  const restCount = all.length - shown.length;
  return [...shown, ...(restCount > 0 ? [`and ${restCount} more`] : [])]
    .join(", ");
}

function openerText({ pid, command }: Opener): string {
  return command === ""
    ? `process ${pid}, which has ended`
    : `"${command}" (pid ${pid})`;
}
