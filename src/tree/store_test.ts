import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ERRNO, MarsError, SyscallError } from "../base/errors.ts";
import { FUTURE_NS_MAX, LamportClock } from "../base/lamport.ts";
import { NS_PER_S, systemClock } from "../base/time.ts";
import { loadShim, type Shim } from "../../ffi/shim.ts";
import { anyLink } from "../../tests/support/links.ts";
import { LinkFiles } from "./link_files.ts";
import { mergeLink } from "./merge.ts";
import { ownerOf } from "./path.ts";
import { type Link, Snapshot } from "./snapshot.ts";
import { LinkTree, type LinkWrite, ReadOnlyTree } from "./store.ts";
import { TOMBSTONE } from "./values.ts";

const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));
const FROM_BETA = { host: "alpha", sender: "beta", isChecked: false };
const LOG = "resource-x/log-000000003-beta";

/** An empty directory that goes away at the end of the scope. */
class Root implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "mars-tree-" });

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }

  at(path: string): string {
    return `${this.path}/${path}`;
  }

  /** What `ln -s` does, with parents. */
  link(path: string, value: string): void {
    Deno.mkdirSync(this.at(path).replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.symlinkSync(value, this.at(path));
  }

  file(path: string, text = ""): void {
    Deno.mkdirSync(this.at(path).replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(this.at(path), text);
  }

  /** Names in a directory, with dots. */
  names(directory: string): string[] {
    return [...Deno.readDirSync(this.at(directory))].map(({ name }) => name)
      .sort();
  }

  stamp(path: string): bigint | undefined {
    return new LinkFiles(this.path, shim).status(path)?.stampNs;
  }
}

function treeOf(
  root: Root,
  functions: Shim = shim,
): { tree: LinkTree; lamport: LamportClock } {
  const lamport = new LamportClock(systemClock);
  const tree = new LinkTree({ root: root.path, shim: functions, lamport });
  return { tree, lamport };
}

function sorted(links: Iterable<Link>): Link[] {
  return [...links].sort((left, right) => left.path < right.path ? -1 : 1);
}

function foreign(path: string, value: string, stampNs: bigint): Link {
  return { path, value, stampNs };
}

// ---- writing --------------------------------------------------------------

Deno.test("write() makes a link with value and stamp in nanoseconds", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const stampNs = 1_795_351_445_123_456_789n;

  tree.write([{ path: "ips/ip-alpha", value: "10.0.0.1", stampNs: 7n }]);
  tree.write([{ path: "uuid", value: "x", stampNs: stampNs - FUTURE_NS_MAX }]);

  assertEquals(Deno.readLinkSync(root.at("ips/ip-alpha")), "10.0.0.1");
  assertEquals(root.stamp("ips/ip-alpha"), 7n);
  assertEquals(root.stamp("uuid"), stampNs - FUTURE_NS_MAX);
  assertEquals(tree.snapshot().stampNs("uuid"), stampNs - FUTURE_NS_MAX);
});

Deno.test("write() gives links of one call one stamp, and each call a newer", () => {
  using root = new Root();
  const { tree } = treeOf(root);

  const [one, two] = tree.write([
    { path: "userspace/a", value: "1" },
    { path: "userspace/b", value: "1" },
  ]);
  const [three] = tree.write([{ path: "userspace/a", value: "2" }]);

  assertEquals(one?.stampNs, two?.stampNs);
  assert((three?.stampNs ?? 0n) > (one?.stampNs ?? 0n));
});

Deno.test("write() gets newer than a link it has not read yet (I9)", () => {
  using root = new Root();
  const { tree, lamport } = treeOf(root);
  root.link("uuid", "other");
  const aheadNs = systemClock.realNs() + 3_600_000_000_000n;
  new LinkFiles(root.path, shim).stamp("uuid", aheadNs);

  const [written] = tree.write([{ path: "uuid", value: "own" }]);

  assert((written?.stampNs ?? 0n) > aheadNs);
  assert(lamport.now() > aheadNs);
});

Deno.test("write() leaves no temporary name and creates private directories", () => {
  using root = new Root();
  treeOf(root).tree.write([{
    path: "resource-x/todo-alpha/attach",
    value: "1",
  }]);

  assertEquals(root.names("resource-x/todo-alpha"), ["attach"]);
  for (const directory of ["resource-x", "resource-x/todo-alpha"]) {
    const mode = Deno.statSync(root.at(directory)).mode ?? 0;
    assertEquals(mode & 0o777, 0o700);
  }
});

Deno.test("write() ignores an explicit stamp older than the link", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "uuid", value: "new", stampNs: 5n }]);

  const written = tree.write([{ path: "uuid", value: "old", stampNs: 4n }]);

  assertEquals(written, []);
  assertEquals(Deno.readLinkSync(root.at("uuid")), "new");
  assertEquals(tree.snapshot().value("uuid"), "new");
});

