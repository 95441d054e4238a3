// The names of C functions.
// deno-lint-ignore-file camelcase
import { assert, assertEquals } from "@std/assert";
import { LamportClock } from "../base/lamport.ts";
import { systemClock } from "../base/time.ts";
import { ERRNO } from "../base/errors.ts";
import { loadShim, type Shim } from "../../ffi/shim.ts";
import { command } from "../../tests/support/programs.ts";
import type { Link } from "./snapshot.ts";
import { LinkTree } from "./store.ts";
import { TOMBSTONE } from "./values.ts";
import { TreeWatch } from "./watch.ts";

const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));

/** A watched tree that goes away at the end of the scope. */
class Watched implements AsyncDisposable {
  readonly root = Deno.makeTempDirSync({ prefix: "mars-watch-" });
  readonly watch: TreeWatch;
  readonly tree: LinkTree;

  constructor(functions: Shim = shim) {
    Deno.mkdirSync(`${this.root}/defaults`);
    Deno.mkdirSync(`${this.root}/resource-x/todo-alpha`, { recursive: true });
    const watch = TreeWatch.open({ root: this.root, shim: functions });
    assert(watch !== undefined);
    this.watch = watch;
    this.tree = new LinkTree({
      root: this.root,
      shim,
      lamport: new LamportClock(systemClock),
      watch,
    });
    this.tree.rescan();
  }

  at(path: string): string {
    return `${this.root}/${path}`;
  }

  /** Looks whenever the watch reports, until `isDone`; gives what was new. */
  async lookUntil(isDone: () => boolean): Promise<Link[]> {
    const found: Link[] = [];
    while (!isDone()) {
      const report = await this.watch.next();
      assert(report?.kind === "paths");
      found.push(...this.tree.look(report.paths));
    }
    return found;
  }

