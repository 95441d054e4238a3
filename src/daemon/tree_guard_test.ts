import { assertEquals, assertThrows } from "@std/assert";
import { loadShim } from "../../ffi/shim.ts";
import { MarsError } from "../base/errors.ts";
import { logDirectory } from "../log/files.ts";
import { LinkFiles } from "../tree/link_files.ts";
import { TreeGuard } from "./tree_guard.ts";

const SHIM = loadShim(
  new URL("../../build/libmars.so", import.meta.url).pathname,
);

Deno.test("TreeGuard lets nothing through while the tree is gone", async () => {
  const root = await Deno.makeTempDir();
  let nowMs = 0;
  const guard = new TreeGuard(new LinkFiles(root, SHIM), {
    witness: "actual-alpha",
    root,
    monotonicMs: () => nowMs += 100,
  });
  assertEquals(guard.isGone, false, "it was never there");
  guard.replace("actual-alpha/alive", "1", 1n);
  guard.replace("uuid", "x", 1n);
  assertEquals(guard.value("uuid"), "x");
  await Deno.rename(`${root}/actual-alpha`, `${root}/.elsewhere`);
  assertEquals(guard.isGone, true);
  const logs = guard.guarded(logDirectory(`${root}/resource-r`));
  const log = { sequence: 1, host: "alpha" };
  const attempts = [
    () => guard.status("uuid"),
    () => guard.list(""),
    () => guard.value("uuid"),
    () => guard.replace("uuid", "y", 2n),
    () => guard.stamp("uuid", 2n),
    () => guard.remove("uuid"),
    () => guard.check(),
    () => guard.flush(),
  ];
  for (const attempt of attempts) {
    assertThrows(attempt, MarsError, "mount it again");
  }
  const later = [
    logs.list(),
    logs.create(log),
    logs.truncate(log, 0),
    logs.delete(log),
  ];
  for (const result of await Promise.allSettled(later)) {
    assertEquals(result.status, "rejected");
  }
  await Deno.rename(`${root}/.elsewhere`, `${root}/actual-alpha`);
  assertEquals([guard.isGone, guard.value("uuid")], [false, "x"]);
  await Deno.remove(root, { recursive: true });
});
