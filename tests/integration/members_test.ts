/** Real daemons: members that come and go, a device that grows, rivals. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { BLOCK_BYTES, Recorder } from "../support/recorder.ts";
import {
  connect,
  copied,
  join,
  sameDisks,
  sees,
  writeSome,
} from "../support/replicas.ts";

const MIB = 1 << 20;
const DISK_BYTES = 4 * MIB;
const BLOCKS = DISK_BYTES / BLOCK_BYTES;

/** Names of everything below the resource that is no tombstone. */
function leftOf(host: Host): string[] {
  const names: string[] = [];
  const visit = (directory: string): void => {
    for (const entry of Deno.readDirSync(`${host.marsDir}/${directory}`)) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory) visit(path);
      else if (host.link(path) !== ".deleted") names.push(path);
    }
  };
  visit("resource-r");
  return names.sort();
}

Deno.test("Members leave, a resource is deleted and made again", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  for (const host of [alpha, beta]) host.makeDisk(DISK_BYTES);
  await alpha.must("create-resource", "r", alpha.disk);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 11 });
  let client = await connect(alpha);
  await writeSome(recorder, client, 64);
  await join(beta);
  const refused = await beta.run("leave-resource", "r");
  assertEquals(refused.code, 3);
  assertMatch(refused.stderr, /type down r/);
  await beta.must("down", "r");
  await beta.must("leave-resource", "r", "--timeout=30");
  await alpha.waitLink("resource-r/data-beta", (v) => v === ".deleted");
  assertEquals(leftOf(beta).filter((path) => path.includes("beta")), []);
  assertEquals(leftOf(beta).filter((path) => path.includes("/log-")), []);
  // The primary does not need anybody.
  await writeSome(recorder, client, 64);
  await client.disconnect();
  assertEquals((await beta.run("delete-resource", "r")).code, 3);
  await alpha.must("secondary", "r", "--timeout=30");
  await alpha.must("down", "r");
  await alpha.must("leave-resource", "r", "--timeout=30");
  await beta.must("delete-resource", "r");
  await alpha.waitLink("resource-r/size", (value) => value === ".deleted");
  assertEquals(leftOf(beta), ["resource-r/maxnr"]);
  const highest = Number(alpha.link("resource-r/maxnr"));
  await alpha.must("create-resource", "r", alpha.disk);
  assertEquals(Number(alpha.link("resource-r/maxnr")), highest + 100_000);
  client = await connect(alpha);
  recorder.check(await client.read(0, recorder.sizeBytes));
  await waitFor(
    "beta to hear of the new one",
    () => beta.link("resource-r/primary") === "alpha",
  );
  await join(beta);
  await writeSome(recorder, client, 64);
  await client.disconnect();
  await sameDisks(alpha, beta);
});

/** A primary and a secondary, whose disks are larger than the device. */
async function growingPair(hosts: Hosts): Promise<readonly [Host, Host]> {
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  for (const host of [alpha, beta]) host.makeDisk(2 * DISK_BYTES);
  await alpha.must("create-resource", "r", alpha.disk, "r", "4M");
  await join(beta);
  return [alpha, beta];
}

Deno.test("A device grows while it is written to", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await growingPair(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 12 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 64);
  const shrunk = await alpha.run("resize", "r", "1M");
  assertEquals(shrunk.code, 3);
  let isOver = false;
  const writing = (async () => {
    while (!isOver) await writeSome(recorder, client, 16);
  })();
  await alpha.must("resize", "r", "--timeout=30");
  isOver = true;
  await writing;
  await client.disconnect();
  const grown = await connect(alpha);
  assertEquals(grown.sizeBytes, 2 * DISK_BYTES);
  const block = new Uint8Array(BLOCK_BYTES).fill(7);
  await grown.write(2 * DISK_BYTES - BLOCK_BYTES, block);
  await grown.flush();
  recorder.check(await grown.read(0, recorder.sizeBytes));
  await grown.disconnect();
  await copied(beta, 2 * DISK_BYTES);
  await sameDisks(alpha, beta);
});

Deno.test("A device grows while a secondary is behind, and while one is away", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await growingPair(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 13 });
  const client = await connect(alpha);
  await beta.must("pause-replay", "r", "--timeout=30");
  await writeSome(recorder, client, 64);
  await alpha.must("resize", "r", "6M", "--timeout=30");
  await client.disconnect();
  // What is behind its old end is to be copied, before it and behind replayed.
  const late = await connect(alpha);
  const block = new Uint8Array(BLOCK_BYTES).fill(7);
  await late.write(6 * MIB - BLOCK_BYTES, block);
  await late.flush();
  await sees(beta, /InConsistent PausedReplay .*\n +replaying: /);
  await beta.end("SIGTERM");
  await alpha.must("resize", "r", "--timeout=30");
  await late.disconnect();
  const last = await connect(alpha);
  assertEquals(last.sizeBytes, 2 * DISK_BYTES);
  await last.write(2 * DISK_BYTES - BLOCK_BYTES, block);
  await last.disconnect();
  beta.start();
  await beta.listening();
  await beta.must("resume-replay", "r");
  await copied(beta, 2 * DISK_BYTES);
  await sameDisks(alpha, beta);
  await sees(beta, /UpToDate/);
});

Deno.test("Of two hosts that take over at once one gives way", async () => {
  await using hosts = new Hosts();
  const names = ["alpha", "beta", "gamma"];
  const [alpha, beta, gamma] = await hosts.cluster(...names);
  assert(alpha !== undefined && beta !== undefined && gamma !== undefined);
  for (const host of [alpha, beta, gamma]) host.makeDisk(MIB);
  await alpha.must("create-resource", "r", alpha.disk);
  for (const host of [beta, gamma]) await join(host);
  const takeOver = (host: Host) => host.run("primary", "r", "--timeout=20");
  const outcomes = await Promise.all([takeOver(beta), takeOver(gamma)]);
  const done = [beta, gamma].filter((_host, index) =>
    outcomes[index]?.code === 0
  );
  assert(done.length > 0, outcomes.map(({ stderr }) => stderr).join("\n"));
  // If both are done, one has taken over from the other.
  const isWinner = (name: string): boolean =>
    done.some((host) => host.name === name);
  const winner = await alpha.waitLink("resource-r/primary", isWinner);
  for (const host of [alpha, beta, gamma]) {
    await host.waitLink("resource-r/primary", (value) => value === winner);
    await host.waitLink(
      `resource-r/replay-${host.name}`,
      (value) => value.startsWith(`log-00000000${1 + done.length}-${winner},`),
    );
    const role = host.name === winner ? "Primary" : "Secondary";
    await sees(host, new RegExp(`UpToDate .*${role} ${winner}`));
  }
});
