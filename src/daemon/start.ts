/**
 * Start of the daemon: what it needs of this machine.
 */
import { LamportClock } from "../base/lamport.ts";
import { acquireLock } from "../base/lock.ts";
import { RefusedError } from "../base/errors.ts";
import {
  type Claim,
  claimDaemon,
  daemonPid,
  replaceDaemon,
} from "../base/running.ts";
import {
  lockPath,
  nbdSocketPath,
  type Settings,
  ublkPaths,
} from "../base/settings.ts";
import { systemClock } from "../base/time.ts";
import type { TraceLevel } from "../base/trace.ts";
import { DataplaneHandle } from "../dataplane/handle.ts";
import { deviceUsers } from "../dataplane/device_users.ts";
import { isLeftOpen, KernelDevices } from "../dataplane/kernel_devices.ts";
import { stopYielding, yieldingThreadOf } from "../dataplane/threads.ts";
import { loadShim, type Shim } from "../../ffi/shim.ts";
import { shimCrc32c } from "../log/shim_crc32c.ts";
import { logDirectory } from "../log/files.ts";
import { dial, PeerServer } from "../peer/connection.ts";
import { loadIdentity } from "../peer/identity.ts";
import { JoinDesk } from "../peer/token.ts";
import { TrustStore } from "../peer/trust.ts";
import { systemFiles } from "../transfer/file.ts";
import { LINE_FEATURES } from "../transfer/line_features.ts";
import { LinkFiles } from "../tree/link_files.ts";
import { LinkTree } from "../tree/store.ts";
import { TreeWatch } from "../tree/watch.ts";
import { AllocatorBounds } from "./allocator.ts";
import { checkSpace, checkTree, prepareRoot } from "./adoption.ts";
import { Control } from "./control.ts";
import { tellSystemd } from "./systemd.ts";
import { Daemon, type DaemonOptions } from "./daemon.ts";
import { LeftDevices } from "./left_devices.ts";
import { stretchReader } from "./log_records.ts";
import type { DaemonParts, NetworkState } from "./parts.ts";
import { setSocketOptions } from "./sockets.ts";
import { evenReserves, RESERVE_BYTES, reservesIn, spaceOf } from "./space.ts";
import { Successor } from "./successor.ts";
import { Supervisor } from "./supervisor.ts";
import { TreeGuard } from "./tree_guard.ts";
import { systemVows } from "./vows.ts";

/** Name of the unit; see `cli/service_files.ts`. */
const SERVICE = "mars.service";

export interface StartOptions
  extends Omit<DaemonOptions, "replacedMs" | "onReady"> {
  readonly shimPath: string;
  readonly workerUrl: URL;
  /** Address to listen on; every one when empty. */
  readonly listen: string;
  /** Replication does not yield to the use of devices. */
  readonly isFair: boolean;
  readonly traceLevel: TraceLevel;
  readonly traceFormat: "text" | "json";
  /** To end the daemon that runs, how long to wait; undefined: there is none. */
  readonly replaceMs: number | undefined;
  /** Program and words that start a daemon which takes over. */
  readonly successor: readonly string[];
}

/** Runs until `signal`. @throws MarsError if it cannot start */
export async function runDaemon(options: StartOptions): Promise<void> {
  const { settings, shimPath, signal } = options;
  await prepareRoot(settings);
  const shim = loadShim(shimPath);
  using _bounds = new AllocatorBounds(shim);
  const yieldingThread = options.isFair ? undefined : yieldingThreadOf(shim);
  using supervisor = Supervisor.of(shim, (name) => Deno.env.get(name));
  // All that can be done beside a daemon that still runs.
  const parts = options.replaceMs === undefined
    ? undefined
    : await systemParts(options, { shim, yieldingThread });
  using claim = await claimFor(options, supervisor);
  using successor = supervisor === undefined ? undefined : new Successor({
    command: options.successor,
    supervisor,
    // What it starts inherits how it is scheduled.
    beforeStart: () => {
      if (yieldingThread !== undefined) stopYielding(shim, yieldingThread);
    },
  });
  signal.addEventListener("abort", () => {
    if (successor?.isComing !== true) supervisor?.tell("STOPPING=1");
  }, { once: true });
  parts?.tree.rescan();
  const daemon = new Daemon(
    {
      ...options,
      replacedMs: claim.replacedMs,
      onReady: (port) => {
        supervisor?.tell("READY=1", `STATUS=Serving peers on port ${port}`);
      },
    },
    parts ?? await systemParts(options, { shim, yieldingThread }),
  );
  await daemon.run();
}

/** @throws MarsError if there is another daemon, and it does not go */
async function claimFor(
  { settings, replaceMs }: StartOptions,
  supervisor: Supervisor | undefined,
): Promise<Claim> {
  if (replaceMs === undefined) return await claimDaemon(settings);
  const pid = daemonPid(settings);
  if (supervisor === undefined && pid !== undefined && isService(pid)) {
    throw new RefusedError("Cannot replace the daemon", [
      `process ${pid} belongs to systemd, which would start it again; type systemctl reload mars`,
    ]);
  }
  // Before the other one ends: else the service would end with it.
  supervisor?.tell(`MAINPID=${Deno.pid}`, "STATUS=Taking over");
  return await replaceDaemon(settings, replaceMs);
}

