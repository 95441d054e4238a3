/**
 * Real hosts at the ends of bad lines: cut, silent, slow, far, flapping.
 *
 * The primary never waits for a line; the secondary gets everything in the
 * end; `view` says in between what is wrong.
 */
import { assert } from "@std/assert";
import type { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { Network, networkTrouble, reportSkipped } from "../support/network.ts";
import { randomOf, Recorder } from "../support/recorder.ts";
import {
  assertSameDisks,
  BLOCKS,
  caughtUp,
  connect,
  copied,
  DISK_BYTES,
  lookedAtBytes,
  resourceOf,
  sees,
  writeSome,
} from "../support/replicas.ts";

/** Silence is noticed soon. */
const LINE_TIMEOUT_S = "3";

/** What beta says of a line to alpha on which nothing comes. */
const CUT = /alpha.*(silent|lost|not connected|no connection)/i;

const trouble = networkTrouble();
reportSkipped("Hosts on bad lines", trouble);

/** Two hosts that replicate "r", alpha is primary. */
interface Pair {
  readonly network: Network;
  readonly alpha: Host;
  readonly beta: Host;
  readonly recorder: Recorder;
}

function lineTest(name: string, use: (pair: Pair) => Promise<void>): void {
  Deno.test({
    name,
    ignore: trouble !== undefined,
    fn: async () => {
      await using network = new Network(["alpha", "beta"]);
      await using hosts = new Hosts(undefined, network);
      const [alpha, beta] = await hosts.cluster("alpha", "beta");
      assert(alpha !== undefined && beta !== undefined);
      for (const host of [alpha, beta]) {
        await host.must("set-line-timeout", LINE_TIMEOUT_S);
        // For lines from now on.
        await host.end("SIGTERM");
        host.start();
        await host.listening();
      }
      await resourceOf([alpha]);
      const recorder = new Recorder({ blockCount: BLOCKS, seed: name.length });
      await use({ network, alpha, beta, recorder });
    },
  });
}

/** Fills a disk with what no digest knows yet. */
async function fill(host: Host, seed: number): Promise<void> {
  const client = await connect(host);
  const random = randomOf(seed);
  const piece = new Uint8Array(1024 * 1024);
  for (let at = BLOCKS * 4096; at < DISK_BYTES; at += piece.length) {
    for (let index = 0; index < piece.length; index++) {
      piece[index] = random() * 256;
    }
    await client.write(at, piece);
  }
  await client.flush();
  await client.disconnect();
  // On the disk, not only in the log.
  await host.waitLink(
    `resource-r/replay-${host.name}`,
    (value) => value.endsWith(",0") && !value.endsWith(",0,0"),
  );
}

/** Beta joins and has got what is written so far. */
async function following(
  { alpha, beta, recorder }: Pair,
): Promise<NbdClient> {
  await beta.must("join-resource", "r", beta.makeDisk(DISK_BYTES));
  const client = await connect(alpha);
  await writeSome(recorder, client, 64);
  await caughtUp(beta, alpha);
  return client;
}

function copiedBytes(host: Host): number {
  return Number(host.link(`resource-r/syncstatus-${host.name}`) ?? "0");
}

lineTest("A copy that is cut goes on where it was", async (pair) => {
  const { network, alpha, beta, recorder } = pair;
  const client = await connect(alpha);
  await writeSome(recorder, client, 256);
  await fill(alpha, 1);
  network.limit("alpha", 8_000_000);
  await beta.must("join-resource", "r", beta.makeDisk(DISK_BYTES));
  await waitFor(
    "a part of the copy",
    () => copiedBytes(beta) > DISK_BYTES / 4,
  );
  await sees(beta, /syncing: .* rate: [1-9]\S* \S+B\/sec +remaining: 00:/);
  network.part("alpha", "beta");
  await sees(beta, CUT);
  // Other lines may be found dead sooner, and this one live on.
  await waitFor("the end", () => beta.traces().includes("Sync ended"));
  const before = copiedBytes(beta);
  assert(before > 0 && before < DISK_BYTES, `${before} bytes are copied`);
  await writeSome(recorder, client, 64);
  network.join("alpha", "beta");
  network.limit("alpha", undefined);
  await copied(beta);
  const again = lookedAtBytes(beta) - (DISK_BYTES - before);
  assert(again <= 0, `${again} bytes of what was there were looked at again`);
  await client.disconnect();
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
});

lineTest(
  "A fetch that meets a dead line goes on where it was",
  async (pair) => {
    const { network, alpha, beta, recorder } = pair;
    const client = await following(pair);
    network.limit("alpha", 20_000_000);
    await writeSome(recorder, client, 1024);
    network.part("alpha", "beta");
    await writeSome(recorder, client, 256);
    await sees(beta, CUT);
    network.join("alpha", "beta");
    network.limit("alpha", undefined);
    await client.disconnect();
    await caughtUp(beta, alpha);
    assertSameDisks([alpha, beta], recorder);
  },
);

for (const [from, to] of [["alpha", "beta"], ["beta", "alpha"]] as const) {
  const name = `A line that is silent from ${from} to ${to} is noticed`;
  lineTest(name, async (pair) => {
    const { network, alpha, beta, recorder } = pair;
    const client = await following(pair);
    network.swallow(from, to);
    await writeSome(recorder, client, 256);
    await sees(beta, CUT);
    network.pass(from, to);
    await client.disconnect();
    await caughtUp(beta, alpha);
    assertSameDisks([alpha, beta], recorder);
  });
}

lineTest(
  "300 ms, lost packets and cut connections delay, and lose nothing",
  async (pair) => {
    const { network, alpha, beta, recorder } = pair;
    await network.beFar(150, 1, 0.2);
    await beta.must("join-resource", "r", beta.makeDisk(DISK_BYTES));
    const client = await connect(alpha);
    await writeSome(recorder, client, 2048);
    await client.disconnect();
    await caughtUp(beta, alpha);
    assertSameDisks([alpha, beta], recorder);
    await sees(beta, /UpToDate/);
  },
);

lineTest(
  "A line slower than the writer, flapping then, catches up at last",
  async (pair) => {
    const { network, alpha, beta, recorder } = pair;
    const client = await following(pair);
    for (const megabits of [40, 20, 10, 5, 2]) {
      network.limit("alpha", megabits * 1_000_000);
      await writeSome(recorder, client, 256);
    }
    await sees(beta, /OutDated\[F/);
    for (let flap = 0; flap < 5; flap++) {
      network.part("alpha", "beta");
      await writeSome(recorder, client, 64);
      network.join("alpha", "beta");
      await writeSome(recorder, client, 64);
    }
    network.limit("alpha", undefined);
    await client.disconnect();
    await caughtUp(beta, alpha);
    assertSameDisks([alpha, beta], recorder);
  },
);

lineTest(
  "A host whose address has changed is connected again at once",
  async (pair) => {
    const { network, alpha, beta, recorder } = pair;
    for (const host of [alpha, beta]) {
      await host.end("SIGTERM");
      host.address = "0.0.0.0";
      host.start();
      await host.listening();
      // Longer than anybody waits here: silence alone would help nobody.
      await host.must("set-line-timeout", "600");
    }
    const client = await following(pair);
    // Nobody has told alpha yet where beta is now.
    const moved = `${network.move("beta", 7)}:${beta.port}`;
    await writeSome(recorder, client, 64);
    await caughtUp(beta, alpha);
    await beta.must("lowlevel-set-host-ip", "beta", moved);
    await alpha.waitLink("ips/ip-beta", (value) => value === moved);
    const address = `${network.move("alpha", 7)}:${alpha.port}`;
    await alpha.must("lowlevel-set-host-ip", "alpha", address);
    await writeSome(recorder, client, 64);
    await caughtUp(beta, alpha);
    await client.disconnect();
    assertSameDisks([alpha, beta], recorder);
  },
);
