/** A resource "r" of real hosts: written to, replicated, compared. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import { waitFor } from "./deadline.ts";
import type { Host } from "./hosts.ts";
import type { Recorder } from "./recorder.ts";

export const DISK_BYTES = 16 * 1024 * 1024;
/** Blocks that a recorder may write. */
export const BLOCKS = 1024;

export async function connect(host: Host): Promise<NbdClient> {
  return await waitFor(`the device on ${host.name}`, async () => {
    try {
      return await NbdClient.connect(host.socket("r"), "r");
    } catch {
      return undefined; // Not there yet.
    }
  });
}

/** A copy is complete first, and consistent when replay has passed it. */
export async function consistent(host: Host): Promise<void> {
  await waitFor(`${host.name} to be consistent`, async () => {
    const answer = await host.must("view-is-consistent", "r");
    return answer.trim() === "1";
  });
}

/** A resource "r" of all hosts, primary on the first one, copied. */
export async function resourceOf(hosts: readonly Host[]): Promise<void> {
  for (const [index, host] of hosts.entries()) {
    const disk = host.makeDisk(DISK_BYTES);
    const command = index === 0 ? "create-resource" : "join-resource";
    await host.must(command, "r", disk, "--timeout=30");
  }
  // Everybody knows that everybody has copied.
  for (const host of hosts) {
    for (const { name } of hosts) {
      await host.waitLink(
        `resource-r/syncstatus-${name}`,
        (value) => value === String(DISK_BYTES),
      );
    }
  }
  for (const host of hosts) await consistent(host);
}

/** Where a host is; undefined while it has something left to do. */
function restOf(of: Host, name: string): string | undefined {
  const replay = of.link(`resource-r/replay-${name}`) ?? "";
  const [log = "", startBytes = "", dirtyBytes = ""] = replay.split(",");
  const sequence = log.split("-")[1] ?? "";
  const version = of.link(`resource-r/version-${sequence}-${name}`) ?? "";
  const logs = [...Deno.readDirSync(`${of.marsDir}/resource-r`)]
    .filter((entry) => entry.isFile).map((entry) => entry.name).sort();
  if (logs.at(-1) !== log || dirtyBytes !== "0") return undefined;
  const size = Deno.statSync(`${of.marsDir}/resource-r/${log}`).size;
  const isAtEnd = startBytes === String(size);
  return isAtEnd ? `${replay} ${version}` : undefined;
}

/** Waits until `host` has replayed everything that `primary` has logged. */
export async function caughtUp(host: Host, primary: Host): Promise<void> {
  try {
    await waitFor(`${host.name} to catch up`, () => {
      const goal = restOf(primary, primary.name);
      return goal !== undefined && goal === restOf(host, host.name);
    });
  } catch (error) {
    throw new Error(
      `${error}: ${restOf(primary, primary.name)} / ${
        restOf(host, host.name)
      }\n${host.traces().split("\n").slice(-30).join("\n")}`,
    );
  }
}

export async function writeSome(
  recorder: Recorder,
  client: NbdClient,
  count: number,
): Promise<void> {
  for (let left = count; left > 0; left -= 16) {
    await Promise.all(
      Array.from({ length: 16 }, () => recorder.writeOne(client)),
    );
  }
  await client.flush();
}

export function assertSameDisks(
  hosts: readonly Host[],
  recorder: Recorder,
): void {
  const [first, ...others] = hosts.map((host) => Deno.readFileSync(host.disk));
  assert(first !== undefined);
  recorder.check(first.subarray(0, recorder.sizeBytes));
  for (const other of others) assertEquals(other, first);
}

/** Waits until `view` of a host says something. */
export async function sees(host: Host, text: RegExp): Promise<void> {
  let view = "";
  try {
    await waitFor("a text in view", async () => {
      const { stdout, stderr } = await host.run("view", "all");
      view = stdout + stderr;
      return text.test(view);
    });
  } catch {
    assertMatch(view, text);
  }
}
