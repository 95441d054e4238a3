// Pure
/**
 * Rates by time of day: how fast something may go, and when.
 *
 *   08:00-18:00=10M,=100M            10 MiB/s by day, 100 MiB/s else
 *   Mon-Fri/08:00-18:00=10M,Sat=50M  only on some days; unlimited else
 *   20M                              always
 *
 *   schedule  rule, "," rule, … ; the first one that matches counts, and if
 *             none does there is no limit
 *   rule      [ [days] ["/" hours] "=" ] rate
 *   days      Mon or Fri-Sun; hours: 22:00-06:00, may go past midnight and
 *             then belong to the day on which they begin
 *   rate      bytes per second; k m g are powers of 1000, K M G of 1024;
 *             0 is no limit
 *
 * Times are those of the host that keeps to them, in its own time zone.
 */
import type { WeekTime } from "./time.ts";

/** One rule; a rate of 0 is no limit. */
export interface RateRule {
  /** 0 is Monday; both ends are meant. Undefined: every day. */
  readonly days: { readonly first: number; readonly last: number } | undefined;
  /** Minutes of the day, the end exclusive. Undefined: at any time. */
  readonly minutes:
    | { readonly start: number; readonly end: number }
    | undefined;
  readonly bytesPerSecond: number;
}

export type RateSchedule = readonly RateRule[];

/** What to type, for messages. */
export const RATE_SCHEDULE_HINT =
  `bytes per second, as 10M, or by time, as 08:00-18:00=10M,=100M or Mon-Fri/08:00-18:00=10M; 0 for no limit`;

// Ours. Below, a line could not even carry signs of life.
const RATE_MIN = 1024;
// Ours. More is a mistake; the schedule is invalid then.
const RULES_MAX = 64;

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_PER_DAY = 24 * 60;

const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
};

/** Undefined unless `text` is a schedule. */
export function parseRateSchedule(text: string): RateSchedule | undefined {
  const parts = text.split(",");
  if (parts.length > RULES_MAX) return undefined;
  const rules: RateRule[] = [];
  for (const part of parts) {
    const rule = parseRule(part.trim());
    if (rule === undefined) return undefined;
    rules.push(rule);
  }
  return rules;
}

/** Bytes per second at a moment; undefined without a limit. */
export function rateAt(
  schedule: RateSchedule,
  time: WeekTime,
): number | undefined {
  const rule = schedule.find((each) => isAt(each, time));
  return rule === undefined || rule.bytesPerSecond === 0
    ? undefined
    : rule.bytesPerSecond;
}

function isAt({ days, minutes }: RateRule, { day, minute }: WeekTime): boolean {
  if (minutes === undefined) return isOn(days, day);
  const { start, end } = minutes;
  if (start < end) return minute >= start && minute < end && isOn(days, day);
  // Past midnight: what began the day before goes on.
  if (minute >= start) return isOn(days, day);
  return minute < end && isOn(days, (day + 6) % 7);
}

function isOn(days: RateRule["days"], day: number): boolean {
  if (days === undefined) return true;
  const { first, last } = days;
  return first <= last ? day >= first && day <= last : day >= first ||
    day <= last;
}

function parseRule(text: string): RateRule | undefined {
  const parts = text.split("=");
  if (parts.length > 2) return undefined;
  const bytesPerSecond = parseRate(parts.at(-1) ?? "");
  if (bytesPerSecond === undefined) return undefined;
  const when = parts.length === 2 ? parts[0]?.trim() ?? "" : "";
  if (when === "") {
    return { days: undefined, minutes: undefined, bytesPerSecond };
  }
  const match = /^(?:([A-Za-z-]+)(?:\/|$))?([\d:-]*)$/.exec(when);
  if (match === null) return undefined;
  const [, daysText, hoursText = ""] = match;
  const days = daysText === undefined ? undefined : parseDays(daysText);
  const minutes = hoursText === "" ? undefined : parseHours(hoursText);
  const isBad = (daysText !== undefined && days === undefined) ||
    (hoursText !== "" && minutes === undefined) ||
    (hoursText === "" && when.endsWith("/"));
  return isBad ? undefined : { days, minutes, bytesPerSecond };
}

function parseRate(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([kmgKMG]?)$/.exec(text.trim());
  if (match === null) return undefined;
  const rate = Math.floor(Number(match[1]) * (FACTORS[match[2] ?? ""] ?? 1));
  const isGood = Number.isSafeInteger(rate) && (rate === 0 || rate >= RATE_MIN);
  return isGood ? rate : undefined;
}

function parseDays(text: string): RateRule["days"] {
  const [from = "", to = from, ...rest] = text.toLowerCase().split("-");
  const [first, last] = [DAYS.indexOf(from), DAYS.indexOf(to)];
  return first < 0 || last < 0 || rest.length > 0 ? undefined : { first, last };
}

function parseHours(text: string): RateRule["minutes"] {
  const match = /^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/.exec(text);
  if (match === null) return undefined;
  const start = minuteOf(match[1], match[2]);
  const end = minuteOf(match[3], match[4]);
  const isGood = start < MINUTES_PER_DAY && end <= MINUTES_PER_DAY &&
    start !== end;
  return isGood ? { start, end } : undefined;
}

/** Too large if there is no such time. */
function minuteOf(hours: string | undefined, minutes: string | undefined) {
  const minute = Number(minutes);
  return minute < 60 ? Number(hours) * 60 + minute : Infinity;
}
