/**
 * Network: the cables between the hosts of the demo, which can be pulled.
 *
 * Every host publishes the address of a relay, which passes connections on to
 * the daemon behind it:
 *
 *   beta's daemon ──► relay of alpha ──► alpha's daemon
 *
 * Cutting a host off drops the connections from it and to it, and refuses new
 * ones of both kinds. From which host a connection comes is found out from its
 * process; processes that are no daemon, such as commands, belong to no host.
 */
import { MarsError } from "../../base/errors.ts";
import { inodeOf, socketLink } from "./sockets.ts";

const LOOPBACK = "127.0.0.1";
// Below the range from which Linux takes ports of outgoing connections.
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const PORT_TRIES_MAX = 200;

interface Relay {
  readonly listener: Deno.TcpListener;
  readonly accepting: Promise<void>;
}

interface Wire {
  readonly from: string | undefined;
  readonly to: string;
  readonly ends: readonly [Deno.TcpConn, Deno.TcpConn];
}

/** The process of a host; undefined while it has none. */
export type PidOf = (host: string) => number | undefined;

export class Network {
  readonly #hosts: readonly string[];
  readonly #pidOf: PidOf;
  readonly #relays = new Map<string, Relay>();
  readonly #ports = new Map<string, number>();
  readonly #wires = new Set<Wire>();
  readonly #piping = new Set<Promise<void>>();
  readonly #cut = new Set<string>();

  constructor(hosts: readonly string[], pidOf: PidOf) {
    this.#hosts = hosts;
    this.#pidOf = pidOf;
    for (const host of hosts) {
      this.#ports.set(host, freePort());
      const listener = listenAnywhere();
      const accepting = this.#accept(host, listener);
      this.#relays.set(host, { listener, accepting });
    }
  }

  /** Where the daemon of `host` listens. */
  portOf(host: string): number {
    return this.#ports.get(host) ?? 0;
  }

  /** Where others reach `host`. */
  addressOf(host: string): string {
    const address = this.#relays.get(host)?.listener.addr;
    return `${LOOPBACK}:${address?.port ?? 0}`;
  }

  /** Cuts `host` off. @returns the count of connections that were dropped */
  cut(host: string): number {
    this.#cut.add(host);
    let droppedCount = 0;
    for (const wire of this.#wires) {
      if (wire.from !== host && wire.to !== host) continue;
      droppedCount += 1;
      this.#drop(wire);
    }
    return droppedCount;
  }

  heal(host: string): void {
    this.#cut.delete(host);
  }

  async close(): Promise<void> {
    for (const { listener } of this.#relays.values()) listener.close();
    for (const wire of this.#wires) this.#drop(wire);
    await Promise.all([...this.#relays.values()].map((item) => item.accepting));
    await Promise.all(this.#piping);
  }

  async #accept(host: string, listener: Deno.TcpListener): Promise<void> {
    for await (const connection of listener) {
      const piping = this.#connect(host, connection);
      this.#piping.add(piping);
      piping.finally(() => this.#piping.delete(piping));
    }
  }

  async #connect(to: string, near: Deno.TcpConn): Promise<void> {
    const from = await this.#hostOf(near);
    if (this.#isCut(from, to)) return close(near);
    let far: Deno.TcpConn;
    try {
      far = await Deno.connect({ hostname: LOOPBACK, port: this.portOf(to) });
    } catch (error) {
      // The daemon is down: so is its network, to whoever calls.
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      return close(near);
    }
    near.setNoDelay(true);
    far.setNoDelay(true);
    const wire: Wire = { from, to, ends: [near, far] };
    this.#wires.add(wire);
    // It may have been cut meanwhile.
    if (this.#isCut(from, to)) this.#drop(wire);
    await Promise.all([pipe(near, far), pipe(far, near)]);
    this.#drop(wire);
  }

  #isCut(from: string | undefined, to: string): boolean {
    return this.#cut.has(to) || (from !== undefined && this.#cut.has(from));
  }

  #drop(wire: Wire): void {
    this.#wires.delete(wire);
    for (const end of wire.ends) close(end);
  }

  /** The host whose daemon is at the other end. */
  async #hostOf(connection: Deno.TcpConn): Promise<string | undefined> {
    const { localAddr, remoteAddr } = connection;
    const table = await Deno.readTextFile("/proc/net/tcp");
    const ports = { local: remoteAddr.port, remote: localAddr.port };
    const inode = inodeOf(table, ports);
    if (inode === undefined) return undefined;
    return this.#hosts.find((host) => {
      const pid = this.#pidOf(host);
      return pid !== undefined && hasSocket(pid, inode);
    });
  }
}

function hasSocket(pid: number, inode: string): boolean {
  const directory = `/proc/${pid}/fd`;
  try {
    for (const entry of Deno.readDirSync(directory)) {
      if (linkAt(`${directory}/${entry.name}`) === socketLink(inode)) {
        return true;
      }
    }
  } catch (error) {
    // The process has ended.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return false;
}

function linkAt(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    // Closed between listing and looking.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Copies until one side ends, then tells the other. */
async function pipe(source: Deno.TcpConn, target: Deno.TcpConn): Promise<void> {
  const room = new Uint8Array(65_536);
  try {
    for (;;) {
      const count = await source.read(room);
      if (count === null) break;
      for (let at = 0; at < count;) {
        at += await target.write(room.subarray(at, count));
      }
    }
    await target.closeWrite();
  } catch (error) {
    if (!isGone(error)) throw error;
    close(source);
    close(target);
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    // Closed by the other direction already.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Whether a connection just ended, by whatever side. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BrokenPipe;
}

/** A port that is free now; daemons keep theirs over a restart. */
export function freePort(): number {
  const listener = listenAnywhere();
  const { port } = listener.addr;
  listener.close();
  return port;
}

function listenAnywhere(): Deno.TcpListener {
  for (let attempt = 0; attempt < PORT_TRIES_MAX; attempt++) {
    const span = PORT_MAX - PORT_MIN;
    const port = PORT_MIN + Math.floor(Math.random() * span);
    try {
      return Deno.listen({ hostname: LOOPBACK, port });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new MarsError(
    `Cannot find a free port between ${PORT_MIN} and ${PORT_MAX}`,
  );
}
