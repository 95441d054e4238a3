/**
 * What is told about connections that were refused: each reason once per
 * source, however often it knocks, and a few reasons per source, however many
 * keys it tries.
 */
import { trace } from "../base/trace.ts";

/** At the bound the oldest source is forgotten, and may be told of again. */
export const SOURCES_MAX = 1024;

/** At the bound a source is told of no more. */
export const REASONS_PER_SOURCE_MAX = 8;

/** Remembers what was told. */
export class Refusals {
  readonly #told = new Map<string, Set<string>>();

  /** `source` is an address without port. Returns whether this was told. */
  report(source: string, reason: string): boolean {
    const reasons = this.#told.get(source) ?? this.#remember(source);
    if (reasons.has(reason)) return false;
    if (reasons.size >= REASONS_PER_SOURCE_MAX) return false;
    reasons.add(reason);
    trace.warn("peer", "Connection was refused", { source, reason });
    return true;
  }

  #remember(source: string): Set<string> {
    if (this.#told.size >= SOURCES_MAX) {
      const [oldest] = this.#told.keys();
      if (oldest !== undefined) this.#told.delete(oldest);
    }
    const reasons = new Set<string>();
    this.#told.set(source, reasons);
    return reasons;
  }
}
