/**
 * Who is connected to a socket that this process serves. The kernel shows which
 * of its connections belong to that socket, and for each of them who has made
 * it.
 *
 * Somebody who had the kernel serve a device from it may have ended since.
 *
 * Source: proc(5), `SO_PEERCRED` of unix(7).
 */
import {
  entriesOf,
  MACHINE,
  type Opener,
  openerOf,
  targetOf,
  textOf,
} from "./openers.ts";

/** Prescribed by Linux: state of a connection that is up. */
const CONNECTED = "03";

/** @param peerPid process at the other end of a socket; not above 0: unknown */
export function clientsOf(
  socketPath: string,
  peerPid: (fd: number) => number,
  shown = MACHINE,
): Opener[] {
  const sockets = connectionsOf(socketPath, shown.proc);
  if (sockets.size === 0) return [];
  const counts = new Map<number, number>();
  const directory = `${shown.proc}/self/fd`;
  for (const fd of entriesOf(directory)) {
    if (!sockets.has(targetOf(`${directory}/${fd}`) ?? "")) continue;
    const pid = peerPid(Number(fd));
    if (pid > 0) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  }
  return [...counts].map(([pid, count]) => openerOf(pid, count, shown));
}

/** Ends of connections here, as descriptors name them: "socket:[17]". */
function connectionsOf(socketPath: string, proc: string): Set<string> {
  const found = new Set<string>();
  for (const line of textOf(`${proc}/net/unix`).split("\n")) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, , , , , state, inode, ...path] = line.trim().split(/ +/);
    const isOurs = state === CONNECTED && path.join(" ") === socketPath;
    if (isOurs) found.add(`socket:[${inode}]`);
  }
  return found;
}
