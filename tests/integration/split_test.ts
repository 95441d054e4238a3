/** Real daemons: a split brain, what is told of it, and the ways out. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import {
  connect,
  copied,
  lookedAtBytes,
  sameDisks,
} from "../support/replicas.ts";

const MIB = 1 << 20;
const DISK_BYTES = 8 * MIB;
const BLOCK_BYTES = 4096;

/** Writes `count` blocks of one byte from block `first` on, durably. */
async function fill(
  client: NbdClient,
  first: number,
  count: number,
  byte: number,
): Promise<void> {
  const block = new Uint8Array(BLOCK_BYTES).fill(byte);
  for (let index = first; index < first + count; index++) {
    await client.write(index * BLOCK_BYTES, block);
  }
  await client.flush();
}

async function byteAt(client: NbdClient, block: number): Promise<number> {
  const [byte = -1] = await client.read(block * BLOCK_BYTES, BLOCK_BYTES);
  return byte;
}

/** Both hosts write; beta is designated. Clients are closed again. */
async function part(alpha: Host, beta: Host): Promise<void> {
  const old = await connect(alpha);
  // Only what runs can be waited for until it is stopped.
  await beta.waitLink("resource-r/actual-beta/is-copying", (v) => v === "1");
  await beta.must("pause-fetch", "r", "--timeout=30");
  await fill(old, 100, 4, 0xa1);
  await beta.must("primary", "r", "--force", "--timeout=30");
  await beta.must("resume-fetch", "r");
  const young = await connect(beta);
  await fill(young, 102, 4, 0xb1);
  await fill(old, 200, 4, 0xa2);
  await young.disconnect();
  await old.disconnect();
}

/** What both hosts say of the split, as soon as they say the same. */
async function told(alpha: Host, beta: Host): Promise<string> {
  for (const host of [alpha, beta]) {
    await waitFor(`${host.name} to see the split`, async () => {
      const text = await host.must("split", "show", "r", "--json");
      return JSON.parse(text).isSplit === true;
    });
    await host.waitLink(
      `resource-r/actual-${alpha.name}/is-primary`,
      (value) => value === "0",
    );
  }
  return await alpha.must("split", "show", "r");
}

Deno.test("The loser of a split brain copies only what it wrote", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  for (const host of [alpha, beta]) host.makeDisk(DISK_BYTES);
  await alpha.must("create-resource", "r", alpha.disk);
  const client = await connect(alpha);
  await fill(client, 0, 512, 1);
  await client.disconnect();
  await beta.must("join-resource", "r", beta.disk, "--timeout=30");
  await sameDisks(alpha, beta);
  await part(alpha, beta);
  const text = await told(alpha, beta);
  assertMatch(text, /SPLIT BRAIN since \d{4}-.* ago, behind log-\d{9}-alpha/);
  assertMatch(text, /side of "beta": wrote 16\.\d* KiB since in 1 log, last/);
  assertMatch(text, /side of "alpha": wrote 32\.\d* KiB since in 1 log, last/);
  assertMatch(text, /mars invalidate r/);
  const view = await beta.must("view", "r");
  assertMatch(view + (await beta.run("view", "r")).stderr, /SPLIT BRAIN/);
  // Blocks 100 to 103 and 200 to 203, in two ranges.
  const output = await alpha.must("invalidate", "r", "--timeout=30");
  assertMatch(output, /only what was written here: 32\.000 KiB/);
  await sameDisks(alpha, beta);
  assertEquals(lookedAtBytes(alpha), 8 * BLOCK_BYTES);
  // The numbers that alpha has used do not come again.
  const used = Number(alpha.link("resource-r/userspace/used-log-alpha") ?? 0);
  await alpha.must("primary", "r", "--timeout=30");
  const replay = alpha.link("resource-r/replay-alpha") ?? "";
  assert(Number(/^log-(\d{9})-alpha/.exec(replay)?.[1]) > used, replay);
  const again = await connect(alpha);
  assertEquals(await byteAt(again, 100), 1);
  assertEquals(await byteAt(again, 102), 0xb1);
  assertEquals(await byteAt(again, 200), 1);
  await fill(again, 300, 4, 3);
  await again.disconnect();
  await sameDisks(alpha, beta);
  assertEquals(
    await alpha.must("split", "show", "r"),
    '"r": no split brain\n',
  );
});

