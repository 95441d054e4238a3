/**
 * Real daemons: the primary is lost, and what the other host has of its log is
 * not complete, or damaged. The old primary comes back to a split brain.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { connect, sameDisks, sees } from "../support/replicas.ts";

const DISK_BYTES = 1 << 20;
const BLOCK_BYTES = 4096;
/** A record of one block. */
const RECORD_BYTES = 4180;
const BLOCKS = 8;

async function fill(client: NbdClient, byte: number): Promise<void> {
  const block = new Uint8Array(BLOCK_BYTES).fill(byte);
  for (let index = 0; index < BLOCKS; index++) {
    await client.write(index * BLOCK_BYTES, block);
  }
  await client.flush();
}

async function bytesOf(client: NbdClient): Promise<number[]> {
  const bytes: number[] = [];
  for (let index = 0; index < BLOCKS; index++) {
    const [byte = -1] = await client.read(index * BLOCK_BYTES, BLOCK_BYTES);
    bytes.push(byte);
  }
  return bytes;
}

/** The newest log that a host has of alpha. */
function logOf(host: Host): { path: string; bytes: number } {
  const directory = `${host.marsDir}/resource-r`;
  const [name = ""] = [...Deno.readDirSync(directory)]
    .filter((entry) => entry.isFile && /^log-\d+-alpha$/.test(entry.name))
    .map((entry) => entry.name).sort().reverse();
  const path = `${directory}/${name}`;
  return { path, bytes: Deno.statSync(path).size };
}

const CASES = [
  {
    what: "ends inside a record",
    spoil: (path: string, startBytes: number): void =>
      Deno.truncateSync(path, startBytes + 5 * RECORD_BYTES + 100),
    expected: [2, 2, 2, 2, 2, 1, 1, 1],
  },
  {
    what: "is damaged",
    spoil: (path: string, startBytes: number): void => {
      using file = Deno.openSync(path, { read: true, write: true });
      file.seekSync(startBytes + 3 * RECORD_BYTES + 200, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array([0xff]));
    },
    expected: [2, 2, 2, 1, 1, 1, 1, 1],
  },
] as const;

for (const { what, spoil, expected } of CASES) {
  Deno.test(`Failover with a log that ${what}, and the old primary returns`, async () => {
    await using hosts = new Hosts();
    const [alpha, beta] = await hosts.cluster("alpha", "beta");
    assert(alpha !== undefined && beta !== undefined);
    for (const host of [alpha, beta]) host.makeDisk(DISK_BYTES);
    await alpha.must("create-resource", "r", alpha.disk);
    const client = await connect(alpha);
    await fill(client, 1);
    await beta.must("join-resource", "r", beta.disk, "--timeout=30");
    const position = (host: Host): string | undefined =>
      host.link(`resource-r/replay-${host.name}`)?.replace(/,0$/, "");
    await waitFor(
      "beta to have everything",
      () =>
        position(beta) !== undefined && position(beta) === position(alpha) &&
        beta.link("resource-r/syncstatus-beta") === String(DISK_BYTES),
    );
    // Fetched and not replayed.
    await beta.must("pause-replay", "r", "--timeout=30");
    const startBytes = logOf(beta).bytes;
    await fill(client, 2);
    await waitFor(
      "beta to fetch it",
      () => logOf(beta).bytes === startBytes + BLOCKS * RECORD_BYTES,
    );
    await beta.waitLink(
      "resource-r/version-000000001-beta",
      (value) => value.includes(`alpha,${startBytes + BLOCKS * RECORD_BYTES}:`),
    );
    await alpha.end("SIGKILL");
    await beta.must("pause-fetch", "r", "--timeout=30");
    spoil(logOf(beta).path, startBytes);
    const before = beta.link("resource-r/primary");
    const rehearsal = await beta.run("primary", "r", "--force", "--check");
    assertEquals(rehearsal.code, 3, rehearsal.stderr);
    assertMatch(rehearsal.stderr, /replay is off; type resume-replay/);
    assertEquals(beta.link("resource-r/primary"), before);
    await beta.must("resume-replay", "r");
    await beta.must("primary", "r", "--force", "--timeout=30");
    const survivor = await connect(beta);
    assertEquals(await bytesOf(survivor), [...expected]);
    await survivor.write(
      20 * BLOCK_BYTES,
      new Uint8Array(BLOCK_BYTES).fill(3),
    );
    await survivor.flush();
    await survivor.disconnect();
    // The old primary is none any more, and says what has happened.
    alpha.start();
    await alpha.listening();
    await alpha.waitLink(
      "resource-r/primary",
      (value) => value === "beta",
    );
    await alpha.waitLink(
      "resource-r/actual-alpha/is-primary",
      (value) => value === "0",
    );
    for (const host of [alpha, beta]) {
      await waitFor(
        `${host.name} to see the split brain`,
        async () =>
          (await host.must("split", "show", "r")).includes("SPLIT BRAIN"),
      );
      await sees(host, /SPLIT BRAIN/);
    }
    await beta.must("resume-fetch", "r");
    const output = await alpha.must("invalidate", "r", "--timeout=30");
    assertMatch(output, /only what was written here/);
    await sameDisks(alpha, beta);
  });
}
