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
  records: SimRecord[];
  /** Durable at the author: acknowledged to whoever flushed. */
  durableBytes: number;
}

/** Something that must never be so. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export class Truth {
  readonly #logs = new Map<string, TrueLog>();
  #writeCount = 0;

  nextWrite(): number {
    return ++this.#writeCount;
  }

  get writeCount(): number {
    return this.#writeCount;
  }

  /** @throws Violation if the log was written before, or does not follow */
  begin(
    log: LogName,
    { base, from }: {
      readonly base: DiskState;
      readonly from: Position | undefined;
    },
  ): void {
    const name = logFileName(log);
    const before = this.#logs.get(name);
    if (before !== undefined && before.durableBytes > 0) {
      throw new Violation(
        `${name} is begun again, ${before.durableBytes} bytes of it were durable`,
      );
    }
    if (from !== undefined) {
      const state = this.stateAt(from);
      if (state !== undefined && !isSameState(state, base)) {
        throw new Violation(
          `${name} begins on a disk that is not the state of ${
            positionText(from)
          } (I6, I10): ${differenceOf(state, base)}`,
        );
      }
    }
    this.#logs.set(name, { log, base, from, records: [], durableBytes: 0 });
  }

  append(log: LogName, record: SimRecord): void {
    this.#get(log).records.push(record);
  }

  setDurable(log: LogName, bytes: number): void {
    const known = this.#get(log);
    known.durableBytes = Math.max(known.durableBytes, bytes);
  }

  durableBytes(log: LogName): number | undefined {
    return this.#logs.get(logFileName(log))?.durableBytes;
  }

  has(log: LogName): boolean {
    return this.#logs.has(logFileName(log));
  }

  base(log: LogName): DiskState | undefined {
    return this.#logs.get(logFileName(log))?.base;
  }

  from(log: LogName): Position | undefined {
    return this.#logs.get(logFileName(log))?.from;
  }

  /** Other authors of the same number. */
  rivals(log: LogName): LogName[] {
    return [...this.#logs.values()].map((other) => other.log).filter((other) =>
      other.sequence === log.sequence && other.host !== log.host
    );
  }

  logs(): LogName[] {
    return [...this.#logs.values()].map(({ log }) => log);
  }

  /** The record that the author wrote at `offsetBytes`. */
  recordAt(log: LogName, offsetBytes: number): SimRecord | undefined {
    return this.#logs.get(logFileName(log))?.records[
      offsetBytes / RECORD_BYTES
    ];
  }

  /** How many durable bytes a successor behind `bytes` throws away. */
  lostBehind({ log, bytes }: Position): number {
    return Math.max(0, (this.durableBytes(log) ?? 0) - bytes);
  }

  /** What a disk holds at a position; undefined if nobody wrote that log. */
  stateAt(position: Position): DiskState | undefined {
    const known = this.#logs.get(logFileName(position.log));
    if (known === undefined) return undefined;
    const state = known.base.slice();
    const count = Math.floor(position.bytes / RECORD_BYTES);
    for (const { cell, id } of known.records.slice(0, count)) state[cell] = id;
    return state;
  }

  /** Positions that a history goes through, from `tip` backwards. */
  *history(tip: Position): Iterable<Position> {
    let at: Position | undefined = tip;
    for (let step = 0; at !== undefined && step < 10_000; step++) {
      yield at;
      at = this.#logs.get(logFileName(at.log))?.from;
    }
  }

  /** Durable bytes of all logs that a history lacks. */
  missingIn(
    tip: Position,
  ): { readonly log: LogName; readonly bytes: number }[] {
    const reached = new Map<string, number>();
    for (const { log, bytes } of this.history(tip)) {
      reached.set(logFileName(log), bytes);
    }
    const missing: { log: LogName; bytes: number }[] = [];
    for (const [name, { log, durableBytes }] of this.#logs) {
      const bytes = durableBytes - (reached.get(name) ?? 0);
      if (bytes > 0) missing.push({ log, bytes });
    }
    return missing;
  }

  #get(log: LogName): TrueLog {
    const known = this.#logs.get(logFileName(log));
    if (known !== undefined) return known;
    throw new Violation(`${logFileName(log)} was never begun`);
  }
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
