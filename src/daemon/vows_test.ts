import { assertEquals, assertThrows } from "@std/assert";
import { IDLE_WORKER } from "../../tests/support/idle.ts";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import { MarsError } from "../base/errors.ts";
import { logFileName } from "../base/names.ts";
import {
  NOTHING,
  type Plan,
  type WorkerState,
} from "../resource/plan_types.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import { ResourceVow, systemVows, type VowShelf } from "./vows.ts";

const OLD = { sequence: 2, host: "alpha" };
const NEW = { sequence: 13, host: "alpha" };
const TEXT = "log-000000002-alpha log-000000013-alpha\n";

/** Alpha, whose replay link names `log`. */
function viewAt(
  log: { sequence: number; host: string } | undefined,
  synced = "4096",
): ResourceView {
  const links: Record<string, string> = {
    [linkPath.size("r")]: "4096",
    [linkPath.data("r", "alpha")]: "/dev/null",
    [linkPath.syncStatus("r", "alpha")]: synced,
  };
  if (log !== undefined) {
    links[linkPath.replay("r", "alpha")] = `${logFileName(log)},100,20`;
  }
  const snapshot = snapshotOf(links);
  return resourceView(snapshot, "r", "alpha");
}

/** A shelf in memory. */
function shelfWith(text?: string): VowShelf & { text: string | undefined } {
  const shelf = {
    text,
    read: () => shelf.text,
    write: (_resource: string, words: string) => {
      shelf.text = words;
      return Promise.resolve();
    },
    remove: () => {
      shelf.text = undefined;
      return Promise.resolve();
    },
  };
  return shelf;
}

function worker(bypass: number): WorkerState {
  return {
    ...IDLE_WORKER,
    role: "log",
    logSequence: 2,
    writtenBackSequence: 2,
    deviceOn: 1,
    deviceBytes: 4096,
    bypass,
    diskBytes: 4096,
    logErrno: 30,
  };
}

const PREPARE: Plan = {
  ...NOTHING,
  bypass: "prepare",
  publish: [{
    path: linkPath.replay("r", "alpha"),
    value: `${logFileName(NEW)},0,0`,
  }],
};

/** Where this host is with the vow, by where its link says. */
const CASES: readonly [
  text: string,
  view: ResourceView,
  log: string | undefined,
][] = [
  ["the log that was left", viewAt(OLD), "log-000000013-alpha"],
  [
    "an own log before",
    viewAt({ sequence: 1, host: "alpha" }),
    "log-000000013-alpha",
  ],
  ["where it went on", viewAt(NEW), "log-000000013-alpha"],
  [
    "further on",
    viewAt({ sequence: 14, host: "alpha" }),
    "log-000000014-alpha",
  ],
  [
    "a log of somebody else",
    viewAt({ sequence: 2, host: "beta" }),
    "log-000000002-beta",
  ],
  ["nothing", viewAt(undefined), undefined],
  ["a copy that begins anew", viewAt(OLD, "0"), "log-000000002-alpha"],
];

for (const [text, view, log] of CASES) {
  Deno.test(`ResourceVow.counting() is at ${log} if the link names ${text}`, () => {
    const vow = new ResourceVow("r", shelfWith(TEXT));
    const counting = vow.counting(view);
    const { replay } = counting.own ?? {};
    assertEquals(replay && logFileName(replay.log), log);
    assertEquals(
      counting.members.find(({ host }) => host === "alpha")?.replay,
      replay,
    );
  });
}

Deno.test("ResourceVow is removed when the tree has moved on, not before", async () => {
  const shelf = shelfWith(TEXT);
  const vow = new ResourceVow("r", shelf);
  vow.counting(viewAt(OLD));
  await vow.fulfil(viewAt(OLD));
  assertEquals(shelf.text, TEXT);
  await vow.fulfil(viewAt(undefined));
  assertEquals(shelf.text, TEXT, "the link may be on its way");
  await vow.fulfil(viewAt(NEW));
  assertEquals([shelf.text, vow.isKept], [undefined, false]);
});

Deno.test("ResourceVow is made when all is on the disk, not before", async () => {
  const shelf = shelfWith();
  const vow = new ResourceVow("r", shelf);
  const view = viewAt(OLD);
  for (const bypass of [0, 2]) {
    await vow.make(PREPARE, view, worker(bypass));
    assertEquals(shelf.text, undefined);
  }
  await vow.make({ ...PREPARE, publish: [] }, view, worker(1));
  assertEquals(shelf.text, undefined, "it goes nowhere");
  await vow.make(PREPARE, view, worker(1));
  assertEquals([shelf.text, vow.isKept], [TEXT, true]);
});

Deno.test("ResourceVow is made where a link is written but not durable", async () => {
  const shelf = shelfWith();
  const vow = new ResourceVow("r", shelf);
  await vow.make({ ...NOTHING, bypass: "serve" }, viewAt(NEW), worker(1));
  assertEquals(shelf.text, TEXT);
});

Deno.test("ResourceVow of garbage lets nothing begin", () => {
  const vow = new ResourceVow("r", shelfWith("log-000000002-alpha"));
  assertThrows(() => vow.counting(viewAt(OLD)), MarsError, "garbage");
});

Deno.test("systemVows() keeps words in files", async () => {
  const directory = await Deno.makeTempDir();
  const shelf = systemVows(directory);
  assertEquals(shelf.read("r"), undefined);
  await shelf.write("r", TEXT);
  await shelf.write("q", "other\n");
  assertEquals(systemVows(directory).read("r"), TEXT);
  await shelf.remove("r");
  await shelf.remove("r");
  assertEquals([shelf.read("r"), shelf.read("q")], [undefined, "other\n"]);
  await Deno.remove(directory, { recursive: true });
});
