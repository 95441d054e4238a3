// Pure
/** What the demo's screen is made of: bars, tables, figures. */
import { assert } from "../../base/assert.ts";

const MIB = 1024 * 1024;

/** `[######......]  50 %` */
export function barText(fraction: number, width: number): string {
  const part = Math.min(1, Math.max(0, fraction));
  const full = Math.round(part * width);
  const percent = String(Math.floor(part * 100)).padStart(3);
  return `[${"#".repeat(full)}${".".repeat(width - full)}] ${percent} %`;
}

/** Lines of a table; the first row is its head, numbers stand to the right. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const [head = []] = rows;
  const widths = head.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  const lines = rows.map((row) => {
    assert(row.length === head.length, "every row has all columns");
    return row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return /^[\d,.]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
    }).join("   ").trimEnd();
  });
  const rule = widths.map((width) => "-".repeat(width)).join("   ");
  return [...lines.slice(0, 1), rule, ...lines.slice(1)];
}

/** `1,234,567` */
export function countText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `12.3 MiB` */
export function sizeText(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

/** `0.35 ms`, `12 ms`, `3.4 s` */
export function timeText(durationMs: number): string {
  if (durationMs < 10) return `${durationMs.toFixed(2)} ms`;
  if (durationMs < 1_000) return `${durationMs.toFixed(0)} ms`;
  return `${(durationMs / 1_000).toFixed(1)} s`;
}

/** The value below which `part` of `sorted` lies; 0 if there are none. */
export function quantile(sorted: readonly number[], part: number): number {
  const index = Math.min(sorted.length - 1, Math.floor(part * sorted.length));
  return sorted[index] ?? 0;
}