Deno.test("write() overwrites a link of an equal stamp", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "uuid", value: "z", stampNs: 5n }]);

  tree.write([{ path: "uuid", value: "a", stampNs: 5n }]);

  assertEquals(Deno.readLinkSync(root.at("uuid")), "a");
});

Deno.test("write() corrects an explicit stamp too far in the future", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const stampNs = systemClock.realNs() + 2n * FUTURE_NS_MAX;

  const [written] = tree.write([{ path: "uuid", value: "x", stampNs }]);

  assert((written?.stampNs ?? stampNs) < stampNs - FUTURE_NS_MAX);
  assertEquals(root.stamp("uuid"), written?.stampNs);
});

Deno.test("write() deletes by a tombstone", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "ips/ip-beta", value: "10.0.0.2" }]);

  tree.write([{ path: "ips/ip-beta", value: TOMBSTONE }]);

  assertEquals(tree.snapshot().value("ips/ip-beta"), undefined);
  assertEquals(tree.snapshot().isTombstone("ips/ip-beta"), true);
  assertEquals(Deno.readLinkSync(root.at("ips/ip-beta")), TOMBSTONE);
});

Deno.test("write() replaces a log by a tombstone", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  root.file(LOG, "data");

  tree.write([{ path: LOG, value: TOMBSTONE }]);

  assertEquals(Deno.readLinkSync(root.at(LOG)), TOMBSTONE);
});

Deno.test("write() replaces an empty directory", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  Deno.mkdirSync(root.at("resource-x/todo-alpha"), { recursive: true });

  tree.write([{ path: "resource-x/todo-alpha", value: TOMBSTONE }]);

  assertEquals(Deno.readLinkSync(root.at("resource-x/todo-alpha")), TOMBSTONE);
});

Deno.test("write() says that a directory is in the way and cleans up", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  root.link("resource-x/todo-alpha/attach", "1");

  assertThrows(
    () => tree.write([{ path: "resource-x/todo-alpha", value: TOMBSTONE }]),
    MarsError,
    "a directory or file is in the way",
  );

  assertEquals(root.names("resource-x"), ["todo-alpha"]);
  assertEquals(tree.snapshot().get("resource-x/todo-alpha"), undefined);
});

Deno.test("write() makes a directory again where its tombstone stands", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "resource-x/todo-alpha", value: TOMBSTONE }]);

  tree.write([{ path: "resource-x/todo-alpha/attach", value: "1" }]);
  tree.rescan();

  assertEquals(tree.snapshot().value("resource-x/todo-alpha/attach"), "1");
  assertEquals(tree.snapshot().get("resource-x/todo-alpha"), undefined);
});

Deno.test("write() does not follow a link to a directory elsewhere", () => {
  using root = new Root();
  using elsewhere = new Root();
  const { tree } = treeOf(root);
  root.link("resource-x/todo-alpha", elsewhere.path);

  assertThrows(
    () => tree.write([{ path: "resource-x/todo-alpha/attach", value: "1" }]),
    MarsError,
    "in the way",
  );

  assertEquals(elsewhere.names("."), []);
});

Deno.test("write() survives what a crash left behind", () => {
  using root = new Root();
  root.link(`ips/.tmp.${Deno.pid}.ip-alpha`, "half");
  root.link("ips/.tmp-ip-alpha", "half");
  root.link("ips/.deleted-ip-beta", "half");
  const { tree } = treeOf(root);

  tree.write([{ path: "ips/ip-alpha", value: "10.0.0.1" }]);

  assertEquals(Deno.readLinkSync(root.at("ips/ip-alpha")), "10.0.0.1");
  const { tree: other } = treeOf(root);
  other.load();
  assertEquals([...other.snapshot().all()].map(({ path }) => path), [
    "ips/ip-alpha",
  ]);
});

Deno.test("write() refuses illegal paths and values", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const illegal: LinkWrite[] = [
    { path: "../x", value: "1" },
    { path: "/x", value: "1" },
    { path: "a/b/c/d", value: "1" },
    { path: ".x", value: "1" },
    { path: "x", value: "" },
    { path: "x", value: "y".repeat(1024) },
    { path: "x", value: "a\0b" },
  ];
  for (const write of illegal) {
    assertThrows(() => tree.write([write]), MarsError, "Cannot");
  }
  assertEquals(root.names("."), []);
});

Deno.test("write() refuses a missing root and does not create it", () => {
  using root = new Root();
  const lamport = new LamportClock(systemClock);
  const missing = root.at("missing");
  const tree = new LinkTree({ root: missing, shim, lamport });

  const error = assertThrows(
    () => tree.write([{ path: "ips/ip-alpha", value: "10.0.0.1" }]),
    SyscallError,
    "ENOENT",
  );

  assertEquals(error.errno, ERRNO.ENOENT);
  assertEquals(root.names("."), []);
});

