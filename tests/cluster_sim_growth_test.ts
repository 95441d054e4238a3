/**
 * Growth that went wrong, in simulated clusters: a host that is to be primary
 * has not all of the device, as its links say. It leads by itself if it can,
 * else what its message says helps.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { linkPath } from "../src/tree/path.ts";
import { viewOf } from "./sim/cluster_checks.ts";
import { ClusterWorld } from "./sim/cluster_world.ts";
import type { SimHost } from "./sim/host.ts";
import { CELL_BYTES, DISK, DISK_BYTES, RESOURCE } from "./sim/records.ts";
import { Violation } from "./sim/truth.ts";

const SIZE = linkPath.size(RESOURCE);
const PRIMARY = linkPath.primary(RESOURCE);
const GROWN = DISK_BYTES + CELL_BYTES;
const SEEDS = 4;
const TURN_MS = 250;
/** Nothing but what the script does happens; long enough for all of them. */
const SCRIPT_MS = 30_000;

type Script = (world: ClusterWorld, hosts: readonly SimHost[]) => Promise<void>;

/** Lets clusters live through `script`, then all must come right. */
async function play(script: Script): Promise<void> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    let isOver = false;
    let wasPlayed = false;
    await ClusterWorld.run({
      seed,
      onWorld: (world) => {
        const { end } = world.chaos;
        world.chaos = {
          durationMs: SCRIPT_MS,
          pauseMs: () => TURN_MS,
          act: () => {
            if (wasPlayed) return;
            wasPlayed = true;
            world.time.spawn(
              script(world, world.hosts).then(() => isOver = true),
            );
          },
          end,
        };
      },
    });
    assertEquals(isOver, true);
  }
}

function growDisks(hosts: readonly SimHost[]): void {
  for (const { files } of hosts) files.disk(DISK)?.grow(GROWN);
}

async function until(world: ClusterWorld, isSo: () => boolean): Promise<void> {
  for (let left = 80; left > 0; left--) {
    if (isSo()) return;
    await world.time.sleep(TURN_MS);
  }
  throw new Violation("it does not come to that");
}

async function must(
  world: ClusterWorld,
  host: SimHost,
  ...words: string[]
): Promise<void> {
  const error = await world.typeAndWait(host, ...words, "--timeout=20");
  if (error !== undefined) throw new Violation(`${words.join(" ")}: ${error}`);
}

/** What is said of why no copy begins. */
function told(host: SimHost): string {
  const path = linkPath.actual(RESOURCE, host.name, "msg-inf-sync-start");
  return host.look().value(path) ?? "";
}

Deno.test("A primary leads again that stopped before it said that it has grown", async () => {
  await play(async (world, [alpha, beta]) => {
    if (alpha === undefined || beta === undefined) return;
    growDisks(world.hosts);
    const path = linkPath.syncStatus(RESOURCE, alpha.name);
    let wasCut = false;
    const { onLink } = alpha.files;
    alpha.files.onLink = (changed, value, stampNs) => {
      onLink(changed, value, stampNs);
      if (changed !== path || value !== String(GROWN) || wasCut) return;
      wasCut = true;
      // The power takes it back, and nobody has heard of it.
      world.time.after(0, () => {
        alpha.cutPower();
        world.watch.onPowerLoss(alpha);
        alpha.writeLinks({ [path]: String(DISK_BYTES), [SIZE]: String(GROWN) });
      });
    };
    beta.writeLinks({ [SIZE]: String(GROWN) });
    await until(world, () => wasCut && !alpha.isRunning);
    alpha.start();
    await until(world, () => alpha.worker(RESOURCE)?.isServing === true);
    assertEquals(viewOf(alpha, RESOURCE).own?.syncedBytes, GROWN);
  });
});

Deno.test("Where no copy is complete, what the designated primary says helps", async () => {
  await play(async (world, [alpha, beta]) => {
    if (alpha === undefined || beta === undefined) return;
    await must(world, alpha, "secondary", RESOURCE);
    await until(world, () => beta.worker(RESOURCE)?.isServing !== true);
    growDisks(world.hosts);
    // By hand: no command would do either.
    beta.writeLinks({ [SIZE]: String(GROWN), [PRIMARY]: beta.name });
    await until(world, () => told(beta).includes("no copy is complete"));
    assertStringIncludes(
      told(beta),
      "secondary r, fake-sync r, primary r --ignore-sync",
    );
    await must(world, beta, "secondary", RESOURCE);
    await must(world, beta, "fake-sync", RESOURCE);
    await must(world, beta, "primary", RESOURCE, "--ignore-sync");
    await must(world, beta, "resume-sync", RESOURCE);
  });
});

Deno.test("A size that no disk of the primary has can be taken back", async () => {
  await play(async (world, [alpha, beta]) => {
    if (alpha === undefined || beta === undefined) return;
    beta.writeLinks({ [SIZE]: String(GROWN) });
    await until(world, () => viewOf(alpha, RESOURCE).sizeBytes === GROWN);
    alpha.kill();
    alpha.start();
    await until(world, () => told(alpha).includes("has grown to"));
    assertStringIncludes(
      told(alpha),
      `type set-link ${SIZE} ${DISK_BYTES} --force`,
    );
    await must(world, alpha, "set-link", SIZE, String(DISK_BYTES), "--force");
    await until(world, () => alpha.worker(RESOURCE)?.isServing === true);
  });
});
