/** Phases of made-up commands, on a tree in a temporary directory. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { MarsError, TimeoutError } from "../base/errors.ts";
import type { Command, Desk, Phase, Voice } from "./command.ts";
import { type Failure, runPhases, type Surround } from "./engine.ts";

const QUIET: Surround = {
  admit: () => true,
  introduce: () => {},
  hook: () => {},
  ask: () => {},
};

function command(phases: (resource: string) => readonly Phase[]): Command {
  return {
    name: "test",
    usage: "RES",
    summary: "Test",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    phases: (_desk: Desk, resource: string) => phases(resource),
  };
}

/** Takes resources through `phases`. */
function run(
  phases: (resource: string) => readonly Phase[],
  desk: Desk,
  resources: readonly string[],
  surround: Partial<Surround> = {},
): Promise<readonly Failure[]> {
  const call = { command: command(phases), typed: "try", resources, words: [] };
  return runPhases(call, desk, { ...QUIET, ...surround });
}

function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link(clusterLinks());
  return world;
}

Deno.test("All resources go through a phase before the next begins", async () => {
  using world = cluster();
  const done: string[] = [];
  const steps = (resource: string): Phase[] =>
    ["one", "two"].map((title) => ({
      title,
      act: () => void done.push(`${resource} ${title}`),
    }));
  await run(steps, world.desk(), ["a", "b"]);
  assertEquals(done, ["a one", "b one", "a two", "b two"]);
});

Deno.test("A resource that fails puts back what it took, last first", async () => {
  using world = cluster();
  const done: string[] = [];
  const steps = (resource: string): Phase[] => [
    { title: "one", undo: () => void done.push(`${resource} undoes one`) },
    {
      title: "two",
      act: () => {
        if (resource === "a") throw new MarsError("no");
      },
      undo: () => void done.push(`${resource} undoes two`),
    },
    { title: "three", act: () => void done.push(`${resource} three`) },
  ];
  const failures = await run(steps, world.desk(), ["a", "b"]);
  assertEquals(failures.map(({ resource }) => resource), ["a"]);
  assertEquals(done, ["a undoes two", "a undoes one", "b three"]);
});

Deno.test("A phase that waits in vain fails, and says what is left", async () => {
  using world = cluster();
  let undone = 0;
  const steps = (): Phase[] => [
    {
      title: "wait for ever",
      goal: "the night",
      until: () => ["the sky is up"],
      undo: () => void undone++,
    },
  ];
  const desk = world.desk("--timeout=0");
  const [failure] = await run(steps, desk, ["r"]);
  assert(failure?.error instanceof TimeoutError);
  assertStringIncludes(
    failure.error.message,
    "waiting for the night: the sky is up",
  );
  assertEquals(undone, 1);
});

Deno.test("An interruption ends a wait and is undone", async () => {
  using world = cluster();
  const desk = world.desk();
  let undone = 0;
  const steps = (): Phase[] => [
    {
      title: "wait for ever",
      goal: "the night",
      until: () => {
        desk.interrupt();
        return ["never"];
      },
      undo: () => void undone++,
    },
  ];
  const [failure] = await run(steps, desk, ["r"]);
  assertEquals(failure?.error.message, "Interrupted");
  assertEquals(undone, 1);
});

Deno.test("With --parallel a slow resource does not hold up another", async () => {
  using world = cluster();
  const done: string[] = [];
  let isFree = false;
  const steps = (resource: string): Phase[] => [
    { title: "together", act: () => void done.push(`${resource} together`) },
    {
      title: "alone",
      forks: true,
      goal: "the other",
      until: () => resource === "a" && !isFree ? ["b is not done"] : [],
    },
    {
      title: "end",
      act: () => {
        done.push(`${resource} ends`);
        isFree = true;
      },
    },
  ];
  const desk = world.desk("--parallel");
  await run(steps, desk, ["a", "b"]);
  assertEquals(done, ["a together", "b together", "b ends", "a ends"]);
});

/** Notes what is said, and where. */
function recorder(): { readonly voice: Voice; readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    voice: {
      print: (line) => lines.push(`out ${line}`),
      warn: (line) => lines.push(`err ${line}`),
    },
  };
}

const REFUSING: readonly Phase[] = [
  {
    title: "one",
    act: () => {
      throw new MarsError("no");
    },
  },
];

Deno.test("A failure is told once, as scripts look for it", async () => {
  using world = cluster();
  const { voice, lines } = recorder();
  await run(() => REFUSING, world.desk().withVoice(voice), ["r"]);
  assertEquals(lines, ["err DYING: no", "out FAILURE cmd='try' res='r'"]);
});

