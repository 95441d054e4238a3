/**
 * A rolling upgrade: hosts of the build that was released last and of this one
 * in one cluster. What they have in common is negotiated, so they join,
 * replicate and hand over in both directions, and a host may go from the one
 * to the other and back with its tree and its logs.
 */
import { assert, assertEquals } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { BLOCK_BYTES, Recorder } from "../support/recorder.ts";
import { releasedMain } from "../support/released.ts";
import { connect, join, sameDisks } from "../support/replicas.ts";

const DISK_BYTES = 2 << 20;

const released = await releasedMain();
if (released.kind === "none") {
  // deno-lint-ignore no-console -- the reason why a test is skipped
  console.log(`Skipped: rolling upgrade: ${released.reason}`);
}

/** Writes on `host`; the device is closed when it resolves. */
async function write(host: Host, recorder: Recorder): Promise<void> {
  const client = await connect(host);
  recorder.check(await client.read(0, recorder.sizeBytes));
  for (let count = 0; count < 64; count++) await recorder.writeOne(client);
  await client.flush();
  await client.disconnect();
}

/**
 * Makes a host of the released build primary. That refuses as long as it has
 * not heard that a client of the other one is gone.
 */
async function insist(host: Host): Promise<void> {
  await waitFor(`${host.name} to be primary`, async () => {
    const { code, stderr } = await host.run("primary", "r", "--timeout=30");
    if (code !== 0 && code !== 3) throw new Error(stderr);
    return code === 0;
  });
}

/** Goes on with another program, on the same directories. */
async function change(host: Host, program: string): Promise<void> {
  const status = await host.end("SIGTERM");
  assertEquals(status?.code, 0, host.traces().slice(-2000));
  host.program = program;
  host.start();
  await host.listening();
}

Deno.test({
  name: "Hosts of the released build and of this one work together",
  ignore: released.kind === "none",
  fn: async () => {
    assert(released.kind === "main");
    await using hosts = new Hosts();
    const [alpha, beta] = [hosts.add("alpha"), hosts.add("beta")];
    const current = beta.program;
    alpha.program = released.path;
    // This build joins the cluster of the released one, and copies from it.
    await hosts.unite([alpha, beta]);
    for (const host of [alpha, beta]) host.makeDisk(DISK_BYTES);
    await alpha.must("create-resource", "r", alpha.disk);
    const blockCount = DISK_BYTES / BLOCK_BYTES;
    const recorder = new Recorder({ blockCount, seed: 21 });
    await write(alpha, recorder);
    await join(beta);
    await write(alpha, recorder);
    await sameDisks(alpha, beta);
    // It takes over, and gives back.
    await beta.must("primary", "r", "--timeout=30");
    await write(beta, recorder);
    await sameDisks(alpha, beta);
    await insist(alpha);
    await write(alpha, recorder);
    await beta.must("primary", "r", "--timeout=30");
    await write(beta, recorder);
    // The released build copies from this one.
    await alpha.must("down", "r", "--timeout=30");
    await alpha.must("leave-resource", "r", "--timeout=30");
    await join(alpha);
    await write(beta, recorder);
    await sameDisks(alpha, beta);
    // The hosts change places: upgrade here, way back there.
    await change(alpha, current);
    await change(beta, released.path);
    await write(beta, recorder);
    await sameDisks(alpha, beta);
    await alpha.must("primary", "r", "--timeout=30");
    await write(alpha, recorder);
    await sameDisks(alpha, beta);
  },
});
