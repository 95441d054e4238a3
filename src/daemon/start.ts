/**
 * Start of the daemon: what it needs of this machine.
 */
import { LamportClock } from "../base/lamport.ts";
import { type Claim, claimDaemon, replaceDaemon } from "../base/running.ts";
import { ublkPaths } from "../base/settings.ts";
import { systemClock } from "../base/time.ts";
import type { TraceLevel } from "../base/trace.ts";
import { DataplaneHandle } from "../dataplane/handle.ts";
import { KernelDevices } from "../dataplane/kernel_devices.ts";
import { loadShim } from "../../ffi/shim.ts";
import { logDirectory } from "../log/files.ts";
import { dial, PeerServer } from "../peer/connection.ts";
import { loadIdentity } from "../peer/identity.ts";
import { JoinDesk } from "../peer/token.ts";
import { TrustStore } from "../peer/trust.ts";
import { systemFiles } from "../transfer/file.ts";
import { LinkFiles } from "../tree/link_files.ts";
import { LinkTree } from "../tree/store.ts";
import { TreeWatch } from "../tree/watch.ts";
import { checkSpace, checkTree, prepareRoot } from "./adoption.ts";
import { Control } from "./control.ts";
import { tellSystemd } from "./systemd.ts";
import { Daemon, type DaemonOptions } from "./daemon.ts";
import { LeftDevices } from "./left_devices.ts";
import type { DaemonParts } from "./parts.ts";
import { RESERVE_BYTES, spaceOf } from "./space.ts";

export interface StartOptions extends Omit<DaemonOptions, "replacedMs"> {
  readonly shimPath: string;
  readonly workerUrl: URL;
  /** Address to listen on; every one when empty. */
  readonly listen: string;
  readonly traceLevel: TraceLevel;
  readonly traceFormat: "text" | "json";
  /** To end the daemon that runs, how long to wait; undefined: there is none. */
  readonly replaceMs: number | undefined;
}

/** Runs until `signal`. @throws MarsError if it cannot start */
export async function runDaemon(options: StartOptions): Promise<void> {
  const { settings } = options;
  await prepareRoot(settings);
  // All that can be done beside a daemon that still runs.
  const parts = options.replaceMs === undefined
    ? undefined
    : await systemParts(options);
  using claim = await claimFor(options);
  parts?.tree.rescan();
  const daemon = new Daemon(
    { ...options, replacedMs: claim.replacedMs },
    parts ?? await systemParts(options),
  );
  await daemon.run();
}

async function claimFor(options: StartOptions): Promise<Claim> {
  const { settings, replaceMs } = options;
  return replaceMs === undefined
    ? await claimDaemon(settings)
    : await replaceDaemon(settings, replaceMs);
}

async function systemParts(options: StartOptions): Promise<DaemonParts> {
  const { settings, shimPath, traceLevel, traceFormat } = options;
  const { host, marsDir, etcDir } = settings;
  const shim = loadShim(shimPath);
  const identity = await loadIdentity(etcDir, host);
  const trust = await TrustStore.load(etcDir);
  const clock = systemClock;
  const lamport = new LamportClock(clock);
  const disk = new LinkFiles(marsDir, shim);
  const watch = TreeWatch.open({ root: marsDir, shim });
  const tree = new LinkTree({ root: marsDir, files: disk, lamport, watch });
  tree.rescan();
  checkTree(tree.snapshot(), host);
  checkSpace(marsDir, spaceOf(marsDir), options.reserveBytes ?? RESERVE_BYTES);
  Deno.mkdirSync(`${settings.runDir}/nbd`, { recursive: true, mode: 0o700 });
  const left = new LeftDevices({
    host,
    pid: Deno.pid,
    open: () => KernelDevices.open(shim, (name) => ublkPaths(settings, name)),
  });
  return {
    clock,
    lamport,
    tree,
    watch,
    disk,
    openControl: (onText) =>
      Control.open({
        settings,
        shim,
        version: options.buildTag,
        clock,
        lamport,
        onText,
      }),
    note,
    tellSystemd: (links) => tellSystemd(settings, links, tree.snapshot()),
    leftDevices: (snapshot) => left.look(snapshot),
    files: systemFiles(shim),
    logDirectory,
    space: () => spaceOf(marsDir),
    startWorker: (subject) =>
      new DataplaneHandle({
        ...subject,
        ublk: ublkPaths(settings, subject.deviceName),
        workerUrl: options.workerUrl,
        shim,
        lamport,
        shimPath,
        host,
        traceLevel,
        traceFormat,
      }),
    network: {
      isTrusted: (peer) => trust.keyOf(peer) !== undefined,
      dial: (call) => dial({ ...call, identity, trust }),
    },
    serve: async ({ handlers, welcome }) =>
      await PeerServer.start({
        identity,
        trust,
        listen: { hostname: options.listen, port: settings.port },
        handlers,
        join: await JoinDesk.open({
          etcDir,
          identity,
          trust,
          clock,
          accept: welcome,
        }),
        clock,
      }),
  };
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
