/**
 * Soak: `make soak`, ten real minutes, or SOAK_MINUTES=n.
 *
 * Three real daemons on this machine and one resource. Somebody writes all the
 * time; every few seconds something happens that happens in the life of a
 * cluster: a handover, lines that are cut, a rotation, the deletion of logs,
 * switches, looking; with SOAK_COPIES=1 also copies and comparisons of disks.
 * Meanwhile memory, open files, threads, links and files are sampled; none of
 * them may grow, see `trend.ts`. In the end all disks must be equal and hold what
 * was acknowledged.
 *
 * The engine lets the part of its heap where objects are born grow in steps from
 * 1 to 60 MB as long as there is something to do, and gives it back when it
 * likes: by that a daemon varies between 170 and 240 MB, whatever it keeps. So
 * that what is kept can be seen, this part has a fixed size here, by a variable
 * in the environment; all else is as always.
 *
 * Exit code 1 if anything grows, or is lost. SOAK_SAMPLES=file keeps all that
 * was measured, as JSON; SOAK_SEED=n repeats what happens.
 */
// A program for the terminal.
// deno-lint-ignore-file no-console
import { MarsError, messageOf } from "../../src/base/errors.ts";
import { MS_PER_S } from "../../src/base/time.ts";
import type { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import { type Host, Hosts } from "../support/hosts.ts";
import { randomOf, Recorder } from "../support/recorder.ts";
import { Relay } from "../support/relay.ts";
import {
  assertSameDisks,
  BLOCKS,
  caughtUp,
  connect,
  DISK_BYTES,
  resourceOf,
} from "../support/replicas.ts";
import { type Sample, sampleOf } from "./sampler.ts";
import {
  type MeasureName,
  MEASURES,
  SAMPLES_MIN,
  type Trend,
  trendOf,
} from "./trend.ts";

const MINUTES = Number(Deno.env.get("SOAK_MINUTES") ?? 10);
const SEED = Number(Deno.env.get("SOAK_SEED") ?? Date.now() % 1_000_000);
const SAMPLE_MS = 2 * MS_PER_S;
/** Between two events; a command takes about as long. */
const EVENT_MS = 1_500;
const CUT_MS = 2 * MS_PER_S;
const DEPTH = 4;
/** Between two writes of one lane: a load, not a race. */
const WRITE_PAUSE_MS = 5;

/** Their buffers let memory vary by 60 MB, more than a leak is allowed. */
const WITH_COPIES = Deno.env.get("SOAK_COPIES") === "1";

const ENGINE = {
  DENO_V8_FLAGS: "--min-semi-space-size=4,--max-semi-space-size=4",
};

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/** Writes all the time to whoever is primary. */
class Load {
  readonly recorder = new Recorder({ blockCount: BLOCKS, seed: SEED });
  #client: NbdClient | undefined;
  #lanes: Promise<void>[] = [];
  #isOn = false;

  async begin(host: Host): Promise<void> {
    const client = await connect(host);
    this.#client = client;
    this.#isOn = true;
    this.#lanes = Array.from({ length: DEPTH }, () => this.#write(client));
  }

  /** Closes the device, if it is open; whatever was written is flushed. */
  async end(): Promise<void> {
    this.#isOn = false;
    await Promise.all(this.#lanes);
    await this.#client?.flush();
    await this.#client?.disconnect();
    this.#client = undefined;
  }

  async #write(client: NbdClient): Promise<void> {
    while (this.#isOn) {
      await this.recorder.writeOne(client);
      await pause(WRITE_PAUSE_MS);
    }
  }
}

class Soak {
  readonly load = new Load();
  readonly samples = new Map<string, Sample[]>();
  readonly counts = new Map<string, number>();
  readonly #hosts: readonly Host[];
  readonly #relays: readonly Relay[];
  readonly #random = randomOf(SEED);
  /** What is still to happen before everything happens again. */
  readonly #round: string[] = [];
  #primary: Host;

  constructor(hosts: readonly Host[], relays: readonly Relay[]) {
    const [first] = hosts;
    if (first === undefined) throw new MarsError("A soak needs hosts");
    this.#hosts = hosts;
    this.#relays = relays;
    this.#primary = first;
  }

  async run(endMs: number): Promise<void> {
    await this.load.begin(this.#primary);
    const over = new AbortController();
    const sampling = this.#sample(over.signal);
    try {
      while (performance.now() < endMs) {
        await this.#happen();
        await pause(EVENT_MS * this.#random());
      }
    } finally {
      over.abort();
      await sampling;
    }
    for (const relay of this.#relays) relay.mend();
    await this.load.end();
    for (const host of this.#hosts) await caughtUp(host, this.#primary);
    await this.#primary.must("secondary", "r", "--timeout=60");
    assertSameDisks(this.#hosts, this.load.recorder);
  }

  async #sample(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      for (const host of this.#hosts) {
        const samples = this.samples.get(host.name) ?? [];
        samples.push(sampleOf(host));
        this.samples.set(host.name, samples);
      }
      await pause(SAMPLE_MS);
    }
  }

  async #happen(): Promise<void> {
    const events: Readonly<Record<string, () => Promise<void>>> = {
      handover: () => this.#handOver(),
      cut: () => this.#cut(),
      rotation: () => this.#must(this.#primary, "log-rotate", "r"),
      deletion: () => this.#clean(),
      pause: () => this.#pauseReplay(),
      ...(WITH_COPIES && {
        copy: () => this.#copyAnew(),
        verification: () => this.#must(this.#secondary(), "verify", "r"),
      }),
      view: () => this.#must(this.#any(), "view", "all"),
    };
    // Each once in a round, in any order: or the logs would wait for luck.
    if (this.#round.length === 0) this.#round.push(...Object.keys(events));
    const index = Math.floor(this.#random() * this.#round.length);
    const [name = ""] = this.#round.splice(index, 1);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    await events[name]?.();
  }

  async #handOver(): Promise<void> {
    const next = this.#secondary();
    await this.load.end();
    // A line may just have been mended.
    const path = `resource-r/actual-${this.#primary.name}/open-count`;
    await next.waitLink(path, (value) => value === "0");
    await this.#must(next, "primary", "r", "--timeout=60");
    this.#primary = next;
    await this.load.begin(next);
  }

  /** As the timers of all hosts do. */
  async #clean(): Promise<void> {
    for (const host of this.#hosts) {
      await this.#must(host, "cron", "--window=1");
    }
  }

  async #cut(): Promise<void> {
    const index = Math.floor(this.#random() * this.#relays.length);
    const relay = this.#relays[index];
    relay?.cut();
    await pause(CUT_MS * this.#random());
    relay?.mend();
  }

  async #pauseReplay(): Promise<void> {
    const host = this.#any();
    await this.#must(host, "pause-replay", "r");
    await pause(CUT_MS * this.#random());
    await this.#must(host, "resume-replay", "r");
  }

  async #copyAnew(): Promise<void> {
    const host = this.#secondary();
    await this.#must(host, "invalidate", "r", "--timeout=60");
    const path = `resource-r/syncstatus-${host.name}`;
    // Who takes over next must have heard of it.
    for (const each of this.#hosts) {
      await each.waitLink(path, (value) => value === String(DISK_BYTES));
    }
  }

  #secondary(): Host {
    const others = this.#hosts.filter((host) => host !== this.#primary);
    return others[Math.floor(this.#random() * others.length)] ?? this.#primary;
  }

  #any(): Host {
    const index = Math.floor(this.#random() * this.#hosts.length);
    return this.#hosts[index] ?? this.#primary;
  }

  async #must(host: Host, ...words: string[]): Promise<void> {
    await host.must(...words);
  }
}

/** Lets the others reach `host` through a relay only. */
async function behindRelay(host: Host, hosts: readonly Host[]): Promise<Relay> {
  const relay = new Relay(host.port);
  const path = `ips/ip-${host.name}`;
  const address = `127.0.0.1:${relay.port}`;
  await Deno.remove(`${host.marsDir}/${path}`);
  await Deno.symlink(address, `${host.marsDir}/${path}`);
  for (const other of hosts) {
    await other.waitLink(path, (value) => value === address);
  }
  return relay;
}

function textOf(name: MeasureName, trend: Trend): string {
  const { unit } = MEASURES[name];
  const figure = (value: number): string => value.toFixed(unit === "" ? 0 : 1);
  return `${MEASURES[name].name.padEnd(20)} ${
    figure(trend.first).padStart(8)
  }` +
    ` ${figure(trend.last).padStart(8)} ${figure(trend.limit).padStart(8)}` +
    `${trend.isGrowing ? "  GROWS" : ""}`;
}

/** Prints what was measured; tells whether anything grows. */
function report({ samples, counts, load }: Soak): boolean {
  let isGrowing = false;
  console.log(
    [...counts].map(([name, count]) => `${count} x ${name}`).join(", ") +
      `, ${load.recorder.acknowledgedCount} writes; seed ${SEED}`,
  );
  console.log(
    `${"".padEnd(26)}   first     last    limit`,
  );
  for (const [host, taken] of samples) {
    if (taken.length < SAMPLES_MIN) {
      console.log(`${host}: ${taken.length} samples are too few to tell`);
      continue;
    }
    for (const name of measureNames()) {
      const trend = trendOf(
        taken.map((sample) => sample[name]),
        MEASURES[name],
      );
      isGrowing ||= trend.isGrowing;
      console.log(`${host.padEnd(6)} ${textOf(name, trend)}`);
    }
  }
  return isGrowing;
}

function measureNames(): MeasureName[] {
  return [
    "memory",
    "heap",
    "files",
    "threads",
    "pool",
    "links",
    "logs",
    "logBytes",
  ];
}

async function main(): Promise<number> {
  const sampleCount = MINUTES * 60 * MS_PER_S / SAMPLE_MS;
  // A sample takes time itself.
  if (!(sampleCount * 0.9 >= SAMPLES_MIN)) {
    console.log(`SOAK_MINUTES is "${MINUTES}": expected 8 or more`);
    return 2;
  }
  await using hosts = new Hosts();
  const members = ["alpha", "beta", "gamma"].map((name) => hosts.add(name));
  for (const host of members) host.env = ENGINE;
  await hosts.unite(members);
  await using relays = new AsyncDisposableStack();
  const doors: Relay[] = [];
  for (const host of members) {
    doors.push(relays.use(await behindRelay(host, members)));
  }
  await resourceOf(members);
  const soak = new Soak(members, doors);
  console.log(`Soaking for ${MINUTES} minutes, seed ${SEED}`);
  try {
    await soak.run(performance.now() + MINUTES * 60 * MS_PER_S);
  } catch (error) {
    console.log(`FAILED: ${messageOf(error)}`);
    report(soak);
    return 1;
  }
  const path = Deno.env.get("SOAK_SAMPLES");
  if (path !== undefined) {
    const all = Object.fromEntries(soak.samples);
    Deno.writeTextFileSync(path, JSON.stringify(all));
  }
  return report(soak) ? 1 : 0;
}

Deno.exitCode = await main();
