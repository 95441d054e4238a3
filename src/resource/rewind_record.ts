// Pure
/**
 * What a copy is limited to, kept in links that stay on their host.
 *
 *   rewind    position, size, number of links, MD5 of their values
 *   rewind-i  ranges, `offset+length` in blocks of 4 KiB, base 36
 *
 * The first one is written last, and counts only for the position and the size
 * that it names: so it means nothing to a copy that began in any other way, and
 * whatever is missing or damaged means a copy of the whole disk.
 */
import { md5 } from "@noble/hashes/legacy.js";
import { toHex } from "../base/bytes.ts";
import type { LogName } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { formatReplay, type ReplayValue } from "../tree/values.ts";
import type { LinkValue } from "./plan_types.ts";
import { BLOCK_BYTES, type Range } from "./written.ts";

/** Ours. So many fit into some twenty links. */
export const REWIND_RANGES_MAX = 2_000;

/** Ranges that are to be copied, and for which copy that holds. */
export interface RewindRecord {
  /** Where replay begins, as a replay link says it. */
  readonly to: string;
  readonly sizeBytes: number;
  readonly ranges: readonly Range[];
}

/** Ours: a value may have 1023 bytes. */
const VALUE_CHARACTERS_MAX = 900;
const RADIX = 36;

/** The record as links of `host`, the one that makes it count last. */
export function rewindLinks(
  { resource, host }: { readonly resource: string; readonly host: string },
  { to, sizeBytes, ranges }: RewindRecord,
): LinkValue[] {
  const values: string[] = [];
  let value = "";
  for (const { offsetBytes, lengthBytes } of ranges) {
    const word = `${blocks(offsetBytes)}+${blocks(lengthBytes)}`;
    if (value.length + word.length >= VALUE_CHARACTERS_MAX) {
      values.push(value);
      value = "";
    }
    value += value === "" ? word : `,${word}`;
  }
  if (value !== "") values.push(value);
  const head = [
    to,
    String(sizeBytes),
    String(values.length),
    digestOf(values),
  ];
  return [
    ...values.map((text, index) => ({
      path: linkPath.rewind(resource, host, `-${index}`),
      value: text,
    })),
    { path: linkPath.rewind(resource, host, ""), value: head.join(" ") },
  ];
}

/** The record as links tell it; undefined if there is none, or part of it. */
export function rewindRecord(
  { resource, host }: { readonly resource: string; readonly host: string },
  link: (path: string) => string | undefined,
): RewindRecord | undefined {
  const head = link(linkPath.rewind(resource, host, ""))?.split(" ") ?? [];
  const [to, size, count, digest] = head;
  if (to === undefined || !/^\d{1,15}$/.test(size ?? "")) return undefined;
  if (!/^\d{1,6}$/.test(count ?? "")) return undefined;
  const values: string[] = [];
  for (let index = 0; index < Number(count); index++) {
    const value = link(linkPath.rewind(resource, host, `-${index}`));
    if (value === undefined) return undefined;
    values.push(value);
  }
  if (digestOf(values) !== digest) return undefined;
  const sizeBytes = Number(size);
  const ranges = values.flatMap((value) => value.split(","))
    .map((word) => rangeOf(word, sizeBytes));
  return { to, sizeBytes, ranges };
}

/** What a copy to a host is limited to that replays from `replay` on. */
export function rangesFor(
  rewind: RewindRecord | undefined,
  replay: ReplayValue | undefined,
  sizeBytes: number,
): readonly Range[] | undefined {
  if (replay === undefined || rewind?.sizeBytes !== sizeBytes) return undefined;
  const { log, startBytes } = replay;
  const isFor = rewind.to === rewindPosition({ log, bytes: startBytes });
  return isFor ? rewind.ranges : undefined;
}

/** A position as records say it. */
export function rewindPosition(
  { log, bytes }: { readonly log: LogName; readonly bytes: number },
): string {
  return formatReplay({ log, startBytes: bytes, dirtyBytes: 0 });
}

function blocks(bytes: number): string {
  return Math.ceil(bytes / BLOCK_BYTES).toString(RADIX);
}

function rangeOf(word: string, sizeBytes: number): Range {
  const [offset = "", length = ""] = word.split("+");
  const offsetBytes = Number.parseInt(offset, RADIX) * BLOCK_BYTES;
  const lengthBytes = Number.parseInt(length, RADIX) * BLOCK_BYTES;
  const restBytes = sizeBytes - offsetBytes;
  return { offsetBytes, lengthBytes: Math.min(lengthBytes, restBytes) };
}

function digestOf(values: readonly string[]): string {
  return toHex(md5(new TextEncoder().encode(values.join("\n"))));
}
