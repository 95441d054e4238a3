import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../base/errors.ts";
import { lazySnapshot } from "./lazy.ts";
import { TOMBSTONE } from "./values.ts";

/** A tree that goes away at the end of the scope. */
class Root implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "mars-lazy-" });

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }

  link(path: string, value: string): void {
    const onDisk = `${this.path}/${path}`;
    Deno.mkdirSync(onDisk.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.symlinkSync(value, onDisk);
  }

  remove(path: string): void {
    Deno.removeSync(`${this.path}/${path}`, { recursive: true });
  }
}

Deno.test("lazySnapshot() answers like a snapshot of the same links", () => {
  using root = new Root();
  root.link("uuid", "u");
  root.link("ips/ip-beta", "10.0.0.2");
  root.link("ips/ip-alpha", "10.0.0.1");
  root.link("ips/ip-gone", TOMBSTONE);
  root.link("resource-x/data-alpha", "/dev/a");
  root.link("resource-x/todo-alpha/attach", "1");
  root.link("resource-y/actual-alpha/is-primary", "0");
  Deno.mkdirSync(`${root.path}/resource-empty/todo-alpha`, { recursive: true });

  const snapshot = lazySnapshot(root.path);

  assertEquals(snapshot.value("uuid"), "u");
  assertEquals(snapshot.hosts(), ["alpha", "beta"]);
  assertEquals(snapshot.isTombstone("ips/ip-gone"), true);
  assertEquals(snapshot.resources(), ["x", "y"]);
  assertEquals(snapshot.members("x"), ["alpha"]);
  assertEquals(snapshot.value("resource-x/todo-alpha/attach"), "1");
  assertEquals(snapshot.value("resource-x/todo-beta/attach"), undefined);
  assertEquals(snapshot.value("resource-z/size"), undefined);
  assertEquals(snapshot.size, 7);
  assertEquals([...snapshot.under("resource-x")].map(({ path }) => path), [
    "resource-x/data-alpha",
    "resource-x/todo-alpha/attach",
  ]);
});

Deno.test("lazySnapshot() keeps what it has read", () => {
  using root = new Root();
  root.link("defaults/name", "old");
  const snapshot = lazySnapshot(root.path);
  assertEquals(snapshot.value("defaults/name"), "old");
  const stampNs = snapshot.stampNs("defaults/name");

  root.remove("defaults/name");
  root.link("defaults/name", "new");
  root.link("defaults/other", "new");

  assertEquals(snapshot.value("defaults/name"), "old");
  assertEquals(snapshot.stampNs("defaults/name"), stampNs);
  assertEquals(snapshot.value("defaults/other"), undefined);
});

Deno.test("lazySnapshot() takes a link that vanishes for deleted", () => {
  using root = new Root();
  root.link("defaults/name", "text");
  root.link("defaults/other", "text");
  const snapshot = lazySnapshot(root.path);
  assertEquals(snapshot.value("defaults/other"), "text");

  root.remove("defaults");

  assertEquals(snapshot.value("defaults/name"), undefined);
  assertEquals(snapshot.stampNs("defaults/name"), 0n);
});

Deno.test("lazySnapshot() ignores names that no link may have", () => {
  using root = new Root();
  root.link("defaults/.tmp-name", "text");
  root.link("defaults/with\nnewline", "text");
  root.link("defaults/with blank", "text");
  assertEquals(
    [...lazySnapshot(root.path).children("defaults")].map(({ path }) => path),
    ["defaults/with blank"],
  );
});

Deno.test("lazySnapshot() can be changed in memory", () => {
  using root = new Root();
  root.link("resource-x/size", "4096");
  root.link("resource-x/primary", "alpha");

  const snapshot = lazySnapshot(root.path)
    .with([{ path: "resource-x/size", value: "8192", stampNs: 1n }])
    .without(["resource-x/primary"]);

  assertEquals(snapshot.value("resource-x/size"), "8192");
  assertEquals(snapshot.get("resource-x/primary"), undefined);
  assertEquals(snapshot.size, 1);
});

Deno.test("lazySnapshot() refuses a missing root", () => {
  using root = new Root();
  const missing = `${root.path}/no`;
  assertThrows(() => lazySnapshot(missing), SyscallError, "ENOENT");
});
