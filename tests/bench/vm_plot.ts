// Pure
/**
 * Bars of what a virtual machine has measured, as one SVG: a panel per case, a
 * bar per target, whiskers from the smallest to the largest round.
 */
import { INK, PALE_INK, text } from "./svg.ts";
import type { Case, Row } from "./vm_results.ts";
import { amountText, TARGET_TITLES } from "./vm_results.ts";

// Pixels.
const PANEL_WIDTH = 300;
const NAME_WIDTH = 170;
const BAR_HEIGHT = 14;
const BAR_STEP = 19;
const TITLE_HEIGHT = 44;
const GAP = 24;
const VALUE_WIDTH = 84;
const COLUMNS = 4;

function colorOf(target: string): string {
  if (target.startsWith("drbd")) return "#d9822b";
  if (target.startsWith("flush")) return "#1f6fb2";
  if (target.startsWith("durable")) return "#6aaedb";
  return "#9aa5ab";
}

/**
 * @param groups each a row of panels; all cases of a group have the targets of
 * its first one
 */
export function plotOf(
  title: string,
  groups: readonly (readonly Case[])[],
): string {
  const parts: string[] = [];
  let top = 56;
  for (const group of groups) {
    const targets = group[0]?.rows.map(({ target }) => target) ?? [];
    for (const [index, target] of targets.entries()) {
      const middle = top + TITLE_HEIGHT + index * BAR_STEP + BAR_HEIGHT - 3;
      parts.push(
        text(GAP / 2 + NAME_WIDTH, middle, TARGET_TITLES[target] ?? target, {
          anchor: "end",
        }),
      );
    }
    for (const [column, each] of group.slice(0, COLUMNS).entries()) {
      const left = GAP + NAME_WIDTH + column * (PANEL_WIDTH + GAP);
      parts.push(...panelOf(each, targets, left, top));
    }
    top += TITLE_HEIGHT + targets.length * BAR_STEP + GAP;
  }
  const width = GAP + NAME_WIDTH + COLUMNS * (PANEL_WIDTH + GAP);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" ` +
    `height="${top}" viewBox="0 0 ${width} ${top}" ` +
    `font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${top}" fill="#ffffff"/>`,
    text(GAP, 32, title, { size: 17, weight: "bold" }),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function panelOf(
  each: Case,
  targets: readonly string[],
  left: number,
  top: number,
): string[] {
  const [name = "", ...conditions] = each.title.split(", ");
  const most = Math.max(...each.rows.map(({ rate }) => rate.max));
  const scale = (PANEL_WIDTH - VALUE_WIDTH) / most;
  const unit = each.unit === "/s" ? "per second" : "MB/s";
  return [
    text(left, top + 16, name, { weight: "bold" }),
    text(left, top + 32, [...conditions, unit].join(", "), {
      color: PALE_INK,
      size: 11,
    }),
    ...targets.flatMap((target, index) => {
      const row = each.rows.find((row) => row.target === target);
      const y = top + TITLE_HEIGHT + index * BAR_STEP;
      return row === undefined ? [] : barOf(row, left, y, scale);
    }),
  ];
}

function barOf(
  { target, rate }: Row,
  left: number,
  top: number,
  scale: number,
): string[] {
  const at = (value: number): string => (left + value * scale).toFixed(1);
  const width = Math.max(1, rate.median * scale).toFixed(1);
  const middle = top + BAR_HEIGHT / 2;
  return [
    `<rect x="${left}" y="${top}" width="${width}" height="${BAR_HEIGHT}" ` +
    `fill="${colorOf(target)}"/>`,
    `<path d="M${at(rate.min)} ${middle}H${at(rate.max)}" stroke="${INK}"/>`,
    text(
      left + rate.max * scale + 5,
      top + BAR_HEIGHT - 3,
      amountText(rate.median),
    ),
  ];
}
