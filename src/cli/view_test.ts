/** The view of a tree on disk; the lines themselves: `macros/`. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { MarsError, SomeFailedError, UsageError } from "../base/errors.ts";
import { runCommand } from "./run.ts";

function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link({
    ...clusterLinks(),
    "resource-r/replay-alpha": "log-000000001-alpha,100,0",
    "resource-r/replay-beta": "log-000000001-alpha,100,0",
  });
  world.log(1, "alpha", 100, 0);
  return world;
}

const LINE = "  r [2/2] UpToDate ModuleNotLoaded dCASFR Primary alpha";

Deno.test("view puts a header before each resource of a list", async () => {
  using world = cluster();
  const header = "--------- resource r 1.000 MiB [2/2]";
  assertEquals((await world.run("view")).printed, [header, LINE]);
  assertEquals((await world.run("view", "all")).printed, [header, LINE]);
  assertEquals((await world.run("view", "r")).printed, [LINE]);
});

Deno.test("view warns where there is nothing to see", async () => {
  using world = cluster();
  world.link({ "resource-r/device-alpha": ".deleted" });
  const { printed, warned } = await world.run("view");
  assertEquals(printed, []);
  assertEquals(warned, [
    'WARNING: "alpha" takes part in no resource',
    "WARNING: no daemon runs on this host",
  ]);
  await assertRejects(() => world.run("view", "x"), UsageError, "there are: r");
});

Deno.test("view needs no shim", async () => {
  using world = cluster();
  const { printed } = await world.runWith(() => {
    throw new Error("not for view");
  }, ["view", "r"]);
  assertEquals(printed, [LINE]);
});

Deno.test("view says something sensible of an empty tree", async () => {
  using world = new TreeWorld();
  const { printed, warned } = await world.run("view", "all");
  assertEquals(printed, []);
  assertEquals(warned.length, 3);
  assertStringIncludes(warned.join(), "belongs to no cluster");
});

Deno.test("view fails where there is no tree, and prettyprint does not", async () => {
  using world = new TreeWorld();
  Deno.removeSync(world.marsDir);
  await assertRejects(
    () => world.run("view", "all"),
    MarsError,
    `"${world.marsDir}" is no directory`,
  );
  const { printed } = await world.run("prettyprint-default");
  assertStringIncludes(printed.join(), "%default");
});

Deno.test("view names links that a daemon should have written", async () => {
  using world = cluster();
  world.link({ "resource-r/actual-alpha/is-attached": ".deleted" });
  const { warned } = await world.run("view", "r");
  assertStringIncludes(
    warned.join(),
    "resource 'r': missing links: resource-r/actual-alpha/is-attached",
  );
});

Deno.test("view-MACRO evaluates any macro", async () => {
  using world = cluster();
  const shown = async (...words: readonly string[]) =>
    (await world.run(...words)).printed;
  assertEquals(await shown("view-get-primary", "r"), ["alpha"]);
  assertEquals(await shown("view-all-resources"), ["r"]);
  const header = "--------- resource r 1.000 MiB [2/2]";
  assertEquals(await shown("view-get-primary"), [header, "alpha"]);
  // Unusable in the original.
  assertEquals(await shown("view-enabled-log-compressions"), []);
  await assertRejects(
    () => world.run("view-diskstat", "r"),
    UsageError,
    "nearest: diskstate",
  );
});

Deno.test("Old names stand for macros", async () => {
  using world = cluster();
  const shown = async (...words: readonly string[]) =>
    (await world.run(...words)).printed;
  assertEquals(await shown("role", "r"), ["Primary/Secondary"]);
  assertEquals(await shown("state", "r"), ["Primary/Secondary"]);
  assertEquals(await shown("cstate", "r"), ["Connected"]);
  assertEquals(await shown("show-state", "r"), ["ModuleNotLoaded"]);
  assertEquals(await shown("show"), await shown("view"));
});

Deno.test("Macros find paths in the tree, and nowhere else", async () => {
  using world = cluster();
  const glob = async (pattern: string) =>
    (await world.run("view-x", `--macro=%get-glob{${pattern}}`)).printed.join();
  assertEquals(
    await glob("resource-?/todo-*/sync"),
    ["alpha", "beta"].map((host) =>
      `${world.marsDir}/resource-r/todo-${host}/sync`
    ).join("\n"),
  );
  assertEquals(
    await glob(`${world.marsDir}/ips/ip-[!a]*`),
    `${world.marsDir}/ips/ip-beta`,
  );
  assertEquals(await glob("none/*"), "");
  for (const pattern of ["/etc/*", "../*", "a/b/c/d", "[a"]) {
    await assertRejects(() => glob(pattern), MarsError, "Cannot look for");
  }
});

