/**
 * The calls of `metadata.ts` as the host answers them that was dialed, and
 *
 *   meta.dial   trafficClass; nothing -> a line of that class is dialed, because
 *               the caller cannot dial the host that answers
 */
import { MarsError } from "../base/errors.ts";
import {
  EMPTY_BODY,
  type JsonObject,
  type RpcCall,
  type RpcHandlers,
  type RpcReply,
} from "../peer/rpc.ts";
import { isSign } from "../tree/path.ts";
import type { Scope } from "./catalog.ts";
import type { LinkIntake } from "./intake.ts";
import {
  comparePaths,
  compareTexts,
  countThatFits,
  decodeLinks,
  encodeLinks,
  type LinkRange,
  LINKS_PER_MESSAGE_MAX,
} from "./link_message.ts";
import { textParam, textsParam } from "./params.ts";

/** The call by which a peer asks to be dialed. */
export const DIAL_METHOD = "meta.dial";

/** Ours. Digests of 500 directories are about 50 KB; more are more messages. */
export const NAMES_PER_MESSAGE_MAX = 500;

/** What peers may ask for besides links. */
export interface Wishes {
  /** To look at the tree. */
  look(): void;
  /** To be dialed. */
  dial(peer: string, trafficClass: "log" | "sync"): void;
}

/**
 * Handlers that serve the links of this host.
 *
 * @param asked a peer asks to look at the tree, or to be dialed
 */
export function metadataHandlers(
  intake: LinkIntake,
  asked: Partial<Wishes> = {},
): RpcHandlers {
  const serve = (
    answer: (call: RpcCall) => Promise<Partial<RpcReply>>,
  ) =>
  async (call: RpcCall): Promise<RpcReply> => {
    intake.admit(call.peer, call.params);
    const { params, body } = await answer(call);
    return {
      params: { ...intake.greeting(), ...params },
      body: body ?? EMPTY_BODY,
    };
  };
  return {
    "meta.push": serve((call) => {
      // A sender that is behind learns it at once, not after the next connect.
      const newer = intake.take(call.peer, decodeLinks(call.body));
      return Promise.resolve({ body: encodeLinks(newer) });
    }),
    "meta.digests": serve((call) => {
      const isFirst = scopeOf(call.params).kind === "tops" &&
        call.params["from"] === "";
      intake.turns.heard(call.peer, isFirst);
      return Promise.resolve(compareDigests(intake, call.params));
    }),
    "meta.exchange": serve((call) => {
      intake.turns.heard(call.peer, false);
      return Promise.resolve(exchange(intake, call));
    }),
    "meta.done": serve((call) => {
      intake.turns.done(call.peer);
      return Promise.resolve({});
    }),
    "meta.look": serve(() => {
      asked.look?.();
      return Promise.resolve({});
    }),
    [DIAL_METHOD]: serve((call) => {
      const trafficClass = textParam(call.params, "trafficClass");
      if (trafficClass === "log" || trafficClass === "sync") {
        asked.dial?.(call.peer, trafficClass);
        return Promise.resolve({});
      }
      throw new MarsError(`Cannot dial a line of class "${trafficClass}"`);
    }),
  };
}

function compareDigests(
  intake: LinkIntake,
  params: JsonObject,
): Partial<RpcReply> {
  const range = rangeOf(params);
  const scope = scopeOf(params);
  const theirs = new Map<string, string>();
  const list = textsParam(params, "digests");
  checkCount(list.length / 2);
  for (let at = 0; at < list.length; at += 2) {
    theirs.set(list[at] ?? "", list[at + 1] ?? "");
  }
  const { catalog } = intake;
  const snapshot = intake.snapshot();
  const differing: string[] = [];
  const own = new Set(namesIn(catalog.names(snapshot, scope), range));
  for (const name of own) {
    const digest = catalog.digest(snapshot, scope, name);
    if (theirs.get(name) !== digest) differing.push(name);
  }
  for (const name of theirs.keys()) {
    if (!own.has(name)) differing.push(name);
  }
  differing.sort(compareTexts);
  // More than fit are left to the next call, which begins where this one ends.
  const until = differing[NAMES_PER_MESSAGE_MAX] ?? range.until;
  const names = differing.slice(0, NAMES_PER_MESSAGE_MAX);
  return { params: { names, ...untilParam(until) } };
}

function exchange(intake: LinkIntake, call: RpcCall): Partial<RpcReply> {
  const range = rangeOf(call.params);
  const directories = textsParam(call.params, "directories");
  checkCount(directories.length);
  const links = decodeLinks(call.body);
  const theirs = new Set(links.map((link) => link.path));
  const news = intake.take(
    call.peer,
    // They travel in order only; see `metadata.ts`.
    links.filter(({ path }) => !isSign(path)),
  );
  const { catalog } = intake;
  const newerCount = news.length;
  for (const own of catalog.links(intake.snapshot(), directories, range)) {
    // One more than fits shows where to go on.
    if (news.length > newerCount + LINKS_PER_MESSAGE_MAX) break;
    if (!theirs.has(own.path)) news.push(own);
  }
  news.sort((left, right) => comparePaths(left.path, right.path));
  const count = countThatFits(news);
  const until = news[count]?.path ?? range.until;
  return {
    params: untilParam(until),
    body: encodeLinks(news.slice(0, count)),
  };
}

/** @throws MarsError */
export function checkCount(nameCount: number): void {
  const isGood = Number.isInteger(nameCount) &&
    nameCount <= NAMES_PER_MESSAGE_MAX;
  if (isGood) return;
  throw new MarsError(`Cannot compare links: ${nameCount} names at once`);
}

/** Those of `names` that lie inside a range. */
export function namesIn(names: readonly string[], range: LinkRange): string[] {
  const { from, until } = range;
  return names.filter((name) =>
    name >= from && (until === undefined || name < until)
  );
}

function scopeOf(params: JsonObject): Scope {
  if (params["tops"] === undefined) return { kind: "tops" };
  const tops = textsParam(params, "tops");
  checkCount(tops.length);
  return { kind: "directories", tops };
}

function rangeOf(params: JsonObject): LinkRange {
  const until = params["until"] === undefined
    ? undefined
    : textParam(params, "until");
  return { from: textParam(params, "from"), until };
}

/** The end of a range among the parameters of a message. */
export function untilParam(until: string | undefined): JsonObject {
  return until === undefined ? {} : { until };
}
