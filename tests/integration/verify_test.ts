/** Real daemons: a disk is compared while it is in use. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Host, Hosts } from "../support/hosts.ts";
import {
  assertSameDisks,
  BLOCKS,
  caughtUp,
  connect,
  DISK_BYTES,
  pairOf,
  writeSome,
} from "../support/replicas.ts";
import { Recorder } from "../support/recorder.ts";

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;
const STATE = "resource-r/actual-beta/verify";

/** Changes bytes of a disk, and nobody is told. */
function corrupt(host: Host, offsets: readonly number[]): void {
  using file = Deno.openSync(host.disk, { read: true, write: true });
  for (const offsetBytes of offsets) {
    file.seekSync(offsetBytes, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array([1, 2, 3]));
  }
}

/** Asks for a verification and waits until it is done. */
async function verified(host: Host, ...words: string[]): Promise<string[]> {
  const before = host.link(STATE);
  await host.must("verify", "r", ...words);
  const state = await host.waitLink(
    STATE,
    (value) => value !== before && value.split(",")[1] === "done",
  );
  return state.split(",").slice(4);
}

Deno.test("verify finds what is wrong with a disk in use, and repairs it", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 21 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 200);
  let isLoaded = true;
  const load = (async () => {
    while (isLoaded) await writeSome(recorder, client, 32);
  })();
  const size = String(DISK_BYTES);
  assertEquals(await verified(beta), [size, size, "0", "0"]);
  assert(beta.link("resource-r/actual-beta/verified") !== undefined);

  // Behind what is written meanwhile, so that nothing mends it by chance.
  corrupt(beta, [5 * MIB + 17, 5 * MIB + PAGE_BYTES, 12 * MIB]);
  const wrongBytes = String(3 * PAGE_BYTES);
  const proven = beta.link("resource-r/actual-beta/verified");
  assertEquals(await verified(beta), [size, size, wrongBytes, "0"]);
  assertEquals(
    beta.link("resource-r/actual-beta/verify-differs"),
    `${5 * MIB}+${2 * PAGE_BYTES} ${12 * MIB}+${PAGE_BYTES}`,
  );
  assertEquals(beta.link("resource-r/actual-beta/verified"), proven);
  const message = await alpha.waitLink(
    "resource-r/actual-beta/msg-err-verify",
    (value) => value !== "OK",
  );
  assertStringIncludes(message, `${wrongBytes} bytes of the disk differ`);

  assertEquals(
    await verified(beta, "--repair"),
    [size, size, wrongBytes, wrongBytes],
  );
  await beta.waitLink(
    "resource-r/actual-beta/verified",
    (value) => value !== proven,
  );
  assertStringIncludes(await beta.must("view", "r"), "verified: all was equal");
  isLoaded = false;
  await load;
  await client.disconnect();
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
});

Deno.test("verify waits for replay, goes on after a restart, can be canceled", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  const refused = await alpha.run("verify", "r");
  assertEquals(refused.code, 3);
  assertStringIncludes(refused.stderr, 'name one of "beta"');
  await beta.must("pause-replay", "r");
  await beta.must("verify", "r");
  const waiting = "resource-r/actual-beta/msg-inf-verify";
  const text = await beta.waitLink(waiting, (value) => value !== "OK");
  assertStringIncludes(text, "replay is switched off");
  await beta.must("verify", "r", "--cancel");
  await beta.must("resume-replay", "r");
  // Asked for by the other host.
  await beta.end("SIGKILL");
  await alpha.must("verify", "r", "beta");
  beta.start();
  const state = await beta.waitLink(
    STATE,
    (value) => value.split(",")[1] === "done",
  );
  assertEquals(state.split(",")[2], "alpha");
});
