/**
 * Executor: makes one resource match its plan.
 *
 *   1. facts     what the worker says, then which log files there are
 *   2. plan      pure
 *   3. files     create or cut logs; durable before any link names them
 *   4. links     positions that changed
 *   5. worker    start, adjust, stop
 *   6. transfers start or stop fetch and sync; verification likewise
 *   7. links     what this host does, and messages
 *
 * Each step may stop anywhere: the next call begins again from what is. A step
 * that fails (a full file system, say) does not keep the others from being done:
 * a worker is told what to do although a link cannot be written.
 */
import { MarsError } from "../base/errors.ts";
import { logFileName } from "../base/names.ts";
import { trace } from "../base/trace.ts";
import type { Dataplane, WorkerSubject } from "../dataplane/handle.ts";
import type { Actual, Desired } from "../dataplane/mailbox.ts";
import type { LogDirectory } from "../log/files.ts";
import { withHold } from "../resource/hold.ts";
import { plan } from "../resource/plan.ts";
import { untoldLinks } from "../resource/positions.ts";
import {
  blocked,
  ENDS_AT,
  type LinkValue,
  NOTHING,
  type Plan,
} from "../resource/plan_types.ts";
import { SyncTurns } from "../resource/sync_turns.ts";
import { seenSwitches } from "../resource/switch_stamps.ts";
import type { SyncWish } from "../resource/sync_limit.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import {
  desiredOf,
  measured,
  replayFacts,
  toldBy,
  withoutSync,
} from "./desired.ts";
import type { DiskSize } from "./disk_size.ts";
import type { DeviceUsers } from "./device_users.ts";
import { withLeft } from "./left_devices.ts";
import type { ResourceLogs } from "./logs.ts";
import type { Round } from "./round.ts";
import type { Stamps } from "./messages.ts";
import { type ResourceLinks, tellEach } from "./resource_links.ts";
import { stateValues, summaryOf } from "./states.ts";
import { CompletionMeter, type RateMeter } from "./rates.ts";
import type { Transfers } from "./transfers.ts";
import type { Verification } from "./verification.ts";
import type { ResourceVow } from "./vows.ts";

/** What an executor needs from the daemon. */
export interface ExecutorOptions {
  readonly resource: string;
  readonly host: string;
  readonly logs: ResourceLogs;
  readonly transfers: Transfers;
  readonly verification: Verification;
  readonly startWorker: (subject: WorkerSubject) => Dataplane;
  readonly logDirectory: LogDirectory;
  readonly nbdSocketPath: (device: string) => string;
  readonly links: ResourceLinks;
  readonly rates: RateMeter;
  readonly vow: ResourceVow;
  /** Writes links of this host and tells the peers. */
  readonly publish: (links: readonly LinkValue[]) => void;
  /** The link as it stands on disk; tombstones are undefined. */
  readonly linkOnDisk: (path: string) => string | undefined;
  readonly disk: DiskSize;
  /** Whether an earlier daemon has left the device to its users. */
  readonly isLeftOpen: () => boolean;
  readonly users: DeviceUsers;
  /** Makes the tree's file system durable. */
  readonly flushTree: () => void;
  readonly monotonicMs: () => number;
  readonly now: () => Stamps;
  /** Asks for another round. */
  readonly wake: () => void;
}

