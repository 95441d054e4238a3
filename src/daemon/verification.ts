/**
 * The verification of one resource: at most one runs.
 *
 * What to compare is the plan's business; here it is started, stopped, and what
 * it finds is told in links. A run that was lost begins again at the position
 * that was told last, after a pause.
 */
import { MarsError } from "../base/errors.ts";
import { trace } from "../base/trace.ts";
import type { LinkValue, Obstacle } from "../resource/plan_types.ts";
import {
  formatState,
  verifyPaths,
  type VerifyPlan,
  type VerifyState,
} from "../resource/verify_links.ts";
import type { Position, ResourceView } from "../resource/view.ts";
import type { Extent } from "../transfer/digest.ts";
import type { FileOpener } from "../transfer/file.ts";
import {
  DiskVerify,
  type ReplayFacts,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyResult,
} from "../transfer/verify.ts";
import { formatStamp } from "../tree/values.ts";
import type { DiskPace } from "./disk_pace.ts";
import { Standstill } from "./standstill.ts";
import type { Lines } from "./transfers.ts";

export interface VerificationOptions {
  readonly resource: string;
  readonly host: string;
  readonly lines: Lines;
  readonly files: FileOpener;
  readonly pace: DiskPace;
  readonly records: VerifyOptions["records"];
  readonly publish: (links: readonly LinkValue[]) => void;
  readonly monotonicMs: () => number;
  /** Lamport time. */
  readonly nowNs: () => bigint;
  readonly wake: () => void;
}

interface Running {
  readonly plan: VerifyPlan;
  readonly verify: DiskVerify;
}

// Ours. What has failed is seldom better at once.
const RETRY_MS = 2_000;
// Ours. A value of a link has at most 1,023 bytes; the first ones are enough to
// look at, the rest is counted.
const EXTENTS_TOLD_MAX = 24;

export class Verification {
  readonly #options: VerificationOptions;
  #running: Running | undefined;
  #obstacle = "";
  readonly #standstill = new Standstill();
  #reachedBytes = 0;
  #retryAtMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Those that are told, in the order in which they were found. */
  #differing: Extent[] = [];

  constructor(options: VerificationOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** See `DiskVerify.holdAt`. */
  get holdAt(): Position | undefined {
    return this.#running?.verify.holdAt;
  }

  get obstacles(): Obstacle[] {
    return this.#obstacle === "" ? [] : [{
      key: `${this.#standstill.severity}-verify`,
      text: this.#obstacle,
    }];
  }

  /**
   * Starts, keeps or stops a run as `wanted` says, and tells it what holds now.
   *
   * @param facts undefined while replay was told nothing yet
   */
  adjust(
    wanted: VerifyPlan | undefined,
    view: ResourceView,
    facts: ReplayFacts | undefined,
  ): void {
    this.#options.pace.text = view.own?.verifyRate;
    const running = this.#running;
    if (running !== undefined) {
      const isSame = wanted !== undefined && facts !== undefined &&
        wanted.state.requestNs === running.plan.state.requestNs &&
        wanted.state.source === running.plan.state.source &&
        wanted.state.sizeBytes === running.plan.state.sizeBytes;
      if (isSame) running.verify.tell(facts);
      else void running.verify.stop();
      return;
    }
    const path = view.own?.disk;
    if (wanted === undefined || path === undefined) {
      this.#obstacle = "";
      this.#standstill.over();
    } else if (facts !== undefined) this.#start(wanted, path, facts);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running?.verify.stop();
  }

  #start(wanted: VerifyPlan, path: string, facts: ReplayFacts): void {
    const { resource, lines, files, pace, records, wake } = this.#options;
    const { monotonicMs, nowNs } = this.#options;
    if (monotonicMs() < this.#retryAtMs) return;
    const rpc = lines.line(wanted.state.source, "sync");
    const alone = `Verification: no connection to "${wanted.state.source}"`;
    if (rpc === undefined) {
      this.#obstacle ||= alone;
      return;
    }
    if (this.#obstacle === alone) this.#obstacle = "";
    const isNew = wanted.state.sinceNs === 0n;
    const state: VerifyState = isNew
      ? { ...wanted.state, sinceNs: nowNs() }
      : wanted.state;
    if (isNew) {
      this.#differing = [];
      trace.info("verify", "Verification begins", { resource });
      this.#tell(state);
    }
    const verify = DiskVerify.start({
      rpc,
      files,
      resource,
      path,
      startBytes: state.doneBytes,
      sizeBytes: state.sizeBytes,
      isRepair: wanted.isRepair,
      pace,
      records,
      facts,
      onProgress: (progress) => this.#progress(state, progress),
      onHold: wake,
    });
    this.#running = { plan: { ...wanted, state }, verify };
    verify.finished.then((result) => this.#end(result));
  }

  #progress(begin: VerifyState, progress: VerifyProgress): void {
    this.#obstacle = "";
    this.#differing.push(...progress.differing);
    const { doneBytes } = progress;
    this.#reachedBytes = doneBytes;
    const state: VerifyState = {
      ...begin,
      phase: doneBytes < begin.sizeBytes ? "running" : "done",
      doneBytes,
      differingBytes: begin.differingBytes + progress.differingBytes,
      repairedBytes: begin.repairedBytes + progress.repairedBytes,
    };
    this.#tell(state);
  }

  /** Says how far it is; what it has proven only with the last step. */
  #tell(state: VerifyState): void {
    const { resource, host, publish } = this.#options;
    const paths = verifyPaths(resource, host);
    const links: LinkValue[] = [];
    const leftBytes = state.differingBytes - state.repairedBytes;
    if (state.phase === "done" && leftBytes === 0) {
      links.push({ path: paths.verified, value: formatStamp(state.sinceNs) });
    }
    if (this.#differing.length > 0 || state.differingBytes === 0) {
      links.push({ path: paths.differs, value: extentsText(this.#differing) });
    }
    links.push({ path: paths.state, value: formatState(state) });
    try {
      publish(links);
    } catch (error) {
      // Nothing is told twice: the next run begins where the last link says.
      if (!(error instanceof MarsError)) throw error;
      trace.warn("verify", "Cannot tell how far it is", {
        resource,
        text: error.message,
      });
      void this.#running?.verify.stop();
    }
    if (state.phase === "done") {
      const { differingBytes, repairedBytes } = state;
      trace.info("verify", "Verification is done", {
        resource,
        differingBytes,
        repairedBytes,
      });
    }
  }

  #end(result: VerifyResult): void {
    const { resource, monotonicMs, wake } = this.#options;
    this.#running = undefined;
    if (result.kind === "lost" || result.kind === "failed") {
      const text = `Verification ended: ${result.message}`;
      if (text !== this.#obstacle) {
        trace.warn("verify", "Verification ended", { resource, text });
      }
      this.#obstacle = text;
      this.#standstill.ended(this.#reachedBytes);
      this.#retryAtMs = monotonicMs() + RETRY_MS;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(wake, RETRY_MS + 1);
    }
    wake();
  }
}

/** `offset+length` of the first ones, `-` for none. */
function extentsText(extents: readonly Extent[]): string {
  if (extents.length === 0) return "-";
  const told = extents.slice(0, EXTENTS_TOLD_MAX)
    .map(({ offsetBytes, lengthBytes }) => `${offsetBytes}+${lengthBytes}`);
  if (extents.length > EXTENTS_TOLD_MAX) told.push("…");
  return told.join(" ");
}
