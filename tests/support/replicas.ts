/** A resource "r" of real hosts: written to, replicated, compared. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { equalBytes } from "../../src/base/bytes.ts";
import { MarsError } from "../../src/base/errors.ts";
import { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import { waitFor } from "./deadline.ts";
import type { Host, Hosts } from "./hosts.ts";
import type { Recorder } from "./recorder.ts";

export const DISK_BYTES = 16 * 1024 * 1024;
/** Prescribed by MARS. */
const STATUS_BLOCK_BYTES = 4096;
/** Blocks that a recorder may write. */
export const BLOCKS = 1024;

/** The device of a host, once its daemon serves it. */
export async function connect(host: Host, device = "r"): Promise<NbdClient> {
  let last: unknown;
  try {
    return await waitFor(`the device on ${host.name}`, async () => {
      try {
        return await NbdClient.connect(host.socket(device), device);
      } catch (error) {
        // Not there yet, or the socket of a daemon that died.
        last = error;
        return undefined;
      }
    });
  } catch (error) {
    throw new MarsError(`${error}: ${last}\n${lastTraces(host)}`);
  }
}

/** A resource "r" of all hosts, primary on the first one, copied. */
export async function resourceOf(
  hosts: readonly Host[],
  sizeBytes = DISK_BYTES,
): Promise<void> {
  for (const [index, host] of hosts.entries()) {
    const disk = host.makeDisk(sizeBytes);
    const command = index === 0 ? "create-resource" : "join-resource";
    await host.must(command, "r", disk, "--timeout=30");
  }
  // Everybody knows that everybody has copied.
  for (const host of hosts) {
    for (const { name } of hosts) await copied(host, sizeBytes, name);
  }
}

/** Alpha and beta, in a cluster, with a resource "r"; alpha is primary. */
export async function pairOf(hosts: Hosts): Promise<readonly [Host, Host]> {
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await resourceOf([alpha, beta]);
  return [alpha, beta];
}

/** Waits until `host` knows that `name`, or itself, has copied its disk. */
export async function copied(
  host: Host,
  sizeBytes = DISK_BYTES,
  name = host.name,
): Promise<void> {
  await host.waitLink(
    `resource-r/syncstatus-${name}`,
    (value) => value === String(sizeBytes),
  );
}

/** How much of the disk the last run of a copy has looked at. */
export function lookedAtBytes(host: Host): number {
  const counts = host.link(`resource-r/verifystatus-${host.name}`) ?? "0,0";
  const [equal = 0, different = 0] = counts.split(",").map(Number);
  return (equal + different) * STATUS_BLOCK_BYTES;
}

/** Joins with the disk that was made; resolves when the copy is complete. */
export async function join(host: Host): Promise<void> {
  await host.must("join-resource", "r", host.disk, "--timeout=30");
  await copied(host, Number(host.link("resource-r/size")));
}

function lastTraces(host: Host): string {
  return host.traces().split("\n").slice(-40).join("\n");
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
    const rests = [primary, host].map((each) => restOf(each, each.name));
    throw new MarsError(`${error}: ${rests.join(" / ")}\n${lastTraces(host)}`);
  }
}

/** Writes `count` random blocks, sixteen at a time, and makes them durable. */
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

/** Waits until all disks are equal, which they may be for good only at rest. */
export async function sameDisks(...hosts: readonly Host[]): Promise<void> {
  const names = hosts.map(({ name }) => name).join(", ");
  await waitFor(`equal disks of ${names}`, () => {
    const [first, ...others] = hosts.map(({ disk }) => Deno.readFileSync(disk));
    return first !== undefined &&
      others.every((other) => equalBytes(other, first));
  });
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