for (const errno of [ERRNO.ENOSPC, ERRNO.EACCES, ERRNO.EROFS]) {
  Deno.test(`write() reports errno ${errno} and keeps the old link`, () => {
    using root = new Root();
    treeOf(root).tree.write([{ path: "uuid", value: "old" }]);
    const { tree } = treeOf(root, { ...shim, mars_link_create: () => -errno });
    tree.load();

    const error = assertThrows(
      () => tree.write([{ path: "uuid", value: "new" }]),
      SyscallError,
      `Cannot create link "${root.path}/`,
    );

    assertEquals(error.errno, errno);
    assertEquals(tree.snapshot().value("uuid"), "old");
    assertEquals(Deno.readLinkSync(root.at("uuid")), "old");
  });
}

Deno.test("write() removes its temporary link when it cannot be stamped", () => {
  using root = new Root();
  const { tree } = treeOf(root, {
    ...shim,
    mars_link_stamp_write: () => -ERRNO.EPERM,
  });

  assertThrows(() => tree.write([{ path: "uuid", value: "x" }]), SyscallError);

  assertEquals(root.names("."), []);
});

Deno.test("write() refuses a file system that keeps whole seconds", () => {
  using root = new Root();
  const { tree } = treeOf(root, {
    ...shim,
    mars_link_stamp_write: (path, stamp) => {
      // It is the array of two that `LinkFiles` passes.
      const whole = BigInt64Array.from([(stamp as BigInt64Array)[0] ?? 0n, 0n]);
      return shim.mars_link_stamp_write(path, whole);
    },
  });

  assertThrows(
    () => tree.write([{ path: "uuid", value: "x", stampNs: 1_000_000_001n }]),
    MarsError,
    "does not keep nanoseconds",
  );
  assertEquals(root.names("."), []);
});

Deno.test("write() and load() agree whatever is written", () => {
  fc.assert(
    fc.property(fc.array(anyLink, { maxLength: 12 }), (links) => {
      using root = new Root();
      const { tree } = treeOf(root);
      const plain = new Map<string, Link>();

      tree.write(links);

      for (const link of links) {
        const old = plain.get(link.path);
        const isIgnored = old !== undefined && old.stampNs > link.stampNs;
        if (!isIgnored) plain.set(link.path, link);
      }
      const { tree: other } = treeOf(root);
      other.load();
      assertEquals(sorted(tree.snapshot().all()), sorted(plain.values()));
      assertEquals(sorted(other.snapshot().all()), sorted(plain.values()));
    }),
    { numRuns: 30 },
  );
});

// ---- foreign links --------------------------------------------------------

Deno.test("apply() keeps the sender's stamp", () => {
  using root = new Root();
  const { tree, lamport } = treeOf(root);
  const stampNs = systemClock.realNs() + 987_654_321n;
  const link = foreign("ips/ip-beta", "10.0.0.2", stampNs);

  assertEquals(tree.apply([link], FROM_BETA), [link]);

  assertEquals(root.stamp("ips/ip-beta"), stampNs);
  assertEquals(tree.snapshot().get("ips/ip-beta"), link);
  assert(lamport.next() > stampNs);
  assertEquals(tree.apply([link], FROM_BETA), [], "It is not new any more");
});

Deno.test("apply() does on disk what mergeLink() decides", () => {
  fc.assert(
    fc.property(fc.array(anyLink, { maxLength: 12 }), (links) => {
      using root = new Root();
      const { tree } = treeOf(root);
      const plain = new Map<string, Link>();

      tree.apply(links, FROM_BETA);

      for (const link of links) {
        const own = plain.get(link.path);
        const verdict = mergeLink(own, link, { host: "alpha" });
        if (verdict === "take") plain.set(link.path, link);
      }
      const { tree: other } = treeOf(root);
      other.load();
      assertEquals(
        sorted(other.snapshot().all()),
        sorted(tree.snapshot().all()),
      );
      // What states what this host does has a test of its own.
      const isForeign = (link: Link): boolean => ownerOf(link.path) !== "alpha";
      const found = [...tree.snapshot().all()].filter(isForeign);
      assertEquals(sorted(found), sorted(plain.values()));
    }),
    { numRuns: 30 },
  );
});

Deno.test("apply() keeps a newer link that was made by hand meanwhile", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.load();
  root.link("ips/ip-beta", "10.0.0.9");

  const taken = tree.apply(
    [foreign("ips/ip-beta", "10.0.0.2", 5n)],
    FROM_BETA,
  );

  assertEquals(taken, []);
  assertEquals(Deno.readLinkSync(root.at("ips/ip-beta")), "10.0.0.9");
  assertEquals(tree.rescan().map(({ value }) => value), ["10.0.0.9"]);
});

Deno.test("apply() deletes statements about this host where it has left", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const path = "resource-x/actual-alpha/is-primary";
  tree.write([
    { path, value: "0" },
    { path: "resource-x/device-alpha", value: "x" },
  ]);
  const later = systemClock.realNs() + 1_000_000_000n;
  const tombstone = foreign(path, TOMBSTONE, later);

  tree.apply([tombstone], FROM_BETA);
  assertEquals(tree.snapshot().value(path), "0", "It still takes part");

  const left = foreign("resource-x/device-alpha", TOMBSTONE, later);
  tree.apply([left, tombstone], FROM_BETA);
  assertEquals(tree.snapshot().get(path), tombstone);
});

