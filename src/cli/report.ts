// Pure
/**
 * Report: what can be said about one resource on one host.
 *
 * Made from links and a few facts of this host. Everything is found when it is
 * asked for, and once: a macro that wants one link pays for one link. Written
 * as text by `macros/`, as JSON by `view_json.ts`.
 *
 * Of other hosts the files are not known. What they have of a log is taken from
 * the version links that they published.
 */
import { MS_PER_S, NS_PER_MS, NS_PER_S } from "../base/time.ts";
import { type Amounts, amountsOf } from "../resource/amounts.ts";
import { findSplits, type Split } from "../resource/parting.ts";
import { obstaclesIn, type ReportedObstacle } from "../resource/obstacles.ts";
import type { LocalLog } from "../resource/plan_types.ts";
import { doubledSequences } from "../resource/status.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import { directoryOf, linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { parseCount } from "../tree/values.ts";

/** What links do not say. */
export interface ReportFacts {
  /** The host on which this runs. */
  readonly host: string;
  readonly nowNs: bigint;
  /** Files of logs of this resource on this host. */
  readonly logs: readonly LocalLog[];
}

/** How fast something goes on. */
export interface Pace {
  readonly bytesPerSecond: number;
  readonly opsPerSecond: number;
  /** Of the last step; undefined if there was none. */
  readonly stampNs: bigint | undefined;
  /** Since the last step on this host. */
  readonly ageS: number | undefined;
  /** How much later than on the primary. */
  readonly lagS: number;
}

export interface ReportedSplit extends Split {
  /** Seconds since the one that was silent for longer moved. */
  readonly ageS: number | undefined;
}

export type PaceKind = "sync" | "fetch" | "replay";

/** What is known about all hosts and one resource; shared by its reports. */
export class ResourceFacts {
  readonly snapshot: Snapshot;
  readonly resource: string;
  readonly local: ReportFacts;
  /** Paths of links that should be there but are not, as far as asked for. */
  readonly missing = new Set<string>();
  #view: ResourceView | undefined;
  #splits: readonly ReportedSplit[] | undefined;
  #doubled: readonly number[] | undefined;
  #obstacles: readonly ReportedObstacle[] | undefined;

  constructor(snapshot: Snapshot, resource: string, local: ReportFacts) {
    this.snapshot = snapshot;
    this.resource = resource;
    this.local = local;
  }

  /** As this host sees it. */
  get view(): ResourceView {
    return this.#view ??= resourceView(
      this.snapshot,
      this.resource,
      this.local.host,
    );
  }

  get splits(): readonly ReportedSplit[] {
    return this.#splits ??= findSplits(this.view).map((split) => ({
      ...split,
      ageS: this.#splitAgeS(split),
    }));
  }

  /** Numbers of which there are several logs here. */
  get doubledSequences(): readonly number[] {
    return this.#doubled ??= doubledSequences(this.local.logs);
  }

  /** Of all members, errors first. */
  get obstacles(): readonly ReportedObstacle[] {
    return this.#obstacles ??= this.view.members.flatMap(({ host }) =>
      obstaclesIn(
        this.snapshot,
        directoryOf(linkPath.actual(this.resource, host, "")),
        host,
      )
    );
  }

  /** Seconds since `host` was heard of; undefined if it never was. */
  silentS(host: string): number | undefined {
    return this.sinceS(this.snapshot.stampNs(linkPath.global(host, "time")));
  }

  /** Whole milliseconds as seconds; a stamp in the future is now. */
  sinceS(stampNs: bigint | undefined): number | undefined {
    return stampNs === undefined
      ? undefined
      : secondsSince(stampNs, this.local.nowNs);
  }

  #splitAgeS(split: Split): number | undefined {
    const ages = split.hosts.map((host) =>
      this.sinceS(this.snapshot.stampNs(linkPath.replay(this.resource, host)))
    ).filter((age) => age !== undefined);
    return ages.length === 0 ? undefined : Math.max(...ages);
  }
}

/** One resource on one host. */
export class Report {
  readonly facts: ResourceFacts;
  readonly host: string;
  readonly #paces = new Map<PaceKind, Pace>();
  #view: ResourceView | undefined;
  #logs: readonly LocalLog[] | undefined;
  #amounts: Amounts | undefined;

