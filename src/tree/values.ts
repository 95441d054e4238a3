// Pure
/**
 * Values of links: one codec per kind of value.
 *
 *   replay     log-000000002-beta,1048576,2097152
 *   version    <32 hex>,log-000000002-beta,4096:<32 hex>,log-000000001-beta,512
 *   stamp      1795351445.000000123
 *   features   4,5,0x071f0000
 *   message    OK, or <stamp> <stamp> text
 *   address    10.0.0.1, 10.0.0.1:7777, [fe80::1]:7777, name.example
 *
 * A parser returns undefined for anything malformed and never throws. For every
 * value that can be formatted, `parse(format(x))` equals `x`. Formatting what
 * cannot be a value is a programmer's error.
 *
 * Sources: MARS symlink tree 0.1; grammar of its version and replay links.
 */
import { assert } from "../base/assert.ts";
import {
  formatSequence,
  isIdentifier,
  logFileName,
  type LogName,
  parseLogFileName,
} from "../base/names.ts";
import { NS_PER_S } from "../base/time.ts";

// Prescribed by MARS.
export const TOMBSTONE = ".deleted";
export const NOBODY = "(none)";
export const ANY_UUID = "(any)";
/** Longest value of a link, in bytes of UTF-8. */
export const VALUE_BYTES_MAX = 1023;
/** Digest of a version link that was made by hand. */
export const ANCHOR_DIGEST = "0".repeat(32);

/** Everything before `startBytes` is on the disk; `dirtyBytes` follow. */
export type ReplayValue = {
  readonly log: LogName;
  readonly startBytes: number;
  readonly dirtyBytes: number;
};

/** One log of the chain: how far it goes, and a digest of all before. */
export type VersionStep = {
  /** 32 lower-case hexadecimal digits. */
  readonly digest: string;
  readonly log: LogName;
  readonly endBytes: number;
};

/** A log and its predecessor. */
export type VersionValue = {
  readonly self: VersionStep;
  readonly previous: VersionStep | undefined;
};

/** Versions of features and strategy, and the mask of digests and packers. */
export type Features = {
  readonly features: number;
  readonly strategy: number;
  readonly mask: number;
};

/** "ok", or a text with the stamps of its first occurrence. */
export type Message =
  | { readonly kind: "ok" }
  | {
    readonly kind: "text";
    readonly realNs: bigint;
    readonly stampNs: bigint;
    readonly text: string;
  };

/** When a write is acknowledged. */
export type AcknowledgeLevel = "flush" | "durable" | "peer";

/** Where a host listens; `port` is undefined for the default one. */
export type HostAddress = {
  readonly address: string;
  readonly port: number | undefined;
};

/** Blocks that were equal and blocks that differed. */
export type VerifyValue = {
  readonly equalCount: number;
  readonly differingCount: number;
};

/** Names of value kinds, as used by the table in `path.ts`. */
export type ValueKind =
  | "acknowledge"
  | "address"
  | "count"
  | "features"
  | "host"
  | "integer"
  | "message"
  | "path"
  | "percent"
  | "replay"
  | "stamp"
  | "switch"
  | "text"
  | "tombstone"
  | "verify"
  | "version";

/** Whether `value` can be decoded as `kind`; a tombstone fits every kind. */
export function isValueOf(kind: ValueKind, value: string): boolean {
  return value === TOMBSTONE || CHECKS[kind](value);
}

const CHECKS: Readonly<Record<ValueKind, (value: string) => boolean>> = {
  acknowledge: isAcknowledgeLevel,
  address: isHostAddress,
  count: (value) => parseCount(value) !== undefined,
  features: (value) => parseFeatures(value) !== undefined,
  host: (value) => value === NOBODY || isIdentifier(value),
  integer: (value) => parseInteger(value) !== undefined,
  message: (value) => parseMessage(value) !== undefined,
  path: (value) => value.startsWith("/"),
  percent: (value) => (parseCount(value) ?? 101) <= 100,
  replay: (value) => parseReplay(value) !== undefined,
  stamp: (value) => parseStamp(value) !== undefined,
  switch: (value) => parseSwitch(value) !== undefined,
  text: (value) => value !== "",
  tombstone: () => false,
  verify: (value) => parseVerify(value) !== undefined,
  version: (value) => parseVersion(value) !== undefined,
};

// ---- numbers --------------------------------------------------------------

/** `0` or `1`. */
export function parseSwitch(value: string): boolean | undefined {
  if (value === "1") return true;
  return value === "0" ? false : undefined;
}

export function formatSwitch(on: boolean): string {
  return on ? "1" : "0";
}

/** Decimal, not negative, below 2^53; leading zeros are ignored. */
export function parseCount(value: string): number | undefined {
  if (!/^[0-9]{1,20}$/.test(value)) return undefined;
  const count = Number(value);
  return Number.isSafeInteger(count) ? count : undefined;
}

