// Pure
/**
 * Figures: how amounts, shares and durations are written for people.
 *
 *   bytes      16.000 MiB     three decimals; bytes without
 *   duration   01:06:40       `--:--:--` when nobody knows
 *   bar        ===>:::::::........
 *   count      1 host, 2 hosts
 *
 * Source: `human-numbers`, `human-seconds` and `progress` of `marsadm view`.
 */

/** A unit of bytes. */
export interface Unit {
  readonly name: string;
  readonly bytes: number;
}

// Prescribed by MARS: large units begin later, so that digits are not lost.
const UNITS: readonly (Unit & { readonly fromBytes: number })[] = [
  { name: "TiB", bytes: 2 ** 40, fromBytes: 9.99 * 2 ** 40 },
  { name: "GiB", bytes: 2 ** 30, fromBytes: 9.99 * 2 ** 30 },
  { name: "MiB", bytes: 2 ** 20, fromBytes: 2 ** 20 },
  { name: "KiB", bytes: 2 ** 10, fromBytes: 2 ** 10 },
];
const BYTE: Unit = { name: "B", bytes: 1 };
const UNIT_DECIMALS = 3;

/** The unit in which numbers up to `bytes` are written. */
export function unitFor(bytes: number): Unit {
  return UNITS.find((unit) => bytes >= unit.fromBytes) ?? BYTE;
}

/** `16.000 MiB` */
export function formatBytes(bytes: number, decimals = UNIT_DECIMALS): string {
  const unit = unitFor(bytes);
  return `${inUnit(bytes, unit, decimals)} ${unit.name}`;
}

function inUnit(
  bytes: number,
  unit: Unit,
  decimals = UNIT_DECIMALS,
): string {
  return unit === BYTE
    ? String(Math.floor(bytes))
    : formatDecimals(bytes / unit.bytes, decimals);
}

/** Fixed decimals; a tie goes to the even digit, as `printf` does. */
export function formatDecimals(value: number, decimals: number): string {
  const factor = 10 ** decimals;
  const scaled = value * factor;
  const below = Math.floor(scaled);
  const isUp = scaled - below > 0.5 ||
    (scaled - below === 0.5 && below % 2 === 1);
  return ((isUp ? below + 1 : below) / factor).toFixed(decimals);
}

/** `1 log`, `2 logs` */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `HH:MM:SS`; undefined is unknown. */
export function formatDuration(seconds: number | undefined): string {
  if (seconds === undefined || seconds < 0) return "--:--:--";
  const whole = Math.floor(seconds);
  const two = (count: number): string => String(count).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${
    two(whole % 60)
  }`;
}

/** Amounts of a bar, each part of the next. */
export interface BarAmounts {
  readonly doneBytes: number;
  /** Behind the arrow: here, but not done. */
  readonly presentBytes: number;
  readonly sizeBytes: number;
}

/** `===>:::::::........`: done, here, and what is left. */
export function formatBar(amounts: BarAmounts, characters: number): string {
  const at = (bytes: number): number =>
    amounts.sizeBytes > 0
      ? Math.floor(characters * Math.min(1, bytes / amounts.sizeBytes))
      : characters;
  const done = Math.max(1, at(amounts.doneBytes));
  const present = Math.max(done, at(amounts.presentBytes));
  // The original draws one colon too few.
  const colons = Math.max(0, present - done - 1);
  return "=".repeat(done - 1) + ">" + ":".repeat(colons) +
    ".".repeat(characters - present);
}