  constructor(facts: ResourceFacts, host: string) {
    this.facts = facts;
    this.host = host;
  }

  get resource(): string {
    return this.facts.resource;
  }

  get snapshot(): Snapshot {
    return this.facts.snapshot;
  }

  get isLocal(): boolean {
    return this.host === this.facts.local.host;
  }

  /** As `host` sees it. */
  get view(): ResourceView {
    if (this.isLocal) return this.facts.view;
    return this.#view ??= {
      ...this.facts.view,
      host: this.host,
      own: this.facts.view.members.find(({ host }) => host === this.host),
    };
  }

  get own(): MemberState | undefined {
    return this.view.own;
  }

  /** Logs as far as `host` has them. */
  get logs(): readonly LocalLog[] {
    if (this.isLocal) return this.facts.local.logs;
    return this.#logs ??= this.#publishedLogs();
  }

  get amounts(): Amounts {
    return this.#amounts ??= amountsOf(this.view, this.logs);
  }

  pace(kind: PaceKind): Pace {
    let pace = this.#paces.get(kind);
    if (pace === undefined) {
      pace = this.#paceOf(kind);
      this.#paces.set(kind, pace);
    }
    return pace;
  }

  /** Text of a link of the actual state; undefined if it is missing. */
  actual(name: string): string | undefined {
    return this.snapshot.value(
      linkPath.actual(this.resource, this.host, name),
    );
  }

  /** A count among them; 0 if it is missing. */
  counted(name: string): number {
    return parseCount(this.actual(name) ?? "") ?? 0;
  }

  #publishedLogs(): LocalLog[] {
    const logs: LocalLog[] = [];
    for (const [, versions] of this.view.versions) {
      const version = versions.get(this.host)?.value.self;
      if (version) logs.push({ log: version.log, bytes: version.endBytes });
    }
    return logs;
  }

  /** The best of late; 0 if nothing has moved yet. */
  bestBytesPerSecond(kind: PaceKind): number {
    return this.counted(`best-${RATE_NAMES[kind]}`) * RATE_UNIT_BYTES;
  }

  #paceOf(kind: PaceKind): Pace {
    const { facts } = this;
    const { designated } = facts.view;
    const ownNs = this.#stampNs(kind, this.host);
    const primaryNs = designated === undefined
      ? undefined
      : this.#stampNs(kind, designated);
    const isBehind = ownNs !== undefined && primaryNs !== undefined &&
      primaryNs > ownNs;
    const rate = RATE_NAMES[kind];
    return {
      bytesPerSecond: this.counted(`amount-${rate}`) * RATE_UNIT_BYTES,
      opsPerSecond: this.counted(`ops-${rate}`),
      stampNs: ownNs,
      ageS: facts.sinceS(ownNs),
      lagS: isBehind ? Number((primaryNs - ownNs) / NS_PER_S) : 0,
    };
  }

  #stampNs(kind: PaceKind, host: string): bigint | undefined {
    const { resource, snapshot } = this;
    switch (kind) {
      case "sync":
        return snapshot.stampNs(linkPath.syncStatus(resource, host));
      case "replay":
        return snapshot.stampNs(linkPath.replay(resource, host));
      case "fetch":
        return this.#newestVersionNs(host);
    }
  }

  /** Stamp of the version link with the highest number. */
  #newestVersionNs(host: string): bigint | undefined {
    for (const [sequence, links] of this.view.versions) {
      if (!links.has(host)) continue;
      return this.snapshot.stampNs(
        linkPath.version(this.resource, sequence, host),
      );
    }
    return undefined;
  }
}

/** Prescribed by MARS: rates are links in KiB per second. */
const RATE_UNIT_BYTES = 1024;
const RATE_NAMES: Readonly<Record<PaceKind, string>> = {
  sync: "sync_rate",
  fetch: "file_rate",
  replay: "replay_rate",
};

/** What one side wrote behind the last position that both have. */
export function bytesBehind(split: Split, index: number): number {
  return (split.amountBytes[index] ?? 0) - (split.ancestor?.bytes ?? 0);
}

/** Whole milliseconds as seconds; a stamp in the future is now. */
export function secondsSince(stampNs: bigint, nowNs: bigint): number {
  const elapsedNs = nowNs - stampNs;
  return elapsedNs <= 0n ? 0 : Number(elapsedNs / NS_PER_MS) / MS_PER_S;
}
