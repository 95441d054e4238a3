/**
 * Emergency mode on real hosts: the file system with the logs of the primary
 * is full, and its clients do not notice. Needs root for a small file system.
 */
import { statfsSync } from "node:fs";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { portableCrc32c } from "../../src/log/checksum.ts";
import { LogScanner } from "../../src/log/scanner.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { randomOf, Recorder } from "../support/recorder.ts";
import { connect } from "../support/replicas.ts";
import {
  BLOCKS,
  DISK_BYTES,
  hasExt4,
  inEmergency,
  isLogging,
  LANES,
  listening,
  MIB,
  primaryOn,
  SmallTree,
  state,
  type TreeKind,
  Writer,
} from "../support/small_tree.ts";

const KILLS = 4;

/** Time that a client is let write while its daemon is about to be killed. */
const LIFE_MS_MAX = 400;

function hasFile(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The log that the replay link of `host` names, and the byte in it. */
function positionOf(of: Host, name: string): [log: string, bytes: number] {
  const [log = "", startBytes = ""] =
    of.link(`resource-r/replay-${name}`)?.split(",") ?? [];
  return [log, Number(startBytes)];
}

/** What a disk of zeroes becomes by one log. */
function imageOf(log: Uint8Array): Uint8Array {
  const image = new Uint8Array(DISK_BYTES);
  const scanner = new LogScanner({
    crc: portableCrc32c,
    startBytes: 0,
    deviceSizeBytes: DISK_BYTES,
  });
  scanner.setWindow({
    bytes: log,
    startBytes: 0,
    lengthBytes: log.length,
    endBytes: log.length,
  });
  while (scanner.next() === "record") {
    const { payload, payloadStart, payloadLength, offsetBytes } = scanner;
    const end = payloadStart + payloadLength;
    image.set(payload.subarray(payloadStart, end), offsetBytes);
  }
  return image;
}

function test(name: string, fn: () => Promise<void>): void {
  // Mounts a file system.
  Deno.test({ name, ignore: Deno.uid() !== 0, fn });
}

test("A full tree does not stop the primary; secondaries stay consistent", async () => {
  await using hosts = new Hosts();
  await using tree = await primaryOn(hosts, "8m");
  const alpha = tree.host;
  const beta = hosts.add("beta");
  await listening(beta);
  const token = /mars1\.\S+/.exec(
    await alpha.must("token", "create", `--ip=127.0.0.1:${alpha.port}`),
  )?.[0];
  const ip = `--ip=127.0.0.1:${beta.port}`;
  await beta.must("join-cluster", ip, `--token=${token}`);
  await beta.must("join-resource", "r", beta.makeDisk(DISK_BYTES));
  await beta.waitLink(
    "resource-r/syncstatus-beta",
    (value) => value === String(DISK_BYTES),
  );

  const recorder = new Recorder({ blockCount: BLOCKS, seed: 1 });
  const writer = new Writer(recorder, await connect(alpha));
  await inEmergency(alpha);
  await writer.more(2_000);
  assertStringIncludes(alpha.traces(), "Device is served without a log");
  assertStringIncludes(await alpha.must("view", "r"), "EmergencyMode");
  const first = `${alpha.marsDir}/resource-r/log-000000001-alpha`;
  const endBytes = Deno.statSync(first).size;
  await waitFor("beta to come to the end of the log", () => {
    const [log, bytes] = positionOf(beta, "beta");
    return log === "log-000000001-alpha" && bytes === endBytes;
  });
  assertStringIncludes(await beta.must("view", "r"), "EmergencyMode");
  const old = imageOf(Deno.readFileSync(first));
  assertEquals(Deno.readFileSync(beta.disk), old, "a state alpha once had");

  tree.grow();
  await isLogging(alpha);
  await writer.more(500);
  await writer.stop();
  await waitFor("alpha to log behind the hole", () => {
    const [log, bytes] = positionOf(alpha, "alpha");
    return log === "log-000000012-alpha" && bytes > 0;
  });
  await beta.waitLink(
    "resource-r/actual-beta/msg-wrn-log-consecutive",
    (value) => value.includes("invalidate"),
  );
  await waitFor(
    "beta to know that alpha logs again",
    () => beta.link("resource-r/actual-alpha/has-emergency") === "0",
  );
  assertStringIncludes(await beta.must("view", "r"), "OutDated[F]");
  assertEquals(Deno.readFileSync(beta.disk), old, "it has not moved");

  await beta.must("invalidate", "r", "--timeout=30");
  await waitFor("beta to be a copy again", () => {
    const [log, bytes] = positionOf(alpha, "alpha");
    const size = Deno.statSync(`${alpha.marsDir}/resource-r/${log}`).size;
    return bytes === size && positionOf(beta, "beta").join() ===
        positionOf(alpha, "alpha").join() &&
      beta.link("resource-r/syncstatus-beta") === String(DISK_BYTES);
  });
  const disk = Deno.readFileSync(alpha.disk);
  recorder.check(disk.subarray(0, recorder.sizeBytes));
  assertEquals(Deno.readFileSync(beta.disk), disk);
});

for (const kind of ["8m", "ext4"] as const) {
  Deno.test({
    name: `kill -9 in emergency mode loses nothing acknowledged (${kind})`,
    // Mounts a file system.
    ignore: kind === "ext4" ? !hasExt4() : Deno.uid() !== 0,
    fn: async () => {
      const seed = Math.floor(Math.random() * 2 ** 31);
      try {
        await killInEmergency(kind, seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    },
  });
}

async function killInEmergency(kind: TreeKind, seed: number): Promise<void> {
  await using hosts = new Hosts();
  await using tree = await primaryOn(hosts, kind);
  const alpha = tree.host;
  const random = randomOf(seed);
  const recorder = new Recorder({ blockCount: BLOCKS, seed });
  let client = await connect(alpha);
  for (let kill = 0; kill < KILLS; kill++) {
    const writing = recorder.writeUntilLost(client, LANES);
    // The last ones hit the entry, too.
    if (kill < KILLS / 2) {
      const before = recorder.acknowledgedCount;
      await inEmergency(alpha);
      tree.fill();
      await waitFor(
        "writes past the log",
        () => recorder.acknowledgedCount > before + 200,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, random() * LIFE_MS_MAX));
    await alpha.end("SIGKILL");
    await writing;
    await listening(alpha);
    client = await connect(alpha);
    recorder.check(await client.read(0, recorder.sizeBytes));
  }
  const writer = new Writer(recorder, client);
  await inEmergency(alpha);
  await writer.more(200);
  if (kind === "ext4") {
    assertStringIncludes(alpha.traces(), "Round failed", "links need blocks");
  }
  tree.grow();
  await isLogging(alpha);
  await writer.more(500);
  await writer.stop();
  await alpha.must("down", "r", "--timeout=30");
  const disk = Deno.readFileSync(alpha.disk);
  recorder.check(disk.subarray(0, recorder.sizeBytes));
}

test("The level of emergency ends logging before the tree is full", async () => {
  await using hosts = new Hosts();
  await using tree = await primaryOn(hosts, "32m", "--reserve=6M");
  const alpha = tree.host;
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 3 });
  const writer = new Writer(recorder, await connect(alpha));
  await writer.more(4_500);
  // The reserve lasts for some rounds of the daemon.
  writer.pauseMs = 20;
  await inEmergency(alpha);
  const why = await alpha.waitLink(
    "resource-r/actual-alpha/msg-err-emergency",
    (value) => value !== "OK",
  );
  assertStringIncludes(why, "No room for logs", "the log has not failed");
  assertStringIncludes(await alpha.must("view", "r"), "EmergencyMode");
  await writer.more(500);
  await alpha.waitLink("actual-alpha/emergency", (value) => value === "4");
  assert(!alpha.traces().includes("No space left"), "there was room for links");
  tree.grow();
  await alpha.waitLink("actual-alpha/emergency", (value) => value === "0");
  await isLogging(alpha);
  await writer.more(500);
  await writer.stop();
  await alpha.end("SIGKILL");
  await listening(alpha, "--reserve=6M");
  const client = await connect(alpha);
  recorder.check(await client.read(0, recorder.sizeBytes));
  await client.disconnect();
});

test("A secondary short of space gives up copies, then stops fetching", async () => {
  await using hosts = new Hosts();
  const alpha = hosts.add("alpha");
  await listening(alpha);
  await alpha.must("create-cluster", `--ip=127.0.0.1:${alpha.port}`);
  await alpha.must("create-resource", "r", alpha.makeDisk(DISK_BYTES));
  await using tree = new SmallTree(hosts.add("beta"), "96m");
  const beta = tree.host;
  // Level 2 is below 9 MiB, level 3 below 6 MiB.
  await listening(beta, "--reserve=3M");
  const token = /mars1\.\S+/.exec(
    await alpha.must("token", "create", `--ip=127.0.0.1:${alpha.port}`),
  )?.[0];
  const ip = `--ip=127.0.0.1:${beta.port}`;
  await beta.must("join-cluster", ip, `--token=${token}`);
  await beta.must("join-resource", "r", beta.makeDisk(DISK_BYTES));
  await beta.waitLink(
    "resource-r/syncstatus-beta",
    (value) => value === String(DISK_BYTES),
  );
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 4 });
  const writer = new Writer(recorder, await connect(alpha));
  await writer.more(500);
  await alpha.must("log-rotate", "r");
  await writer.more(50);
  await writer.stop();
  // Also at the beginning of a log that is still to be fetched they are level.
  const hasAll = (): boolean => {
    const [log, bytes] = positionOf(beta, "beta");
    const size = Deno.statSync(`${alpha.marsDir}/resource-r/${log}`).size;
    return log !== "log-000000001-alpha" && bytes === size;
  };
  const isLevel = (host: Host): boolean =>
    positionOf(host, "beta").join() === positionOf(alpha, "alpha").join();
  await waitFor("beta to catch up", () => isLevel(alpha) && hasAll());

  const copy = (host: Host): string =>
    `${host.marsDir}/resource-r/log-000000001-alpha`;
  assertEquals(hasFile(copy(beta)), true);
  const ballast = `${beta.marsDir}/ballast`;
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(beta.marsDir);
    return bavail * bsize;
  };
  Deno.writeFileSync(ballast, new Uint8Array(freeBytes() - 8 * MIB));
  await waitFor("the copy to go", () => !hasFile(copy(beta)));
  assertEquals(hasFile(copy(alpha)), true);
  const messages = "resource-r/actual-beta/msg-";
  await beta.waitLink(
    `${messages}wrn-copy-given-up`,
    (value) => value.includes("log-000000001-alpha"),
  );

  Deno.writeFileSync(ballast, new Uint8Array(freeBytes() - 5 * MIB), {
    append: true,
  });
  await beta.waitLink(
    `${messages}err-space-low`,
    (value) => value.includes("level 3"),
  );
  await waitFor("fetch to stop", () => state(beta, "is-copying") === "0");
  const late = new Writer(recorder, await connect(alpha));
  await late.more(50);
  await late.stop();
  await waitFor("alpha to write back", () => {
    const [, bytes] = positionOf(alpha, "alpha");
    return bytes > 0 && !isLevel(alpha);
  });

  Deno.removeSync(ballast);
  await waitFor("beta to catch up", () => isLevel(beta) && isLevel(alpha));
  assertEquals(Deno.readFileSync(beta.disk), Deno.readFileSync(alpha.disk));
});
