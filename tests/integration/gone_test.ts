/**
 * Real hosts whose file system of logs and links fails, or goes away, and
 * clients that do not notice. Needs root, a loop device, ext4.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isThere } from "../../src/base/remove.ts";
import { Hosts, waitFor } from "../support/hosts.ts";
import { Recorder } from "../support/recorder.ts";
import {
  BLOCKS,
  connect,
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