/** Whether systemd watches over a process as the service of ours. */
function isService(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cgroup`)
      .includes(`/${SERVICE}\n`);
  } catch (error) {
    // It has just ended.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function systemParts(
  options: StartOptions,
  { shim, yieldingThread }: {
    readonly shim: Shim;
    readonly yieldingThread: number | undefined;
  },
): Promise<DaemonParts> {
  const { settings, shimPath, traceLevel, traceFormat } = options;
  const { host, marsDir, etcDir } = settings;
  const network = await networkParts(options, shim);
  const lamport = new LamportClock(systemClock);
  const { disk, watch, tree } = openTree(options, shim, lamport);
  const files = systemFiles(shim);
  const crc = shimCrc32c(shim);
  return {
    clock: systemClock,
    lamport,
    tree,
    watch,
    disk,
    openControl: (onText) =>
      Control.open({
        settings,
        shim,
        version: options.buildTag,
        clock: systemClock,
        lamport,
        onText,
      }),
    lock: (resource) => acquireLock(lockPath(settings, resource), '"daemon"'),
    note,
    tellSystemd: (links) => tellSystemd(settings, links, tree.snapshot()),
    ...deviceParts(settings, shim),
    crc,
    files,
    readStretch: stretchReader(files, crc),
    logDirectory: (path) => disk.guarded(logDirectory(path)),
    space: () => {
      disk.assertThere();
      return spaceOf(marsDir);
    },
    heap: () => Deno.memoryUsage(),
    vows: systemVows(etcDir),
    isTreeGone: () => disk.isGone,
    startWorker: (subject) =>
      new DataplaneHandle({
        ...subject,
        ublk: ublkPaths(settings, subject.deviceName),
        workerUrl: options.workerUrl,
        yieldingThread,
        shim,
        lamport,
        shimPath,
        host,
        traceLevel,
        traceFormat,
      }),
    ...network,
  };
}

/** @throws MarsError if nothing can be done with it */
function openTree(
  { settings, reserveBytes }: StartOptions,
  shim: Shim,
  lamport: LamportClock,
): {
  readonly disk: TreeGuard;
  readonly watch: DaemonParts["watch"];
  readonly tree: LinkTree;
} {
  const { host, marsDir } = settings;
  const disk = new TreeGuard(new LinkFiles(marsDir, shim), {
    witness: `actual-${host}`,
    root: marsDir,
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const watch = TreeWatch.open({ root: marsDir, shim });
  const tree = new LinkTree({ root: marsDir, files: disk, lamport, watch });
  tree.resumeClock(host);
  tree.rescan();
  checkTree(tree.snapshot(), host);
  const reserves = evenReserves(reserveBytes ?? RESERVE_BYTES);
  checkSpace(
    marsDir,
    spaceOf(marsDir),
    reservesIn(tree.snapshot(), host, reserves),
  );
  return { disk, watch, tree };
}

/** What is known of devices of the kernel, and of clients. */
function deviceParts(
  settings: Settings,
  shim: Shim,
): Pick<DaemonParts, "isLeftOpen" | "usersOf" | "leftDevices"> {
  Deno.mkdirSync(`${settings.runDir}/nbd`, { recursive: true, mode: 0o700 });
  const left = new LeftDevices({
    host: settings.host,
    pid: Deno.pid,
    open: () => KernelDevices.open(shim, (name) => ublkPaths(settings, name)),
  });
  return {
    isLeftOpen: (name) => isLeftOpen(ublkPaths(settings, name)),
    usersOf: (name, isThorough) =>
      deviceUsers({
        statePath: ublkPaths(settings, name).statePath,
        socketPath: nbdSocketPath(settings, name),
        peerPid: (fd) => shim.mars_socket_peer(fd),
        isThorough,
      }),
    leftDevices: (snapshot) => left.look(snapshot),
  };
}

/** Lines of this host, in its name. */
async function networkParts(
  { settings, listen }: StartOptions,
  shim: Shim,
): Promise<
  Pick<DaemonParts, "network" | "networkState" | "setSocketOptions" | "serve">
> {
  const { host, etcDir, port } = settings;
  const identity = await loadIdentity(etcDir, host);
  const trust = await TrustStore.load(etcDir);
  return {
    network: {
      isTrusted: (peer) => trust.keyOf(peer) !== undefined,
      dial: (call) =>
        dial({ ...call, identity, trust, features: LINE_FEATURES }),
    },
    networkState,
    setSocketOptions: (ports, options) =>
      setSocketOptions(shim, ports, options),
    serve: async ({ handlers, welcome, terms, onCallable }) =>
      await PeerServer.start({
        identity,
        trust,
        listen: { hostname: listen, port },
        handlers,
        features: LINE_FEATURES,
        join: await JoinDesk.open({
          etcDir,
          identity,
          trust,
          clock: systemClock,
          accept: welcome,
        }),
        clock: systemClock,
        terms,
        onCallable,
      }),
  };
}

function networkState(): NetworkState {
  const addresses = Deno.networkInterfaces().map(({ address }) => address);
  return {
    text: `${addresses.join(" ")}\n${routes()}`,
    addresses: new Set(addresses),
  };
}

/** In the words of the kernel. */
function routes(): string {
  return ["route", "ipv6_route", "if_inet6"].map((name) => {
    let text: string;
    try {
      text = Deno.readTextFileSync(`/proc/net/${name}`);
    } catch (error) {
      // Without IPv6, say.
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
    // Two columns of routes count how often they are used.
    return name === "ipv6_route"
      ? text.replace(/^((?:\S+\s+){6})\S+\s+\S+/gm, "$1")
      : text;
  }).join("");
}

/** Where there is no such program, there is no such log. */
async function note(text: string): Promise<void> {
  try {
    await new Deno.Command("logger", {
      args: ["-t", "mars", "--", text],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