Deno.test("apply() deletes old versions of this host, and no others", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const path = (sequence: number): string =>
    `resource-x/version-00000000${sequence}-alpha`;
  tree.write([
    { path: "resource-x/device-alpha", value: "x" },
    { path: "resource-x/replay-alpha", value: "log-000000003-alpha,0,0" },
    ...[1, 2, 3].map((sequence) => ({
      path: path(sequence),
      value: `${"0".repeat(32)},log-00000000${sequence}-alpha,0:`,
    })),
  ]);
  const later = systemClock.realNs() + 1_000_000_000n;

  tree.apply(
    [1, 2, 3].map((sequence) => foreign(path(sequence), TOMBSTONE, later)),
    FROM_BETA,
  );

  const left = [1, 2, 3].filter((sequence) =>
    tree.snapshot().value(path(sequence)) !== undefined
  );
  assertEquals(left, [2, 3]);
});

Deno.test("apply() states again what others know wrong about this host (I8)", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const own = { path: "resource-x/syncstatus-alpha", value: "1", stampNs: 5n };
  tree.write([own]);
  const newNs = systemClock.realNs() + NS_PER_S;

  const taken = tree.apply([
    { ...own, value: "2", stampNs: newNs },
    foreign("actual-alpha/alive", "0", newNs),
  ], FROM_BETA);

  const stated = (path: string): Link | undefined =>
    taken.find((link) => link.path === path);
  assertEquals(stated(own.path)?.value, "1");
  assertEquals(stated("actual-alpha/alive")?.value, TOMBSTONE);
  for (const { stampNs } of taken) assert(stampNs > newNs);
  assertEquals(sorted(tree.snapshot().all()), sorted(taken));
});

Deno.test("apply() takes the newer stamp of what this host says itself", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const own = { path: "resource-x/syncstatus-alpha", value: "1", stampNs: 5n };
  tree.write([own]);

  const taken = tree.apply([{ ...own, stampNs: 6n }], FROM_BETA);

  assertEquals(taken, [{ ...own, stampNs: 6n }]);
  assertEquals([...tree.snapshot().all()], taken);
});

Deno.test("apply() lets nobody delete what states this host's own state", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const own = { path: "resource-x/syncstatus-alpha", value: "1", stampNs: 5n };
  const deleted = { ...own, value: TOMBSTONE, stampNs: 6n };
  tree.write([
    { path: "resource-x/device-alpha", value: "x", stampNs: 5n },
    own,
  ]);

  assertEquals(tree.apply([deleted], FROM_BETA), []);
  assertEquals(tree.snapshot().get(own.path), own);
  // Who has left the resource lets others tidy up, even long ago.
  tree.unlink("resource-x/device-alpha");
  assertEquals(tree.apply([deleted], FROM_BETA), [deleted]);
});

Deno.test("apply() changes nothing for offences and takes the rest", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const good = foreign("userspace/good", "1", 5n);

  const taken = tree.apply([
    foreign("../evil", "1", 5n),
    foreign("/etc/evil", "1", 5n),
    foreign("evil/evil", "1", 5n),
    foreign(".evil", "1", 5n),
    foreign("cache-alpha/evil", "1", 5n),
    foreign("resource-x/size", "evil", 5n),
    foreign("userspace/evil", "x".repeat(2000), 5n),
    foreign("userspace/evil", "", 5n),
    foreign("userspace/evil", "x", -5n),
    foreign("userspace/evil", "x", systemClock.realNs() + 2n * FUTURE_NS_MAX),
    good,
  ], FROM_BETA);

  assertEquals(taken, [good]);
  assertEquals(root.names("."), ["userspace"]);
  assertEquals(root.names("userspace"), ["good"]);
});

Deno.test("apply() deletes a log that this host has replayed", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{
    path: "resource-x/replay-alpha",
    value: "log-000000004-beta,0,0",
  }]);
  root.file(LOG, "data");

  const stampNs = systemClock.realNs() + 1_000_000_000n;
  const taken = tree.apply([foreign(LOG, TOMBSTONE, stampNs)], FROM_BETA);

  assertEquals(taken.length, 1);
  assertEquals(Deno.readLinkSync(root.at(LOG)), TOMBSTONE);
});

Deno.test("apply() keeps a log that this host still needs (I7)", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{
    path: "resource-x/replay-alpha",
    value: "log-000000003-beta,0,0",
  }]);
  root.file(LOG, "data");

  const stampNs = systemClock.realNs() + 1_000_000_000n;
  const taken = tree.apply([foreign(LOG, TOMBSTONE, stampNs)], FROM_BETA);

  assertEquals(taken, []);
  assertEquals(Deno.readTextFileSync(root.at(LOG)), "data");
});

