/**
 * Real daemons: a resource is deleted and made again under its name, while a
 * member of the old one is away with links and logs of it.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { BLOCK_BYTES, Recorder } from "../support/recorder.ts";
import { connect, join } from "../support/replicas.ts";

const DISK_BYTES = 2 << 20;
const BLOCKS = DISK_BYTES / BLOCK_BYTES;

async function fill(host: Host, seed: number): Promise<void> {
  const recorder = new Recorder({ blockCount: BLOCKS, seed });
  const client = await connect(host);
  for (let count = 0; count < 64; count++) await recorder.writeOne(client);
  await client.flush();
  await client.disconnect();
}

/** What is told of a host below the resource, without tombstones. */
function linksOf(name: string, at: Host): string[] {
  const links: string[] = [];
  const visit = (directory: string): void => {
    for (const entry of Deno.readDirSync(`${at.marsDir}/${directory}`)) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory) visit(path);
      const isLink = entry.isSymlink && at.link(path) !== ".deleted";
      if (isLink && path.includes(name)) links.push(path);
    }
  };
  visit("resource-r");
  return links;
}

function filesOf(host: Host): string[] {
  return [...Deno.readDirSync(`${host.marsDir}/resource-r`)]
    .filter(({ isFile }) => isFile).map(({ name }) => name);
}

Deno.test("Links and logs of an earlier resource of the name do no harm", async () => {
  await using hosts = new Hosts();
  const [alpha, gamma] = await hosts.cluster("alpha", "gamma");
  assert(alpha !== undefined && gamma !== undefined);
  for (const host of [alpha, gamma]) host.makeDisk(DISK_BYTES);
  await alpha.must("create-resource", "r", alpha.disk);
  await fill(alpha, 41);
  await join(gamma);
  await fill(alpha, 42);
  await waitFor(
    "gamma to follow",
    () =>
      gamma.link("resource-r/replay-gamma") ===
        alpha.link("resource-r/replay-alpha"),
  );
  await gamma.end("SIGKILL");
  const stale = Deno.readFileSync(gamma.disk);

  await alpha.must("leave-resource", "r", "--host=gamma", "--force");
  await alpha.must("secondary", "r", "--timeout=30");
  await alpha.must("down", "r", "--timeout=30");
  await alpha.must("leave-resource", "r", "--timeout=30");
  await alpha.must("delete-resource", "r");
  Deno.writeFileSync(alpha.disk, new Uint8Array(DISK_BYTES).fill(9));
  await alpha.must("create-resource", "r", alpha.disk, "--timeout=30");
  await fill(alpha, 43);

  gamma.start();
  await gamma.listening();
  await waitFor(
    "gamma to hear of the new one",
    () =>
      gamma.link("resource-r/maxnr") === alpha.link("resource-r/maxnr") &&
      gamma.link("resource-r/data-gamma") === ".deleted",
  );
  await waitFor(
    "gamma to say nothing of it any more",
    () =>
      linksOf("gamma", alpha).length === 0 &&
      linksOf("gamma", gamma).length === 0,
  ).catch((error) => {
    throw new Error(
      `${error}: ${linksOf("gamma", alpha)} / ${linksOf("gamma", gamma)}`,
    );
  });
  assertEquals(Deno.readFileSync(gamma.disk), stale, "not touched");
  await alpha.must("cron");
  await alpha.must("log-rotate", "r");
  await waitFor(
    "alpha to go on",
    () => alpha.link("resource-r/replay-alpha")?.includes("2-alpha,0,0"),
  );
  await alpha.must("log-delete", "r", "--force");
  assertEquals(
    filesOf(alpha).filter((name) => name.startsWith("log-")).length,
    1,
    "gamma's old position keeps no log",
  );
  await waitFor(
    "gamma to be told of its logs",
    () => gamma.link("actual-gamma/msg-wrn-logs-left")?.includes(" log"),
  );
  const view = await gamma.must("view");
  assertStringIncludes(view, "type: mars leave-resource r");
  await gamma.must("leave-resource", "r");
  assertEquals(filesOf(gamma), []);
  await gamma.must("cron");
  await join(gamma);
  await fill(alpha, 44);
  await waitFor(
    "gamma to follow again",
    () =>
      gamma.link("resource-r/replay-gamma") ===
        alpha.link("resource-r/replay-alpha"),
  );
  assertEquals(Deno.readFileSync(gamma.disk), Deno.readFileSync(alpha.disk));
  assertEquals(gamma.link("resource-r/actual-gamma/lost-log"), "0");
});
