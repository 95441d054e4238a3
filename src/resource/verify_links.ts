// Pure
/**
 * Links of a verification: what is asked of a host, and how far it is.
 *
 * Like everything else a pair of what is desired and what is:
 *
 *   todo-<host>/verify           <request>,check | <request>,repair
 *   actual-<host>/verify         how far that request is; `VerifyState`
 *   actual-<host>/verify-differs extents that differed, the first ones
 *   actual-<host>/verified       stamp up to which the disk is proven
 *
 *   <request>  stamp of the command; a later one begins anew
 *
 * The request stays when it is done, so that nothing has to be taken back, until
 * the disk is copied anew; a tombstone cancels it. A daemon that starts anew goes on at the last position.
 *
 * Proven means: whatever had gone wrong with the disk before the run began was
 * either not there or has been repaired.
 *
 * Source: ours; the original cannot.
 */
import { isIdentifier } from "../base/names.ts";
import { linkPath } from "../tree/path.ts";
import { formatStamp, parseCount, parseStamp } from "../tree/values.ts";

/** What an administrator asks of a host. */
export interface VerifyRequest {
  readonly stampNs: bigint;
  readonly isRepair: boolean;
}

/** How far a host is with it. */
export interface VerifyState {
  readonly requestNs: bigint;
  readonly phase: "running" | "done";
  /** The primary that it compares with. */
  readonly source: string;
  /** When this run began. */
  readonly sinceNs: bigint;
  /** Everything before is compared. */
  readonly doneBytes: number;
  readonly sizeBytes: number;
  /** Bytes of pages that differed, and how many of them are repaired. */
  readonly differingBytes: number;
  readonly repairedBytes: number;
}

/** What to do now: compare from `state.doneBytes` on. */
export interface VerifyPlan {
  readonly isRepair: boolean;
  /** `sinceNs` is 0 for one that has not begun. */
  readonly state: VerifyState;
}

export function formatRequest(request: VerifyRequest): string {
  const { stampNs, isRepair } = request;
  return `${formatStamp(stampNs)},${isRepair ? "repair" : "check"}`;
}

export function parseRequest(value: string): VerifyRequest | undefined {
  const [stamp = "", word, ...rest] = value.split(",");
  const stampNs = parseStamp(stamp);
  const isWord = word === "check" || word === "repair";
  if (stampNs === undefined || !isWord || rest.length > 0) return undefined;
  return { stampNs, isRepair: word === "repair" };
}

export function formatState(state: VerifyState): string {
  return [
    formatStamp(state.requestNs),
    state.phase,
    state.source,
    formatStamp(state.sinceNs),
    state.doneBytes,
    state.sizeBytes,
    state.differingBytes,
    state.repairedBytes,
  ].join(",");
}

export function parseState(value: string): VerifyState | undefined {
  const parts = value.split(",");
  const [request = "", phase, source = "", since = "", ...numbers] = parts;
  const counts = numbers.map((text) => parseCount(text));
  const [doneBytes, sizeBytes, differingBytes, repairedBytes] = counts;
  const requestNs = parseStamp(request);
  const sinceNs = parseStamp(since);
  const isPhase = phase === "running" || phase === "done";
  const isGood = parts.length === 8 && isPhase && isIdentifier(source) &&
    requestNs !== undefined && sinceNs !== undefined &&
    doneBytes !== undefined && sizeBytes !== undefined &&
    differingBytes !== undefined && repairedBytes !== undefined &&
    doneBytes <= sizeBytes && repairedBytes <= differingBytes;
  if (!isGood) return undefined;
  return {
    requestNs,
    phase,
    source,
    sinceNs,
    doneBytes,
    sizeBytes,
    differingBytes,
    repairedBytes,
  };
}

/** Paths of the links of one host. */
export function verifyPaths(
  resource: string,
  host: string,
): Record<"request" | "state" | "differs" | "verified", string> {
  const actual = (name: string): string =>
    linkPath.actual(resource, host, name);
  return {
    request: linkPath.todo(resource, host, "verify"),
    state: actual("verify"),
    differs: actual("verify-differs"),
    verified: actual("verified"),
  };
}