Deno.test("A lost side is kept as a resource of its own", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  for (const host of [alpha, beta]) host.makeDisk(DISK_BYTES);
  await alpha.must("create-resource", "r", alpha.disk);
  await beta.must("join-resource", "r", beta.disk, "--timeout=30");
  await sameDisks(alpha, beta);
  assertEquals((await alpha.run("split", "keep", "r", "old")).code, 3);
  await part(alpha, beta);
  await told(alpha, beta);
  assertEquals((await beta.run("split", "keep", "r", "old")).code, 3);
  // It is stopped when the new resource is made and the old one is not left.
  const stopped = await alpha.run(
    "split",
    "keep",
    "r",
    "old",
    "--error-injection-phase=4",
    "--timeout=30",
  );
  assert(stopped.code !== 0);
  assertEquals(alpha.link("resource-old/data-alpha"), alpha.disk);
  assertEquals(alpha.link("resource-r/data-alpha"), alpha.disk);
  await alpha.must("split", "keep", "r", "old", "--timeout=30");
  assertEquals(alpha.link("resource-r/data-alpha"), ".deleted");
  const client = await connect(alpha, "old");
  assertEquals(await byteAt(client, 100), 0xa1);
  assertEquals(await byteAt(client, 103), 0xa1);
  assertEquals(await byteAt(client, 104), 0);
  assertEquals(await byteAt(client, 200), 0xa2);
  await client.disconnect();
  const winner = await connect(beta);
  assertEquals(await byteAt(winner, 103), 0xb1);
  assertEquals(await byteAt(winner, 200), 0);
  await winner.disconnect();
  assertEquals(
    await beta.must("split", "show", "r"),
    '"r": no split brain\n',
  );
  await beta.must("log-purge-all", "r", "--force");
  // With another disk it takes part again, and may lead.
  const used = Number(alpha.link("resource-r/userspace/used-log-alpha") ?? 0);
  const disk = `${alpha.directory}/another`;
  Deno.writeFileSync(disk, new Uint8Array(DISK_BYTES));
  await alpha.must("join-resource", "r", disk, "--timeout=30");
  await copied(alpha, DISK_BYTES);
  await alpha.must("primary", "r", "--timeout=30");
  const replay = alpha.link("resource-r/replay-alpha") ?? "";
  assert(Number(/^log-(\d{9})-alpha/.exec(replay)?.[1]) > used, replay);
  const leader = await connect(alpha);
  assertEquals(await byteAt(leader, 100), 0);
  assertEquals(await byteAt(leader, 103), 0xb1);
  await leader.disconnect();
});

Deno.test("A copy begins anew if its source has lost what was copied", async () => {
  await using hosts = new Hosts();
  const [alpha, beta, gamma] = await hosts.cluster("alpha", "beta", "gamma");
  assert(alpha !== undefined && beta !== undefined && gamma !== undefined);
  const all = [alpha, beta, gamma];
  // So large that a copy is under way for a while; all but a little is a hole.
  const diskBytes = 2048 * MIB;
  for (const host of all) host.makeDisk(diskBytes);
  await alpha.must("create-resource", "r", alpha.disk);
  const old = await connect(alpha);
  await fill(old, 0, 16, 1);
  await beta.must("join-resource", "r", beta.disk, "--timeout=30");
  await copied(beta, diskBytes);
  const todo = `${gamma.marsDir}/resource-r/todo-gamma`;
  Deno.mkdirSync(todo, { recursive: true });
  Deno.symlinkSync("128M", `${todo}/sync-rate`);
  await gamma.must("join-resource", "r", gamma.disk, "--timeout=30");
  await gamma.must("pause-sync", "r", "--timeout=30");
  // From here on only alpha has the log, and gamma its disk.
  await gamma.must("pause-fetch", "r", "--timeout=30");
  await beta.must("pause-fetch", "r", "--timeout=30");
  await fill(old, 300, 4, 0xa1);
  await waitFor("alpha to write back", () => byteOn(alpha, 300) === 0xa1);
  await gamma.must("resume-sync", "r");
  await gamma.waitLink("resource-r/syncstatus-gamma", (v) => Number(v) > 0);
  await gamma.must("pause-sync", "r", "--timeout=30");
  assertEquals(byteOn(gamma, 300), 0xa1);
  await beta.must("primary", "r", "--force", "--timeout=30");
  await beta.must("resume-fetch", "r");
  await old.disconnect();
  await alpha.waitLink("resource-r/actual-alpha/is-primary", (v) => v === "0");
  await alpha.must("invalidate", "r", "--timeout=30");
  await copied(alpha, diskBytes);
  await alpha.must("primary", "r", "--ignore-sync", "--timeout=30");
  await gamma.must("set-sync-rate", "r", "0");
  await gamma.must("resume-fetch", "r");
  await gamma.must("resume-sync", "r");
  await gamma.waitLink(
    "resource-r/syncstatus-gamma",
    (value) => value === String(diskBytes),
  );
  assertEquals(all.map((host) => byteOn(host, 300)), [0, 0, 0]);
});

/** What a block of a disk begins with. */
function byteOn({ disk }: Host, block: number): number {
  using file = Deno.openSync(disk);
  file.seekSync(block * BLOCK_BYTES, Deno.SeekMode.Start);
  const bytes = new Uint8Array(1);
  file.readSync(bytes);
  return bytes[0] ?? -1;
}