Deno.test("include takes a macro or a file", async () => {
  using world = cluster();
  const path = `${world.directory}/part.txt`;
  Deno.writeTextFileSync(path, "[%{res}]");
  const include = (name: string) =>
    world.run("view", "r", `--macro=%include{${name}}`);
  assertEquals((await include(path)).printed, ["[r]"]);
  assertEquals((await include("role")).printed, ["Primary"]);
  await assertRejects(() => include("/none/x"), MarsError, "there is no");
});

Deno.test("A macro can look at another host, as far as it published", async () => {
  using world = cluster();
  const macro = "--macro=%let{host}{beta}%default{}";
  assertEquals((await world.run("view", "r", macro)).printed, [
    "  r [2/2] UpToDate Replaying dCASFR Secondary alpha",
  ]);
});

Deno.test("--macro stands for the macro, also of all", async () => {
  using world = cluster();
  const { printed } = await world.run("view", "all", "--macro=%{res}:%role{}");
  assertEquals(printed.at(-1), "r:Primary");
  const one = await world.run("view", "r", "--macro=%{host}\\n%{cmd}");
  assertEquals(one.printed, ["alpha\nview"]);
});

Deno.test("Templates of the administrator come before builtins", async () => {
  using world = cluster();
  const directory = `${world.directory}/etc`;
  Deno.mkdirSync(directory);
  Deno.writeTextFileSync(`${directory}/role.tpl`, "<%primitive-role{}>\n");
  Deno.writeTextFileSync(`${directory}/own.tpl`, "I am %role{}\n");
  assertEquals((await world.run("view-own", "r")).printed, ["I am <Primary>"]);
  const { printed } = await world.run("view", "r");
  assertStringIncludes(printed.join(), "dCASFR <Primary> alpha");
  assertEquals((await world.run("prettyprint-own")).printed, ["I am %role{}"]);
});

Deno.test("prettyprint-MACRO tells what a macro is", async () => {
  using world = cluster();
  const shown = async (name: string) =>
    (await world.run(`prettyprint-${name}`)).printed.join();
  assertStringIncludes(await shown("default"), "%default-resource{}");
  assertStringIncludes(await shown("get-primary"), "# primitive macro: the");
});

Deno.test("A macro that fails does not keep other resources", async () => {
  using world = cluster();
  world.link({
    "resource-q/size": "4096",
    "resource-q/device-alpha": "q",
    "resource-q/data-alpha": "/dev/null",
  });
  const warned: string[] = [];
  const printed: string[] = [];
  const macro = "%if{%eq{%{res}}{q}}{%die{no q}}{%{res}}";
  const line = world.commandLine(["view", "all", `--macro=${macro}`]);
  await assertRejects(
    () =>
      runCommand(line, {
        print: (text) => printed.push(text),
        warn: (text) => warned.push(text),
        openShim: () => {
          throw new Error("not for view");
        },
        color: false,
      }),
    SomeFailedError,
    "Failed for 1 of 2 resources",
  );
  assertEquals(printed.at(-1), "r");
  assertStringIncludes(warned.join("\n"), "q: Cannot evaluate %die{}");
});

Deno.test("setlink writes below userspace, elsewhere only with force", async () => {
  using world = cluster();
  const set = (path: string, ...options: string[]) =>
    world.run("view", "r", `--macro=%setlink{5}{${path}}`, ...options);
  await set("resource-r/userspace/note");
  assertEquals(world.value("resource-r/userspace/note"), "5");
  await assertRejects(() => set("resource-r/maxnr"), MarsError, "--force");
  await set("resource-r/maxnr", "--force");
  assertEquals(world.value("resource-r/maxnr"), "5");
});

