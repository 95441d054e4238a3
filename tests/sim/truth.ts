// Pure
/**
 * The truth: every record that was ever written, whoever has it or lost it.
 *
 *   log      base  state of the author's disk when it began the log
 *            from  the position its history says that it follows
 *            records, and how far they are durable at the author
 *
 * A state is the newest write of each cell. Since a log knows its base, the
 * state at any position is known, and a disk that claims to be at a position
 * is compared with it: that is I6 of the whole cluster. Production code never
 * sees any of this.
 */
import type { LogName } from "../../src/base/names.ts";
import { logFileName } from "../../src/base/names.ts";
import type { Position } from "../../src/resource/view.ts";
import { RECORD_BYTES, type SimRecord } from "./records.ts";

/** Newest write per cell; 0 for none. */
export type DiskState = Uint32Array<ArrayBuffer>;

interface TrueLog {
  readonly log: LogName;
  readonly base: DiskState;
  readonly from: Position | undefined;
  /** Begun by a host that was forced to lead. */
  readonly isForced: boolean;
  records: SimRecord[];
  /** Durable at the author: acknowledged to whoever flushed. */
  durableBytes: number;
}

/** Something that must never be so. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export class Truth {
  /** By name; the newest life of a log last. */
  readonly #logs = new Map<string, TrueLog[]>();
  /** Names of logs that are forgotten. */
  readonly #used = new Set<string>();
  /** What authors told of logs in which nothing was ever written. */
  readonly #told = new Map<string, Position>();
  #writeCount = 0;

  /**
   * Forgets all but the history of `tip` down to log `lowest`: what was lost on
   * the way was lost for a reason. Names are not forgotten.
   */
  forget(tip: Position, lowest: number): void {
    const kept = new Set<string>();
    for (const { log } of this.#history(tip)) {
      if (log.sequence < lowest) break;
      kept.add(logFileName(log));
    }
    for (const [name, lives] of this.#logs) {
      if (kept.has(name)) continue;
      if (lives.some(({ durableBytes }) => durableBytes > 0)) {
        this.#used.add(name);
      }
      this.#logs.delete(name);
    }
    for (const name of this.#told.keys()) {
      if (!kept.has(name)) this.#told.delete(name);
    }
  }

  /** Its author says that `log` follows `from`. */
  tell(log: LogName, from: Position): void {
    this.#told.set(logFileName(log), from);
  }

  nextWrite(): number {
    return ++this.#writeCount;
  }

  get writeCount(): number {
    return this.#writeCount;
  }

  /**
   * @param mayRepeat the author gave up what it had, and may use names again
   * @param isBypassed the disk has been written to without a log since `from`
   * @throws Violation if the log was written before, or does not follow
   */
  begin(
    log: LogName,
    { base, from, mayRepeat, isBypassed, isForced }: {
      readonly base: DiskState;
      readonly isForced: boolean;
      readonly from: Position | undefined;
      readonly mayRepeat: boolean;
      readonly isBypassed: boolean;
    },
  ): void {
    if (this.#used.has(logFileName(log))) {
      throw new Violation(`${logFileName(log)} is begun again`);
    }
    const lives = this.#lives(log);
    const before = lives.at(-1);
    if (before !== undefined && before.durableBytes > 0 && !mayRepeat) {
      throw new Violation(
        `${
          logFileName(log)
        } is begun again, ${before.durableBytes} bytes of it were durable`,
      );
    }
    if (from !== undefined && !isBypassed) {
      this.check(from, base, `${logFileName(log)} begins`);
    }
    if (before?.durableBytes === 0) lives.pop();
    lives.push({
      log,
      base,
      from,
      isForced,
      records: [],
      durableBytes: 0,
    });
    this.#logs.set(logFileName(log), lives);
  }

  /** @throws Violation unless `found` is the state of `position` (I6) */
  check(position: Position, found: DiskState, subject: string): void {
    const states = this.#lives(position.log).map((life) =>
      stateIn(life, position.bytes)
    );
    const [expected] = states.slice(-1);
    if (expected === undefined) return;
    if (states.some((state) => isSameState(state, found))) return;
    throw new Violation(
      `${subject} on a disk that is not the state of ${
        positionText(position)
      } (I6): ${differenceOf(expected, found)}`,
    );
  }

  append(log: LogName, record: SimRecord): void {
    this.#newest(log).records.push(record);
  }

  setDurable(log: LogName, bytes: number): void {
    const known = this.#newest(log);
    known.durableBytes = Math.max(known.durableBytes, bytes);
  }

  durableBytes(log: LogName): number | undefined {
    return this.#lives(log).at(-1)?.durableBytes;
  }

  /** The same of all logs that ever had this name: copies may be old. */
  durableBytesEver(log: LogName): number {
    return Math.max(0, ...this.#lives(log).map((life) => life.durableBytes));
  }

  /** Logs with data of the same number by others. */
  rivals(log: LogName): LogName[] {
    return [...this.#logs.values()].flatMap((lives) => lives.slice(-1))
      .filter(({ durableBytes }) => durableBytes > 0)
      .map((other) => other.log)
      .filter((other) =>
        other.sequence === log.sequence && other.host !== log.host
      );
  }

  /** How many durable bytes a successor behind `bytes` throws away. */
  lostBehind({ log, bytes }: Position): number {
    return Math.max(0, (this.durableBytes(log) ?? 0) - bytes);
  }

  /** What a disk holds at a position; undefined if nobody wrote that log. */
  stateAt(position: Position): DiskState | undefined {
    const life = this.#lives(position.log).at(-1);
    return life && stateIn(life, position.bytes);
  }

  /** Durable bytes of all logs that the history before `tip` lacks. */
  missingIn(
    tip: Position,
  ): { readonly log: LogName; readonly bytes: number }[] {
    const reached = new Map<string, number>();
    for (const { log, bytes } of this.#history(tip)) {
      reached.set(logFileName(log), bytes);
    }
    const missing: { log: LogName; bytes: number }[] = [];
    for (const [name, lives] of this.#logs) {
      for (const { log, durableBytes } of lives) {
        const bytes = durableBytes - (reached.get(name) ?? 0);
        if (bytes > 0) missing.push({ log, bytes });
      }
    }
    return missing;
  }

  /**
   * The same, but for what was lost where somebody was forced: on the side of
   * the history, or on the side that has parted from it.
   */
  lostUnforced(
    tip: Position,
  ): { readonly log: LogName; readonly bytes: number }[] {
    const forced = new Set<string>();
    const inHistory = new Set<string>();
    for (const { log } of this.#history(tip)) {
      inHistory.add(logFileName(log));
      const life = this.#lives(log).at(-1);
      const from = life?.from;
      if (life?.isForced && from !== undefined) {
        forced.add(logFileName(from.log));
      }
    }
    return this.missingIn(tip).filter(({ log }) => {
      let at = log;
      for (let step = 0; step < STEPS_MAX; step++) {
        const name = logFileName(at);
        if (inHistory.has(name)) return !forced.has(name);
        const life = this.#lives(at).at(-1);
        if (life === undefined || life.isForced) return false;
        if (life.from === undefined) return true;
        at = life.from.log;
      }
      return true;
    });
  }

  /** Logs with data that follow `position`, of whoever wrote them. */
  successors(position: Position): LogName[] {
    return [...this.#logs.values()].flatMap((lives) => lives.slice(-1))
      .filter(({ from, records }) =>
        records.length > 0 && from !== undefined &&
        positionText(from) === positionText(position)
      )
      .map(({ log }) => log);
  }

  /** Positions that a history goes through, from `tip` backwards. */
  *#history(tip: Position): Iterable<Position> {
    let at: Position | undefined = tip;
    for (let step = 0; at !== undefined && step < STEPS_MAX; step++) {
      yield at;
      const life = this.#lives(at.log).at(-1);
      at = life === undefined
        ? this.#told.get(logFileName(at.log)) ?? this.#before(at.log)
        : life.from;
    }
  }

  /** What a host had before a hole in the numbers of its logs. */
  #before(hole: LogName): Position | undefined {
    const ends = [...this.#logs.values()].flatMap((lives) => lives.slice(-1))
      .filter(({ log }) =>
        log.host === hole.host && log.sequence < hole.sequence
      )
      .sort((left, right) => right.log.sequence - left.log.sequence);
    const [last] = ends;
    return last && { log: last.log, bytes: last.durableBytes };
  }

  #lives(log: LogName): TrueLog[] {
    return this.#logs.get(logFileName(log)) ?? [];
  }

  #newest(log: LogName): TrueLog {
    const known = this.#lives(log).at(-1);
    if (known !== undefined) return known;
    throw new Violation(`${logFileName(log)} was never begun`);
  }
}

/** No run is that long. */
const STEPS_MAX = 10_000;

function stateIn({ base, records }: TrueLog, bytes: number): DiskState {
  const state = base.slice();
  const count = Math.floor(bytes / RECORD_BYTES);
  for (const { cell, id } of records.slice(0, count)) state[cell] = id;
  return state;
}

export function isSameState(left: DiskState, right: DiskState): boolean {
  return left.every((id, cell) => id === right[cell]);
}

export function differenceOf(expected: DiskState, found: DiskState): string {
  const cells: string[] = [];
  for (const [cell, id] of expected.entries()) {
    if (id === found[cell]) continue;
    cells.push(`cell ${cell} has write ${found[cell]} instead of ${id}`);
  }
  return cells.join(", ");
}

export function positionText({ log, bytes }: Position): string {
  return `${logFileName(log)}:${bytes}`;
}