Deno.test("apply() keeps a log that is newer than its tombstone", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  root.file(LOG, "data");

  const taken = tree.apply([foreign(LOG, TOMBSTONE, 5n)], FROM_BETA);

  assertEquals(taken, []);
  assertEquals(Deno.readTextFileSync(root.at(LOG)), "data");
});

Deno.test("apply() never replaces a file that is no log", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  root.file("resource-x/data-beta", "disk");

  const stampNs = systemClock.realNs() + 1_000_000_000n;
  const taken = tree.apply([
    foreign("resource-x/data-beta", TOMBSTONE, stampNs),
    foreign("resource-x/data-beta", "/dev/sda", stampNs),
  ], FROM_BETA);

  assertEquals(taken, []);
  assertEquals(Deno.readTextFileSync(root.at("resource-x/data-beta")), "disk");
});

Deno.test("apply() continues past a directory in the way", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  root.link("userspace/room/inside", "1");
  const good = foreign("userspace/z", "1", 5n);

  const taken = tree.apply(
    [foreign("userspace/room", "1", 5n), good],
    FROM_BETA,
  );

  assertEquals(taken, [good]);
  assertEquals(root.names("userspace"), ["room", "z"]);
});

// ---- reading --------------------------------------------------------------

Deno.test("load() reads links three names deep and nothing else", () => {
  using root = new Root();
  root.link("uuid", "x");
  root.link("resource-x/size", "4096");
  root.link("resource-x/todo-alpha/attach", "1");
  root.link("resource-x/todo-alpha/deep/deeper", "1");
  root.link("probe-alpha/uuid", "y");
  root.link("backups-1795351445/uuid", "y");
  root.link(".hidden/uuid", "y");
  root.file(LOG, "data");
  const { tree } = treeOf(root);

  const changed = tree.load();

  const paths = ["resource-x/size", "resource-x/todo-alpha/attach", "uuid"];
  assertEquals(sorted(changed).map(({ path }) => path), paths);
  assertEquals(sorted(tree.snapshot().all()), sorted(changed));
  assertEquals(tree.load(), [], "Nothing changed since");
});

Deno.test("load() moves the Lamport clock past every stamp (I9)", () => {
  using root = new Root();
  const { tree, lamport } = treeOf(root);
  root.link("uuid", "x");
  const stampNs = systemClock.realNs() + 3_600_000_000_000n;
  new LinkFiles(root.path, shim).stamp("uuid", stampNs);

  tree.load();

  assert(lamport.next() > stampNs);
});

Deno.test("apply() states again from whom this host copies, also against a tombstone", () => {
  using root = new Root();
  const { tree, lamport } = treeOf(root);
  tree.write([
    { path: "resource-r/device-beta", value: "r" },
    { path: "resource-r/syncfrom-beta", value: "alpha" },
    { path: "resource-r/syncpos-beta", value: "log-000000001-alpha,0,0" },
    { path: "resource-r/actual-beta/is-primary", value: "0" },
  ]);
  const stampNs = lamport.next();
  const taken = tree.apply(
    [
      "syncfrom-beta",
      "syncpos-beta",
      "actual-beta/is-primary",
    ].map((name) => ({
      path: `resource-r/${name}`,
      value: ".deleted",
      stampNs,
    })),
    { host: "beta", sender: "alpha", isChecked: true },
  );
  assertEquals(taken.map(({ path, value }) => [path, value]), [
    ["resource-r/syncfrom-beta", "alpha"],
    ["resource-r/syncpos-beta", "log-000000001-alpha,0,0"],
  ]);
  assert((taken[0]?.stampNs ?? 0n) > stampNs);
});

Deno.test("apply() states versions in use again when others delete them", () => {
  using root = new Root();
  const { tree, lamport } = treeOf(root);
  const digest = "0123456789abcdef0123456789abcdef";
  const version = (sequence: number) => ({
    path: `resource-r/version-00000000${sequence}-beta`,
    value: `${digest},log-00000000${sequence}-alpha,0:`,
  });
  tree.write([
    { path: "resource-r/device-beta", value: "r" },
    { path: "resource-r/replay-beta", value: "log-000000005-alpha,0,0" },
    ...[3, 4, 5].map(version),
  ]);
  // Another host has heard that this one left, but not that it joined again.
  const stampNs = lamport.next();
  const taken = tree.apply(
    [3, 4, 5].map((sequence) => ({
      path: version(sequence).path,
      value: ".deleted",
      stampNs,
    })),
    { host: "beta", sender: "alpha", isChecked: true },
  );
  assertEquals(taken.map(({ path, value }) => ({ path, value })), [
    { path: version(3).path, value: ".deleted" },
    version(4),
    version(5),
  ]);
  assert((taken[1]?.stampNs ?? 0n) > stampNs);
});

