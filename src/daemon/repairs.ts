/**
 * Repairs of the logs of one resource: which member is asked, and what came of
 * it. One at a time; a member that could not help is asked again after a while.
 */
import { logFileName, type LogName } from "../base/names.ts";
import { trace } from "../base/trace.ts";
import type { Crc32c } from "../log/checksum.ts";
import type { RpcClient } from "../peer/rpc.ts";
import type { Obstacle, RepairPlan } from "../resource/plan_types.ts";
import { sameLog } from "../resource/view.ts";
import type { FileOpener } from "../transfer/file.ts";
import { repairLog, type RepairResult } from "../transfer/log_repair.ts";

export interface RepairsOptions {
  readonly resource: string;
  readonly files: FileOpener;
  /** Undefined: nothing can be verified, so nothing is repaired. */
  readonly crc?: Crc32c | undefined;
  readonly path: (log: LogName) => string;
  readonly line: (host: string) => RpcClient | undefined;
  /** Lets go of the file of a log. */
  readonly release: (log: LogName) => Promise<void>;
  readonly monotonicMs: () => number;
  readonly wake: () => void;
}

/** Prescribed by MARS: of messages about replay that cannot go on. */
const REPAIR_KEY = "err-replay-stop";

// Ours. Damage on other disks does not heal by itself; hosts come back.
const RETRY_MS = 30_000;

interface Attempt {
  readonly atMs: number;
  readonly result: RepairResult;
}

export class Repairs {
  readonly #options: RepairsOptions;
  readonly #cancel = new AbortController();
  #wanted: RepairPlan | undefined;
  /** By host, of what is wanted now. */
  readonly #attempts = new Map<string, Attempt>();
  #running: Promise<void> | undefined;
  #isRepaired = false;

  constructor(options: RepairsOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** What somebody may have read was cut off by somebody else. */
  noteChange(): void {
    this.#isRepaired = true;
  }

  /** Whether a file was changed since this was asked last. */
  takeRepaired(): boolean {
    const isRepaired = this.#isRepaired;
    this.#isRepaired = false;
    return isRepaired;
  }

  /** What members could not help with. */
  get obstacles(): Obstacle[] {
    const wanted = this.#wanted;
    if (wanted === undefined || this.#attempts.size === 0) return [];
    const texts = [...this.#attempts]
      .map(([host, { result }]) => `"${host}" ${textOf(result)}`).sort();
    const isHopeless = wanted.sources.every((host) =>
      this.#attempts.get(host)?.result.kind === "damaged"
    );
    const end = isHopeless
      ? "; every member has the same damage: type invalidate, or primary --force for what is replayed"
      : "";
    return [{
      key: REPAIR_KEY,
      text: `Cannot repair ${logFileName(wanted.log)}: ${
        texts.join(", ")
      }${end}`,
    }];
  }

  /** Starts what is wanted, unless it is running or was tried just now. */
  adjust(wanted: RepairPlan | undefined): void {
    const isSame = wanted !== undefined && this.#wanted !== undefined &&
      sameLog(wanted.log, this.#wanted.log) &&
      wanted.offsetBytes === this.#wanted.offsetBytes;
    if (!isSame) this.#attempts.clear();
    this.#wanted = wanted;
    if (wanted === undefined || this.#running !== undefined) return;
    const { crc, line, monotonicMs, wake } = this.#options;
    if (crc === undefined) return;
    for (const host of wanted.sources) {
      const before = this.#attempts.get(host);
      const isTooSoon = before !== undefined &&
        monotonicMs() < before.atMs + RETRY_MS;
      const rpc = isTooSoon ? undefined : line(host);
      if (rpc === undefined) continue;
      this.#running = this.#repair(wanted, { host, rpc, crc }).finally(() => {
        this.#running = undefined;
        wake();
      });
      return;
    }
  }

  async stop(): Promise<void> {
    this.#cancel.abort();
    await this.#running;
  }

  async #repair(
    { log, offsetBytes }: RepairPlan,
    from: { host: string; rpc: RpcClient; crc: Crc32c },
  ): Promise<void> {
    const { resource, files, path, release, monotonicMs } = this.#options;
    await release(log);
    const result = await repairLog({
      rpc: from.rpc,
      crc: from.crc,
      files,
      resource,
      log,
      path: path(log),
      offsetBytes,
      signal: this.#cancel.signal,
    });
    trace.warn("repair", "Log repaired, or not", {
      resource,
      log: logFileName(log),
      offsetBytes,
      from: from.host,
      result: textOf(result),
    });
    if (result.kind === "repaired") this.#isRepaired = true;
    else this.#attempts.set(from.host, { atMs: monotonicMs(), result });
  }
}

function textOf(result: RepairResult): string {
  switch (result.kind) {
    case "repaired":
      return `gave ${result.bytes} intact bytes`;
    case "missing":
      return "does not have it";
    case "damaged":
    case "lost":
    case "failed":
      return `(${result.message})`;
  }
}