export function formatCount(count: number): string {
  assert(Number.isSafeInteger(count), "Count is a safe integer");
  assert(count >= 0, "Count is not negative");
  return String(count);
}

/** Decimal with optional minus sign; magnitude below 2^53. */
export function parseInteger(value: string): number | undefined {
  if (!value.startsWith("-")) return parseCount(value);
  const count = parseCount(value.slice(1));
  // Minus zero would be a second zero.
  return count === undefined || count === 0 ? count : -count;
}

/** `<seconds>.<9 digits>` as nanoseconds. */
export function parseStamp(value: string): bigint | undefined {
  const match = /^([0-9]{1,11})\.([0-9]{9})$/.exec(value);
  if (match === null) return undefined;
  return BigInt(match[1] ?? "") * NS_PER_S + BigInt(match[2] ?? "");
}

/** Nanoseconds as `<seconds>.<9 digits>`. */
export function formatStamp(stampNs: bigint): string {
  assert(stampNs >= 0n, "Stamp is not negative");
  const fraction = String(stampNs % NS_PER_S).padStart(9, "0");
  return `${stampNs / NS_PER_S}.${fraction}`;
}

// ---- positions ------------------------------------------------------------

export function parseReplay(value: string): ReplayValue | undefined {
  const parts = value.split(",");
  if (parts.length !== 3) return undefined;
  const log = parseLogFileName(parts[0] ?? "");
  const startBytes = parsePosition(parts[1] ?? "");
  const dirtyBytes = parsePosition(parts[2] ?? "");
  if (log === undefined) return undefined;
  if (startBytes === undefined || dirtyBytes === undefined) return undefined;
  if (!Number.isSafeInteger(startBytes + dirtyBytes)) return undefined;
  return { log, startBytes, dirtyBytes };
}

export function formatReplay(value: ReplayValue): string {
  const name = logFileName(value.log);
  const start = formatCount(value.startBytes);
  return `${name},${start},${formatCount(value.dirtyBytes)}`;
}

export function parseVersion(value: string): VersionValue | undefined {
  const colon = value.indexOf(":");
  if (colon < 0) return undefined;
  const self = parseStep(value.slice(0, colon));
  if (self === undefined) return undefined;
  const rest = value.slice(colon + 1);
  if (rest === "") return { self, previous: undefined };
  const previous = parseStep(rest);
  return previous === undefined ? undefined : { self, previous };
}

/** @param before text of the version or step before; empty if there is none */
export function formatVersion(self: VersionStep, before: string): string {
  return `${formatStep(self)}:${selfText(before)}`;
}

/** Text of the step itself; all of `valueText` if it has no colon. */
export function selfText(valueText: string): string {
  const colon = valueText.indexOf(":");
  return colon < 0 ? valueText : valueText.slice(0, colon);
}

/** Text of the predecessor's step; empty if there is none. */
export function previousText(valueText: string): string {
  const colon = valueText.indexOf(":");
  return colon < 0 ? "" : valueText.slice(colon + 1);
}

/** `<digest>,<log>,<end>` without what follows the colon. */
function parseStep(text: string): VersionStep | undefined {
  const parts = text.split(",");
  if (parts.length !== 3) return undefined;
  const [digest = "", name = "", end = ""] = parts;
  if (!/^[0-9a-f]{32}$/.test(digest)) return undefined;
  const log = parseLogFileName(name);
  const endBytes = parsePosition(end);
  if (log === undefined || endBytes === undefined) return undefined;
  return { digest, log, endBytes };
}

export function formatStep(step: VersionStep): string {
  assert(/^[0-9a-f]{32}$/.test(step.digest), "Digest has 32 hex digits");
  const name = logFileName(step.log);
  return `${step.digest},${name},${formatCount(step.endBytes)}`;
}

/** Positions are not padded: two texts of one position would not be equal. */
function parsePosition(text: string): number | undefined {
  return text.length > 1 && text.startsWith("0") ? undefined : parseCount(text);
}

/** `<equal>,<differing>` */
export function parseVerify(value: string): VerifyValue | undefined {
  const parts = value.split(",");
  if (parts.length !== 2) return undefined;
  const equalCount = parseCount(parts[0] ?? "");
  const differingCount = parseCount(parts[1] ?? "");
  if (equalCount === undefined || differingCount === undefined) {
    return undefined;
  }
  return { equalCount, differingCount };
}

export function formatSkipCheck(sequence: number): string {
  return formatSequence(sequence);
}

// ---- hosts ----------------------------------------------------------------

