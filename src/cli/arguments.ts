// Pure
/** Words of a command line: names, lists of resources, sizes. */
import { UsageError } from "../base/errors.ts";
import { isIdentifier } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";

/** All resources that this host takes part in, as member or as guest. */
export const ALL = "all";

/** Who asks for resources. */
export interface Asker {
  readonly host: string;
  /** Hears of a name that was taken for another. */
  readonly warn: (line: string) => void;
}

/**
 * Resources that `word` names on this host. The name of a device stands for its
 * resource where that is the only one. @throws UsageError
 */
export function resourcesOf(
  word: string,
  snapshot: Snapshot,
  { host, warn }: Asker,
): string[] {
  if (word === ALL) {
    return snapshot.resources().filter((resource) =>
      snapshot.value(linkPath.device(resource, host)) !== undefined
    ).sort(compareNatural);
  }
  const names = word.split(",").map((name) => {
    checkName(name, "resource");
    if (snapshot.value(linkPath.size(name)) !== undefined) return name;
    const [resource, ...others] = snapshot.resources().filter((each) =>
      snapshot.value(linkPath.device(each, host)) === name
    );
    if (resource === undefined || others.length > 0) {
      throw unknownResource(name, snapshot);
    }
    warn(`WARNING: No resource "${name}"; taking "${resource}", its device`);
    return resource;
  });
  return [...new Set(names)];
}

function unknownResource(name: string, snapshot: Snapshot): UsageError {
  const known = snapshot.resources().filter((resource) =>
    snapshot.value(linkPath.size(resource)) !== undefined
  ).join(", ");
  const told = known === "" ? "is none" : `are: ${known}`;
  return new UsageError(`No resource "${name}"; there ${told}`);
}

/** Numbers inside names count as numbers: `vm2` before `vm10`. */
export function compareNatural(left: string, right: string): number {
  const lefts = left.match(/\d+|\D+/g) ?? [];
  const rights = right.match(/\d+|\D+/g) ?? [];
  for (const [index, part] of lefts.entries()) {
    const other = rights[index];
    if (other === undefined) return 1;
    if (part === other) continue;
    const areNumbers = /^\d/.test(part) && /^\d/.test(other);
    if (areNumbers && Number(part) !== Number(other)) {
      return Number(part) - Number(other);
    }
    return part < other ? -1 : 1;
  }
  return lefts.length - rights.length;
}

/** @throws UsageError unless `name` may name a resource or a host */
export function checkName(name: string, subject: string): void {
  if (isIdentifier(name)) return;
  throw new UsageError(
    `Cannot use "${name}" as ${subject} name: expected letters, digits, "_" or "-", at most 63, and no reserved word`,
  );
}

const SIZE_FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  p: 1e15,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  P: 2 ** 50,
};

/** Prescribed by MARS. */
export const SIZE_ALIGNMENT_BYTES = 4096;

/** Bytes; lower-case suffixes are powers of 1000, upper-case ones of 1024. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgtpKMGTP]?)$/.exec(text);
  const bytes = Number(match?.[1]) * (SIZE_FACTORS[match?.[2] ?? ""] ?? 1);
  if (match !== null && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(
    `Cannot use size "${text}": expected a number with k m g t p or K M G T P`,
  );
}

/** The size of a device: not zero, and whole pages. @throws UsageError */
export function parseSize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes > 0 && bytes % SIZE_ALIGNMENT_BYTES === 0) return bytes;
  throw new UsageError(
    `Cannot use size "${text}": expected a multiple of ${SIZE_ALIGNMENT_BYTES} bytes`,
  );
}

const SPAN_SECONDS: Readonly<Record<string, number>> = {
  w: 604_800,
  d: 86_400,
  h: 3_600,
  m: 60,
  s: 1,
};

/** Seconds. @throws UsageError */
export function parseSpan(text: string): number {
  const match = /^(\d{1,9})([wdhms]?)$/.exec(text);
  const seconds = Number(match?.[1]) * (SPAN_SECONDS[match?.[2] || "s"] ?? 1);
  if (match !== null && (match[2] !== "" || seconds === 0)) return seconds;
  throw new UsageError(
    `Cannot use time "${text}": expected a number with w d h m or s, or 0`,
  );
}

/** The same as text, in the largest unit that is exact. */
export function formatSpan(seconds: number): string {
  if (seconds === 0) return "0";
  for (const [name, unit] of Object.entries(SPAN_SECONDS)) {
    if (seconds % unit === 0) return `${seconds / unit}${name}`;
  }
  return `${seconds}s`;
}
