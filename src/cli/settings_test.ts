/** set- and get- commands on a tree without a daemon. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { RefusedError, UsageError } from "../base/errors.ts";

function cluster(): TreeWorld {
  const world = new TreeWorld();
  world.link(clusterLinks());
  return world;
}

Deno.test("set-global-sync-limit-value writes what get- prints", async () => {
  using world = cluster();
  assertEquals((await world.run("get-global-sync-limit-value")).printed, [""]);
  await world.run("set-global-sync-limit-value", "3");
  assertEquals(world.value("defaults-alpha/sync-limit"), "3");
  assertEquals((await world.run("get-global-sync-limit-value")).printed, ["3"]);
});

Deno.test("set-global-sync-limit-value takes a count only", async () => {
  using world = cluster();
  for (const text of ["1.5", "1e3", "many"]) {
    await assertRejects(
      () => world.run("set-global-sync-limit-value", text),
      UsageError,
      `Cannot use "${text}" as sync limit: expected a count, 0 for no limit`,
    );
  }
  assertEquals(world.value("defaults-alpha/sync-limit"), undefined);
});

Deno.test("Old names without global work, with a hint", async () => {
  using world = cluster();
  const { warned } = await world.run("set-sync-limit-value", "2");
  assertEquals(warned, [
    '   HINT: "set-sync-limit-value" is called "set-global-sync-limit-value" now',
  ]);
  assertEquals(world.value("defaults-alpha/sync-limit"), "2");
  assertEquals((await world.run("get-sync-limit-value")).printed, ["2"]);
});

const MASKS = [
  ["enabled-log-compressions", "COMPRESS_LZO|COMPRESS_LZ4", "0x03000000"],
  ["enabled-net-compressions", "COMPRESS_ZLIB", "0x04000000"],
  ["disabled-log-digests", "CHKSUM_MD5_OLD|CHKSUM_SHA1", "0x00110000"],
  ["disabled-net-digests", "CHKSUM_CRC32C", "0x00040000"],
] as const;

for (const [link, names, mask] of MASKS) {
  Deno.test(`set-global-${link} takes names and masks`, async () => {
    using world = cluster();
    for (
      const text of [names, names.toLowerCase(), mask, String(Number(mask))]
    ) {
      await world.run(`set-global-${link}`, text);
      assertEquals(world.value(`defaults/${link}`), mask, text);
    }
    const { printed } = await world.run(`get-global-${link}`);
    assertEquals(printed, [names]);
    await world.run(`set-global-${link}`, "");
    assertEquals(world.value(`defaults/${link}`), ".deleted");
    assertEquals((await world.run(`get-global-${link}`)).printed, [""]);
  });
}

Deno.test("set-global-disabled-log-digests names what it knows", async () => {
  using world = cluster();
  for (const text of ["MD6", "COMPRESS_LZO", "0x01000000"]) {
    await assertRejects(
      () => world.run("set-global-disabled-log-digests", text),
      UsageError,
      `Cannot set disabled-log-digests to "${text}": expected names joined by "|" or a mask of them; known are CHKSUM_MD5_OLD, CHKSUM_MD5, CHKSUM_CRC32C, CHKSUM_CRC32, CHKSUM_SHA1`,
    );
  }
  assertEquals(world.value("defaults/disabled-log-digests"), undefined);
});

Deno.test("set-global-disabled-net-digests says that one digest stays", async () => {
  using world = cluster();
  const set = "set-global-disabled-net-digests";
  const { warned } = await world.run(set, "CHKSUM_MD5_OLD|CHKSUM_SHA1");
  assertEquals(warned, [
    "WARNING: hosts use CHKSUM_MD5_OLD on the network nevertheless",
  ]);
  assertEquals((await world.run(set, "CHKSUM_SHA1")).warned, []);
});

Deno.test("get-global-enabled-log-compressions prints what it does not know as it is", async () => {
  using world = cluster();
  world.link({ "defaults/enabled-log-compressions": "0x80000000" });
  const { printed } = await world.run("get-global-enabled-log-compressions");
  assertEquals(printed, ["0x80000000"]);
});

Deno.test("set-connect-pref-list takes members", async () => {
  using world = cluster();
  await world.run("set-connect-pref-list", "r", "beta,alpha");
  assertEquals(world.value("resource-r/connect-alpha"), "beta,alpha");
  const { printed } = await world.run("get-connect-pref-list", "r");
  assertEquals(printed, ["beta,alpha"]);
  await world.run("set-connect-pref-list", "r", "");
  assertEquals(world.value("resource-r/connect-alpha"), ".deleted");
  assertEquals((await world.run("get-connect-pref-list", "r")).printed, [""]);
});

Deno.test("set-connect-pref-list refuses strangers, unless forced", async () => {
  using world = cluster();
  await assertRejects(
    () => world.run("set-connect-pref-list", "r", "beta,gamma"),
    RefusedError,
    'Cannot prefer "beta,gamma" for "r": "gamma" is no member; members are "alpha", "beta"',
  );
  assertEquals(world.value("resource-r/connect-alpha"), undefined);
  await world.run("set-connect-pref-list", "r", "beta,gamma", "--force");
  assertEquals(world.value("resource-r/connect-alpha"), "beta,gamma");
});

Deno.test("set-acknowledge says that a device that is on keeps its level", async () => {
  using world = cluster();
  const set = async (level: string): Promise<readonly string[]> =>
    (await world.run("set-acknowledge", "r", level)).warned;
  assertEquals(await set("durable"), []);
  // Nobody has been told anything.
  assertEquals(await set("flush"), []);
  world.link({ "resource-r/actual-alpha/if-on": "1" });
  assertEquals(await set("durable"), []);
  const [warning = "", ...others] = await set("flush");
  assertStringIncludes(
    warning,
    'stay at level durable until its device on "alpha"',
  );
  assertEquals(others, []);
  assertEquals(await set("flush"), []);
});

Deno.test("get-acknowledge prints the level, or the usual one", async () => {
  using world = cluster();
  assertEquals((await world.run("get-acknowledge", "r")).printed, ["flush"]);
  await world.run("set-acknowledge", "r", "durable");
  assertEquals((await world.run("get-acknowledge", "r")).printed, ["durable"]);
});

Deno.test("Settings, links and addresses as JSON", async () => {
  using world = new TreeWorld();
  world.link({ ...clusterLinks(), "userspace/note": "hello" });
  const json = async (...words: string[]): Promise<unknown[]> => {
    const { printed } = await world.run(...words, "--json");
    return printed.map((line): unknown => JSON.parse(line));
  };
  assertEquals(await json("get-acknowledge", "r"), [
    { schema: 1, setting: "acknowledge", resource: "r", value: "flush" },
  ]);
  assertEquals(await json("get-global-sync-limit-value"), [
    { schema: 1, setting: "global-sync-limit-value", value: "" },
  ]);
  assertEquals(await json("get-link", "userspace/note"), [
    { schema: 1, path: "userspace/note", value: "hello" },
  ]);
  assertEquals(await json("lowlevel-ls-host-ips"), [
    { schema: 1, host: "alpha", address: "127.0.0.1" },
    { schema: 1, host: "beta", address: "127.0.0.1" },
  ]);
});
