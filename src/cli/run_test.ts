/** Commands as the program runs them: what they say, and how they end. */
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { performCommand, type Surroundings } from "./run.ts";

/** Two resources of hosts alpha and beta. */
function cluster(): TreeWorld {
  const world = new TreeWorld();
  const links = clusterLinks();
  world.link(links);
  world.link(Object.fromEntries(
    Object.entries(links).filter(([path]) => path.startsWith("resource-r/"))
      .map((
        [path, value],
      ) => [path.replace("resource-r/", "resource-s/"), value]),
  ));
  return world;
}

interface Outcome {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

async function perform(
  world: TreeWorld,
  args: readonly string[],
  further: Partial<Surroundings> = {},
): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await performCommand(world.commandLine(args), {
    print: (line) => out.push(line),
    warn: (line) => err.push(line),
    openShim: () => world.desk().shim,
    color: false,
    ...further,
  });
  return { code, out, err };
}

const HEAD_R = "--------- resource r 1.000 MiB [2/2]";
const HEAD_S = "--------- resource s 1.000 MiB [2/2]";

Deno.test("A list tells which resource comes now; one resource does not", async () => {
  using world = cluster();
  const one = await perform(world, ["set-acknowledge", "r", "durable"]);
  const list = await perform(world, ["set-acknowledge", "r,s", "durable"]);
  const all = await perform(world, ["set-acknowledge", "all", "durable"]);
  assertEquals(one.out.filter((line) => line.startsWith("---")), []);
  for (const { out } of [list, all]) {
    assertEquals(out.filter((line) => line.startsWith("---")), [
      HEAD_R,
      HEAD_S,
    ]);
  }
});

Deno.test("A failure of one resource: DYING, FAILURE, exit code of its kind", async () => {
  using world = cluster();
  const { code, out, err } = await perform(world, ["primary", "r", "--force"]);
  assertEquals(code, 3);
  assertEquals(out, ["FAILURE cmd='primary' res='r'"]);
  assertEquals(err.length, 1);
  assertMatch(err[0] ?? "", /^DYING: Cannot make this host primary of "r": /);
});

Deno.test("In a list one that is locked fails alone", async () => {
  using world = cluster();
  using _lock = world.desk().effects.lock("r", '"primary r"');
  const { code, out, err } = await perform(
    world,
    ["set-acknowledge", "s,r", "durable"],
  );
  assertEquals(code, 3);
  assertEquals(world.value("resource-r/acknowledge"), undefined);
  assertEquals(world.value("resource-s/acknowledge"), "durable");
  assertEquals(out.slice(0, 2), [
    "FAILURE cmd='set-acknowledge' res='r'",
    HEAD_S,
  ]);
  assertMatch(err.join("\n"), /^DYING: "r": Cannot work on "r": .*"primary r"/);
  assertEquals(err.at(-1), "mars: Failed for 1 of 2 resources");
});

Deno.test("A name that an administrator typed stands in FAILURE", async () => {
  using world = cluster();
  using _lock = world.desk().effects.lock("r", "x");
  const { out } = await perform(world, ["connect", "r"]);
  assertEquals(out, ["FAILURE cmd='connect' res='r'"]);
});

Deno.test("A command that reads says mars:, and nothing for scripts of others", async () => {
  using world = cluster();
  const { code, out, err } = await perform(
    world,
    ["wait-resource", "r", "is-sync-on", "--timeout=0"],
  );
  assertEquals(code, 4);
  assertEquals(out, []);
  assertMatch(err.join("\n"), /^mars: Gave up/);
});

Deno.test("A wrong command line ends with 2", async () => {
  using world = cluster();
  const { code, err } = await perform(world, ["primary", "nothing"]);
  assertEquals(code, 2);
  assertMatch(err.join("\n"), /^mars: No resource "nothing"/);
});

Deno.test("all without any resource is a warning, no failure", async () => {
  using world = new TreeWorld();
  world.link({ uuid: "alpha_1.000000000" });
  const { code, err } = await perform(world, ["up", "all"]);
  assertEquals(code, 0);
  assertMatch(err.join("\n"), /^WARNING: "alpha" takes part in no resource$/);
});

Deno.test("force- before the command or the resource is --force", async () => {
  using world = cluster();
  world.link({ "resource-r/actual-alpha/open-count": "1" });
  const refused = await perform(world, ["secondary", "r", "--timeout=0"]);
  assertEquals(refused.code, 3);
  for (
    const words of [["force-secondary", "r"], ["secondary", "force-r"]]
  ) {
    const forced = await perform(world, [...words, "--timeout=0"]);
    assertNotEquals(forced.code, 3);
  }
});

Deno.test("A dry run says so, and changes nothing", async () => {
  using world = cluster();
  const { code, out, err } = await perform(
    world,
    ["set-acknowledge", "r", "durable", "--dry-run"],
  );
  assertEquals(code, 0);
  assertEquals(err, ["DRY RUN: changing nothing"]);
  assertEquals(out[0], "resource-r/acknowledge -> durable");
  assertEquals(world.value("resource-r/acknowledge"), undefined);
});

Deno.test("--verbose shows phases", async () => {
  using world = cluster();
  const { out } = await perform(world, ["set-acknowledge", "r", "flush", "-v"]);
  assertMatch(out[0] ?? "", /^-------- PHASE 1 -------- .*:$/);
});

Deno.test("--singlestep asks, and obeys", async () => {
  using world = cluster();
  const asked: string[] = [];
  const words = ["set-acknowledge", "r", "durable", "--singlestep"];
  const answer = (isYes: boolean): Partial<Surroundings> => ({
    confirm: (question) => asked.push(question) > 0 && isYes,
  });
  const no = await perform(world, words, answer(false));
  assertEquals(no.code, 1);
  assertEquals(world.value("resource-r/acknowledge"), undefined);
  const yes = await perform(world, words, answer(true));
  assertEquals(yes.code, 0);
  assertEquals(world.value("resource-r/acknowledge"), "durable");
  assertEquals(asked.length, 2);
});

Deno.test("--singlestep without a terminal is a wrong command line", async () => {
  using world = cluster();
  const { code, err } = await perform(world, ["up", "r", "--singlestep"]);
  assertEquals(code, 2);
  assertMatch(err.join("\n"), /^mars: .*--singlestep needs a terminal/);
});

Deno.test("A hook of MARS_PATH forbids a command", async () => {
  using world = cluster();
  world.environment["MARS_PATH"] = world.directory;
  const hook = `${world.directory}/hook-pre`;
  Deno.writeTextFileSync(hook, "");
  Deno.chmodSync(hook, 0o755);
  const started: string[] = [];
  const programs = {
    run: ({ path }: { readonly path: string }) => {
      started.push(path);
      return Promise.resolve(1);
    },
    feed: () => undefined,
  };
  const effects = world.desk().effects;
  const words = ["set-acknowledge", "r", "durable"];
  const { code, err } = await perform(world, words, { programs, effects });
  assertEquals(code, 3);
  assertEquals(started, [hook]);
  assertMatch(err.join("\n"), /^DYING: .*hook-pre" ended with exit code 1/);
  assertEquals(world.value("resource-r/acknowledge"), undefined);

  const reading = await perform(world, ["view", "r"], { programs, effects });
  assertEquals(reading.code, 0);
  assertEquals(started, [hook]);
});