Deno.test("load() keeps stamps in the future if it shall", () => {
  using root = new Root();
  const stampNs = systemClock.realNs() + 2n * FUTURE_NS_MAX;
  const files = new LinkFiles(root.path, shim);
  files.replace("userspace/a", "1", stampNs);
  const lamport = new LamportClock(systemClock);
  const tree = new LinkTree({
    root: root.path,
    shim,
    lamport,
    farStamps: "keep",
  });

  assertEquals(tree.load(), [{ path: "userspace/a", value: "1", stampNs }]);
  assertEquals(files.status("userspace/a")?.stampNs, stampNs);
  assert(lamport.now() < stampNs);
});

Deno.test("write() of a command is newer than what it replaces, however far that is", () => {
  using root = new Root();
  const stampNs = systemClock.realNs() + 2n * FUTURE_NS_MAX;
  const files = new LinkFiles(root.path, shim);
  files.replace("resource-r/data-beta", "/dev/disk", stampNs);
  const tree = new LinkTree({
    root: root.path,
    shim,
    lamport: new LamportClock(systemClock),
    farStamps: "keep",
  });
  const [written] = tree.write([
    { path: "resource-r/data-beta", value: ".deleted" },
  ]);
  assertEquals(written?.stampNs, stampNs + 1n);
  assertEquals(files.value("resource-r/data-beta"), ".deleted");
});

Deno.test("resumeClock() goes on where the host was, though the wall clock is not", () => {
  using root = new Root();
  const { tree, lamport } = treeOf(root);
  const stampNs = systemClock.realNs() + 2n * FUTURE_NS_MAX;
  const files = new LinkFiles(root.path, shim);
  files.replace("actual-alpha/time", "1", stampNs);
  files.replace("resource-r/data-alpha", "/dev/disk", stampNs - 1n);

  tree.resumeClock("beta");
  assert(lamport.now() < stampNs);
  tree.resumeClock("alpha");
  tree.load();

  assertEquals(files.status("resource-r/data-alpha")?.stampNs, stampNs - 1n);
  const [written] = tree.write([
    { path: "resource-r/data-alpha", value: ".deleted" },
  ]);
  assertEquals(written?.stampNs, stampNs + 1n);
});

Deno.test("load() corrects stamps too far in the future", () => {
  using root = new Root();
  const { tree, lamport } = treeOf(root);
  root.link("uuid", "x");
  const stampNs = systemClock.realNs() + 2n * FUTURE_NS_MAX;
  new LinkFiles(root.path, shim).stamp("uuid", stampNs);

  const [link] = tree.load();

  assertEquals(link?.value, "x");
  assertEquals(link?.stampNs, root.stamp("uuid"));
  assert((link?.stampNs ?? stampNs) < stampNs - FUTURE_NS_MAX);
  assert(lamport.next() < stampNs - FUTURE_NS_MAX);
});

Deno.test("load() keeps what cannot be decoded and skips what has no text", () => {
  using root = new Root();
  root.link("resource-x/size", "garbage");
  const bytes = new TextEncoder().encode(`${root.path}/binary\0`);
  const created = shim.mars_link_create(
    Uint8Array.of(0x61, 0xff, 0x62, 0),
    bytes,
  );
  const badName = new TextEncoder().encode(`${root.path}/nameX\0`);
  badName[badName.length - 2] = 0xff;
  const named = shim.mars_link_create(Uint8Array.of(0x61, 0), badName);
  const { tree } = treeOf(root);

  tree.load();

  assertEquals([created, named], [0, 0]);
  assertEquals(tree.snapshot().value("resource-x/size"), "garbage");
  assertEquals(tree.snapshot().size, 1);
});

Deno.test("load() finds a stamp that was changed in place", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "uuid", value: "x" }]);
  new LinkFiles(root.path, shim).stamp("uuid", 12_345_678_901n);

  const [link] = tree.load();

  assertEquals(link?.stampNs, 12_345_678_901n);
});

Deno.test("load() and rescan() refuse a missing root", () => {
  using root = new Root();
  const lamport = new LamportClock(systemClock);
  const path = root.at("mars");
  const tree = new LinkTree({ root: path, shim, lamport });
  assertThrows(() => tree.load(), SyscallError, `Cannot read tree "${path}"`);

  Deno.mkdirSync(path);
  tree.write([{ path: "uuid", value: "x" }]);
  Deno.removeSync(path, { recursive: true });
  assertThrows(() => tree.rescan(), SyscallError, "ENOENT");
  assertEquals(tree.snapshot().size, 1);

  Deno.writeTextFileSync(path, "");
  assertThrows(() => tree.load(), MarsError, "not a directory");
});

Deno.test("rescan() picks up links made by hand, anywhere", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "resource-x/size", value: "4096" }]);
  tree.load();
  const paths = [
    "ips/ip-beta",
    "resource-x/primary",
    "resource-x/todo-alpha/attach",
    "resource-y/size",
  ];
  for (const path of paths) root.link(path, "1");

  const changed = tree.rescan();

  assertEquals(sorted(changed).map(({ path }) => path), paths);
  for (const path of paths) assertEquals(tree.snapshot().value(path), "1");
});

