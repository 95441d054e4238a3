/** set-link, get-link, delete-file and cat on a tree without a daemon. */
import { assertEquals, assertRejects } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";

function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link({ ...clusterLinks(), "userspace/note": "old" });
  return world;
}

Deno.test("set-link takes path and value in either order", async () => {
  using world = cluster();
  const absolute = `${world.marsDir}/userspace/note`;
  const lines: readonly (readonly string[])[] = [
    ["userspace/note", "one"],
    ["two", "userspace/note"],
    [absolute, "/dev/vg/three"],
    ["a/b", absolute],
    ["/dev/vg/five", "userspace/note"],
    ["userspace/note", "a/b"],
  ];
  for (const words of lines) {
    await world.run("set-link", ...words);
    const [value] = words.filter((word) => !word.endsWith("note"));
    assertEquals(world.value("userspace/note"), value);
  }
  await world.run("set-link", "resource-r/userspace/mine", "1");
  assertEquals(world.value("resource-r/userspace/mine"), "1");
});

Deno.test("set-link does not guess", async () => {
  using world = cluster();
  const pairs = [["1", "2"], ["userspace/a", "userspace/b"], ["/x", "/y"]];
  for (const [first = "", second = ""] of pairs) {
    await assertRejects(
      () => world.run("set-link", first, second),
      UsageError,
      `Cannot tell which of "${first}" and "${second}" is the path: write it as "${world.marsDir}/…"`,
    );
  }
});

Deno.test("set-link outside of userspace needs --force, and says so", async () => {
  using world = cluster();
  await assertRejects(
    () => world.run("set-link", "resource-r/primary", "beta"),
    RefusedError,
    'Cannot write "resource-r/primary": it is not below "userspace/"',
  );
  assertEquals(world.value("resource-r/primary"), "alpha");
  const { warned } = await world.run(
    "set-link",
    "a b",
    "resource-r/primary",
    "--force",
  );
  assertEquals(world.value("resource-r/primary"), "a b");
  assertEquals(warned, [
    'WARNING: hosts believe what stands at "resource-r/primary"',
    'WARNING: no host will understand "a b" as host',
  ]);
});

Deno.test("set-link writes no tombstone by accident", async () => {
  using world = cluster();
  for (const value of ["", ".deleted"]) {
    await assertRejects(
      () => world.run("set-link", "userspace/note", value),
      UsageError,
      "to delete it type: mars delete-file userspace/note",
    );
  }
  assertEquals(world.value("userspace/note"), "old");
});

Deno.test("set-link writes nothing outside of the tree", async () => {
  using world = cluster();
  const words = ["../userspace/x", `${world.marsDir}/../userspace/x`];
  for (const word of words) {
    await assertRejects(() => world.run("set-link", word, "1"), UsageError);
  }
});

Deno.test("get-link prints a link, by either path", async () => {
  using world = cluster();
  for (const path of ["uuid", `${world.marsDir}/uuid`]) {
    const { printed } = await world.run("get-link", path);
    assertEquals(printed, ["alpha_1.000000000"]);
  }
});

Deno.test("get-link fails where there is none", async () => {
  using world = cluster();
  world.link({ "userspace/note": ".deleted" });
  await assertRejects(
    () => world.run("get-link", "userspace/note"),
    MarsError,
    'Link "userspace/note" has been deleted',
  );
  await assertRejects(
    () => world.run("get-link", "userspace/none"),
    MarsError,
    'There is no link "userspace/none"',
  );
  await assertRejects(() => world.run("get-link", "/etc/passwd"), UsageError);
});

Deno.test("delete-file puts tombstones", async () => {
  using world = cluster();
  world.link({ "userspace/more": "1" });
  const { warned } = await world.run(
    "delete-file",
    "userspace/note",
    `${world.marsDir}/userspace/more`,
    "userspace/none",
  );
  assertEquals(world.value("userspace/note"), ".deleted");
  assertEquals(world.value("userspace/more"), ".deleted");
  assertEquals(world.value("userspace/none"), undefined);
  assertEquals(warned, ['WARNING: there is nothing at "userspace/none"']);
});

Deno.test("delete-file deletes all or nothing, and hosts' links only with --force", async () => {
  using world = cluster();
  const words = ["delete-file", "userspace/note", "resource-r/size"];
  await assertRejects(
    () => world.run(...words),
    RefusedError,
    'Cannot delete "resource-r/size"',
  );
  assertEquals(world.value("userspace/note"), "old");
  await world.run(...words, "--force");
  assertEquals(world.value("userspace/note"), ".deleted");
  assertEquals(world.value("resource-r/size"), ".deleted");
});

Deno.test("cat prints links and files, readable", async () => {
  using world = cluster();
  Deno.writeTextFileSync(`${world.marsDir}/3.error.status`, "code -28\n");
  const at = "1795351445.000000123";
  world.link({ "actual-beta/msg-err-x": `${at} ${at} lost` });
  const { printed } = await world.run(
    "cat",
    "3.error.status",
    "actual-beta/msg-err-x",
    `${world.marsDir}/uuid`,
  );
  assertEquals(printed[0], "code -28[ENOSPC:No_space_left_on_device]");
  assertEquals(
    /^(2026-\d\d-\d\d \d\d:\d\d:05 ){2}lost$/.test(`${printed[1]}`),
    true,
  );
  assertEquals(printed[2], "alpha_1.000000000");
});

Deno.test("cat refuses what it cannot print", async () => {
  using world = cluster();
  world.log(1, "alpha", 10, 0);
  await assertRejects(
    () => world.run("cat", "resource-r/log-000000001-alpha"),
    MarsError,
    "it is a log; type: mars log dump FILE",
  );
  await assertRejects(
    () => world.run("cat", "no-such-file-anywhere"),
    MarsError,
    'There is no link or file "no-such-file-anywhere"',
  );
  await assertRejects(() => world.run("cat", "resource-r"), MarsError);
});
