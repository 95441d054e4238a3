/** A daemon that is told to end does so, whatever runs. */
import { assert, assertEquals } from "@std/assert";
import { Hosts } from "../support/hosts.ts";
import { Recorder } from "../support/recorder.ts";
import { connect } from "../support/replicas.ts";

const DISK_BYTES = 16 * 1024 * 1024;
const ROUNDS = 10;

Deno.test("SIGTERM ends a daemon, idle or under load, and loses nothing", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await alpha.must("create-resource", "r", alpha.makeDisk(DISK_BYTES));
  await beta.must("join-resource", "r", beta.makeDisk(DISK_BYTES));
  await beta.waitLink("resource-r/syncstatus-beta", (value) => value !== "0");
  const recorder = new Recorder({ blockCount: 256, seed: 1 });
  for (let round = 0; round < ROUNDS; round++) {
    const client = await connect(alpha);
    recorder.check(await client.read(0, recorder.sizeBytes));
    const writing = round % 2 === 0
      ? recorder.writeUntilLost(client, 4)
      : client.disconnect();
    await new Promise((resolve) => setTimeout(resolve, 30 * (round % 5)));
    const ends = await Promise.all([
      alpha.end("SIGTERM"),
      beta.end("SIGTERM"),
    ]);
    assertEquals(ends.map((status) => status?.code), [0, 0], alpha.traces());
    await writing;
    alpha.start();
    beta.start();
  }
});
