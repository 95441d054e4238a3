/** Why nothing can be told in the tree. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { ERRNO, MarsError, SyscallError } from "../base/errors.ts";
import { TreeTrouble, troubleText } from "./tree_trouble.ts";

Deno.test("troubleText() names cause and cure of a file system that takes nothing", () => {
  const textOf = (errno: number): string =>
    troubleText("/mars", new SyscallError("create link", "/mars/x", errno));
  assertStringIncludes(textOf(ERRNO.EROFS), '"/mars" is read-only');
  assertStringIncludes(textOf(ERRNO.EROFS), "mount -o remount,rw /mars");
  assertStringIncludes(textOf(ERRNO.EIO), "stop the daemon, unmount, check");
  assertStringIncludes(textOf(ERRNO.ENOSPC), "ENOSPC");
  assertEquals(troubleText("/mars", new MarsError("It is gone")), "It is gone");
});

Deno.test("TreeTrouble holds until a sign of life was written", () => {
  const trouble = new TreeTrouble("/mars");
  assertEquals(trouble.text, "");
  trouble.take(new MarsError("one"));
  trouble.take(new MarsError("two"));
  assertEquals(trouble.text, "two");
  trouble.take(undefined);
  assertEquals(trouble.text, "");
});
