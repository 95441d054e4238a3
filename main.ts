/**
 * The front door: dispatch, and the only `Deno.exit`.
 *
 * This module is the program and, loaded by a worker thread, the data plane.
 * Everything is imported when it is needed, so that a quick command does not
 * pay for the daemon.
 */
// The terminal is what this file is for.
// deno-lint-ignore-file no-console
import {
  exitCodeOf,
  MarsError,
  messageOf,
  UsageError,
} from "./src/base/errors.ts";
import { VERSION } from "./src/base/version.ts";
import { loadShim, type Shim } from "./ffi/shim.ts";
import type { CommandLine } from "./src/cli/options.ts";
import type { Settings } from "./src/base/settings.ts";
import type { TraceLevel } from "./src/base/trace.ts";

/** Ours. A daemon ends within a second; one with a slow disk takes longer. */
const REPLACE_S = 60;

if ("WorkerGlobalScope" in globalThis) {
  // A message that comes while the module is being loaded finds no listener,
  // so it is kept and told again.
  const early: Event[] = [];
  const keep = (event: Event): void => void early.push(event);
  addEventListener("message", keep);
  const { runWorker } = await import("./src/dataplane/worker.ts");
  removeEventListener("message", keep);
  runWorker();
  for (const event of early) {
    const data = event instanceof MessageEvent ? event.data : undefined;
    dispatchEvent(new MessageEvent("message", { data }));
  }
} else {
  Deno.exit(await run(Deno.args));
}

async function run(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    console.error(`mars: ${messageOf(error)}`);
    const isForeseen = error instanceof MarsError;
    if (!isForeseen && error instanceof Error) console.error(error.stack);
    return exitCodeOf(error);
  }
}

/** The exit code of one command line. @throws MarsError */
async function dispatch(args: readonly string[]): Promise<number> {
  const options = await import("./src/cli/options.ts");
  const line = options.parseCommandLine(args);
  const [first, second, ...rest] = line.words;
  const isHelp = first === "help" || first === "h";
  if (first === "version" || first === "v" || line.isOn("version")) {
    console.log(`mars ${VERSION}`);
    return 0;
  }
  if (first === undefined || isHelp || line.isOn("help")) {
    const { helpText } = await import("./src/cli/help.ts");
    const about = isHelp ? line.words.slice(1) : line.words;
    console.log(await helpText(about, line.isOn("all")));
    return 0;
  }
  switch (first) {
    case "daemon":
      return await serve(options.settingsOf(line), line);
    case "demo": {
      const { runDemo } = await import("./src/cli/demo/demo.ts");
      return await runDemo({
        self: selfCommand(),
        keep: line.isOn("keep"),
        print: console.log,
        isTerminal: Deno.stdout.isTerminal(),
      });
    }
    case "key":
    case "token":
      await runKeys(options.settingsOf(line), line);
      return 0;
    case "manual": {
      const { manualPage } = await import("./src/cli/manual.ts");
      console.log(manualPage());
      return 0;
    }
    case "completion":
      console.log(await completionFor(second));
      return 0;
    case "log":
      return await runLog(second, rest[0], line.isOn("json"));
    case "install":
    case "uninstall":
      await runInstall(line);
      return 0;
    case "device":
      await runDevice(options.settingsOf(line), line);
      return 0;
    default: {
      const { performCommand } = await import("./src/cli/run.ts");
      const { SYSTEM_PROGRAMS } = await import("./src/cli/programs.ts");
      return await performCommand(line, {
        print: console.log,
        warn: console.error,
        openShim,
        color: Deno.stdout.isTerminal() && !Deno.noColor,
        programs: SYSTEM_PROGRAMS,
        ...(Deno.stdin.isTerminal() ? { confirm } : {}),
      });
    }
  }
}

async function completionFor(shell: string | undefined): Promise<string> {
  switch (shell) {
    case "bash":
      return (await import("./src/cli/completion_bash.ts")).bashCompletion();
    case "zsh":
      return (await import("./src/cli/completion_zsh.ts")).zshCompletion();
    case "fish":
      return (await import("./src/cli/completion_fish.ts")).fishCompletion();
    default:
      throw new UsageError("Usage: mars completion bash|zsh|fish");
  }
}

async function runKeys(settings: Settings, line: CommandLine): Promise<void> {
  const keys = await import("./src/cli/keys.ts");
  const [subject, verb, ...rest] = line.words;
  const print = console.log;
  switch (`${subject} ${verb}`) {
    case "key show":
      return await keys.keyShow(settings, print);
    case "key list":
      return await keys.keyList(settings, print);
    case "key trust":
      return await keys.keyTrust(settings, rest, print);
    case "key forget":
      return await keys.keyForget(settings, rest[0], print);
    case "token create":
      return await keys.tokenCreate(settings, line.text("ip"), print);
    default:
      throw new UsageError(
        "Usage: mars key show|list|trust|forget | mars token create",
      );
  }
}

