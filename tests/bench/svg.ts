// Pure
/** What plots have in common. */

export const INK = "#2a2a2a";
export const PALE_INK = "#6a6a6a";

export interface TextOptions {
  readonly anchor?: string;
  readonly size?: number;
  readonly weight?: string;
  readonly color?: string;
}

/** Words at a place; the baseline is at `y`. */
export function text(
  x: number,
  y: number,
  content: string,
  { anchor, size, weight, color }: TextOptions = {},
): string {
  const attributes = [
    `x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="${color ?? INK}"`,
    ...(anchor === undefined ? [] : [`text-anchor="${anchor}"`]),
    ...(size === undefined ? [] : [`font-size="${size}"`]),
    ...(weight === undefined ? [] : [`font-weight="${weight}"`]),
  ];
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text ${attributes.join(" ")}>${safe}</text>`;
}
