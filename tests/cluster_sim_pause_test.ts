/**
 * Simulated clusters in which fetch is switched on and off all the time, while
 * everything else happens as ever. When a pause has returned well, no byte of
 * another host's log arrives any more, and none that is here is applied further
 * when it was replay that was paused, until somebody switches it on again.
 */
import { assert } from "@std/assert";
import { logFileName } from "../src/base/names.ts";
import { parseReplay } from "../src/tree/values.ts";
import { linkPath } from "../src/tree/path.ts";
import { ClusterWorld } from "./sim/cluster_world.ts";
import type { SimHost } from "./sim/host.ts";
import { Random } from "./sim/random.ts";
import { RESOURCE } from "./sim/records.ts";

const SEEDS = 30;
const FIRST_SEED = 92_000;
const LOOK_MS = 400;
/** Virtual time between a resume and the pause behind it, at most. */
const GAP_MS_MAX = 120;
const WATCH_MS = 600;
const STEP_MS = 5;

interface Switch {
  readonly word: "fetch" | "replay";
  readonly link: string;
  /** By log, how far it is. */
  readonly reached: (host: SimHost) => Map<string, number>;
}

const SWITCHES: readonly Switch[] = [
  {
    word: "fetch",
    link: "connect",
    reached: (host) =>
      new Map(
        host.files.listLogs(linkPath.resource(RESOURCE))
          .filter(({ log }) => log.host !== host.name)
          .map(({ log, sizeBytes }) => [logFileName(log), sizeBytes]),
      ),
  },
  {
    word: "replay",
    link: "allow-replay",
    reached: (host) => {
      const path = linkPath.replay(RESOURCE, host.name);
      const at = parseReplay(host.look().value(path) ?? "");
      return new Map(at && [[logFileName(at.log), at.startBytes]]);
    },
  },
];

/** Switches on and off again; then looks until somebody does something. */
async function pause(
  world: ClusterWorld,
  host: SimHost,
  random: Random,
  { word, link, reached }: Switch,
): Promise<boolean> {
  await world.typeAndWait(host, `resume-${word}`, RESOURCE);
  await world.time.sleep(random.below(GAP_MS_MAX));
  const error = await world.typeAndWait(host, `pause-${word}`, RESOURCE);
  const path = linkPath.todo(RESOURCE, host.name, link);
  const stampNs = host.look().stampNs(path);
  const isAlone = (): boolean =>
    host.isRunning && host.commands.length === 0 &&
    host.look().value(path) === "0" && host.look().stampNs(path) === stampNs &&
    // Recovery asks no switch, and a cut is no transfer.
    host.look().value(linkPath.primary(RESOURCE)) !== host.name;
  if (error !== undefined || !isAlone()) return false;
  const before = reached(host);
  for (let leftMs = WATCH_MS; leftMs > 0; leftMs -= STEP_MS) {
    await world.time.sleep(STEP_MS);
    if (!isAlone()) break;
    for (const [log, bytes] of reached(host)) {
      const limit = before.get(log) ?? 0;
      assert(
        bytes <= limit,
        `${host.name} ${word} at ${world.time.nowMs}: ${log} ${limit} -> ${bytes}`,
      );
    }
  }
  return true;
}

Deno.test("What was paused stands still in simulated clusters", async () => {
  let doneCount = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const random = new Random(seed);
    const look = (world: ClusterWorld): void => {
      world.time.after(LOOK_MS, () => look(world));
      if (!world.isChaos) return;
      for (const host of world.hosts) {
        const isFree = host.isRunning && host.commands.length === 0;
        if (!isFree || !random.chance(0.5)) continue;
        const row = SWITCHES[random.below(SWITCHES.length)];
        if (row === undefined) continue;
        world.track(
          pause(world, host, random, row).then((isDone) => {
            if (isDone) doneCount++;
          }),
        );
      }
    };
    await ClusterWorld.run({ seed, onWorld: look });
  }
  assert(doneCount > SEEDS, `only ${doneCount} pauses were watched`);
});
