// Pure
/**
 * Latencies by the state of a line, as one SVG: a row per state, a dot per
 * percentile on a logarithmic scale, whiskers from the smallest to the largest
 * round.
 */
import type { Spread } from "./figures.ts";
import { INK, PALE_INK, text } from "./svg.ts";

export interface LineRow {
  readonly name: string;
  /** Microseconds: p50, p99, p99.9. */
  readonly values: readonly Spread[];
}

const TITLES = ["p50", "p99", "p99.9"];
const COLORS = ["#1f6fb2", "#d9822b", "#a33b3b"];
// Pixels.
const WIDTH = 760;
const LEFT = 130;
const RIGHT = 60;
const TOP = 78;
const ROW = 46;

export function linePlot(rows: readonly LineRow[]): string {
  const all = rows.flatMap(({ values }) =>
    values.flatMap(({ min, max }) => [min, max])
  );
  const from = Math.floor(Math.log10(Math.min(...all)));
  const to = Math.ceil(Math.log10(Math.max(...all)));
  const x = (value: number): number =>
    LEFT +
    (WIDTH - LEFT - RIGHT) * (Math.log10(value) - from) /
      Math.max(1, to - from);
  const height = TOP + rows.length * ROW + 34;
  const parts: string[] = [];
  for (let decade = from; decade <= to; decade++) {
    const at = x(10 ** decade).toFixed(1);
    const bottom = height - 30;
    parts.push(
      `<path d="M${at} ${TOP - 14}V${bottom}" stroke="#dddddd"/>`,
      text(x(10 ** decade), height - 12, `${10 ** decade} µs`, {
        anchor: "middle",
        color: PALE_INK,
      }),
    );
  }
  for (const [index, title] of TITLES.entries()) {
    const left = LEFT + index * 80;
    parts.push(
      `<circle cx="${left}" cy="50" r="5" fill="${COLORS[index]}"/>`,
      text(left + 10, 54, title),
    );
  }
  for (const [index, { name, values }] of rows.entries()) {
    const middle = TOP + index * ROW + ROW / 2 - 8;
    parts.push(text(LEFT - 14, middle + 4, name, { anchor: "end" }));
    for (const [which, { min, median, max }] of values.entries()) {
      const color = COLORS[which];
      parts.push(
        `<path d="M${x(min).toFixed(1)} ${middle}H${
          x(max).toFixed(1)
        }" stroke="${color}"/>`,
        `<circle cx="${
          x(median).toFixed(1)
        }" cy="${middle}" r="5" fill="${color}"/>`,
        text(x(median), middle + 19, median.toFixed(0), {
          anchor: "middle",
          size: 11,
        }),
      );
    }
  }
  const title = "Latency of a 4 KiB write at the primary, by the line";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" ` +
    `height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(24, 28, title, { size: 16, weight: "bold", color: INK }),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}
