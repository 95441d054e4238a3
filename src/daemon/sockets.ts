/**
 * Options of the sockets of lines, which the runtime hides: a socket is found
 * among all files of this process by the ports of its two ends.
 *
 *   mark        of every packet (DSCP), so that routers tell classes apart
 *   not sent    bytes that the kernel may hold beyond what is on its way: a
 *               sign of life must not wait behind megabytes
 *   window      bytes on their way at once, for bulk
 *   unanswered  how long bytes may go without the peer's word before the kernel
 *               gives the connection up: notices when only our direction is dead
 *
 * A kernel that refuses one of them is no reason not to talk.
 */
import type { Shim } from "../../ffi/shim.ts";
import type { SocketPorts } from "../peer/terms.ts";

// Prescribed by Linux.
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IPPROTO_IPV6 = 41;
const IPV6_TCLASS = 67;
const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;
const TCP_NOTSENT_LOWAT = 25;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

// Ours. Two TLS records of 16 KiB and one more: the line never runs dry, since
// what is on its way does not count.
const NOT_SENT_BYTES = 48 * 1024;

/**
 * Prescribed by MARS: `tcp_window_size`. Left to itself the kernel begins with a
 * small window and finds out; over 300 ms some of its algorithms take that for
 * the width of the line, and need half a minute to change their mind.
 */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** What the sockets of one class get. */
export interface SocketOptions {
  /** The TOS byte; its upper six bits are the DSCP. */
  readonly tos: number;
  /** Whether much is on its way at once. */
  readonly isBulk: boolean;
  readonly unansweredMs: number;
}

/** Sets options of the socket with these ports, if it is there. */
export function setSocketOptions(
  shim: Shim,
  ports: SocketPorts,
  options: SocketOptions,
): void {
  const fd = socketOf(shim, ports);
  if (fd === undefined) return;
  const set = (level: number, name: number, value: number): void => {
    shim.mars_socket_option(fd, level, name, value);
  };
  // One that carries IPv4 through IPv6 takes both.
  set(IPPROTO_IP, IP_TOS, options.tos);
  set(IPPROTO_IPV6, IPV6_TCLASS, options.tos);
  if (options.isBulk) {
    set(SOL_SOCKET, SO_SNDBUFFORCE, WINDOW_BYTES);
    set(SOL_SOCKET, SO_RCVBUFFORCE, WINDOW_BYTES);
  }
  set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_BYTES);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, Math.ceil(options.unansweredMs));
}

function socketOf(shim: Shim, ports: SocketPorts): number | undefined {
  if (ports.own === 0) return undefined;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(name);
    const isIt = shim.mars_socket_port(fd, 0) === ports.own &&
      shim.mars_socket_port(fd, 1) === ports.peer;
    if (isIt) return fd;
  }
  return undefined;
}
