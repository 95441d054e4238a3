/** The daemon may die at any moment: nothing acknowledged is lost. */
import { assert, assertEquals } from "@std/assert";
import { Hosts } from "../support/hosts.ts";
import { randomOf, Recorder } from "../support/recorder.ts";
import { connect } from "../support/replicas.ts";

const CYCLES = 100;
const BLOCKS = 512;
const DISK_BYTES = 16 * 1024 * 1024;
const LIFE_MS_MAX = 120;

for (const level of ["flush", "durable"]) {
  Deno.test(`kill -9 of the daemon loses nothing acknowledged (${level})`, async () => {
    await using hosts = new Hosts();
    const [host] = await hosts.cluster("alpha");
    assert(host !== undefined);
    const disk = host.makeDisk(DISK_BYTES);
    await host.must("create-resource", "r", disk, `--acknowledge=${level}`);
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = randomOf(seed);
    const recorder = new Recorder({ blockCount: BLOCKS, seed });
    for (let cycle = 0; cycle < CYCLES / 2; cycle++) {
      const client = await connect(host);
      recorder.check(await client.read(0, recorder.sizeBytes));
      const writing = recorder.writeUntilLost(client, 1 + cycle % 16);
      await new Promise((resolve) =>
        setTimeout(resolve, random() * LIFE_MS_MAX)
      );
      await host.end("SIGKILL");
      await writing;
      host.start();
    }
    const client = await connect(host);
    const last = await client.read(0, recorder.sizeBytes);
    recorder.check(last);
    assert(recorder.acknowledgedCount > CYCLES, "The writer did write");
    await client.disconnect();
    await host.must("down", "r", "--timeout=30");
    const bytes = await Deno.readFile(disk);
    recorder.check(bytes.subarray(0, recorder.sizeBytes));
    assertEquals(bytes.subarray(0, last.length), last);
  });
}
