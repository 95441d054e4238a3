/** Phases of made-up commands, on a tree in a temporary directory. */
import { assertEquals, assertRejects } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { MarsError, SomeFailedError, TimeoutError } from "../base/errors.ts";
import type { Command, Desk, Phase } from "./command.ts";
import { runPhases, type Surround } from "./engine.ts";

const QUIET: Surround = { before: () => {}, after: () => {}, ask: () => {} };

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
  await runPhases(command(steps), world.desk(), ["a", "b"], [], QUIET);
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
  const error = await assertRejects(
    () => runPhases(command(steps), world.desk(), ["a", "b"], [], QUIET),
    SomeFailedError,
    "1 of 2",
  );
  assertEquals(error.exitCode, 1);
  assertEquals(done, ["a undoes two", "a undoes one", "b three"]);
});

Deno.test("A phase that waits in vain fails, and says what is left", async () => {
  using world = cluster();
  let undone = 0;
  const steps = (): Phase[] => [
    {
      title: "wait for ever",
      until: () => ["the sky is up"],
      undo: () => void undone++,
    },
  ];
  const desk = world.desk("--timeout=0");
  await assertRejects(
    () => runPhases(command(steps), desk, ["r"], [], QUIET),
    TimeoutError,
    "the sky is up",
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
      until: () => {
        desk.interrupt();
        return ["never"];
      },
      undo: () => void undone++,
    },
  ];
  await assertRejects(
    () => runPhases(command(steps), desk, ["r"], [], QUIET),
    MarsError,
    "Interrupted",
  );
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
  await runPhases(command(steps), desk, ["a", "b"], [], QUIET);
  assertEquals(done, ["a together", "b together", "b ends", "a ends"]);
});
