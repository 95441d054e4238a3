/** Real daemons on lines that are limited, marked, or work one way only. */
import { assertMatch, assertStringIncludes } from "@std/assert";
import { Hosts, waitFor } from "../support/hosts.ts";
import { Recorder } from "../support/recorder.ts";
import {
  assertSameDisks,
  BLOCKS,
  caughtUp,
  connect,
  pairOf,
  writeSome,
} from "../support/replicas.ts";

Deno.test("Hosts go on when only one of them can dial the other", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  // Nobody listens there: from now on only beta can dial.
  await beta.must("lowlevel-set-host-ip", "beta", "127.0.0.1:1");
  await alpha.waitLink("ips/ip-beta", (value) => value === "127.0.0.1:1");
  const message = await alpha.waitLink(
    "actual-alpha/msg-wrn-dial-beta",
    (value) => value !== "OK",
  );
  assertStringIncludes(message, 'Connected by the line that "beta" has dialed');
  assertStringIncludes(await alpha.must("view"), "wrn-dial-beta");
  // Changes of alpha come to beta at once, and the other way round.
  await alpha.must("set-link", "one", "userspace/note");
  await beta.waitLink("userspace/note", (value) => value === "one");
  await beta.must("set-link", "two", "userspace/note");
  await alpha.waitLink("userspace/note", (value) => value === "two");
  // alpha has to fetch from whom it cannot dial.
  await beta.must("primary", "r", "--timeout=40");
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 1 });
  const client = await connect(beta);
  await writeSome(recorder, client, 200);
  await client.disconnect();
  await caughtUp(alpha, beta);
  assertSameDisks([alpha, beta], recorder);
});

Deno.test("Lines compress where the cluster allows it", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await alpha.must("set-global-enabled-net-compressions", "COMPRESS_ZSTD");
  await beta.must("pause-fetch", "r");
  await beta.waitLink("resource-r/actual-beta/is-copying", (v) => v === "0");
  const client = await connect(alpha);
  const megabyte = new Uint8Array(1024 * 1024).fill(0x61);
  for (let at = 0; at < 8; at++) await client.write(at * 1024 * 1024, megabyte);
  await client.disconnect();
  await alpha.must("set-send-limit", "log", "100K");
  await alpha.waitLink(
    "actual-alpha/used-net-compression",
    (value) => value === String(0x800_0000),
  );
  // Without compression this would take a minute and a half, and be given up.
  await beta.must("resume-fetch", "r");
  await caughtUp(beta, alpha);
  assertStringIncludes(
    await alpha.must("view-used-net-compression"),
    "COMPRESS_ZSTD",
  );
});

Deno.test("Limits and marks of lines are kept, and seen in the view", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await pairOf(hosts);
  await alpha.must("set-send-limit", "log", "64K");
  await alpha.must("set-ip-tos", "log", "af21");
  const recorder = new Recorder({ blockCount: BLOCKS, seed: 2 });
  const client = await connect(alpha);
  await writeSome(recorder, client, 60);
  await client.disconnect();
  await alpha.waitLink(
    "actual-alpha/traffic-beta",
    (value) => /^log [1-9]\d*\/64 \d+\/-$/.test(value),
  );
  assertMatch(
    await alpha.must("view"),
    /TRAFFIC.*\n\s*beta log: sends \S+ \S+ of 64.000 KiB\/s/,
  );
  await caughtUp(beta, alpha);
  assertSameDisks([alpha, beta], recorder);
  await waitFor("the mark on packets", async () => {
    const { stdout } = await new Deno.Command("ss", {
      args: ["-tn", "--tos", "sport", `= :${alpha.port}`],
    }).output();
    const text = new TextDecoder().decode(stdout);
    return text.includes("tos:0x48") && text.includes("tos:0x40");
  });
});