async function runLog(
  verb: string | undefined,
  path: string | undefined,
  json: boolean,
): Promise<number> {
  const { logDump, logVerify } = await import("./src/cli/inspect.ts");
  const { shimCrc32c } = await import("./src/log/shim_crc32c.ts");
  const isKnown = verb === "dump" || verb === "verify";
  if (path === undefined || !isKnown) {
    throw new UsageError("Usage: mars log dump|verify FILE [--json]");
  }
  const options = {
    json,
    write: console.log,
    crc: shimCrc32c(openShim()),
  };
  return verb === "dump"
    ? await logDump(path, options)
    : await logVerify(path, options);
}

async function runInstall(line: CommandLine): Promise<void> {
  const { install, uninstall } = await import("./src/cli/install.ts");
  const { disableService, isServiceActive, reloadSystem } = await import(
    "./src/cli/install_reload.ts"
  );
  const options = {
    prefix: (line.text("prefix") ?? "").replace(/\/+$/, ""),
    executable: Deno.env.get("MARS_EXECUTABLE"),
    print: console.log,
    reload: reloadSystem,
    isActive: isServiceActive,
    disable: disableService,
  };
  if (line.words[0] === "uninstall") return await uninstall(options);
  if (!line.isOn("systemd")) {
    throw new UsageError("Usage: mars install --systemd [--prefix=DIR]");
  }
  await install(options);
}

async function runDevice(settings: Settings, line: CommandLine): Promise<void> {
  const [, verb, name] = line.words;
  const isKnown = verb === "list" || (verb === "abandon" && name !== undefined);
  if (!isKnown) {
    throw new UsageError("Usage: mars device list | mars device abandon NAME");
  }
  const { abandonDevice, listDevices } = await import("./src/cli/devices.ts");
  const { KernelDevices } = await import("./src/dataplane/kernel_devices.ts");
  const { daemonPid } = await import("./src/base/running.ts");
  const { ublkPaths } = await import("./src/base/settings.ts");
  using devices = KernelDevices.open(
    openShim(),
    (device) => ublkPaths(settings, device),
  );
  if (devices === undefined) {
    throw new MarsError(
      "There are no devices of the kernel: its ublk driver is not loaded",
    );
  }
  const options = {
    json: line.isOn("json"),
    force: line.isOn("force"),
    daemonPid: daemonPid(settings),
    print: console.log,
  };
  if (verb === "abandon" && name !== undefined) {
    abandonDevice(devices, name, options);
  } else listDevices(devices, options);
}

/** Runs the daemon until it is told to end. */
async function serve(settings: Settings, line: CommandLine): Promise<number> {
  const { runDaemon } = await import("./src/daemon/start.ts");
  const { startTrace } = await import("./src/base/trace.ts");
  const { parseSize } = await import("./src/cli/arguments.ts");
  const traceLevel = traceLevelOf(line.text("trace") ?? "info");
  const traceFormat = line.text("trace-format") === "json" ? "json" : "text";
  startTrace({ level: traceLevel, format: traceFormat, host: settings.host });
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, end);
  }
  const reserve = line.text("reserve");
  const replaceMs = line.isOn("replace") ? replaceMsOf(line) : undefined;
  await runDaemon({
    settings,
    shimPath: shimPath(),
    workerUrl: new URL(import.meta.url),
    buildTag: `mars-${VERSION}-userspace`,
    listen: line.text("listen") ?? "",
    reserveBytes: reserve === undefined
      ? undefined
      : reserve === "0"
      ? 0
      : parseSize(reserve),
    isFair: line.isOn("fair"),
    traceLevel,
    traceFormat,
    replaceMs,
    successor: [
      ...selfCommand(),
      ...Deno.args.filter((word) => word !== "--replace"),
      "--replace",
    ],
    signal: stop.signal,
  });
  return 0;
}

/** How long a daemon is waited for that ends. @throws UsageError */
function replaceMsOf(line: CommandLine): number {
  const text = line.text("timeout") ?? String(REPLACE_S);
  if (text === "infinite") return Infinity;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  throw new UsageError(
    `Cannot use "${text}" as --timeout: expected seconds, or -1`,
  );
}

function traceLevelOf(text: string): TraceLevel {
  switch (text) {
    case "error":
    case "warn":
    case "info":
    case "debug":
      return text;
    default:
      throw new UsageError(
        `Cannot trace at level "${text}": expected error, warn, info or debug`,
      );
  }
}

function openShim(): Shim {
  return loadShim(shimPath());
}

/** The launcher names the shim; in a checkout `make` has built it. */
function shimPath(): string {
  const given = Deno.env.get("MARS_SHIM");
  if (given !== undefined) return given;
  const isCheckout = import.meta.url.endsWith(".ts");
  const name = isCheckout ? "./build/libmars.so" : "./libmars.so";
  return decodeURIComponent(new URL(name, import.meta.url).pathname);
}

/** The words that start this program again. */
function selfCommand(): string[] {
  const executable = Deno.env.get("MARS_EXECUTABLE");
  if (executable !== undefined) return [executable];
  const main = decodeURIComponent(new URL(import.meta.url).pathname);
  return [Deno.execPath(), "run", "--allow-all", main];
}
