/**
 * The logs of one resource on this host: which files there are, and how much
 * of each is durable, that is, may be read by peers and be replayed.
 *
 * A file that nobody writes is durable as it stands: the tree's file system is
 * flushed when the daemon starts. One that is being fetched or written is
 * durable only as far as its writer says.
 */
import { MarsError } from "../base/errors.ts";
import { logFileName, type LogName } from "../base/names.ts";
import type { LogDirectory, LogFile } from "../log/files.ts";
import { finalEndBytes } from "../resource/history.ts";
import { knownEndBytes } from "../resource/positions.ts";
import type { LocalLog, WorkerState } from "../resource/plan_types.ts";
import type { ResourceView } from "../resource/view.ts";
import type { LogEnd } from "../transfer/log_read.ts";

// Ours. A list of files is believed so many times where a watch would have told
// of a change and nothing here writes; the lengths might differ nevertheless.
const REUSES_MAX = 4;

export class ResourceLogs {
  readonly #directory: LogDirectory;
  readonly #host: string;
  readonly #isWatched: () => boolean;
  readonly #realMs: () => number;
  #files: readonly LogFile[] = [];
  #hasListed = false;
  #reusesLeft = 0;
  /** Logs that are being fetched: durable bytes by file name. */
  readonly #fetched = new Map<string, number>();
  /** How much of own logs was durable when their writer said so last. */
  readonly #written = new Map<string, number>();
  #logs: readonly LocalLog[] = [];
  #ends = new Map<string, LogEnd>();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(
    options: {
      directory: LogDirectory;
      host: string;
      /** Whether `changed` is called when files come or go. */
      isWatched?: () => boolean;
      /** The wall clock. */
      realMs?: () => number;
    },
  ) {
    this.#realMs = options.realMs ?? (() => 0);
    this.#directory = options.directory;
    this.#host = options.host;
    this.#isWatched = options.isWatched ?? (() => false);
  }

  /** Files came or went. */
  changed(): void {
    this.#reusesLeft = 0;
  }

  get all(): readonly LocalLog[] {
    return this.#logs;
  }

  path(log: LogName): string {
    return `${this.#directory.path}/${logFileName(log)}`;
  }

  /** `undefined` when the fetch has ended: the file counts as it stands. */
  setFetched(log: LogName, durableBytes: number | undefined): void {
    const name = logFileName(log);
    if (durableBytes === undefined) this.#fetched.delete(name);
    else this.#fetched.set(name, durableBytes);
  }

  /**
   * Looks at the directory again.
   *
   * @param worker what it reported before this call, so that no file can be
   * shorter than it says
   * @param isQuiet nothing here writes to any file
   */
  async refresh(
    view: ResourceView,
    worker: WorkerState | undefined,
    isDeleted: (log: LogName) => boolean,
    isQuiet = false,
  ): Promise<void> {
    const ends = new Map<string, LogEnd>();
    const logs: LocalLog[] = [];
    const files = await this.#list(isQuiet);
    const realMs = this.#realMs();
    for (const { log, sizeBytes, changedAtMs } of files) {
      const name = logFileName(log);
      // A file that arrived after its tombstone, or was busy when it came.
      if (isDeleted(log)) {
        await this.#remove(log);
        continue;
      }
      const isWritten = worker?.role === "log" && log.host === this.#host &&
        log.sequence === worker.logSequence;
      const bytes = isWritten
        ? worker.durableBytes
        : Math.min(sizeBytes, this.#fetched.get(name) ?? sizeBytes);
      if (isWritten) this.#written.set(name, bytes);
      const finalBytes = finalEndBytes(view, log);
      logs.push({ log, bytes, idleMs: Math.max(0, realMs - changedAtMs) });
      // Peers have it already when the writer ends and its links are not told.
      const goodBytes = worker?.role === "log" ? bytes : Math.max(
        knownEndBytes(view, log, bytes),
        Math.min(bytes, this.#written.get(name) ?? 0),
      );
      ends.set(name, {
        bytes: goodBytes,
        isFinal: !isWritten && finalBytes !== undefined &&
          goodBytes >= finalBytes,
      });
    }
    for (const name of this.#written.keys()) {
      if (!ends.has(name)) this.#written.delete(name);
    }
    const before = this.#ends;
    this.#logs = logs;
    this.#ends = ends;
    for (const [name, listeners] of this.#listeners) {
      const [was, is] = [before.get(name), ends.get(name)];
      if (was?.bytes === is?.bytes && was?.isFinal === is?.isFinal) continue;
      for (const listener of [...listeners]) listener();
    }
  }

  async #remove(log: LogName): Promise<void> {
    this.changed();
    try {
      await this.#directory.delete(log);
    } catch (error) {
      // The next look tries again.
      if (!(error instanceof MarsError)) throw error;
    }
  }

  async #list(isQuiet: boolean): Promise<readonly LogFile[]> {
    if (isQuiet && this.#reusesLeft > 0) {
      this.#reusesLeft--;
      return this.#files;
    }
    // Before the list: what comes while it is read makes it void.
    this.#reusesLeft = isQuiet && this.#isWatched() ? REUSES_MAX : 0;
    try {
      this.#files = await this.#directory.list();
      this.#hasListed = true;
    } catch (error) {
      // Whoever writes must be able to go on without its log then.
      if (!(error instanceof MarsError) || !this.#hasListed) throw error;
      this.#reusesLeft = 0;
    }
    return this.#files;
  }

  durableEnd(log: LogName): LogEnd | undefined {
    return this.#ends.get(logFileName(log));
  }

  onGrowth(log: LogName, callback: () => void): () => void {
    const name = logFileName(log);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(callback));
    return () => {
      listeners.delete(callback);
      if (listeners.size === 0) this.#listeners.delete(name);
    };
  }
}
