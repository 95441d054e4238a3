/**
 * How long a change of a link takes to be visible on a connected peer: two real
 * daemons, 10,000 other links in their trees.
 *
 * A change is what an administrator does: a link is made and renamed into
 * place, then the trigger is written. It is visible when the other host's tree
 * has it on disk.
 */
import { LamportClock } from "../../src/base/lamport.ts";
import { systemClock } from "../../src/base/time.ts";
import { loadShim } from "../../ffi/shim.ts";
import { LinkTree } from "../../src/tree/store.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import type { Bench } from "./bench.ts";
import { atMost, type Figure, percentileOf } from "./figures.ts";

const RESOURCE_COUNT = 50;
const LINKS_PER_RESOURCE = 200;
const CHANGE_COUNT = 300;
const CHANGE_COUNT_QUICK = 30;
/** Changes come now and then, not in step with anything the daemon does. */
const PAUSE_MS_MAX = 40;
/** Looking costs CPU time that the daemons want, too. */
const LOOK_EVERY_MS = 0.2;
const VISIBLE_MS_MAX = 10_000;
const PATH = "userspace/changed";

export async function benchVisibleLinks(bench: Bench): Promise<Figure[]> {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  if (alpha === undefined || beta === undefined) return [];
  fill(alpha);
  trigger(alpha);
  const last = pathOf(RESOURCE_COUNT - 1, LINKS_PER_RESOURCE - 1);
  await waitFor("all links", () => beta.link(last) !== undefined);
  change(alpha, "first");
  await beta.waitLink(PATH, (value) => value === "first");

  const count = bench.isQuick ? CHANGE_COUNT_QUICK : CHANGE_COUNT;
  const tookMs: number[] = [];
  for (let index = 0; index < count; index++) {
    await new Promise((resolve) =>
      setTimeout(resolve, Math.random() * PAUSE_MS_MAX)
    );
    tookMs.push(changeUntilVisible(alpha, beta, `value ${index}`));
  }
  const p50 = percentileOf(tookMs, 0.5);
  const p99 = percentileOf(tookMs, 0.99);
  bench.note(`${count} changes: p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}`);
  const figure = (what: string, valueMs: number, mostMs: number): Figure => ({
    what: `change of a link, visible on a peer, ${what}`,
    unit: "ms",
    ours: [valueMs],
    theirs: [],
    against: "",
    goal: atMost(mostMs),
  });
  return [figure("p50", p50, 5), figure("p99", p99, 50)];
}

function pathOf(resource: number, link: number): string {
  return `resource-r${resource}/userspace/note-${link}`;
}

function fill(host: Host): void {
  const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));
  const tree = new LinkTree({
    root: host.marsDir,
    shim,
    lamport: new LamportClock(systemClock),
  });
  for (let resource = 0; resource < RESOURCE_COUNT; resource++) {
    tree.write(Array.from({ length: LINKS_PER_RESOURCE }, (_, link) => ({
      path: pathOf(resource, link),
      value: `some text of usual length ${link}`,
    })));
  }
}

function trigger(host: Host): void {
  const path = `${host.directory}/run/control/trigger`;
  Deno.writeTextFileSync(path, "mars\n", { create: false });
}

function change(host: Host, value: string): void {
  const path = `${host.marsDir}/${PATH}`;
  const draft = `${host.marsDir}/userspace/.tmp-changed`;
  Deno.mkdirSync(`${host.marsDir}/userspace`, { recursive: true });
  Deno.symlinkSync(value, draft);
  Deno.renameSync(draft, path);
  trigger(host);
}

/** Milliseconds. */
function changeUntilVisible(from: Host, to: Host, value: string): number {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const startMs = performance.now();
  change(from, value);
  while (to.link(PATH) !== value) {
    // Nobody changes the word: this only sleeps, and for less than a timer.
    Atomics.wait(clock, 0, 0, LOOK_EVERY_MS);
    if (performance.now() - startMs > VISIBLE_MS_MAX) return Infinity;
  }
  return performance.now() - startMs;
}
