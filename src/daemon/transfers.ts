/**
 * The transfers of one resource: one fetch and one sync at most.
 *
 * What to fetch and to copy is the plan's business; here is only which of the
 * sources is asked. A source that fails is left alone for a while, the next
 * one is tried; the plan of the next round is the retry.
 *
 * The end of a sync is the one delicate step. Blocks were read while the
 * primary went on writing; the disk is consistent only after replay of every
 * record that could have been on the primary's disk when the last block was
 * read. So the primary is asked for its position after that, and it is stored
 * as `syncpos` before `syncstatus` says that the copy is complete. Until then
 * `syncpos` says what the copied part may have of the primary's history; where
 * that is lost, the copy begins anew (`resource/copying.ts`).
 */
import { FormatError, messageOf } from "../base/errors.ts";
import type { LogName } from "../base/names.ts";
import { trace } from "../base/trace.ts";
import type { Crc32c } from "../log/checksum.ts";
import type { RpcClient } from "../peer/rpc.ts";
import type { FetchPlan } from "../resource/fetch.ts";
import type {
  LinkValue,
  Obstacle,
  Plan,
  SyncPlan,
} from "../resource/plan_types.ts";
import { type ResourceView, sameLog } from "../resource/view.ts";
import { type FetchResult, LogFetcher } from "../transfer/fetch.ts";
import { ReadSize } from "../transfer/read_size.ts";
import type { FileOpener } from "../transfer/file.ts";
import { DiskSync } from "../transfer/sync.ts";
import type { SyncProgress, SyncResult } from "../transfer/sync_result.ts";
import { linkPath } from "../tree/path.ts";
import { formatReplay, parseReplay } from "../tree/values.ts";
import type { DiskPace } from "./disk_pace.ts";
import { FetchObstacles, fetchText } from "./fetch_obstacles.ts";
import type { ResourceLogs } from "./logs.ts";
import { Repairs } from "./repairs.ts";
import { Standstill } from "./standstill.ts";
import { POSITION_METHOD } from "./services.ts";

/** Lines to peers, one per host and traffic class. */
export interface Lines {
  /** An open line; undefined while there is none, then one is dialed. */
  line(host: string, trafficClass: "log" | "sync"): RpcClient | undefined;
}

export interface TransfersOptions {
  readonly resource: string;
  readonly host: string;
  readonly lines: Lines;
  readonly files: FileOpener;
  readonly logs: ResourceLogs;
  readonly publish: (links: readonly LinkValue[]) => void;
  readonly pace: DiskPace;
  readonly monotonicMs: () => number;
  readonly wake: () => void;
  /** Verifies what is fetched; undefined: it is believed until it is replayed. */
  readonly crc?: Crc32c | undefined;
}

/** What a member has instead of an intact log. */
interface FoundDamage {
  readonly log: LogName;
  readonly offsetBytes: number;
  readonly text: string;
  readonly untilMs: number;
}

interface RunningFetch {
  readonly log: LogName;
  readonly source: string;
  readonly fetcher: LogFetcher;
  /** The source has no more than this host; it may wait for this one itself. */
  isIdle: boolean;
}

interface RunningSync {
  readonly source: string;
  readonly sync: DiskSync;
  /** What it reaches from now on may not count: nothing is told any more. */
  isOver: boolean;
}

// Ours. A line that was cut is tried again at once; a peer that keeps failing
// is asked once a second, which costs it a handshake.
const AVOID_MS_MIN = 100;
const AVOID_MS_MAX = 1_000;
// Ours. A full or broken disk does not get better within milliseconds.
const LOCAL_RETRY_MS = 5_000;
// Ours. A damaged log does not get better within seconds, and each try moves
// the same bytes again.
const DAMAGE_RETRY_MS = 30_000;

/** Of messages about logs that others have damaged. */
const DAMAGE_KEY = "err-log-damaged";

export class Transfers {
  readonly #options: TransfersOptions;
  readonly #repairs: Repairs;
  #fetch: RunningFetch | undefined;
  #sync: RunningSync | undefined;
  /** Sources that failed: how long, and until when each is left alone. */
  readonly #avoided = new Map<string, { pauseMs: number; untilMs: number }>();
  readonly #fetchObstacles = new FetchObstacles();
  /** By source. */
  readonly #damages = new Map<string, FoundDamage>();
  /** What each source's lines are good for. */
  #isDamagedEverywhere = false;
  readonly #sizes = new Map<string, ReadSize>();
  #syncObstacle = "";
  readonly #standstill = new Standstill();
  #syncMode: "compare" | "copy" = "compare";
  #fetchedBytes = 0;
  #syncedBytes = 0;
  readonly #retryTimers = new Set<ReturnType<typeof setTimeout>>();

