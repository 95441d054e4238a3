/**
 * Cost of the tree: load, rescan, write, merge, snapshot.
 *
 *   deno run --allow-all tests/bench/tree.ts [directory]
 *
 * Each row is the median of a few runs. The links are those of resources with
 * ten hosts each.
 */
import { LamportClock } from "../../src/base/lamport.ts";
import { systemClock } from "../../src/base/time.ts";
import { LinkTree, ReadOnlyTree } from "../../src/tree/store.ts";
import { loadShim } from "../../ffi/shim.ts";
import { spreadOf } from "./figures.ts";

const LINK_COUNTS = [10_000, 100_000];
const HOST_COUNT = 10;
const LINKS_PER_RESOURCE = 200;
const RUN_COUNT = 5;
const WRITE_COUNT = 2_000;

const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));

/** Milliseconds that `run` takes. */
function measure(run: (index: number) => void, count = RUN_COUNT): number {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    run(index);
    times.push(performance.now() - start);
  }
  return spreadOf(times).median;
}

function report(what: string, milliseconds: number): void {
  // deno-lint-ignore no-console -- The report of a bench.
  console.log(`${what.padEnd(48)} ${milliseconds.toFixed(3).padStart(10)} ms`);
}

function open(root: string): LinkTree {
  const lamport = new LamportClock(systemClock);
  return new LinkTree({ root, shim, lamport });
}

function fill(root: string, linkCount: number): void {
  const tree = open(root);
  for (let link = 0; link < linkCount; link += LINKS_PER_RESOURCE) {
    const resource = `resource-r${link / LINKS_PER_RESOURCE}`;
    const perHost = LINKS_PER_RESOURCE / HOST_COUNT;
    for (let host = 0; host < HOST_COUNT; host++) {
      tree.write(Array.from({ length: perHost }, (_, index) => ({
        path: `${resource}/actual-h${host}/state-${index}`,
        value: `${index},some text of usual length`,
      })));
    }
  }
}

function benchTree(root: string, linkCount: number): void {
  const label = `${linkCount} links:`;
  const fillStart = performance.now();
  fill(root, linkCount);
  report(`${label} create`, performance.now() - fillStart);
  report(`${label} load`, measure(() => open(root).load()));
  report(`${label} load, read-only`, measure(() => ReadOnlyTree.read(root)));

  const tree = open(root);
  tree.load();
  tree.load();
  report(`${label} load again`, measure(() => tree.load()));
  // Directories count as quiet only a while after their last change.
  report(`${label} rescan, nothing changed`, measure(() => tree.rescan()));
  const path = "resource-r0/actual-h0/state-0";
  report(
    `${label} write one`,
    measure(() => tree.write([{ path, value: "x" }]), WRITE_COUNT),
  );
  report(
    `${label} write one, take a snapshot`,
    measure(() => {
      tree.write([{ path, value: "x" }]);
      tree.snapshot();
    }, WRITE_COUNT),
  );
  report(
    `${label} write one, rescan`,
    measure(() => {
      tree.write([{ path, value: "x" }]);
      tree.rescan();
    }, RUN_COUNT * 10),
  );
  const links = [...tree.snapshot().all()];
  const context = { host: "h0", sender: "h1", isChecked: false };
  report(
    `${label} apply all, nothing new`,
    measure(() => tree.apply(links, context)),
  );
  const newer = links.filter((link) => !link.path.includes("actual-h0/"));
  report(
    `${label} apply nine of ten, all newer`,
    measure((run) => {
      const step = BigInt(run + 1) * 1_000_000_000n;
      tree.apply(
        newer.map((link) => ({ ...link, stampNs: link.stampNs + step })),
        context,
      );
    }, 1),
  );
}

for (const linkCount of LINK_COUNTS) {
  const parent = Deno.args[0];
  const root = Deno.makeTempDirSync(
    parent === undefined ? {} : { dir: parent },
  );
  try {
    benchTree(root, linkCount);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}
