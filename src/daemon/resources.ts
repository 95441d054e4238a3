/**
 * Resources: the executors of this host, and when each of them is stepped.
 *
 * A resource has one while it is switched on here or something of it runs.
 */
import { nbdSocketPath, type Settings } from "../base/settings.ts";
import { NS_PER_MS } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import type { LinkValue } from "../resource/plan_types.ts";
import type { SyncWish } from "../resource/sync_limit.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot, Subtree } from "../tree/snapshot.ts";
import type { LinkTree } from "../tree/store.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { Executor } from "./executor.ts";
import type { Round } from "./round.ts";
import type { Failures } from "./failures.ts";
import { ResourceLogs } from "./logs.ts";
import type { Stamps } from "./messages.ts";
import { RateMeter } from "./rates.ts";
import { ResourceLinks } from "./resource_links.ts";
import { Schedule } from "./schedule.ts";
import type { DaemonParts } from "./parts.ts";
import type { Running } from "./services.ts";
import { DiskSize } from "./disk_size.ts";
import { DiskPace } from "./disk_pace.ts";
import { readRecords } from "./log_records.ts";
import { type Lines, Transfers } from "./transfers.ts";
import { Verification } from "./verification.ts";
import { DeviceUsers } from "./device_users.ts";
import { ResourceVow } from "./vows.ts";

export interface ResourcesOptions {
  readonly settings: Settings;
  readonly parts: DaemonParts;
  readonly tree: LinkTree;
  readonly lines: Lines;
  readonly failures: Failures;
  /** Writes links of this host and tells the peers. */
  readonly publish: (links: readonly LinkValue[]) => void;
  /** Whether `logsChanged` is called when logs come or go. */
  readonly isWatched: () => boolean;
  readonly now: () => Stamps;
  /** Asks for a round. */
  readonly wake: () => void;
}

// Ours. Refreshing the links of all resources takes so many rounds.
const REFRESH_ROUNDS = 10;
// Ours. A step takes milliseconds. The round waits for it, and all other
// resources with it: that must not go unsaid.
const STEP_MS_MAX = 10_000;

type Seen = { readonly subtree: Subtree | undefined; readonly isOn: boolean };

export class Resources {
  readonly #options: ResourcesOptions;
  readonly #host: string;
  readonly #running = new Map<string, Running>();
  readonly #schedule = new Schedule();
  /** Whether a resource was on when its links were as they still may be. */
  #seen = new Map<string, Seen>();

  constructor(options: ResourcesOptions) {
    this.#options = options;
    this.#host = options.settings.host;
  }

  get(resource: string): Running | undefined {
    return this.#running.get(resource);
  }