Deno.test("Failures of a list name their resources", async () => {
  using world = cluster();
  const { voice, lines } = recorder();
  await run(() => REFUSING, world.desk().withVoice(voice), ["a", "b"]);
  assertEquals(lines, [
    'err DYING: "a": no',
    "out FAILURE cmd='try' res='a'",
    'err DYING: "b": no',
    "out FAILURE cmd='try' res='b'",
  ]);
});

Deno.test("A resource that is not admitted fails alone", async () => {
  using world = cluster();
  const done: string[] = [];
  const failures = await run(
    (resource) => [{ title: "one", act: () => void done.push(resource) }],
    world.desk(),
    ["a", "b", "c"],
    {
      admit: (resource) => {
        if (resource === "a") throw new MarsError("locked");
        return resource !== "b";
      },
    },
  );
  assertEquals(failures.map(({ resource }) => resource), ["a"]);
  assertEquals(done, ["c"]);
});

Deno.test("Resources are admitted in sorted order, whatever was typed", async () => {
  using world = cluster();
  const admitted: string[] = [];
  await run(() => [], world.desk(), ["c", "a", "b"], {
    admit: (resource) => admitted.push(resource) > 0,
  });
  assertEquals(admitted, ["a", "b", "c"]);
});

Deno.test("Hooks stand around the phase of all, and of each", async () => {
  using world = cluster();
  const done: string[] = [];
  await run(
    (resource) => [{ title: "one", act: () => void done.push(resource) }],
    world.desk(),
    ["a", "b"],
    {
      hook: ({ when, phase, phases, resources }) =>
        void done.push(`${when} ${phase}/${phases} ${resources.join()}`),
    },
  );
  assertEquals(done, [
    "all-pre 1/1 a,b",
    "pre 1/1 a",
    "a",
    "pre 1/1 b",
    "b",
    "post 1/1 a",
    "post 1/1 b",
    "all-post 1/1 a,b",
  ]);
});

/** Two phases that can be undone, and a hook that fails at one moment. */
async function runFailingAt(when: string, phase: number): Promise<string[]> {
  using world = cluster();
  const done: string[] = [];
  const steps = (): Phase[] =>
    ["one", "two"].map((title) => ({
      title,
      act: () => void done.push(title),
      undo: () => void done.push(`undo ${title}`),
    }));
  await run(steps, world.desk(), ["r"], {
    hook: (moment) => {
      const isHere = moment.when === when && moment.phase === phase;
      if (isHere) throw new MarsError("hook");
    },
  });
  return done;
}

Deno.test("A hook before a phase forbids it, and what came before is undone", async () => {
  assertEquals(await runFailingAt("pre", 2), ["one", "undo one"]);
  assertEquals(await runFailingAt("all-pre", 2), ["one", "undo one"]);
  assertEquals(await runFailingAt("post", 1), ["one", "undo one"]);
});

Deno.test("A hook after the last phase undoes nothing", async () => {
  assertEquals(await runFailingAt("post", 2), ["one", "two"]);
  assertEquals(await runFailingAt("all-post", 2), ["one", "two"]);
});

Deno.test("--singlestep asks before each phase; a no undoes", async () => {
  using world = cluster();
  const { voice, lines } = recorder();
  const desk = world.desk("--singlestep").withVoice(voice);
  const steps = (): Phase[] =>
    ["one", "two"].map((title) => ({
      title,
      act: () => desk.print(title),
      undo: () => desk.print(`undo ${title}`),
    }));
  await run(steps, desk, ["r"], {
    ask: (title) => {
      if (title === "two") throw new MarsError("Stopped");
    },
  });
  assertEquals(lines, [
    "out -------- PHASE 1 -------- one:",
    "out one",
    "out -------- PHASE 2 -------- two:",
    "err DYING: Stopped",
    "out FAILURE cmd='try' res='r'",
    "out undo one",
  ]);
});

Deno.test("--error-injection-phase fails in the phase that it names", async () => {
  using world = cluster();
  const done: string[] = [];
  const steps = (): Phase[] =>
    ["one", "two"].map((title) => ({
      title,
      act: () => void done.push(title),
      undo: () => void done.push(`undo ${title}`),
    }));
  const desk = world.desk("--error-injection-phase=2");
  const [failure] = await run(steps, desk, ["r"]);
  assertStringIncludes(failure?.error.message ?? "", "phase 2");
  assertEquals(done, ["one", "undo one"]);
});

Deno.test("An error that nobody foresaw is thrown, after what was taken is put back", async () => {
  using world = cluster();
  let undone = 0;
  const steps = (): Phase[] => [{
    title: "one",
    act: () => {
      throw new TypeError("a mistake");
    },
    undo: () => void undone++,
  }];
  await assertRejects(
    () => run(steps, world.desk(), ["r"]),
    TypeError,
    "a mistake",
  );
  assertEquals(undone, 1);
});