Deno.test("rescan() sees a change of the value under an equal stamp", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "uuid", value: "one", stampNs: 5n }]);
  tree.load();
  treeOf(root).tree.write([{ path: "uuid", value: "two", stampNs: 5n }]);

  const changed = tree.rescan();

  assertEquals(changed.map(({ value }) => value), ["two"]);
});

Deno.test("rescan() does not report what was written here", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.load();
  tree.write([{ path: "uuid", value: "x" }]);
  tree.apply([foreign("ips/ip-beta", "10.0.0.2", 5n)], FROM_BETA);

  assertEquals(tree.rescan(), []);
  assertEquals(tree.snapshot().size, 2);
});

Deno.test("rescan() forgets what was removed by hand", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([
    { path: "uuid", value: "x" },
    { path: "ips/ip-beta", value: "10.0.0.2" },
    { path: "resource-x/size", value: "4096" },
    { path: "resource-x/todo-alpha/attach", value: "1" },
  ]);
  tree.load();
  Deno.removeSync(root.at("ips/ip-beta"));
  Deno.removeSync(root.at("resource-x"), { recursive: true });

  assertEquals(tree.rescan(), []);

  const left = [...tree.snapshot().all()].map(({ path }) => path);
  assertEquals(left, ["uuid"]);
  assertEquals(tree.snapshot().resources(), []);
});

Deno.test("rescan() follows a directory that becomes a tombstone and back", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const path = "resource-x/todo-alpha";
  tree.write([{ path: `${path}/attach`, value: "1" }]);
  tree.load();

  Deno.removeSync(root.at(path), { recursive: true });
  Deno.symlinkSync(TOMBSTONE, root.at(path));
  tree.rescan();
  assertEquals([...tree.snapshot().all()].map((link) => link.path), [path]);

  Deno.removeSync(root.at(path));
  root.link(`${path}/attach`, "0");
  tree.rescan();
  assertEquals(tree.snapshot().get(path), undefined);
  assertEquals(tree.snapshot().value(`${path}/attach`), "0");
});

Deno.test("rescan() of named directories leaves others alone", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.load();
  root.link("ips/ip-beta", "10.0.0.2");
  root.link("userspace/note", "1");

  const changed = tree.rescan(["ips"]);

  assertEquals(changed.map(({ path }) => path), ["ips/ip-beta"]);
  assertEquals(tree.rescan().map(({ path }) => path), ["userspace/note"]);
});

Deno.test("rescan() does not read directories that rest", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "userspace/note", value: "1" }]);
  // As if the last change was long ago.
  for (const directory of ["", "userspace"]) {
    new LinkFiles(root.path, shim).stamp(directory, 1_000_000_000n);
  }
  tree.load();
  new LinkFiles(root.path, shim).stamp("userspace/note", 7n);
  assertEquals(tree.rescan(), [], "Nothing tells that it changed");

  new LinkFiles(root.path, shim).stamp("userspace", 2_000_000_000n);
  assertEquals(tree.rescan().map(({ stampNs }) => stampNs), [7n]);
});

Deno.test("rescan() finds a change within the tick of the last reading", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  const files = new LinkFiles(root.path, shim);
  tree.write([{ path: "userspace/note", value: "1" }]);
  const recentNs = systemClock.realNs();
  files.stamp("userspace", recentNs);
  tree.load();

  root.link("userspace/late", "1");
  files.stamp("userspace", recentNs);

  assertEquals(tree.rescan().map(({ path }) => path), ["userspace/late"]);
});

Deno.test("snapshot() does not change when the tree does", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "uuid", value: "one" }]);
  const before = tree.snapshot();

  tree.write([{ path: "uuid", value: "two" }]);

  assertEquals(before.value("uuid"), "one");
  assertEquals(tree.snapshot().value("uuid"), "two");
});

Deno.test("unlink() leaves a link that has another value by now", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "uuid", value: TOMBSTONE }]);
  const other = treeOf(root).tree;
  other.write([{ path: "uuid", value: "new" }]);

  tree.unlink("uuid", TOMBSTONE);
  assertEquals(root.names("."), ["uuid"]);
  tree.unlink("uuid", "new");
  assertEquals(root.names("."), []);
});

Deno.test("unlink() removes links and never files", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([{ path: "uuid", value: TOMBSTONE }]);
  root.file(LOG, "data");

  tree.unlink("uuid");
  tree.unlink("uuid");
  tree.unlink(LOG);

  assertEquals(root.names("."), ["resource-x"]);
  assertEquals(tree.snapshot().size, 0);
  assertEquals(Deno.readTextFileSync(root.at(LOG)), "data");
});

Deno.test("flush() makes the tree durable or says why not", () => {
  using root = new Root();
  treeOf(root).tree.flush();
  const { tree } = treeOf(root, {
    ...shim,
    mars_filesystem_flush: () => -ERRNO.EIO,
  });
  assertThrows(() => tree.flush(), SyscallError, "Cannot flush");
});