Deno.test("view-MACRO --json prints values", async () => {
  using world = cluster();
  const { printed } = await world.run("view-role", "r", "--json");
  const document = JSON.parse(printed.join());
  assertEquals(document.schema, 1);
  assertEquals(document.values, [
    { macro: "role", resource: "r", value: "Primary" },
  ]);
});

Deno.test("dump-macros writes templates, replaces none without force", async () => {
  using world = cluster();
  const directory = `${world.directory}/dump`;
  Deno.mkdirSync(directory);
  const dump = (...words: string[]) => world.run(...words, directory);
  await dump("dump-macros");
  const text = Deno.readTextFileSync(`${directory}/default.tpl`);
  assertEquals(text, "%default-resource{}\n");
  await assertRejects(() => dump("dump-macros"), MarsError, "exists");
  await dump("dump-all-macros", "--force");
  Deno.statSync(`${directory}/linksection.tpl`);
});

Deno.test("view colours words only when told", async () => {
  using world = cluster();
  const printed: string[] = [];
  await runCommand(world.commandLine(["view", "r"]), {
    print: (line) => printed.push(line),
    warn: (line) => printed.push(line),
    openShim: () => {
      throw new Error("not for view");
    },
    color: true,
  });
  const red = Deno.noColor ? "" : "\u001b[31m";
  assertEquals(printed.join().includes(`${red}ModuleNotLoaded`), true);
});

Deno.test("view --json is one document with a schema number", async () => {
  using world = cluster();
  const stamps = "1800000000.000000000 1800000000.000000005";
  world.link({
    "resource-r/acknowledge": "durable",
    "resource-r/actual-beta/msg-err-replay-stop": `${stamps} damaged`,
  });
  const { printed } = await world.run("view", "--json");
  assertEquals(printed.length, 1);
  const document = JSON.parse(printed.join());
  assertEquals(
    [document.schema, document.host, document.cluster],
    [1, "alpha", "alpha_1.000000000"],
  );
  const [resource] = document.resources;
  assertEquals(
    [resource.resource, resource.disk, resource.role, resource.acknowledge],
    ["r", "UpToDate", "Primary", "durable"],
  );
  assertEquals(resource.amounts.work, {
    doneBytes: 100,
    sizeBytes: 100,
    restBytes: 0,
    sequence: 1,
  });
  assertEquals(resource.members[1].replay, {
    log: "log-000000001-alpha",
    bytes: 100,
    dirtyBytes: 0,
  });
  assertEquals(resource.obstacles, [{
    host: "beta",
    key: "err-replay-stop",
    severity: "error",
    text: "damaged",
    since: "1800000000.000000005",
  }]);
});

Deno.test("view --json tells what is kept, lost and proven, and of a split", async () => {
  using world = cluster();
  const before = "log-000000001-alpha,100";
  world.link({
    "resource-r/defaults/keep-logs-size": "5000",
    "resource-r/defaults/auto-resync": "1",
    "resource-r/todo-alpha/log-quota": "7000",
    "resource-r/actual-beta/lost-log": "1",
    "resource-r/actual-beta/verified": "1700000000.000000000",
    "resource-r/version-000000002-alpha": `${
      "a".repeat(32)
    },log-000000002-alpha,30:${"c".repeat(32)},${before}`,
    "resource-r/version-000000002-beta": `${
      "b".repeat(32)
    },log-000000002-beta,20:${"c".repeat(32)},${before}`,
    "resource-r/replay-beta": "log-000000002-beta,20,0",
    "resource-r/replay-alpha": "log-000000002-alpha,30,0",
  });
  const { printed } = await world.run("view", "r", "--json");
  const [resource] = JSON.parse(printed.join()).resources;
  assertEquals(resource.keep, {
    limitBytes: 5000,
    quotaBytes: 7000,
    logCount: 0,
    bytes: 0,
    hosts: [],
    lostHosts: [],
    isResyncAutomatic: true,
  });
  assertEquals(resource.members[1].lostSequence, 1);
  assertEquals(resource.members[1].provenUntil, "1700000000.000000000");
  assertEquals(
    resource.splitBrain.sides.map((side: { host: string }) => side.host),
    ["alpha", "beta"],
  );
});
