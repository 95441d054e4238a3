/** Reasons that stay, and those that go, in time that does not pass. */
import { assertEquals, assertRejects } from "@std/assert";
import { TreeWorld } from "../../tests/support/tree_world.ts";
import { RefusedError } from "../base/errors.ts";
import { lasting, passing, type Reason } from "../resource/reasons.ts";
import { Desk } from "./command.ts";
import { runPhases } from "./engine.ts";
import { gateOf } from "./gate.ts";

/** A desk whose waits are over at once; says how long they took. */
function deskOf(
  world: TreeWorld,
  ...options: string[]
): { readonly desk: Desk; readonly waitedMs: () => number } {
  const real = world.desk(...options);
  const { settings, options: parsed, effects, print, warn } = real;
  let nowMs = 0;
  const desk = new Desk({
    settings,
    options: parsed,
    effects: {
      ...effects,
      clock: {
        realNs: () => effects.clock.realNs(),
        monotonicMs: () => nowMs,
      },
      sleep: (durationMs) => {
        nowMs += durationMs;
        return Promise.resolve();
      },
    },
    voice: { print, warn },
    openShim: () => real.shim,
  });
  return { desk, waitedMs: () => nowMs };
}

/** Takes resources through a gate; what was wrong with each. */
async function pass(
  desk: Desk,
  reasonsAt: (resource: string) => readonly Reason[],
  { resources = ["r"], isForceless }: {
    readonly resources?: readonly string[];
    readonly isForceless?: true;
  } = {},
): Promise<readonly string[]> {
  const failures = await runPhases(
    {
      command: {
        name: "test",
        usage: "",
        summary: "",
        subject: "resources",
        wordsMin: 0,
        wordsMax: 0,
        phases: (_desk, resource) => [{
          title: "check",
          goal: "nothing to be in the way",
          ...gateOf(desk, {
            action: `do it to "${resource}"`,
            ...isForceless && { isForceless },
            reasons: () => reasonsAt(resource),
          }),
        }],
      },
      typed: "test",
      resources,
      words: [],
    },
    desk,
    { admit: () => true, introduce: () => {}, hook: () => {}, ask: () => {} },
  );
  return failures.map(({ error }) => `${error.name}: ${error.message}`);
}

Deno.test("A gate refuses at once what lasts, and names all", async () => {
  using world = new TreeWorld();
  const { desk, waitedMs } = deskOf(world);
  const failures = await pass(desk, () => [passing("open"), lasting("split")]);
  assertEquals(failures, ['RefusedError: Cannot do it to "r": open; split']);
  assertEquals(waitedMs(), 0);
});

Deno.test("A gate opens as soon as what passes has passed", async () => {
  using world = new TreeWorld();
  const { desk, waitedMs } = deskOf(world);
  const reasons = () => waitedMs() < 300 ? [passing("open")] : [];
  assertEquals(await pass(desk, reasons), []);
  assertEquals(waitedMs(), 300);
});

Deno.test("A gate refuses what does not pass, of all resources together", async () => {
  using world = new TreeWorld();
  const { desk, waitedMs } = deskOf(world);
  const resources = ["a", "b", "c"];
  assertEquals(
    await pass(desk, () => [passing("open")], { resources }),
    resources.map((name) => `RefusedError: Cannot do it to "${name}": open`),
  );
  assertEquals(waitedMs(), 3_000);
});

Deno.test("A gate gives the same time to what comes later", async () => {
  using world = new TreeWorld();
  const { desk, waitedMs } = deskOf(world);
  const gate = gateOf(desk, {
    action: "do it",
    reasons: () => waitedMs() % 4_000 < 2_000 ? [passing("open")] : [],
  });
  // Another wait of the same phase goes on.
  await desk.waitUntil({
    goal: "the end",
    until: async (snapshot) => [
      ...await gate.until(snapshot),
      ...waitedMs() < 12_000 ? ["not yet"] : [],
    ],
  });
  assertEquals(waitedMs(), 14_000);
});

Deno.test("A gate waits no longer than it may", async () => {
  using world = new TreeWorld();
  for (const [option, ms] of [["--timeout=1", 1_000], ["--dry-run", 0]]) {
    const { desk, waitedMs } = deskOf(world, String(option));
    assertEquals((await pass(desk, () => [passing("open")])).length, 1);
    assertEquals(waitedMs(), ms);
  }
});

Deno.test("A gate refuses what turns out to last", async () => {
  using world = new TreeWorld();
  const { desk, waitedMs } = deskOf(world);
  const reasons = () =>
    waitedMs() < 500 ? [passing("open")] : [lasting("split")];
  assertEquals(await pass(desk, reasons), [
    'RefusedError: Cannot do it to "r": split',
  ]);
  assertEquals(waitedMs(), 500);
});

Deno.test("--force opens a gate, unless it is no answer", async () => {
  using world = new TreeWorld();
  const reasons = () => [lasting("split")];
  const { desk } = deskOf(world, "--force");
  assertEquals(await pass(desk, reasons), []);
  assertEquals((await pass(desk, reasons, { isForceless: true })).length, 1);
  const gate = gateOf(desk, { action: "x", isForceless: true, reasons });
  await assertRejects(() => Promise.resolve(gate.act()), RefusedError);
});