// Ours. Positions move with every batch, but others only need to know where
// they come to rest, and roughly how far they are.
const POSITION_INTERVAL_MS = 250;
// Ours. A worker that fails at once must not fill the traces.
const RESTART_DELAY_MS = 2_000;

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #disk: DiskSize;
  readonly #completions = new CompletionMeter();
  #handle: Dataplane | undefined;
  #stopping: Promise<void> | undefined;
  #desired: Desired | undefined;
  #restartAtMs = 0;
  #positionsAtMs = -Infinity;
  #positionTimer: ReturnType<typeof setTimeout> | undefined;
  #obstacleText = "";
  #wantsSync = false;
  readonly #turns = new SyncTurns();
  /** A new log was named, or a copy given up, and that is not durable yet. */
  #isFlushOwed = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#disk = options.disk;
  }

  /** Whether nothing of the resource runs here any more. */
  get isIdle(): boolean {
    return this.#handle === undefined && this.#stopping === undefined &&
      this.#disk.isIdle && this.#options.transfers.isIdle &&
      !this.#options.verification.isRunning;
  }

  /** Whether its disk is copied, or would be if it were allowed. */
  get syncWish(): SyncWish | undefined {
    const { resource, transfers } = this.#options;
    const { isSyncing } = transfers;
    return isSyncing || this.#wantsSync ? { resource, isSyncing } : undefined;
  }

  /** What the worker does, for those who serve peers. */
  actual(): Actual | undefined {
    return this.#handle?.actual();
  }

  /** Somebody wants to know how this host is. */
  ask(): void {
    this.#options.links.ask();
    this.#options.users.ask();
    this.#disk.ask();
  }

  /** Links to write again now, though nothing has changed. */
  refreshed(): LinkValue[] {
    const { links, monotonicMs } = this.#options;
    return links.refreshed(monotonicMs());
  }

  /** What runs here, for people. */
  summary(): string {
    const { transfers, verification } = this.#options;
    return summaryOf(this.#handle?.actual(), transfers, verification);
  }

  /** One round; see the head of the file. @throws MarsError */
  async step(round: Round): Promise<void> {
    const { resource, host, logs, transfers, verification, vow } =
      this.#options;
    // What it said about the damage does not hold any more.
    if (transfers.takeRepaired()) this.#stopWorker();
    const wasCurrent = this.#isCurrent();
    const worker = this.#worker();
    const snapshot = round.snapshot();
    const told = resourceView(snapshot, resource, host);
    const view = vow.counting(told);
    await this.#refreshLogs(snapshot, view, worker);
    const decided = plan(view, {
      logs: logs.all,
      worker: measured(worker, this.#disk.bytes),
      isRunning: round.isRunning,
      isReplaysTurn: this.#turns.isReplay(this.#options.monotonicMs(), {
        isSyncing: transfers.isSyncing,
        intervalS: round.flipIntervalS,
      }),
      mayLead: round.mayLead(view.members.map((member) => member.host)),
      // What takes no link now takes no log either, however much room it has.
      emergencyLevel: vow.isKept ? ENDS_AT.logging : round.emergencyLevel,
      restPercent: round.restPercent,
      logShare: round.logShare(resource),
      rotateBytes: round.rotateBytes,
    });
    const planned = vow.completing(told, logs.all, decided);
    if (planned.sync !== undefined) {
      this.#turns.give(this.#options.monotonicMs());
    }
    const next = this.#inTurn(planned, round);
    transfers.endSync(next.sync);
    let refusal: MarsError | undefined;
    const attempt = async (step: () => void | Promise<void>) => {
      try {
        await step();
        return true;
      } catch (error) {
        if (!(error instanceof MarsError)) throw error;
        refusal ??= error;
        return false;
      }
    };
    await attempt(() => this.#changeFiles(next, worker));
    const publishing = () => this.#publishPositions(next, snapshot, view);
    const isPublished = await attempt(publishing);
    const isDurable = isPublished && !this.#isFlushOwed;
    await attempt(() => vow.settle(isDurable, told, next, worker));
    const isAdopted = this.#isDiskFree(next);
    if (isAdopted) this.#adjust(next, view, round);
    transfers.adjust(this.#isAtRest() ? next : withoutSync(next), view);
    const facts = replayFacts(this.#desired, this.#worker(), view);
    verification.adjust(next.verify, view, facts);
    // Guests have a device and no disk: nothing runs, and they say so.
    this.#disk.look(
      next.role === "detached" ? undefined : view.own?.disk,
    );
    const isOn = snapshot.value(linkPath.device(resource, host)) !== undefined;
    if (isOn) {
      const shown = withLeft(next, view.own?.device, round.leftDevices);
      // Where it has come to rest has been told, too.
      const isSettled = isPublished && this.#positionTimer === undefined;
      const isSeen = wasCurrent && isAdopted && this.#isCurrent() && isSettled;
      const switchesSeen = isSeen
        ? seenSwitches(snapshot, resource, host)
        : undefined;
      await attempt(() =>
        this.#publishStates(shown, round.snapshot(), switchesSeen)
      );
    }
    if (refusal !== undefined) throw refusal;
  }

  /** Without the copy that others have to end before. */
  #inTurn(planned: Plan, round: Round): Plan {
    const wantsSync = planned.sync !== undefined;
    const { resource, wake } = this.#options;
    const obstacle = wantsSync ? round.obstacleToSync(resource) : undefined;
    // Who may begin is decided before the next round, among those who want to.
    if (wantsSync !== this.#wantsSync && obstacle !== undefined) wake();
    this.#wantsSync = wantsSync;
    return obstacle === undefined
      ? planned
      : blocked({ ...planned, sync: undefined }, "inf-sync-start", obstacle);
  }

  /** Ends worker and transfers, and says so. @throws MarsError */
  async stop(snapshot: () => Snapshot): Promise<void> {
    clearTimeout(this.#positionTimer);
    await Promise.all([
      this.#options.transfers.stop(),
      this.#options.verification.stop(),
    ]);
    this.#stopWorker();
    await this.#stopping;
    await this.#disk.finished();
    await this.#publishRest(snapshot());
    this.#publishStates(NOTHING, snapshot());
  }

  /** Says that there is more in the logs than was told, before that all ends. */
  async #publishRest(snapshot: Snapshot): Promise<void> {
    const { resource, host, logs } = this.#options;
    const view = resourceView(snapshot, resource, host);
    if (view.own?.replay === undefined) return;
    await this.#refreshLogs(snapshot, view, undefined);
    const { log, startBytes: bytes } = view.own.replay;
    const links = untoldLinks(view, { log, bytes }, logs.all);
    if (links.length > 0) this.#options.publish(links);
  }

  async #refreshLogs(
    snapshot: Snapshot,
    view: ResourceView,
    worker: Actual | undefined,
  ): Promise<void> {
    const { resource, logs } = this.#options;
    await logs.refresh(
      view,
      worker,
      ({ sequence, host }) =>
        snapshot.isTombstone(linkPath.log(resource, sequence, host)),
      this.isIdle,
    );
  }

  #worker(): Actual | undefined {
    const handle = this.#handle;
    if (handle?.failure !== undefined) {
      this.#handle = undefined;
      this.#desired = undefined;
      this.#restartAtMs = this.#options.monotonicMs() + RESTART_DELAY_MS;
      return undefined;
    }
    const actual = handle?.actual();
    // Before its first report a worker has nothing to say.
    return actual === undefined || actual.desiredVersion === 0
      ? undefined
      : actual;
  }

  async #changeFiles(next: Plan, worker: Actual | undefined): Promise<void> {
    const { logDirectory, resource, transfers, flushTree } = this.#options;
    for (const change of next.logFiles) {
      if (change.kind === "create") {
        await logDirectory.create(change.log);
      } else if (change.kind === "delete") {
        // After power loss no position may come back that needs it (I7).
        flushTree();
        await transfers.release(change.log);
        await logDirectory.delete(change.log);
        trace.warn("executor", "Copy of a log given up", {
          resource,
          log: logFileName(change.log),
        });
      } else if (worker?.role !== "log") {
        // Replay has stopped there and reads no further.
        await transfers.release(change.log);
        await logDirectory.truncate(change.log, change.bytes);
        // What the worker said about the old end does not hold any more.
        this.#stopWorker();
        trace.warn("executor", "Log cut", {
          resource,
          log: logFileName(change.log),
          bytes: change.bytes,
        });
      }
      this.#options.wake();
    }
  }

  /**
   * Writes the positions that changed. Moves inside a log wait for others of
   * the same quarter of a second; whatever else changes is told at once.
   */
  #publishPositions(next: Plan, snapshot: Snapshot, view: ResourceView): void {
    this.#payFlush();
    const changed = next.publish.filter((link) =>
      snapshot.value(link.path) !== link.value
    );
    if (changed.length === 0) return;
    const replayPath = linkPath.replay(view.resource, view.host);
    // A command has just moved it: the plan was made from an older view.
    const seen = snapshot.value(replayPath);
    if (this.#options.linkOnDisk(replayPath) !== seen) return;
    const sequenceOf = (value: string | undefined): string =>
      value?.split(",")[0] ?? "";
    const replay = changed.find((link) => link.path === replayPath);
    const isNewLog = replay !== undefined &&
      sequenceOf(seen) !== sequenceOf(replay.value);
    const isAtRest = replay === undefined || replay.value.endsWith(",0");
    const nowMs = this.#options.monotonicMs();
    const dueMs = this.#positionsAtMs + POSITION_INTERVAL_MS;
    if (!isNewLog && !isAtRest && nowMs < dueMs) {
      this.#positionTimer ??= setTimeout(() => {
        this.#positionTimer = undefined;
        this.#options.wake();
      }, dueMs - nowMs);
      return;
    }
    this.#positionsAtMs = nowMs;
    // Owed even if only the first of the links could be written.
    const syncPath = linkPath.syncStatus(view.resource, view.host);
    this.#isFlushOwed = isNewLog ||
      changed.some(({ path }) => path === syncPath);
    this.#options.publish(changed);
    this.#payFlush();
  }

  /**
   * Makes durable which log comes next, that a copy is worth nothing, or that
   * the leader has all of a disk that grew; others rely on that.
   */
  #payFlush(): void {
    if (!this.#isFlushOwed) return;
    this.#options.flushTree();
    this.#isFlushOwed = false;
    this.#options.wake();
  }

  /**
   * Whether the worker may be told anything new. Not while somebody else still
   * writes to the disk who is about to end: what it writes would be older than
   * what the worker does.
   */
  #isDiskFree(next: Plan): boolean {
    const { transfers, verification } = this.#options;
    const isCopied = transfers.isSyncing && next.sync === undefined;
    const isRepaired = verification.holdAt !== undefined &&
      next.verify === undefined;
    return !isCopied && !isRepaired;
  }

  /** Whether no replay writes to the disk any more; then a copy may begin. */
  #isAtRest(): boolean {
    if (this.#options.transfers.isSyncing) return true;
    const handle = this.#handle;
    if (handle === undefined) return this.#stopping === undefined;
    return this.#desired?.role === "idle" && handle.isCurrent &&
      handle.actual().role === "idle";
  }

  #adjust(wanted: Plan, view: ResourceView, round: Round): void {
    const { verification } = this.#options;
    const next = withHold(wanted, verification.holdAt, toldBy(this.#desired));
    if (next.role === "detached") return this.#stopWorker();
    const disk = view.own?.disk ?? "";
    const device = view.own?.device ?? "";
    if (this.#handle === undefined) {
      const isTooEarly = this.#options.monotonicMs() < this.#restartAtMs;
      if (this.#stopping !== undefined || isTooEarly) return;
      this.#handle = this.#options.startWorker({
        resource: this.#options.resource,
        logDirectory: this.#options.logDirectory.path,
        diskPath: disk,
        deviceName: device,
        nbdSocketPath: this.#options.nbdSocketPath(device),
      });
      this.#handle.onChange(this.#options.wake);
    }
    // Writing past the log is safe only when its end is known for good.
    const isTooEarly = this.#isFlushOwed && next.bypass === "serve" &&
      !this.#options.vow.isKept;
    this.#desired = desiredOf(
      isTooEarly ? { ...next, bypass: "prepare" } : next,
      this.#desired,
      round.emergencyLevel,
    );
    this.#handle.adjust(this.#desired);
  }

  #stopWorker(): void {
    const handle = this.#handle;
    if (handle === undefined || this.#stopping !== undefined) return;
    this.#handle = undefined;
    this.#desired = undefined;
    this.#stopping = handle.stop().then(() => {
      this.#stopping = undefined;
      this.#options.wake();
    });
  }

  /** Whether the worker does what it was told, or none is left. */
  #isCurrent(): boolean {
    return this.#handle?.isCurrent ?? this.#stopping === undefined;
  }

  #publishStates(
    next: Plan,
    snapshot: Snapshot,
    switchesSeen?: string,
  ): void {
    const { transfers, verification, links, users } = this.#options;
    const worker = this.#worker();
    const openCount = worker?.role === "log"
      ? worker.openCount
      : Number(this.#options.isLeftOpen());
    const obstacles = [
      ...next.obstacles,
      ...transfers.obstacles,
      ...verification.obstacles,
    ];
    this.#traceObstacles(obstacles.map(({ text }) => text).join("; "));
    const now = {
      ...this.#options.now(),
      nowMs: this.#options.monotonicMs(),
    };
    tellEach(
      links.links({
        ...now,
        snapshot,
        states: stateValues(next, worker, {
          isFetching: transfers.isFetching,
          isSyncing: transfers.isSyncing,
          logs: this.#options.logs.all,
          rates: this.#options.rates.read(worker, transfers),
          completedNs: this.#completions.read(worker, now),
          openCount,
          openBy: users.text({ openCount, isWanted: next.role === "log" }),
          switchesSeen,
        }),
        diskBytes: Math.max(this.#disk.bytes, worker?.diskBytes ?? 0),
        obstacles,
      }),
      this.#options.publish,
    );
  }

  #traceObstacles(text: string): void {
    if (text === this.#obstacleText) return;
    this.#obstacleText = text;
    const { resource } = this.#options;
    if (text !== "") trace.info("plan", "Obstacles", { resource, text });
  }
}
