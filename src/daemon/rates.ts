// Pure
/**
 * Rates from totals: what moved since the last reading, per second; and when the
 * device has completed something.
 *
 * A copy moves in steps, which may be far apart on a slow line. Its rate is that
 * of the last step, and no more than if the next one came now; so it neither
 * jumps to zero in between, nor stays when nothing comes any more.
 */
import { BEST_FETCH, BEST_REPLAY, BestRate } from "./best_rates.ts";
import { NO_RATES, type Rates } from "./states.ts";

/** Totals since a start; a smaller value than before is a new start. */
export interface Totals {
  readonly writeCount: number;
  readonly writeBytes: number;
  readonly readCount: number;
  readonly readBytes: number;
  readonly replayCount: number;
  readonly replayBytes: number;
}

export interface TransferTotals {
  readonly fetchedBytes: number;
  readonly syncedBytes: number;
  readonly isSyncing: boolean;
}

/** Prescribed by MARS: links give KiB per second. */
const KIB = 1024;
// Ours. Shorter windows make the figures jump, longer ones make them late.
const WINDOW_MS = 1_000;
const MS_PER_S = 1_000;
// Ours. Readers want to know whether requests hang for a minute.
const COMPLETION_MS = 10_000;

type Sample = readonly number[];

/** Of what moves in steps; bytes per second. */
class StepRate {
  #total = 0;
  #stepBytes = 0;
  #stepMs = 0;
  /** When the last step, or the whole, began; undefined: nothing goes on. */
  #sinceMs: number | undefined;

  read(total: number, isOn: boolean, nowMs: number): number {
    const moved = total - this.#total;
    this.#total = total;
    if (!isOn || this.#sinceMs === undefined) {
      this.#sinceMs = isOn ? nowMs : undefined;
      this.#stepBytes = 0;
      return 0;
    }
    const elapsedMs = nowMs - this.#sinceMs;
    if (moved > 0) {
      this.#stepBytes = moved;
      this.#stepMs = elapsedMs;
      this.#sinceMs = nowMs;
    }
    const spanMs = Math.max(this.#stepMs, moved > 0 ? 0 : elapsedMs, 1);
    return Math.round(this.#stepBytes * MS_PER_S / spanMs);
  }
}

export class RateMeter {
  readonly #monotonicMs: () => number;
  #atMs = -Infinity;
  #sample: Sample = [];
  #rates: Rates;
  readonly #sync = new StepRate();
  readonly #bestFetch: BestRate;
  readonly #bestReplay: BestRate;

  /** @param told links below `actual-<host>` of an earlier daemon */
  constructor(
    monotonicMs: () => number,
    told: (name: string) => string | undefined,
  ) {
    this.#monotonicMs = monotonicMs;
    this.#bestFetch = new BestRate(told(BEST_FETCH));
    this.#bestReplay = new BestRate(told(BEST_REPLAY));
    this.#rates = this.#withBest(NO_RATES, monotonicMs());
  }

  /** The rates of the last full window. */
  read(worker: Totals | undefined, transfers: TransferTotals): Rates {
    const nowMs = this.#monotonicMs();
    const elapsedMs = nowMs - this.#atMs;
    if (elapsedMs < WINDOW_MS) return this.#rates;
    const sample: Sample = [
      worker?.replayCount ?? 0,
      worker?.replayBytes ?? 0,
      transfers.fetchedBytes,
      (worker?.writeCount ?? 0) + (worker?.readCount ?? 0),
      (worker?.writeBytes ?? 0) + (worker?.readBytes ?? 0),
    ];
    const perSecond = sample.map((total, index) => {
      const moved = total - (this.#sample[index] ?? total);
      return Math.max(0, Math.round(moved * MS_PER_S / elapsedMs));
    });
    this.#atMs = nowMs;
    this.#sample = sample;
    const [
      replayOps = 0,
      replay = 0,
      fetch = 0,
      ops = 0,
      device = 0,
    ] = perSecond;
    const { syncedBytes, isSyncing } = transfers;
    const sync = this.#sync.read(syncedBytes, isSyncing, nowMs);
    this.#rates = this.#withBest({
      ...NO_RATES,
      replayOps,
      replayKib: Math.round(replay / KIB),
      fetchOps: Math.round(fetch / (4 * KIB)),
      fetchKib: Math.round(fetch / KIB),
      syncOps: Math.round(sync / (4 * KIB)),
      syncKib: Math.round(sync / KIB),
      deviceOps: ops,
      deviceKib: Math.round(device / KIB),
    }, nowMs);
    return this.#rates;
  }

  #withBest(rates: Rates, nowMs: number): Rates {
    return {
      ...rates,
      bestFetchKib: this.#bestFetch.observe(rates.fetchKib, nowMs),
      bestReplayKib: this.#bestReplay.observe(rates.replayKib, nowMs),
    };
  }
}

/** When the device completed something, as it is told now and then. */
export class CompletionMeter {
  #count = -1;
  #atMs = -Infinity;
  #stampNs: bigint | undefined;

  /** Lamport time; undefined while there is no device. */
  read(
    worker: (Totals & { readonly deviceOn: number }) | undefined,
    now: { readonly nowMs: number; readonly stampNs: bigint },
  ): bigint | undefined {
    if (worker?.deviceOn !== 1) {
      this.#stampNs = undefined;
      return undefined;
    }
    const count = worker.readCount + worker.writeCount;
    const isDue = now.nowMs >= this.#atMs + COMPLETION_MS;
    if (this.#stampNs === undefined || (isDue && count !== this.#count)) {
      this.#stampNs = now.stampNs;
      this.#atMs = now.nowMs;
      this.#count = count;
    }
    return this.#stampNs;
  }
}
