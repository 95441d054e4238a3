/**
 * Start of the daemon: what it needs of this machine.
 */
import { MarsError } from "../base/errors.ts";
import { LamportClock } from "../base/lamport.ts";
import { claimDaemon } from "../base/running.ts";
import { MARS_DIR, type Settings } from "../base/settings.ts";
import { systemClock } from "../base/time.ts";
import type { TraceLevel } from "../base/trace.ts";
import { DataplaneHandle } from "../dataplane/handle.ts";
import { loadShim } from "../../ffi/shim.ts";
import { logDirectory } from "../log/files.ts";
import { dial, PeerServer } from "../peer/connection.ts";
import { loadIdentity } from "../peer/identity.ts";
import { JoinDesk } from "../peer/token.ts";
import { TrustStore } from "../peer/trust.ts";
import { systemFiles } from "../transfer/file.ts";
import { LinkTree } from "../tree/store.ts";
import { spaceOf } from "./alive.ts";
import { Control } from "./control.ts";
import { Daemon, type DaemonOptions, type DaemonParts } from "./daemon.ts";

export interface StartOptions extends DaemonOptions {
  readonly shimPath: string;
  readonly workerUrl: URL;
  /** Address to listen on; every one when empty. */
  readonly listen: string;
  readonly traceLevel: TraceLevel;
  readonly traceFormat: "text" | "json";
}

/** Runs until `signal`. @throws MarsError if it cannot start */
export async function runDaemon(options: StartOptions): Promise<void> {
  const { settings } = options;
  checkRoot(settings);
  using _claim = await claimDaemon(settings);
  const daemon = new Daemon(options, await systemParts(options));
  await daemon.run();
}

/** `/mars` itself must be a file system of its own. */
function checkRoot(settings: Settings): void {
  const { marsDir } = settings;
  let device: number;
  try {
    const status = Deno.statSync(marsDir);
    if (!status.isDirectory) throw new Deno.errors.NotFound();
    device = status.dev;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new MarsError(
      `Cannot start: "${marsDir}" is no directory; make it, or name another with --mars-dir`,
    );
  }
  if (marsDir === MARS_DIR && Deno.statSync("/").dev === device) {
    throw new MarsError(
      `Cannot start: "${MARS_DIR}" is not a mount point; logs must not fill the root file system`,
    );
  }
}

async function systemParts(options: StartOptions): Promise<DaemonParts> {
  const { settings, shimPath, traceLevel, traceFormat } = options;
  const { host, marsDir, etcDir } = settings;
  const shim = loadShim(shimPath);
  const identity = await loadIdentity(etcDir, host);
  const trust = await TrustStore.load(etcDir);
  const clock = systemClock;
  const lamport = new LamportClock(clock);
  const tree = new LinkTree({ root: marsDir, shim, lamport });
  tree.rescan();
  return {
    clock,
    lamport,
    tree,
    control: new Control(settings, options.buildTag),
    files: systemFiles(shim),
    logDirectory,
    space: () => spaceOf(marsDir),
    startWorker: (subject) =>
      new DataplaneHandle({
        ...subject,
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
