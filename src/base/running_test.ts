/** Tests of the lock on the pid file, with real processes. */
import { assertEquals, assertRejects } from "@std/assert";
import { MarsError, TimeoutError } from "./errors.ts";
import { claimDaemon, daemonPid, replaceDaemon } from "./running.ts";
import { type Settings, settingsFrom } from "./settings.ts";

function settingsIn(runDir: string): Settings {
  return settingsFrom(
    { "run-dir": runDir, host: "alpha" },
    () => undefined,
    () => "alpha",
  );
}

/** A process that holds the lock as a daemon does. $1: the pid file. */
const HOLDER = `
exec 9>>"$1"; flock -x 9; echo $$ >"$1"; echo locked
while :; do read -t 0.01 -u 0 line; done
`;

/** @param onTerm what it does at SIGTERM */
async function holder(
  runDir: string,
  onTerm: string,
): Promise<{ pid: number } & AsyncDisposable> {
  const child = new Deno.Command("bash", {
    args: [
      "-c",
      `trap '${onTerm}' TERM;${HOLDER}`,
      "-",
      `${runDir}/daemon.pid`,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await child.status;
      await reader.cancel();
      await child.stdin.close().catch(() => {});
    },
  };
}

Deno.test("claimDaemon() names the daemon that runs", async () => {
  const runDir = Deno.makeTempDirSync();
  const settings = settingsIn(runDir);
  {
    await using other = await holder(runDir, "exit");
    assertEquals(daemonPid(settings), other.pid);
    await assertRejects(
      () => claimDaemon(settings),
      MarsError,
      `process ${other.pid} is the daemon already`,
    );
  }
  Deno.removeSync(runDir, { recursive: true });
});

Deno.test("replaceDaemon() ends the daemon that runs, and takes its place", async () => {
  const runDir = Deno.makeTempDirSync();
  const settings = settingsIn(runDir);
  {
    await using _other = await holder(runDir, "exit");
    // As if it had run for a while.
    const since = new Date(Date.now() - 60_000);
    Deno.utimeSync(`${runDir}/daemon.pid`, since, since);
    using claim = await replaceDaemon(settings, 60_000);
    assertEquals(claim.replacedMs >= 60_000, true);
    assertEquals(daemonPid(settings), Deno.pid);
  }
  assertEquals(daemonPid(settings), undefined);
  Deno.removeSync(runDir, { recursive: true });
});

Deno.test("replaceDaemon() without a daemon just claims", async () => {
  const runDir = Deno.makeTempDirSync();
  const settings = settingsIn(runDir);
  // The number of a process that has ended, or is somebody else's.
  Deno.writeTextFileSync(`${runDir}/daemon.pid`, "1\n");
  {
    using claim = await replaceDaemon(settings, 1_000);
    assertEquals(claim.replacedMs, 0);
    assertEquals(daemonPid(settings), Deno.pid);
  }
  Deno.removeSync(runDir, { recursive: true });
});

Deno.test("replaceDaemon() gives up on a daemon that does not end", async () => {
  const runDir = Deno.makeTempDirSync();
  const settings = settingsIn(runDir);
  {
    await using other = await holder(runDir, ":");
    await assertRejects(
      () => replaceDaemon(settings, 50),
      TimeoutError,
      `kill -9 ${other.pid}`,
    );
    assertEquals(daemonPid(settings), other.pid);
  }
  Deno.removeSync(runDir, { recursive: true });
});
