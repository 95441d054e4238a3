/**
 * Real hosts whose file system of logs and links fails, or goes away, and
 * clients that do not notice. Needs root, a loop device, ext4.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isThere } from "../../src/base/remove.ts";
import { Hosts, waitFor } from "../support/hosts.ts";
import { Recorder } from "../support/recorder.ts";
import { connect } from "../support/replicas.ts";
import {
  BLOCKS,
  hasExt4,
  listening,
  primaryOn,
  Writer,
} from "../support/small_tree.ts";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !hasExt4(), fn });
}

test("A tree that takes nothing any more does not stop the primary", async () => {
  await using hosts = new Hosts();
  await using tree = await primaryOn(hosts, "journal");
  const alpha = tree.host;
  const vow = `${alpha.directory}/etc/past-log/r`;
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 31 });
  const writer = new Writer(recorder, await connect(alpha));
  await writer.more(500);
  tree.fail();
  await writer.more(2_000);
  assertStringIncludes(alpha.traces(), "Device is served without a log");
  assertEquals(
    Deno.readTextFileSync(vow),
    "log-000000001-alpha log-000000012-alpha\n",
  );
  await writer.stop();
  // The log is older than what was written past it, and nothing says so below
  // the tree.
  await alpha.end("SIGKILL");
  tree.mend();
  assertStringIncludes(
    alpha.link("resource-r/replay-alpha") ?? "",
    "log-000000001-alpha",
  );
  await listening(alpha);
  const client = await connect(alpha);
  recorder.check(await client.read(0, recorder.sizeBytes));
  await client.disconnect();
  await alpha.waitLink(
    "resource-r/replay-alpha",
    (value) => value.startsWith("log-000000012-alpha,"),
  );
  await waitFor("the vow to be fulfilled", () => !isThere(vow));
  const again = new Writer(recorder, await connect(alpha));
  await again.more(500);
  await again.stop();
  await alpha.end("SIGKILL");
  await listening(alpha);
  const last = await connect(alpha);
  recorder.check(await last.read(0, recorder.sizeBytes));
  await last.disconnect();
});

test("A daemon that starts on a read-only tree waits for it, and says so", async () => {
  await using hosts = new Hosts();
  await using tree = await primaryOn(hosts, "96m");
  const alpha = tree.host;
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 33 });
  const writer = new Writer(recorder, await connect(alpha));
  await writer.more(500);
  await writer.stop();
  await alpha.end("SIGKILL");
  tree.protect(true);
  await listening(alpha);
  const words =
    `ERROR: "${alpha.marsDir}" is read-only: no log is begun, no link says what happens, and it is tried again; find the cause with dmesg, then type mount -o remount,rw ${alpha.marsDir}; what is shown may be old`;
  await waitFor(
    "view to say so",
    async () => (await alpha.run("view", "r")).stderr.includes(words),
  );
  const json = JSON.parse(await alpha.must("view", "r", "--json"));
  assertStringIncludes(json.treeTrouble, "is read-only");
  assertStringIncludes(alpha.traces(), "Tree takes no links");
  await waitFor(
    "recovery to end",
    () => alpha.traces().split("log-000000002-alpha").length > 1,
  );
  tree.protect(false);
  await waitFor(
    "the trouble to be over",
    () => alpha.traces().includes("Tree takes links again"),
  );
  // A socket of the daemon before may still lie there.
  const client = await connect(alpha);
  recorder.check(await client.read(0, recorder.sizeBytes));
  await client.disconnect();
  assertEquals((await alpha.run("view", "r")).stderr, "");
});

test("A tree that is unmounted is missed, and welcome when it is back", async () => {
  await using hosts = new Hosts();
  await using tree = await primaryOn(hosts, "journal");
  const alpha = tree.host;
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 32 });
  const writer = new Writer(recorder, await connect(alpha));
  await writer.more(500);
  tree.vanish();
  await waitFor(
    "the daemon to notice",
    () => alpha.traces().includes("its file system is gone"),
  );
  await writer.more(2_000);
  assertEquals(
    [...Deno.readDirSync(alpha.marsDir)].map(({ name }) => name),
    [],
    "nothing is written below the mount point",
  );
  tree.comeBack();
  const before = alpha.link("actual-alpha/time");
  await alpha.waitLink("actual-alpha/time", (value) => value !== before);
  await alpha.must("log-rotate", "r");
  await alpha.waitLink(
    "resource-r/replay-alpha",
    (value) => value.startsWith("log-000000002-alpha,"),
  );
  await writer.more(500);
  await writer.stop();
  await alpha.end("SIGKILL");
  await listening(alpha);
  const client = await connect(alpha);
  recorder.check(await client.read(0, recorder.sizeBytes));
  await client.disconnect();
  assert(!isThere(`${alpha.directory}/etc/past-log/r`));
});
