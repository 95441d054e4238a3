/** Hooks are found, trusted, run, and heard. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { distrustOf, findHooks } from "./hook_files.ts";
import { Hooks } from "./hooks.ts";
import type { Moment } from "./engine.ts";
import type { Desk } from "./command.ts";
import { SYSTEM_PROGRAMS } from "./programs.ts";
import { MarsError, RefusedError } from "../base/errors.ts";

/** A directory of hooks that write what they were told to `out`. */
class HookWorld implements Disposable {
  readonly tree = new TreeWorld();
  readonly directory = `${this.tree.directory}/hooks`;
  readonly lines: string[] = [];

  constructor() {
    this.tree.link(clusterLinks());
    Deno.mkdirSync(this.directory);
  }

  [Symbol.dispose](): void {
    this.tree[Symbol.dispose]();
  }

  get #out(): string {
    return `${this.tree.directory}/out`;
  }

  add(name: string, script = "", mode = 0o755): string {
    const path = `${this.directory}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(
      path,
      `#!/bin/sh\necho "\${0##*/} $* $MARS_PHASE/$MARS_PHASES $MARS_HOST" >> ${this.#out}\n${script}\n`,
    );
    Deno.chmodSync(path, mode);
    return path;
  }

  /** What hooks have noted so far. */
  ran(): string[] {
    try {
      return Deno.readTextFileSync(this.#out).trimEnd().split("\n");
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  hooks(...options: string[]): Hooks {
    return new Hooks({
      desk: this.#desk(options),
      programs: SYSTEM_PROGRAMS,
      directories: [`${this.tree.directory}/none`, this.directory],
      typed: "connect",
      name: "resume-fetch",
      words: ["word"],
    });
  }

  #desk(options: readonly string[]): Desk {
    const note = (line: string): void => void this.lines.push(line);
    return this.tree.desk(...options).withVoice({ print: note, warn: note });
  }
}

const MOMENT: Moment = {
  when: "pre",
  title: "do it",
  phase: 1,
  phases: 3,
  resources: ["r"],
};

async function errorOf(act: () => Promise<void>): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  return undefined;
}

Deno.test("Hooks of all, of the command by both names, and of directories run in order", async () => {
  using world = new HookWorld();
  for (
    const name of [
      "hook-pre-resume-fetch",
      "hook-pre",
      "hook-pre.d/20-b",
      "hook-pre.d/10-a",
      "hook-pre-connect",
      "hook-pre-primary",
      "hook-post",
    ]
  ) world.add(name);
  await world.hooks().run(MOMENT);
  assertEquals(
    world.ran(),
    ["hook-pre", "10-a", "20-b", "hook-pre-resume-fetch", "hook-pre-connect"]
      .map((name) => `${name} connect r word 1/3 alpha`),
  );
});

Deno.test("A hook of all resources gets them as a comma list", async () => {
  using world = new HookWorld();
  world.add("hook-all-post");
  await world.hooks().run({
    ...MOMENT,
    when: "all-post",
    resources: ["a", "b"],
  });
  assertEquals(world.ran(), ["hook-all-post connect a,b word 1/3 alpha"]);
});

Deno.test("Files that are not executable, hidden ones and left-overs are no hooks", () => {
  using world = new HookWorld();
  world.add("hook-pre", "", 0o644);
  for (const name of [".x", "x~", "x.dpkg-old", "x.rpmsave", "x.bak"]) {
    world.add(`hook-pre.d/${name}`);
  }
  Deno.mkdirSync(`${world.directory}/hook-pre.d/directory`);
  assertEquals(findHooks([world.directory], "hook-pre"), []);
});

Deno.test("A hook that fails forbids what comes next, and is named", async () => {
  using world = new HookWorld();
  const path = world.add("hook-pre", "exit 7");
  const error = await errorOf(() => world.hooks().run(MOMENT));
  assertEquals(error instanceof RefusedError, true);
  assertStringIncludes(String(error), `hook "${path}" ended with exit code 7`);
});

Deno.test("A hook that fails afterwards is an error, not a refusal", async () => {
  using world = new HookWorld();
  world.add("hook-post", "exit 1");
  const error = await errorOf(() =>
    world.hooks().run({ ...MOMENT, when: "post" })
  );
  assertEquals(error instanceof MarsError, true);
  assertEquals(error instanceof RefusedError, false);
});

Deno.test("--force goes on after a hook that fails, with a warning", async () => {
  using world = new HookWorld();
  world.add("hook-pre", "exit 7");
  world.add("hook-pre-connect");
  await world.hooks("--force").run(MOMENT);
  assertEquals(world.ran().length, 2);
  assertMatch(world.lines.join("\n"), /^WARNING: hook .* exit code 7$/);
});

Deno.test("A dry run tells which hooks it would run", async () => {
  using world = new HookWorld();
  const path = world.add("hook-pre", "exit 7");
  await world.hooks("--dry-run").run(MOMENT);
  assertEquals(world.ran(), []);
  assertEquals(world.lines, [`hook ${path} connect r word`]);
});

Deno.test("A hook that others may write to is not run, not even by force", async () => {
  using world = new HookWorld();
  const path = world.add("hook-pre");
  Deno.chmodSync(path, 0o777);
  const error = await errorOf(() => world.hooks().run(MOMENT));
  assertStringIncludes(String(error), `others may write to "${path}"`);
  assertStringIncludes(String(error), `chmod go-w ${path}`);
  await world.hooks("--force").run(MOMENT);
  assertEquals(world.ran(), []);
  assertMatch(world.lines.join("\n"), /^WARNING: hook .* not to be trusted/);
});

Deno.test("A hook in a directory that others may write to is not trusted", () => {
  using world = new HookWorld();
  const path = world.add("hook-pre.d/x");
  assertEquals(distrustOf(path), undefined);
  for (const mode of [0o777, 0o1777, 0o775]) {
    Deno.chmodSync(`${world.directory}/hook-pre.d`, mode);
    assertStringIncludes(
      distrustOf(path) ?? "",
      `write to "${world.directory}/hook-pre.d"`,
    );
  }
});

Deno.test("A link to a hook is trusted as much as what it points to", () => {
  using world = new HookWorld();
  const link = `${world.directory}/hook-pre`;
  const target = world.add("target");
  Deno.symlinkSync("target", link);
  assertEquals(distrustOf(link), undefined);
  Deno.chmodSync(target, 0o757);
  assertStringIncludes(distrustOf(link) ?? "", `write to "${target}"`);
});

Deno.test("A link through a directory of others is not trusted", () => {
  using world = new HookWorld();
  const open = `${world.tree.directory}/open`;
  Deno.mkdirSync(open);
  Deno.chmodSync(open, 0o1777);
  Deno.symlinkSync(world.add("target"), `${open}/step`);
  Deno.symlinkSync(`${open}/step`, `${world.directory}/hook-pre`);
  assertStringIncludes(
    distrustOf(`${world.directory}/hook-pre`) ?? "",
    `write to "${open}"`,
  );
});

Deno.test({
  name: "A hook of another user is not trusted",
  ignore: Deno.uid() !== 0,
  fn: () => {
    using world = new HookWorld();
    const path = world.add("hook-pre");
    Deno.chownSync(path, 65534, 65534);
    assertStringIncludes(distrustOf(path) ?? "", "belongs to user 65534");
  },
});