  /** Copies that are made, and that would be if they were allowed. */
  syncWishes(): SyncWish[] {
    return [...this.#running.values()]
      .flatMap(({ executor }) => executor.syncWish ?? []);
  }

  /**
   * One round: steps the resources that are due. Never fails for anything
   * foreseen.
   *
   * @param facts what all plans depend on and `round` has as functions
   */
  async step(round: Round, facts: readonly unknown[]): Promise<void> {
    const { tree, parts } = this.#options;
    const snapshot = tree.snapshot();
    const nowMs = parts.clock.monotonicMs();
    const all = [
      round.isRunning,
      round.emergencyLevel,
      round.restPercent,
      round.rotateBytes,
      round.flipIntervalS,
      this.syncWishes(),
      facts,
    ];
    this.#schedule.observe(snapshot, JSON.stringify(all));
    const { taken, hasMore } = this.#schedule.take(
      this.#wanted(snapshot),
      snapshot,
      nowMs,
    );
    await Promise.all(taken.map((resource) => this.#step(resource, round)));
    if (hasMore) this.#options.wake();
    this.#refresh();
  }

  /** Something happened to a resource. */
  wake(resource: string): void {
    this.#schedule.poke(resource);
    this.#options.wake();
  }

  /** Logs came or went. */
  logsChanged(resource: string): void {
    this.#running.get(resource)?.logs.changed();
    this.wake(resource);
  }

  /** Something happened that concerns all of them. */
  wakeAll(): void {
    this.#schedule.pokeAll();
    this.#options.wake();
  }

  /** Somebody wants to know how this host is. */
  ask(): void {
    for (const [resource, { executor }] of this.#running) {
      executor.ask();
      if (!executor.isIdle) this.#schedule.poke(resource);
    }
  }

  /** Logs of a resource here, as a multiple of the mean of all that have any. */
  logShare(resource: string): number {
    const sumOf = ({ logs }: Running): number =>
      logs.all.reduce((sum, { bytes }) => sum + bytes, 0);
    const sums = [...this.#running.values()].map(sumOf).filter((sum) =>
      sum > 0
    );
    const total = sums.reduce((sum, bytes) => sum + bytes, 0);
    const running = this.#running.get(resource);
    return total === 0 || running === undefined
      ? 1
      : sumOf(running) * sums.length / total;
  }

  /** What runs here, for people; one line each. */
  lines(): string[] {
    return [...this.#running].map(([resource, { executor }]) =>
      `resource ${resource}: ${executor.summary()}`
    );
  }

  /** Ends workers and transfers. */
  async stop(): Promise<void> {
    const { failures, tree } = this.#options;
    await Promise.all(
      [...this.#running].map(([resource, { executor }]) =>
        failures.guard(resource, () => executor.stop(() => tree.snapshot()))
      ),
    );
  }

  /** Those that are switched on here, or still run. */
  #wanted(snapshot: Snapshot): string[] {
    const wanted = new Set<string>();
    const seen = new Map<string, Seen>();
    const prefix = linkPath.resource("");
    for (const top of snapshot.tops()) {
      if (!top.startsWith(prefix)) continue;
      const subtree = snapshot.subtree(top);
      const resource = top.slice(prefix.length);
      const before = this.#seen.get(resource);
      // Hundreds of them are asked about in every round.
      const now = before !== undefined && before.subtree === subtree
        ? before
        : { subtree, isOn: this.#isOn(snapshot, resource) };
      seen.set(resource, now);
      if (now.isOn) wanted.add(resource);
    }
    this.#seen = seen;
    for (const resource of this.#running.keys()) wanted.add(resource);
    return [...wanted];
  }

  #isOn(snapshot: Snapshot, resource: string): boolean {
    return snapshot.value(linkPath.device(resource, this.#host)) !== undefined;
  }

  async #step(resource: string, round: Round): Promise<void> {
    const { failures, tree, parts } = this.#options;
    const { executor } = this.#running.get(resource) ?? this.#begin(resource);
    this.#schedule.begin(resource, tree.snapshot());
    const isGood = await failures.guard(
      resource,
      () => overseen(resource, executor.step(round)),
    );
    const nowMs = parts.clock.monotonicMs();
    this.#schedule.end(resource, { nowMs, isGood, isIdle: executor.isIdle });
    if (this.#isOn(tree.snapshot(), resource) || !executor.isIdle) return;
    this.#running.delete(resource);
    this.#schedule.forget(resource);
  }

  /** Quiet resources have their turn, a few in each round. */
  #refresh(): void {
    let left = Math.ceil(this.#running.size / REFRESH_ROUNDS);
    for (const [resource, { executor }] of this.#running) {
      if (left === 0) return;
      const links = executor.refreshed();
      if (links.length === 0) continue;
      left--;
      this.#options.failures.try(
        `${resource}, refresh`,
        () => this.#publish(resource, links),
      );
    }
  }

  #begin(resource: string): Running {
    const { settings, tree, lines, isWatched, now } = this.#options;
    const {
      files,
      startWorker,
      logDirectory,
      clock,
      lamport,
      readStretch,
      vows,
    } = this.#options.parts;
    const host = this.#host;
    const directory = logDirectory(
      `${settings.marsDir}/${linkPath.resource(resource)}`,
    );
    const realMs = (): number => Number(clock.realNs() / NS_PER_MS);
    const logs = new ResourceLogs({ directory, host, isWatched, realMs });
    const common = {
      resource,
      host,
      logs,
      publish: (links: readonly LinkValue[]) => this.#publish(resource, links),
      monotonicMs: () => clock.monotonicMs(),
      wake: () => this.wake(resource),
    };
    const executor = new Executor({
      ...common,
      transfers: new Transfers({
        ...common,
        lines,
        files,
        pace: new DiskPace(clock),
        crc: this.#options.parts.crc,
      }),
      verification: new Verification({
        ...common,
        lines,
        files,
        pace: new DiskPace(clock),
        records: (range, onRecord) =>
          readRecords(range, {
            read: readStretch,
            pathOf: (log) => logs.path(log),
          }, onRecord),
        nowNs: () => lamport.now(),
      }),
      startWorker,
      logDirectory: directory,
      nbdSocketPath: (device) => nbdSocketPath(settings, device),
      links: new ResourceLinks({ resource, host, snapshot: tree.snapshot() }),
      vow: new ResourceVow(resource, vows),
      flushTree: () => tree.flush(),
      rates: new RateMeter(
        common.monotonicMs,
        (name) => tree.snapshot().value(linkPath.actual(resource, host, name)),
      ),
      linkOnDisk: (path) => {
        const value = this.#options.parts.disk.value(path);
        return typeof value === "string" && value !== TOMBSTONE
          ? value
          : undefined;
      },
      isLeftOpen: () => this.#isLeftOpen(resource),
      users: new DeviceUsers({
        look: (isThorough) => this.#usersOf(resource, isThorough),
        monotonicMs: common.monotonicMs,
      }),
      disk: new DiskSize({
        ...common,
        measureDisk: async (path) => {
          const file = await files.open(path, "read");
          const bytes = file.sizeBytes();
          await file.close();
          return bytes;
        },
      }),
      now,
    });
    const running = { executor, logs };
    this.#running.set(resource, running);
    return running;
  }

  /** Whether users of its device wait for whoever serves it next. */
  #isLeftOpen(resource: string): boolean {
    const device = this.#deviceOf(resource);
    const { isLeftOpen } = this.#options.parts;
    return device !== undefined && isLeftOpen?.(device) === true;
  }

  #usersOf(resource: string, isThorough: boolean): string {
    const device = this.#deviceOf(resource);
    const { usersOf } = this.#options.parts;
    return device === undefined ? "" : usersOf?.(device, isThorough) ?? "";
  }

  #deviceOf(resource: string): string | undefined {
    const path = linkPath.device(resource, this.#host);
    return this.#options.tree.snapshot().value(path);
  }

  /**
   * Unless this host has left the resource meanwhile: then nothing of it may
   * come back. The tree on disk is asked, for the index may not know yet.
   */
  #publish(resource: string, links: readonly LinkValue[]): void {
    if (links.length === 0) return;
    const path = linkPath.device(resource, this.#host);
    const device = this.#options.parts.disk.value(path);
    if (device === undefined || device === TOMBSTONE) return;
    this.#options.publish(links);
  }
}

/** Says once that it takes long. */
async function overseen(resource: string, step: Promise<void>): Promise<void> {
  const timer = setTimeout(
    () => trace.warn("daemon", "Step takes long", { resource }),
    STEP_MS_MAX,
  );
  try {
    await step;
  } finally {
    clearTimeout(timer);
  }
}
