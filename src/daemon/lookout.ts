/**
 * Lookout: notices what others do to the tree.
 *
 *   a watch reports    at once: what it names is looked at
 *   it has overflown   the tree is read in the next round
 *   somebody asks      likewise; fully, if nothing known shall be believed
 *   no watch           the tree is read every `RESCAN_MS`
 *   a watch            a piece of the tree is read each `SWEEP_STEP_MS`, all of
 *                      it within `SWEEP_MS`: so nothing stays missed
 */
import { MarsError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import { parseLogFileName } from "../base/names.ts";
import { trace } from "../base/trace.ts";
import { matchPath, nameOf } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import type { LinkTree } from "../tree/store.ts";
import type { TreeSight, WatchReport } from "../tree/watch.ts";

export interface LookoutOptions {
  readonly tree: LinkTree;
  readonly watch: TreeSight | undefined;
  readonly lamport: LamportClock;
  /** Links that others wrote, and the tree as it was before. */
  readonly onChanged: (links: readonly Link[], before: Snapshot) => void;
  /**
   * The clock fell back, and stamps were corrected, also of what others say of
   * themselves: only they know whether that is still so.
   */
  readonly onCorrected: () => void;
  /** A log of this resource came or went. */
  readonly onLog: (resource: string) => void;
  /** Something is to be seen in the next round. */
  readonly wake: () => void;
}

// Ours. Without a watch, links made by hand without a trigger are found so soon.
const RESCAN_MS = 2_000;
// Ours. What a watch has missed is found within this time.
const SWEEP_MS = 60_000;
const SWEEP_STEP_MS = 1_000;

export class Lookout {
  readonly #options: LookoutOptions;
  #isAsked = true;
  #isDistrustful = false;
  /** The watch has failed. */
  #isBlind: boolean;
  #dueAtMs = -Infinity;
  /** Of the clock when the tree was last read. */
  #fallCount = 0;

  constructor(options: LookoutOptions) {
    this.#options = options;
    this.#isBlind = options.watch === undefined;
  }

  /** Whether changes are found only by reading the tree now and then. */
  get isPolling(): boolean {
    return this.#isBlind || this.#options.watch?.isComplete !== true;
  }

  /** Reads the tree in the next round. */
  ask(everything: boolean): void {
    this.#isAsked = true;
    this.#isDistrustful ||= everything;
  }

  /**
   * The tree was away: what is known of it may be wrong, and what was watched
   * may be another file system.
   */
  distrust(): void {
    this.ask(true);
    this.#isBlind = true;
  }

  /** Reads what is due. @throws MarsError */
  look(nowMs: number): void {
    const { tree, lamport, onChanged, onCorrected } = this.#options;
    // Stamps that were believed before are corrected now.
    const hasFallen = lamport.fallCount > this.#fallCount;
    if (hasFallen) this.ask(true);
    this.#fallCount = lamport.fallCount;
    if (!this.#isAsked && nowMs < this.#dueAtMs) return;
    const { isPolling } = this;
    this.#dueAtMs = nowMs + (isPolling ? RESCAN_MS : SWEEP_STEP_MS);
    const before = tree.snapshot();
    const found = this.#isDistrustful
      ? tree.load()
      : this.#isAsked || isPolling
      ? tree.rescan()
      : tree.sweep(this.#share());
    this.#isAsked = false;
    this.#isDistrustful = false;
    onChanged(found, before);
    if (hasFallen) onCorrected();
  }

  /** Follows the watch until it is closed. */
  async follow(): Promise<void> {
    const { watch } = this.#options;
    try {
      for (;;) {
        const report = await watch?.next();
        if (report === undefined) return;
        this.#see(report);
      }
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      trace.error("lookout", "Cannot follow the tree; it is read instead", {
        error: error.message,
      });
    }
    this.#isBlind = true;
    this.#options.wake();
  }

  async close(): Promise<void> {
    await this.#options.watch?.close();
  }

  #see(report: WatchReport): void {
    const { tree, onChanged, onLog, wake } = this.#options;
    if (report.kind === "overflow") {
      trace.warn("lookout", "Too many changes at once: the tree is read");
      this.#isAsked = true;
      return wake();
    }
    const before = tree.snapshot();
    onChanged(tree.look(report.paths), before);
    // Links that vanished are not among those that changed.
    if (tree.snapshot() !== before) wake();
    for (const path of report.paths) {
      const isLog = parseLogFileName(nameOf(path)) !== undefined;
      const resource = isLog ? matchPath(path)?.resource : undefined;
      if (resource !== undefined) onLog(resource);
    }
  }

  #share(): number {
    const topCount = [...this.#options.tree.snapshot().tops()].length;
    return Math.ceil(topCount * SWEEP_STEP_MS / SWEEP_MS);
  }
}