  constructor(options: TransfersOptions) {
    this.#options = options;
    this.#repairs = new Repairs({
      ...options,
      path: (log) => options.logs.path(log),
      line: (host) => options.lines.line(host, "log"),
      release: (log) => this.release(log),
    });
  }

  get isFetching(): boolean {
    return this.#fetch !== undefined;
  }

  get isSyncing(): boolean {
    return this.#sync !== undefined;
  }

  get isIdle(): boolean {
    return !this.isFetching && !this.isSyncing && this.#repairs.isIdle;
  }

  /** Whether a log was repaired, or cut for that: who reads it must begin anew. */
  takeRepaired(): boolean {
    return this.#repairs.takeRepaired();
  }

  /** Totals since the start, for rates. */
  get fetchedBytes(): number {
    return this.#fetchedBytes;
  }

  get syncedBytes(): number {
    return this.#syncedBytes;
  }

  get obstacles(): Obstacle[] {
    const obstacles: Obstacle[] = [];
    const fetch = this.#fetchObstacles.text;
    if (fetch !== "") obstacles.push({ key: "inf-fetch", text: fetch });
    for (const { text } of this.#damages.values()) {
      obstacles.push({ key: DAMAGE_KEY, text });
    }
    if (this.#isDamagedEverywhere) {
      obstacles.push({
        key: DAMAGE_KEY,
        text:
          "Every member that has this log has it damaged; nobody can replay it any further: type invalidate, or primary --force for what is here",
      });
    }
    obstacles.push(...this.#repairs.obstacles);
    if (this.#syncObstacle !== "") {
      const { severity } = this.#standstill;
      obstacles.push({ key: `${severity}-sync`, text: this.#syncObstacle });
    }
    return obstacles;
  }

  /**
   * Ends a copy that goes on no more, at once: nothing that it reaches from now
   * on is told, while links are written that say where the next one begins.
   */
  endSync(wanted: SyncPlan | undefined): void {
    const running = this.#sync;
    if (running === undefined || wanted?.source === running.source) return;
    running.isOver = true;
    void running.sync.stop();
  }

  /** Starts, keeps or stops transfers as `next` wants them. */
  adjust(next: Plan, view: ResourceView): void {
    this.#adjustFetch(next.fetch, view);
    this.#repairs.adjust(next.repair);
    this.#adjustSync(next.sync, view);
  }

  /** Lets go of a log whose file is about to be changed. */
  async release(log: LogName): Promise<void> {
    if (this.#fetch !== undefined && sameLog(this.#fetch.log, log)) {
      await this.#fetch.fetcher.stop();
    }
  }

  async stop(): Promise<void> {
    for (const timer of this.#retryTimers) clearTimeout(timer);
    this.#retryTimers.clear();
    await Promise.all([
      this.#fetch?.fetcher.stop(),
      this.#repairs.stop(),
      this.#sync?.sync.stop(),
    ]);
  }

  #adjustFetch(wanted: FetchPlan | undefined, view: ResourceView): void {
    const running = this.#fetch;
    this.#forgetDamages(wanted);
    if (running !== undefined) {
      const isWanted = wanted !== undefined &&
        sameLog(wanted.log, running.log) &&
        wanted.sources.includes(running.source);
      if (!isWanted || this.#givesWay(wanted, running)) running.fetcher.stop();
      return;
    }
    if (wanted === undefined) {
      this.#fetchObstacles.clear();
      return;
    }
    const found = this.#source(wanted.sources, "log");
    if (found === undefined) {
      const isKnown = this.#fetchObstacles.text !== "";
      if (isKnown || this.#damages.size > 0) return;
      this.#fetchObstacles.disconnected(wanted.sources);
      return;
    }
    this.#fetchObstacles.connected();
    this.#startFetch(wanted.log, found, view);
  }

  /** Of other logs, or of hosts that are not asked any more. */
  #forgetDamages(wanted: FetchPlan | undefined): void {
    const sources = wanted?.sources ?? [];
    for (const [host, { log }] of this.#damages) {
      const isAsked = wanted !== undefined && sameLog(log, wanted.log) &&
        sources.includes(host);
      if (!isAsked) this.#damages.delete(host);
    }
    this.#isDamagedEverywhere = sources.length > 0 &&
      sources.every((host) => this.#damages.has(host));
  }

  /** A source that has no more gives way to one that is preferred. */
  #givesWay(wanted: FetchPlan, { isIdle, source }: RunningFetch): boolean {
    if (!isIdle) return false;
    const better = wanted.sources.slice(0, wanted.sources.indexOf(source));
    this.#fetchObstacles.waits(source, better);
    return this.#source(better, "log") !== undefined;
  }

  #source(
    hosts: readonly string[],
    trafficClass: "log" | "sync",
  ): { host: string; rpc: RpcClient } | undefined {
    const nowMs = this.#options.monotonicMs();
    for (const host of hosts) {
      if ((this.#avoided.get(host)?.untilMs ?? 0) > nowMs) continue;
      const isDamaged = trafficClass === "log" &&
        (this.#damages.get(host)?.untilMs ?? 0) > nowMs;
      if (isDamaged) continue;
      const rpc = this.#options.lines.line(host, trafficClass);
      if (rpc !== undefined) return { host, rpc };
    }
    return undefined;
  }

  #startFetch(
    log: LogName,
    from: { host: string; rpc: RpcClient },
    view: ResourceView,
  ): void {
    const { resource, files, logs, wake, crc } = this.#options;
    const size = this.#sizes.get(from.host) ?? new ReadSize();
    this.#sizes.set(from.host, size);
    const replay = view.own?.replay;
    // Where replay is, a record begins.
    const startBytes = replay !== undefined && sameLog(replay.log, log)
      ? replay.startBytes
      : 0;
    let lastBytes = logs.durableEnd(log)?.bytes ?? 0;
    logs.setFetched(log, lastBytes);
    const fetcher = LogFetcher.start({
      rpc: from.rpc,
      files,
      resource,
      log,
      path: logs.path(log),
      size,
      check: crc && { crc, startBytes },
      onProgress: (progress) => {
        fetch.isIdle = progress.isCaughtUp;
        // The first report may come before the first answer.
        if (progress.isCaughtUp || progress.remoteBytes > 0) {
          this.#avoided.delete(from.host);
        }
        if (progress.durableBytes > lastBytes) this.#fetchObstacles.clear();
        this.#fetchedBytes += Math.max(0, progress.durableBytes - lastBytes);
        lastBytes = progress.durableBytes;
        this.#passDamages(progress.durableBytes);
        logs.setFetched(log, progress.durableBytes);
        wake();
      },
    });
    const fetch = { log, source: from.host, fetcher, isIdle: false };
    this.#fetch = fetch;
    fetcher.finished.then((result) => this.#endFetch(log, from.host, result));
  }

  #endFetch(log: LogName, source: string, result: FetchResult): void {
    const { resource, logs, wake } = this.#options;
    this.#fetch = undefined;
    logs.setFetched(log, undefined);
    const text = fetchText(log, source, result);
    if (result.kind === "torn") this.#repairs.noteChange();
    if (result.kind === "damaged") {
      const { offsetBytes } = result;
      const untilMs = this.#options.monotonicMs() + DAMAGE_RETRY_MS;
      this.#damages.set(source, { log, offsetBytes, text, untilMs });
      trace.error("fetch", "Damaged log", { resource, text });
      this.#wakeIn(DAMAGE_RETRY_MS);
    } else if (result.kind === "complete") {
      this.#fetchObstacles.clear();
    } else if (text !== "") {
      if (this.#fetchObstacles.ended(source, result, text)) {
        trace.warn("fetch", "Fetch ended", { resource, text });
      }
      this.#avoid(source, result.kind === "failed" ? LOCAL_RETRY_MS : 0);
    }
    wake();
  }

  /** Leaves a source alone, longer each time until something has come. */
  #avoid(host: string, pauseMsMin: number): void {
    const beforeMs = this.#avoided.get(host)?.pauseMs ?? 0;
    const doubledMs = Math.max(AVOID_MS_MIN, 2 * beforeMs);
    const pauseMs = Math.max(Math.min(doubledMs, AVOID_MS_MAX), pauseMsMin);
    const untilMs = this.#options.monotonicMs() + pauseMs;
    this.#avoided.set(host, { pauseMs, untilMs });
    this.#wakeIn(pauseMs);
  }

  #wakeIn(pauseMs: number): void {
    const timer = setTimeout(() => {
      this.#retryTimers.delete(timer);
      this.#options.wake();
    }, pauseMs + 1);
    this.#retryTimers.add(timer);
  }

  /** An intact record behind the damage has come from somewhere else. */
  #passDamages(durableBytes: number): void {
    for (const [host, { offsetBytes }] of this.#damages) {
      if (durableBytes > offsetBytes) this.#damages.delete(host);
    }
  }

  #adjustSync(wanted: SyncPlan | undefined, view: ResourceView): void {
    this.#options.pace.text = view.own?.syncRate;
    this.endSync(wanted);
    if (this.#sync !== undefined) return;
    const path = view.own?.disk;
    if (wanted === undefined || path === undefined) {
      this.#syncObstacle = "";
      return;
    }
    const found = this.#source([wanted.source], "sync");
    if (found === undefined) {
      this.#syncObstacle ||= `No connection to "${wanted.source}"`;
      return;
    }
    const { resource, host, files, publish } = this.#options;
    let lastBytes = wanted.startBytes;
    const sync = DiskSync.start({
      rpc: found.rpc,
      files,
      resource,
      path,
      startBytes: wanted.startBytes,
      sizeBytes: wanted.sizeBytes,
      ...wanted.ranges !== undefined && { extents: wanted.ranges },
      mode: this.#syncMode,
      pace: this.#options.pace,
      fetchPace: this.#options.pace.fetching,
      onProgress: (progress) => {
        const { syncedBytes, readUpTo } = progress;
        if (running.isOver) return;
        this.#syncObstacle = "";
        this.#syncedBytes += Math.max(0, syncedBytes - lastBytes);
        lastBytes = syncedBytes;
        const links = [verifyStatus(resource, host, progress)];
        // The last step is published only together with `syncpos`.
        if (syncedBytes < wanted.sizeBytes) {
          // First: what is copied counts only where that is history.
          if (readUpTo !== undefined) {
            links.push({
              path: linkPath.syncPos(resource, host),
              value: formatReplay(readUpTo),
            });
          }
          links.push({
            path: linkPath.syncStatus(resource, host),
            value: String(syncedBytes),
          });
        }
        publish(links);
      },
    });
    const running: RunningSync = { source: found.host, sync, isOver: false };
    this.#sync = running;
    sync.finished.then((result) => this.#endSync(result, wanted, found.rpc));
  }

  async #endSync(
    result: SyncResult,
    wanted: SyncPlan,
    rpc: RpcClient,
  ): Promise<void> {
    const { resource, wake } = this.#options;
    try {
      if (this.#sync?.isOver === true) this.#syncObstacle = "";
      else if (result.kind === "complete") {
        await this.#confirmSync(wanted, rpc);
        this.#syncObstacle = "";
        this.#standstill.over();
        this.#syncMode = "compare";
      } else if (result.kind === "lost" || result.kind === "failed") {
        // After a failed flush the page cache may claim what the disk lacks.
        if (result.kind === "failed") this.#syncMode = "copy";
        this.#syncObstacle =
          `Copy from "${wanted.source}" ended: ${result.message}`;
        this.#avoid(
          wanted.source,
          result.kind === "failed" ? LOCAL_RETRY_MS : 0,
        );
      }
    } catch (error) {
      // Nothing was published: the next round compares the tail again.
      this.#syncObstacle = `Copy from "${wanted.source}": ${messageOf(error)}`;
      this.#avoid(wanted.source, 0);
    }
    if (this.#syncObstacle !== "") {
      this.#standstill.ended(this.#syncedBytes);
      trace.warn("sync", "Sync ended", { resource, text: this.#syncObstacle });
    }
    this.#sync = undefined;
    wake();
  }

  /** Stores how far replay must come, then that the copy is complete. */
  async #confirmSync(wanted: SyncPlan, rpc: RpcClient): Promise<void> {
    const { resource, host, publish } = this.#options;
    const reply = await rpc.call(POSITION_METHOD, { resource });
    const value = String(reply.params["position"] ?? "");
    if (parseReplay(value) === undefined) {
      throw new FormatError(`Cannot use position "${value}"`);
    }
    // It was asked to stop meanwhile.
    if (this.#sync?.isOver === true) return;
    publish([{ path: linkPath.syncPos(resource, host), value }]);
    publish([{
      path: linkPath.syncStatus(resource, host),
      value: String(wanted.sizeBytes),
    }]);
    trace.info("sync", "Copy complete", { resource, position: value });
  }
}

/** Prescribed by MARS: blocks of so many bytes that were equal, or were not. */
const STATUS_BLOCK_BYTES = 4096;

function verifyStatus(
  resource: string,
  host: string,
  { equalBytes, zeroedBytes, copiedBytes }: SyncProgress,
): LinkValue {
  const counts = [equalBytes, zeroedBytes + copiedBytes]
    .map((bytes) => Math.ceil(bytes / STATUS_BLOCK_BYTES));
  return {
    path: linkPath.verifyStatus(resource, host),
    value: counts.join(","),
  };
}
