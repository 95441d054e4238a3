/**
 * Growth: does anything pile up in a simulated cluster that lives on?
 *
 * Each rest is a sample (see `cluster_rest.ts`): everything is repaired and
 * tidied up then, so that all of them show the same cluster with nothing to do.
 * What is more than at first was left behind by something; see `soak/trend.ts`
 * for how much more it must be.
 */
import { type Measure, trendOf } from "../soak/trend.ts";
import { linkPath } from "../../src/tree/path.ts";
import { TOMBSTONE } from "../../src/tree/values.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import { RESOURCE } from "./records.ts";
import { Violation } from "./truth.ts";

/** How much is tolerated; messages come and go, and so do members' lines. */
const MEASURES = {
  links: steady("links of a host", 20),
  tombstones: steady("tombstones of a host", 20),
  logs: steady("logs of a host", 3),
  files: steady("open files", 6),
  lines: steady("lines", 6),
  events: steady("timers and events", 30),
  memory: { ...steady("memory", 8), unit: "MB", share: 0.1 },
} as const satisfies Record<string, Measure>;

/** Fewer rests say nothing. */
export const RESTS_MIN = 20;

function steady(name: string, slack: number): Measure {
  return { name, unit: "", kind: "steady", share: 0, slack };
}

type Sample = Readonly<Record<keyof typeof MEASURES, number>>;

export class Growth {
  readonly #samples: Sample[] = [];

  /** For `WorldOptions.onRest`. */
  readonly look = (world: ClusterWorld): void => {
    const { hosts, network, time } = world;
    const most = (count: (host: ClusterWorld["hosts"][number]) => number) =>
      Math.max(...hosts.map(count));
    const links = (isTombstone: boolean) =>
      most((host) =>
        [...host.look().all()]
          .filter(({ value }) => (value === TOMBSTONE) === isTombstone).length
      );
    this.#samples.push({
      links: links(false),
      tombstones: links(true),
      logs: most(({ files }) =>
        files.listLogs(linkPath.resource(RESOURCE)).length
      ),
      files: hosts.reduce((sum, { files }) => sum + files.openCount, 0),
      lines: network.lineCount,
      events: time.pendingCount,
      memory: memoryMb(),
    });
  };

  /** A line per measure: how much in the beginning, how much in the end. */
  report(): string[] {
    return this.#trends().map(({ name, unit, first, last }) =>
      `${name} ${first} -> ${last}${unit === "" ? "" : ` ${unit}`}`
    );
  }

  /** @throws Violation if anything grows, or there is too little to say */
  check(): void {
    if (this.#samples.length < RESTS_MIN) {
      throw new Violation(`${this.#samples.length} samples are too few`);
    }
    for (const { name, first, last, limit, isGrowing } of this.#trends()) {
      if (!isGrowing) continue;
      throw new Violation(`${name} grow from ${first} to ${last} (${limit})`);
    }
  }

  #trends() {
    return Object.entries(MEASURES).map(([key, measure]) => {
      const values = this.#samples.map((sample) =>
        Object.entries(sample).find(([name]) => name === key)?.[1] ?? 0
      );
      return { ...measure, ...trendOf(values, measure) };
    });
  }
}

/**
 * What is reachable, in megabytes; 0 unless the engine collects garbage on
 * demand, for what it has not collected says nothing.
 */
function memoryMb(): number {
  const collect: unknown = Reflect.get(globalThis, "gc");
  if (typeof collect !== "function") return 0;
  collect();
  return Math.round(Deno.memoryUsage().heapUsed / 100_000) / 10;
}