/** `<features>,<strategy>,0x<8 hex>` */
export function parseFeatures(value: string): Features | undefined {
  const match = /^([0-9]{1,9}),([0-9]{1,9}),0x([0-9a-fA-F]{1,8})$/.exec(value);
  if (match === null) return undefined;
  return {
    features: Number(match[1]),
    strategy: Number(match[2]),
    mask: Number.parseInt(match[3] ?? "", 16),
  };
}

export function formatFeatures(value: Features): string {
  assert(value.mask >= 0, "Mask is not negative");
  assert(value.mask <= 0xffff_ffff, "Mask has 32 bits");
  const mask = value.mask.toString(16).padStart(8, "0");
  return `${formatCount(value.features)},${
    formatCount(value.strategy)
  },0x${mask}`;
}

/** `OK`, or stamps and text. */
export function parseMessage(value: string): Message | undefined {
  if (value === "OK") return { kind: "ok" };
  const match = /^(\S+) (\S+) (.+)$/s.exec(value);
  if (match === null) return undefined;
  const realNs = parseStamp(match[1] ?? "");
  const stampNs = parseStamp(match[2] ?? "");
  if (realNs === undefined || stampNs === undefined) return undefined;
  return { kind: "text", realNs, stampNs, text: match[3] ?? "" };
}

/** Cuts the text if it is too long; control characters become blanks. */
export function formatMessage(message: Message): string {
  if (message.kind === "ok") return "OK";
  assert(message.text !== "", "Message has a text");
  const stamps = `${formatStamp(message.realNs)} ${
    formatStamp(message.stampNs)
  }`;
  // deno-lint-ignore no-control-regex -- They would reach a terminal.
  const text = message.text.replace(/[\u0000-\u001f\u007f]/g, " ");
  return truncateValue(`${stamps} ${text.toWellFormed()}`);
}

/** An IPv4 or bracketed IPv6 address or a name, optionally with a port. */
export function parseHostAddress(value: string): HostAddress | undefined {
  const match =
    /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][-A-Za-z0-9.]*)(?::(\d{1,5}))?$/
      .exec(value);
  if (match === null) return parseBareIpv6(value);
  const port = match[2] === undefined ? undefined : Number(match[2]);
  if (port !== undefined && (port === 0 || port > 0xffff)) return undefined;
  const text = match[1] ?? "";
  if (text.length > 253) return undefined;
  if (text.startsWith("[")) {
    const bare = text.slice(1, -1);
    return isIpv6(bare) ? { address: bare, port } : undefined;
  }
  // Only digits and dots: it must be an address, not a name.
  if (/^[0-9.]+$/.test(text) && !isIpv4(text)) return undefined;
  return { address: text, port };
}

export function formatHostAddress(value: HostAddress): string {
  const isLong = value.address.includes(":");
  if (value.port === undefined) return value.address;
  const address = isLong ? `[${value.address}]` : value.address;
  return `${address}:${formatCount(value.port)}`;
}

export function isHostAddress(value: string): boolean {
  return parseHostAddress(value) !== undefined;
}

function parseBareIpv6(value: string): HostAddress | undefined {
  return isIpv6(value) ? { address: value, port: undefined } : undefined;
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 &&
    parts.every((part) => /^[0-9]{1,3}$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  if (text.length > 45 || !text.includes(":")) return false;
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => half === "" ? [] : half.split(":"));
  const last = groups.at(-1);
  const hasIpv4 = last?.includes(".") ?? false;
  if (hasIpv4 && (last === undefined || !isIpv4(last))) return false;
  const words = hasIpv4 ? groups.slice(0, -1) : groups;
  if (!words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) return false;
  const count = words.length + (hasIpv4 ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
}

export function isAcknowledgeLevel(value: string): value is AcknowledgeLevel {
  return value === "flush" || value === "durable" || value === "peer";
}

// ---- bounds ---------------------------------------------------------------

/** Whether `value` can be stored at all: length in bytes, no zero byte. */
export function isStorableValue(value: string): boolean {
  return value !== "" && !value.includes("\0") && value.isWellFormed() &&
    byteLengthOf(value) <= VALUE_BYTES_MAX;
}

/** Cuts `value` to the longest whole characters that can be stored. */
export function truncateValue(value: string): string {
  if (byteLengthOf(value) <= VALUE_BYTES_MAX) return value;
  const bytes = new Uint8Array(VALUE_BYTES_MAX);
  const { read } = new TextEncoder().encodeInto(value, bytes);
  return value.slice(0, read);
}

/** Bytes of UTF-8. */
export function byteLengthOf(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    // Each half of a surrogate pair stands for two of its four bytes.
    const isSurrogate = code >= 0xd800 && code <= 0xdfff;
    if (code >= 0x80) bytes += code < 0x800 || isSurrogate ? 1 : 2;
  }
  return bytes;
}