  value(path: string): string | undefined {
    return this.tree.snapshot().value(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watch.close();
    Deno.removeSync(this.root, { recursive: true });
  }
}

Deno.test("TreeWatch sees links that others make, rename and remove", async () => {
  await using watched = new Watched();
  const { tree } = watched;

  Deno.symlinkSync("1", watched.at("defaults/made"));
  Deno.symlinkSync("2", watched.at("defaults/.tmp-renamed"));
  Deno.renameSync(
    watched.at("defaults/.tmp-renamed"),
    watched.at("defaults/renamed"),
  );
  const found = await watched.lookUntil(() =>
    watched.value("defaults/renamed") === "2"
  );
  assertEquals(found.map(({ path, value }) => `${path} ${value}`), [
    "defaults/made 1",
    "defaults/renamed 2",
  ]);

  Deno.removeSync(watched.at("defaults/made"));
  await watched.lookUntil(() => tree.snapshot().size === 1);
  assertEquals(watched.value("defaults/made"), undefined);
});

Deno.test("TreeWatch sees a stamp that is set in place", async () => {
  await using watched = new Watched();
  const { tree } = watched;
  tree.write([{ path: "defaults/name", value: "1" }]);

  command("touch", "-h", "-d", "@1234567.5", watched.at("defaults/name"));

  await watched.lookUntil(() =>
    tree.snapshot().stampNs("defaults/name") === 1_234_567_500_000_000n
  );
});

Deno.test("TreeWatch sees directories come, and what was made in them before", async () => {
  await using watched = new Watched();

  Deno.mkdirSync(watched.at("resource-y/todo-alpha"), { recursive: true });
  Deno.symlinkSync("1", watched.at("resource-y/todo-alpha/attach"));
  await watched.lookUntil(() =>
    watched.value("resource-y/todo-alpha/attach") === "1"
  );

  // It is watched itself now.
  Deno.symlinkSync("0", watched.at("resource-y/todo-alpha/sync"));
  await watched.lookUntil(() =>
    watched.value("resource-y/todo-alpha/sync") === "0"
  );
});

Deno.test("TreeWatch follows a directory that is renamed", async () => {
  await using watched = new Watched();
  const { tree } = watched;
  tree.write([{ path: "resource-x/todo-alpha/attach", value: "1" }]);

  Deno.renameSync(watched.at("resource-x"), watched.at("resource-z"));
  await watched.lookUntil(() =>
    watched.value("resource-z/todo-alpha/attach") === "1" &&
    watched.value("resource-x/todo-alpha/attach") === undefined
  );

  Deno.symlinkSync("1", watched.at("resource-z/todo-alpha/sync"));
  await watched.lookUntil(() =>
    watched.value("resource-z/todo-alpha/sync") === "1"
  );
  assertEquals(tree.snapshot().resources(), ["z"]);
});

Deno.test("TreeWatch sees directories go, and others take their place", async () => {
  await using watched = new Watched();
  const { tree } = watched;
  tree.write([{ path: "resource-x/todo-alpha/attach", value: "1" }]);

  Deno.removeSync(watched.at("resource-x"), { recursive: true });
  Deno.mkdirSync(watched.at("resource-x/todo-alpha"), { recursive: true });
  Deno.symlinkSync("0", watched.at("resource-x/todo-alpha/attach"));
  await watched.lookUntil(() =>
    watched.value("resource-x/todo-alpha/attach") === "0"
  );
  Deno.symlinkSync("0", watched.at("resource-x/todo-alpha/sync"));
  await watched.lookUntil(() =>
    watched.value("resource-x/todo-alpha/sync") === "0"
  );

  Deno.removeSync(watched.at("resource-x"), { recursive: true });
  await watched.lookUntil(() => tree.snapshot().size === 0);
});

Deno.test("TreeWatch sees a directory in place of a tombstone, and back", async () => {
  await using watched = new Watched();
  const { tree } = watched;
  tree.write([{ path: "resource-x/actual-beta", value: TOMBSTONE }]);
  const isTombstone = (): boolean =>
    tree.snapshot().isTombstone("resource-x/actual-beta");
  assert(isTombstone());

  Deno.removeSync(watched.at("resource-x/actual-beta"));
  Deno.mkdirSync(watched.at("resource-x/actual-beta"));
  Deno.symlinkSync("1", watched.at("resource-x/actual-beta/is-primary"));
  await watched.lookUntil(() =>
    watched.value("resource-x/actual-beta/is-primary") === "1"
  );
  assertEquals(isTombstone(), false);

  Deno.removeSync(watched.at("resource-x/actual-beta"), { recursive: true });
  Deno.symlinkSync(TOMBSTONE, watched.at("resource-x/actual-beta"));
  await watched.lookUntil(isTombstone);
  assertEquals(watched.value("resource-x/actual-beta/is-primary"), undefined);
});

Deno.test("TreeWatch finds nothing new in what the tree writes itself", async () => {
  await using watched = new Watched();
  const { tree } = watched;
  tree.write([{ path: "defaults/own", value: "1" }]);
  const before = tree.snapshot();
  Deno.symlinkSync("2", watched.at("defaults/foreign"));

  const found = await watched.lookUntil(() =>
    watched.value("defaults/foreign") === "2"
  );

  assertEquals(found.map(({ path }) => path), ["defaults/foreign"]);
  assertEquals(tree.snapshot().get("defaults/own"), before.get("defaults/own"));
});

Deno.test("TreeWatch follows a directory that the tree put in place", async () => {
  await using watched = new Watched();
  const { tree } = watched;
  tree.write([{ path: "defaults/own", value: "1" }]);
  const links = [1, 2, 3, 4, 5].map((number) => ({
    path: `resource-new/note-${number}`,
    value: "x",
    stampNs: BigInt(number),
  }));
  tree.apply(links, {
    host: "alpha",
    sender: "beta",
    isChecked: false,
  });
  const before = tree.snapshot();

  Deno.symlinkSync("2", watched.at("resource-new/foreign"));
  const found = await watched.lookUntil(() =>
    watched.value("resource-new/foreign") === "2"
  );

  assertEquals(found.map(({ path }) => path), ["resource-new/foreign"]);
  assertEquals(tree.snapshot().size, before.size + 1);
  Deno.removeSync(watched.at("resource-new"), { recursive: true });
  await watched.lookUntil(() => tree.snapshot().size === 1);
});

Deno.test("TreeWatch says so when the kernel dropped reports", async () => {
  await using watched = new Watched();
  const queueMax = Number(
    Deno.readTextFileSync("/proc/sys/fs/inotify/max_queued_events"),
  );
  const names = [watched.at("defaults/.a"), watched.at("defaults/.b")] as const;
  Deno.symlinkSync("1", names[0]);
  for (let count = 0; count <= queueMax; count += 4) {
    Deno.renameSync(names[0], names[1]);
    Deno.renameSync(names[1], names[0]);
  }
  Deno.symlinkSync("1", watched.at("defaults/missed"));

  assertEquals((await watched.watch.next())?.kind, "overflow");
  assertEquals(
    watched.tree.rescan().map(({ path }) => path),
    ["defaults/missed"],
  );
});

Deno.test("TreeWatch is incomplete without a watch for each directory", async () => {
  const ENOSPC = 28;
  const scarce: Shim = {
    ...shim,
    mars_watch_add: (fd, path, mask) => {
      const text = path instanceof Uint8Array
        ? new TextDecoder().decode(path)
        : "";
      if (text.includes("resource-x")) return -ENOSPC;
      return shim.mars_watch_add(fd, path, mask);
    },
  };
  await using watched = new Watched(scarce);
  assertEquals(watched.watch.isComplete, false);

  Deno.removeSync(watched.at("resource-x"), { recursive: true });
  watched.tree.rescan();
  assertEquals(watched.watch.isComplete, true);
});

Deno.test("TreeWatch cannot be had where the kernel has none to spare", () => {
  const root = Deno.makeTempDirSync({ prefix: "mars-watch-" });
  const none: Shim = { ...shim, mars_watch_create: () => -ERRNO.ENOENT };
  assertEquals(TreeWatch.open({ root, shim: none }), undefined);
  Deno.removeSync(root);
});

Deno.test("LinkTree.sweep() finds in turn what a watch has missed", () => {
  const root = Deno.makeTempDirSync({ prefix: "mars-watch-" });
  for (const name of ["defaults", "ips", "userspace"]) {
    Deno.mkdirSync(`${root}/${name}`);
  }
  const lamport = new LamportClock(systemClock);
  const tree = new LinkTree({ root, shim, lamport });
  tree.rescan();
  for (const path of ["defaults/a", "ips/ip-b", "userspace/c", "d"]) {
    Deno.symlinkSync("10.0.0.1", `${root}/${path}`);
  }

  const found = [1, 2, 3].flatMap(() => tree.sweep(1));

  assertEquals(found.map(({ path }) => path).sort(), [
    "d",
    "defaults/a",
    "ips/ip-b",
    "userspace/c",
  ]);
  Deno.removeSync(root, { recursive: true });
});
