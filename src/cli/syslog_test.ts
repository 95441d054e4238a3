/** What reaches the system log, and that it never stands in the way. */
import { assertEquals, assertMatch } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { type LineSink, type Program, SYSTEM_PROGRAMS } from "./programs.ts";
import { performCommand } from "./run.ts";
import { SystemLog } from "./syslog.ts";

/** A logger that is not there but listens. */
class Listener {
  readonly started: Program[] = [];
  readonly lines: string[] = [];
  isEnded = false;
  readonly programs = {
    run: () => Promise.resolve(0),
    feed: (program: Program): LineSink => {
      this.started.push(program);
      return {
        write: (line) => void this.lines.push(line),
        end: () => {
          this.isEnded = true;
          return Promise.resolve();
        },
      };
    },
  };
}

async function perform(
  world: TreeWorld,
  listener: Listener,
  ...args: string[]
): Promise<number> {
  return await performCommand(world.commandLine(args), {
    print: () => {},
    warn: () => {},
    openShim: () => world.desk().shim,
    color: false,
    programs: listener.programs,
  });
}

function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link(clusterLinks());
  return world;
}

Deno.test("A command that acts is recorded by one process, with its end", async () => {
  using world = cluster();
  const listener = new Listener();
  const code = await perform(world, listener, "set-acknowledge", "r", "flush");
  assertEquals(code, 0);
  assertEquals(listener.started.map(({ path }) => path), ["/usr/bin/logger"]);
  assertEquals(listener.lines.at(0), "begin: mars set-acknowledge r flush");
  assertEquals(
    listener.lines.at(-1),
    "end: mars set-acknowledge r flush: done",
  );
  assertEquals(listener.isEnded, true);
});

Deno.test("A failure is recorded with its reason and exit code", async () => {
  using world = cluster();
  const listener = new Listener();
  const code = await perform(world, listener, "primary", "r", "--force");
  assertEquals(code, 3);
  assertEquals(listener.lines.at(0), "begin: mars primary r --force");
  assertMatch(listener.lines.join("\n"), /^DYING: Cannot make .*$/m);
  assertMatch(listener.lines.at(-1) ?? "", /exit code 3$/);
});

Deno.test("A command that reads is not recorded", async () => {
  using world = cluster();
  const listener = new Listener();
  await perform(world, listener, "view", "r");
  assertEquals(listener.started, []);
});

Deno.test("--logger names another program; an empty one means none", async () => {
  using world = cluster();
  const listener = new Listener();
  await perform(world, listener, "up", "r", "--dry-run", "--logger=");
  assertEquals(listener.started, []);
  await perform(world, listener, "up", "r", "--dry-run", "--logger=/x/y");
  assertEquals(listener.started.map(({ path }) => path), ["/x/y"]);
});

Deno.test("A token does not reach the log", async () => {
  using world = cluster();
  const listener = new Listener();
  await perform(world, listener, "join-cluster", "--token=secret", "--dry-run");
  assertEquals(listener.lines.some((line) => line.includes("secret")), false);
});

Deno.test("Lines are lines, and without escape sequences", () => {
  const listener = new Listener();
  new SystemLog(listener.programs, undefined).note("a\n\x1b[31mb\rc\n");
  assertEquals(listener.lines, ["a", "?[31mb?c"]);
});

/** A program that is used as logger. */
async function withLogger(
  script: string,
  act: (path: string, out: string) => Promise<void>,
): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    const path = `${directory}/logger`;
    Deno.writeTextFileSync(path, `#!/bin/sh\n${script}\n`);
    Deno.chmodSync(path, 0o755);
    await act(path, `${directory}/out`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("A logger reads all lines on its input and knows who sends them", async () => {
  await withLogger(
    'echo "$@" > "${0%/*}/out"; cat >> "${0%/*}/out"',
    async (path, out) => {
      const log = new SystemLog(SYSTEM_PROGRAMS, path);
      for (let count = 0; count < 1000; count++) log.note(`line ${count}`);
      await log[Symbol.asyncDispose]();
      const [first, ...lines] = Deno.readTextFileSync(out).trim().split("\n");
      assertEquals(first, `-t mars[${Deno.pid}] -p daemon.notice`);
      assertEquals(lines.length, 1000);
      assertEquals(lines.at(-1), "line 999");
    },
  );
});

Deno.test("A logger that ends, hangs or is not there fails nothing", async () => {
  const scripts = ["exit 1", "exec sleep 1000", "exec < /dev/null; sleep 1000"];
  for (const script of scripts) {
    await withLogger(script, async (path) => {
      const log = new SystemLog(SYSTEM_PROGRAMS, path);
      log.note("x".repeat(1_000_000));
      await log[Symbol.asyncDispose]();
    });
  }
  const log = new SystemLog(SYSTEM_PROGRAMS, "/does/not/exist");
  log.note("x");
  await log[Symbol.asyncDispose]();
});
