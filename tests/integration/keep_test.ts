/** Real daemons: members that are behind, and what is kept for them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { BLOCK_BYTES, Recorder } from "../support/recorder.ts";
import { connect, copied, join } from "../support/replicas.ts";

const DISK_BYTES = 4 << 20;
const BLOCKS = DISK_BYTES / BLOCK_BYTES;

/** Alpha is primary of "r", beta and gamma have copies. */
class Trio {
  readonly alpha: Host;
  readonly beta: Host;
  readonly gamma: Host;
  readonly #recorder = new Recorder({ blockCount: BLOCKS, seed: 21 });

  constructor([alpha, beta, gamma]: readonly Host[]) {
    assert(alpha !== undefined && beta !== undefined && gamma !== undefined);
    this.alpha = alpha;
    this.beta = beta;
    this.gamma = gamma;
  }

  static async begin(hosts: Hosts): Promise<Trio> {
    const trio = new Trio(await hosts.cluster("alpha", "beta", "gamma"));
    const { alpha, beta, gamma } = trio;
    for (const host of [alpha, beta, gamma]) host.makeDisk(DISK_BYTES);
    await alpha.must("create-resource", "r", alpha.disk);
    for (const host of [beta, gamma]) await join(host);
    await trio.write();
    for (const host of [beta, gamma]) await trio.atEnd(host);
    return trio;
  }

  /** Fills some logs: after each of them the next one begins. */
  async write(logs = 1): Promise<void> {
    const { alpha } = this;
    const client = await connect(alpha);
    for (let log = 0; log < logs; log++) {
      for (let count = 0; count < 16; count++) {
        await this.#recorder.writeOne(client);
      }
      await client.flush();
      await alpha.must("log-rotate", "r");
      await waitFor("alpha to go on in it", () => {
        const [name, start, dirty] = position(alpha, "alpha");
        return name === newestLog(alpha) && start === "0" && dirty === "0";
      });
    }
    await client.disconnect();
  }

  /** Waits until a host has replayed everything, and alpha knows. */
  async atEnd(host: Host): Promise<void> {
    await waitFor(
      `${host.name} to be at the end`,
      () =>
        [host, this.alpha].every((at) =>
          String(position(at, host.name)) ===
            String(position(this.alpha, "alpha"))
        ),
    );
    assertEquals(
      Deno.readFileSync(host.disk),
      Deno.readFileSync(this.alpha.disk),
    );
  }
}

function position(at: Host, of: string): string[] {
  return at.link(`resource-r/replay-${of}`)?.split(",") ?? [];
}

/** Names of the logs that a host has. */
function logsOf(host: Host): string[] {
  return [...Deno.readDirSync(`${host.marsDir}/resource-r`)]
    .filter(({ name, isFile }) => isFile && name.startsWith("log-"))
    .map(({ name }) => name).sort();
}

function newestLog(host: Host): string | undefined {
  return logsOf(host).at(-1);
}

function message(host: Host, key: string): string {
  return `resource-r/actual-${host.name}/msg-${key}`;
}

Deno.test("A dead member loses its logs beyond the limit, and is copied anew", async () => {
  await using hosts = new Hosts();
  const trio = await Trio.begin(hosts);
  const { alpha, beta, gamma } = trio;
  await gamma.end("SIGKILL");
  await trio.write(3);
  await trio.atEnd(beta);
  await alpha.must("log-delete", "r", "--force");
  assertEquals(logsOf(alpha).length, 4, "kept for gamma");
  await alpha.must("set-keep-logs-size", "r", "400k");
  const warning = await alpha.waitLink(
    message(alpha, "wrn-logs-kept"),
    (value) => value.includes("keep-logs-size"),
  );
  assertStringIncludes(warning, '"gamma"');
  assertEquals(logsOf(alpha).length, 4, "not yet");
  await alpha.must("set-keep-logs-size", "r", "100k");
  for (const host of [alpha, beta]) {
    await waitFor(
      `${host.name} to give them up`,
      () => logsOf(host).length < 3,
    );
  }
  await alpha.waitLink(
    message(alpha, "err-logs-gone"),
    (value) => value.includes('"gamma"'),
  );
  assertStringIncludes(await alpha.must("view", "r"), "is gone everywhere");
  // Nothing is kept for gamma any more.
  await alpha.must("log-delete", "r", "--force");
  assertEquals(logsOf(alpha).length, 1);

  gamma.start();
  await gamma.listening();
  const before = Deno.readFileSync(gamma.disk);
  await gamma.waitLink(
    message(gamma, "err-log-lost"),
    (value) => value.includes("type invalidate r"),
  );
  assertStringIncludes(await gamma.must("view", "r"), "cannot go on");
  assertEquals(Deno.readFileSync(gamma.disk), before, "a state it once had");
  await alpha.must("set-global-auto-resync", "1");
  await gamma.waitLink(
    "resource-r/replay-gamma",
    (value) => value.startsWith(newestLog(alpha) ?? "nothing"),
  );
  await copied(gamma, DISK_BYTES);
  await trio.write();
  await trio.atEnd(gamma);
  await gamma.waitLink(
    message(gamma, "err-log-lost"),
    (value) => value === "OK",
  );
});

Deno.test("Any member serves logs; a paused one goes on with its own", async () => {
  await using hosts = new Hosts();
  const trio = await Trio.begin(hosts);
  const { alpha, beta, gamma } = trio;
  await gamma.must("pause-fetch", "r", "--timeout=30");
  await beta.must("pause-replay", "r", "--timeout=30");
  await trio.write(3);
  await waitFor(
    "beta to fetch",
    () => newestLog(beta) === newestLog(alpha) && logsOf(beta).length >= 4,
  );
  await beta.waitLink("resource-r/actual-beta/logs", (v) => v.endsWith("-5"));
  await alpha.must("log-delete", "r", "--force");
  // Alpha gives up what beta has fetched: beta is not lost, nor is gamma.
  await alpha.must("set-keep-logs-size", "r", "1");
  await waitFor("alpha to give them up", () => logsOf(alpha).length === 1);
  assertEquals(logsOf(beta).length >= 4, true);
  await alpha.end("SIGKILL");
  await gamma.must("resume-fetch", "r", "--timeout=30");
  await waitFor(
    "gamma to fetch from beta",
    () => position(gamma, "gamma")[0]?.startsWith("log-000000005-alpha"),
  );
  assertEquals(Deno.readFileSync(gamma.disk), Deno.readFileSync(alpha.disk));
  await beta.must("resume-replay", "r", "--timeout=30");
  await waitFor(
    "beta to go on with its own files",
    () => position(beta, "beta")[0]?.startsWith("log-000000005-alpha"),
  );
  assertEquals(Deno.readFileSync(beta.disk), Deno.readFileSync(alpha.disk));
});