Deno.test("ReadOnlyTree reads the same, with stamps in milliseconds", () => {
  using root = new Root();
  const { tree } = treeOf(root);
  tree.write([
    { path: "uuid", value: "x", stampNs: 1_234_567_890n },
    { path: "ips/ip-beta", value: TOMBSTONE, stampNs: 2_000_000_000n },
    { path: "resource-x/todo-alpha/attach", value: "1", stampNs: 3_000_000n },
  ]);
  root.file(LOG, "data");

  const links = [...ReadOnlyTree.read(root.path).all()]
    .map(({ path, value, stampNs }) => ({ path, value, stampNs }));

  const expected = [...tree.snapshot().all()].map((link) => ({
    ...link,
    stampNs: link.stampNs / 1_000_000n * 1_000_000n,
  }));
  assertEquals(sorted(links), sorted(new Snapshot(expected).all()));
});

Deno.test("ReadOnlyTree refuses a missing root", () => {
  using root = new Root();
  assertThrows(() => ReadOnlyTree.read(root.at("no")), SyscallError, "ENOENT");
});

/** Links of a directory that is not there. */
function freshLinks(count: number, directory = "resource-new"): Link[] {
  return Array.from({ length: count }, (_, index) =>
    foreign(
      `${directory}/note-${index}`,
      `value ${index}`,
      1_234_567_890_123_456_789n + BigInt(index),
    ));
}

/** A tree that has written before, as that of a daemon. */
function provenTree(root: Root, functions: Shim = shim): LinkTree {
  const { tree } = treeOf(root, functions);
  tree.write([{ path: "uuid", value: "x", stampNs: 1n }]);
  return tree;
}

Deno.test("apply() puts a whole directory in place at once", () => {
  using root = new Root();
  const created: string[] = [];
  const tree = provenTree(root, {
    ...shim,
    mars_link_create: (value, path) => {
      created.push("one by one");
      return shim.mars_link_create(value, path);
    },
  });
  created.length = 0;
  const links = freshLinks(1_000);

  const taken = tree.apply(links, FROM_BETA);

  assertEquals(taken, links);
  assertEquals(created, []);
  const { tree: other } = treeOf(root);
  other.load();
  assertEquals(
    sorted(other.snapshot().under("resource-new")),
    sorted(links),
  );
  assertEquals(root.names(""), ["resource-new", "uuid"]);
});

Deno.test("apply() treats a fresh directory as it treats others", () => {
  using root = new Root();
  const tree = provenTree(root);
  const links = freshLinks(10);
  const [first] = links;
  assert(first !== undefined);

  const taken = tree.apply([
    ...links,
    { ...first, value: "newer", stampNs: first.stampNs + 100n },
    foreign("resource-new/gone", TOMBSTONE, 1n),
    foreign("resource-new/.dotted", "x", 1n),
    foreign(
      "resource-new/late",
      "x",
      systemClock.realNs() + 2n * FUTURE_NS_MAX,
    ),
  ], FROM_BETA);

  assertEquals(taken.length, 11);
  assertEquals(tree.snapshot().size, 11);
  assertEquals(tree.snapshot().value(first.path), "newer");
});

Deno.test("apply() merges into a directory that came meanwhile", () => {
  using root = new Root();
  const links = freshLinks(10);
  const [first] = links;
  assert(first !== undefined);
  const tree = provenTree(root, {
    ...shim,
    mars_path_rename: (from, to, flags) => {
      // Somebody makes it when the whole one is about to get its name.
      if (flags !== 0) root.link("resource-new/note-0", "by hand");
      return shim.mars_path_rename(from, to, flags);
    },
  });

  tree.apply(links, FROM_BETA);

  // What was made by hand is newer.
  assertEquals(tree.snapshot().value("resource-new/note-1"), "value 1");
  tree.rescan();
  assertEquals(tree.snapshot().value("resource-new/note-0"), "by hand");
  assertEquals(root.names(""), ["resource-new", "uuid"]);
});

Deno.test("apply() leaves nothing of a directory for which there is no room", () => {
  using root = new Root();
  const tree = provenTree(root, {
    ...shim,
    mars_links_create: () => -ERRNO.ENOSPC,
  });
  assertThrows(
    () => tree.apply(freshLinks(10), FROM_BETA),
    SyscallError,
    "ENOSPC",
  );
  assertEquals(root.names(""), ["uuid"]);
  assertEquals(tree.snapshot().size, 1);
});

Deno.test("apply() cleans up after a crash in a directory half made", () => {
  using root = new Root();
  const tree = provenTree(root);
  root.link(".tmp-incoming/note-0", "half");
  const other = treeOf(root).tree;
  other.load();
  assertEquals(other.snapshot().size, 1);

  tree.apply(freshLinks(10), FROM_BETA);

  assertEquals(root.names(""), ["resource-new", "uuid"]);
  assertEquals(tree.snapshot().value("resource-new/note-0"), "value 0");
});
