/**
 * What is told about connections that were refused: each reason once per
 * source, however often it knocks.
 */
import { trace } from "../base/trace.ts";

/** At the bound the oldest source is forgotten, and may be told of again. */
const SOURCES_MAX = 1024;

/** Remembers what was told. */
export class Refusals {
  readonly #told = new Set<string>();

  /** `source` is an address without port. */
  report(source: string, reason: string): void {
    const key = `${source} ${reason}`;
    if (this.#told.has(key)) return;
    if (this.#told.size >= SOURCES_MAX) {
      for (const oldest of this.#told) {
        this.#told.delete(oldest);
        break;
      }
    }
    this.#told.add(key);
    trace.warn("peer", "Connection was refused", { source, reason });
  }
}
