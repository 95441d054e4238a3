/**
 * Links between hosts.
 *
 *   meta.push      links                   -> links of these that are newer here
 *   meta.digests   digests of directories  -> which of them differ
 *   meta.exchange  links of directories    -> all links that are newer here
 *   meta.look      nothing: look at your tree, somebody may have changed it
 *
 * All of them carry and answer a greeting, the cluster and the Lamport stamp of
 * the sender; see `intake.ts`. Links travel in the body; see `link_message.ts`.
 *
 * After a line is up, its dialer finds what both sides have missed:
 *
 *   for each group of directories, in order
 *     send a digest per directory; the peer names those that differ
 *     for each range of links of these, in order
 *       send own links; the peer merges them and answers with those of its own
 *       that are newer or missing there; merge these
 *
 * A digest covers path, stamp and value of every link in the directory, also of
 * tombstones. From the first moment on changes are pushed as they happen: one
 * message in flight, and what queues up meanwhile travels with the next. Both
 * may overlap, repeat or get lost with the line: the merge rule makes every
 * order give the same, and the exchange after the next connect finds the rest.
 *
 * Every host dials every peer, so each pushes on its own line.
 */
import { MarsError } from "../base/errors.ts";
import { toHex } from "../base/bytes.ts";
import {
  EMPTY_BODY,
  type JsonObject,
  type RpcCall,
  type RpcClient,
  type RpcHandlers,
  type RpcReply,
} from "../peer/rpc.ts";
import { ownerOf } from "../tree/path.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import type { LinkIntake } from "./intake.ts";
import {
  comparePaths,
  compareTexts,
  decodeLinks,
  encodeLinks,
  type LinkRange,
  LINKS_PER_MESSAGE_MAX,
  linksInRange,
} from "./link_message.ts";
import { textParam, textsParam } from "./params.ts";

// Ours. Digests of 500 directories are about 50 KB; more are more messages.
const DIRECTORIES_PER_MESSAGE_MAX = 500;

// Ours: 64 bits would do against chance, this is 128.
const DIGEST_BYTES = 16;

// Ours: five million links. At this bound the line is given up.
const EXCHANGE_ROUNDS_MAX = 10_000;

// Ours. A peer that is alive and does not answer for so long is lost.
const CALL_TIMEOUT_MS = 30_000;

/**
 * Handlers that serve the links of this host.
 *
 * @param onLook a peer asks to look at the tree
 */
export function metadataHandlers(
  intake: LinkIntake,
  onLook: () => void = () => {},
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
    "meta.digests": serve((call) => compareDigests(intake, call.params)),
    "meta.exchange": serve((call) => Promise.resolve(exchange(intake, call))),
    "meta.look": serve(() => {
      onLook();
      return Promise.resolve({});
    }),
  };
}

async function compareDigests(
  intake: LinkIntake,
  params: JsonObject,
): Promise<Partial<RpcReply>> {
  const range = rangeOf(params);
  const theirs = new Map<string, string>();
  const list = textsParam(params, "digests");
  checkCount(list.length / 2);
  for (let at = 0; at < list.length; at += 2) {
    theirs.set(list[at] ?? "", list[at + 1] ?? "");
  }
  const snapshot = intake.snapshot();
  const differing: string[] = [];
  const own = new Set<string>();
  for (const directory of directoriesIn(snapshot, range)) {
    const digest = await digestOf(intake, snapshot, directory);
    if (digest === undefined) continue;
    own.add(directory);
    if (theirs.get(directory) !== digest) differing.push(directory);
  }
  for (const directory of theirs.keys()) {
    if (!own.has(directory)) differing.push(directory);
  }
  differing.sort(compareTexts);
  // More than fit are left to the next call, which begins where this one ends.
  const until = differing[DIRECTORIES_PER_MESSAGE_MAX] ?? range.until;
  const directories = differing.slice(0, DIRECTORIES_PER_MESSAGE_MAX);
  return { params: { directories, ...untilParam(until) } };
}

function exchange(intake: LinkIntake, call: RpcCall): Partial<RpcReply> {
  const range = rangeOf(call.params);
  const directories = textsParam(call.params, "directories");
  checkCount(directories.length);
  const links = decodeLinks(call.body);
  const theirs = new Set(links.map((link) => link.path));
  const newer = intake.take(call.peer, links);
  const unknown = linksInRange(intake.snapshot(), directories, range)
    .filter((own) => !theirs.has(own.path) && intake.isFit(own));
  const news = [...newer, ...unknown]
    .sort((left, right) => comparePaths(left.path, right.path));
  const until = news[LINKS_PER_MESSAGE_MAX]?.path ?? range.until;
  return {
    params: untilParam(until),
    body: encodeLinks(news.slice(0, LINKS_PER_MESSAGE_MAX)),
  };
}

function checkCount(directoryCount: number): void {
  const isGood = Number.isInteger(directoryCount) &&
    directoryCount <= DIRECTORIES_PER_MESSAGE_MAX;
  if (isGood) return;
  throw new MarsError(
    `Cannot compare links: ${directoryCount} directories at once`,
  );
}

/** Directories of a snapshot whose names lie inside a range, in order. */
function directoriesIn(snapshot: Snapshot, range: LinkRange): string[] {
  const { from, until } = range;
  return [...snapshot.directories()]
    .filter((name) => name >= from && (until === undefined || name < until))
    .sort(compareTexts);
}

/** In hexadecimal digits; undefined if no link of the directory may travel. */
async function digestOf(
  intake: LinkIntake,
  snapshot: Snapshot,
  directory: string,
): Promise<string | undefined> {
  const links = [...snapshot.children(directory)]
    .filter((link) => intake.isFit(link))
    .sort((left, right) => compareTexts(left.path, right.path));
  if (links.length === 0) return undefined;
  const digest = await crypto.subtle.digest("SHA-256", encodeLinks(links));
  return toHex(new Uint8Array(digest, 0, DIGEST_BYTES));
}

function rangeOf(params: JsonObject): LinkRange {
  const until = params["until"] === undefined
    ? undefined
    : textParam(params, "until");
  return { from: textParam(params, "from"), until };
}

function untilParam(until: string | undefined): JsonObject {
  return until === undefined ? {} : { until };
}

/**
 * Gives the peer links as if this host had just written them; they need not be
 * in its tree. The peer merges them as any others.
 *
 * @throws MarsError also if the peer belongs to another cluster
 */
export async function pushLinks(
  intake: LinkIntake,
  rpc: RpcClient,
  links: readonly Link[],
): Promise<void> {
  const { params, body } = await rpc.call("meta.push", intake.greeting(), {
    body: encodeLinks(links),
    timeoutMs: CALL_TIMEOUT_MS,
  });
  intake.admit(rpc.peer, params);
  intake.take(rpc.peer, decodeLinks(body));
}

/**
 * "stopped"  `stop()` was called
 * "lost"     the line was lost, or one of both sides refused the other
 */
export type MetadataResult =
  | { readonly kind: "stopped" }
  | { readonly kind: "lost"; readonly message: string };

export type MetadataLinkOptions = {
  readonly intake: LinkIntake;
  readonly rpc: RpcClient;
  /** Both sides have what the other had when the line came up. */
  readonly onExchanged: () => void;
};

/**
 * Links on one line to one peer, from the dialer's end. Who calls `push` must
 * know the object before anything else can change the tree: what changes
 * between the start and the first `push` would be missed by both.
 */
export class MetadataLink {
  readonly peer: string;
  /** Never rejects for anything foreseen. */
  readonly finished: Promise<MetadataResult>;
  readonly #options: MetadataLinkOptions;
  readonly #cancel = new AbortController();
  #result: MetadataResult | undefined;
  #finish: (result: MetadataResult) => void = () => {};

  /** Newest link per path; has never more links than the tree. */
  readonly #queue = new Map<string, Link>();
  #pushing: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  #isLookOwed = false;
  #exchanged: Promise<void>;
  #isExchanging = false;
  #roundCount = 0;

  private constructor(options: MetadataLinkOptions) {
    this.#options = options;
    this.peer = options.rpc.peer;
    const ended = new Promise<MetadataResult>((resolve) => {
      this.#finish = resolve;
    });
    this.#exchanged = this.#guard(() => this.#exchangeAll());
    this.finished = this.#run(ended);
  }

  /** Starts at once, also with the exchange. */
  static start(options: MetadataLinkOptions): MetadataLink {
    return new MetadataLink(options);
  }

  /** Sends changes; returns at once. */
  push(links: Iterable<Link>): void {
    if (this.#result !== undefined) return;
    for (const link of links) {
      const isOurs = ownerOf(link.path) !== this.peer;
      // The peer knows best what it does itself, and would refuse it.
      if (isOurs && this.#options.intake.isFit(link)) this.#enqueue(link);
    }
    if (this.#queue.size === 0) return;
    this.#pushing ??= this.#guard(() => this.#pushAll());
  }

  /**
   * Asks the peer to look at its tree, after all that was pushed before; returns
   * at once.
   */
  look(): void {
    if (this.#result !== undefined) return;
    this.#isLookOwed = true;
    this.#looking ??= this.#guard(async () => {
      while (this.#isLookOwed && this.#result === undefined) {
        this.#isLookOwed = false;
        await this.#pushing;
        await this.#call("meta.look", {});
      }
      this.#looking = undefined;
    });
  }

  /** Exchanges once more, unless an exchange is going on. */
  refresh(): void {
    if (this.#result !== undefined || this.#isExchanging) return;
    this.#exchanged = this.#guard(() => this.#exchangeAll());
  }

  /** Ends it; the line stays open. */
  async stop(): Promise<MetadataResult> {
    this.#end({ kind: "stopped" });
    return await this.finished;
  }

  async #run(
    ended: Promise<MetadataResult>,
  ): Promise<MetadataResult> {
    void this.#options.rpc.closed.then(() =>
      this.#end({ kind: "lost", message: `Lost the line to "${this.peer}"` })
    );
    const result = await ended;
    await this.#exchanged;
    await this.#pushing;
    await this.#looking;
    return result;
  }

  #enqueue(link: Link): void {
    const queued = this.#queue.get(link.path);
    if (queued !== undefined && queued.stampNs > link.stampNs) return;
    this.#queue.set(link.path, link);
  }

  async #pushAll(): Promise<void> {
    while (this.#queue.size > 0 && this.#result === undefined) {
      const links: Link[] = [];
      for (const link of this.#queue.values()) {
        if (links.length === LINKS_PER_MESSAGE_MAX) break;
        links.push(link);
      }
      for (const link of links) this.#queue.delete(link.path);
      const { body } = await this.#call("meta.push", {}, encodeLinks(links));
      this.#take(body);
    }
    this.#pushing = undefined;
  }

  async #exchangeAll(): Promise<void> {
    this.#isExchanging = true;
    this.#roundCount = 0;
    let from: string | undefined = "";
    while (from !== undefined && this.#result === undefined) {
      from = await this.#exchangeDirectories(from);
    }
    this.#isExchanging = false;
    if (this.#result === undefined) this.#options.onExchanged();
  }

  /** Compares some directories; where to go on, undefined at the end. */
  async #exchangeDirectories(from: string): Promise<string | undefined> {
    const { intake } = this.#options;
    const snapshot = intake.snapshot();
    const all = directoriesIn(snapshot, { from, until: undefined });
    const until = all[DIRECTORIES_PER_MESSAGE_MAX];
    const digests: string[] = [];
    for (const directory of all.slice(0, DIRECTORIES_PER_MESSAGE_MAX)) {
      const digest = await digestOf(intake, snapshot, directory);
      if (digest !== undefined) digests.push(directory, digest);
    }
    this.#countRound();
    const { params } = await this.#call("meta.digests", {
      digests,
      from,
      ...untilParam(until),
    });
    const next = nextPlace({ from, until }, params, compareTexts);
    const directories = textsParam(params, "directories");
    checkCount(directories.length);
    await this.#exchangeLinks([...directories]);
    return next;
  }

  /** A peer that always names one more place must not keep us busy forever. */
  #countRound(): void {
    this.#roundCount++;
    if (this.#roundCount <= EXCHANGE_ROUNDS_MAX) return;
    throw new MarsError(
      `Cannot exchange links: no end after ${EXCHANGE_ROUNDS_MAX} messages`,
    );
  }

  async #exchangeLinks(directories: string[]): Promise<void> {
    if (directories.length === 0) return;
    const { intake } = this.#options;
    const own = linksInRange(intake.snapshot(), directories, {
      from: "",
      until: undefined,
    }).filter((link) => intake.isFit(link));
    let from: string | undefined = "";
    let at = 0;
    while (from !== undefined && this.#result === undefined) {
      const start: string = from;
      while (isBefore(own[at], start)) at++;
      const endIndex = at + LINKS_PER_MESSAGE_MAX;
      const range = { from: start, until: own[endIndex]?.path };
      this.#countRound();
      const { params, body } = await this.#call(
        "meta.exchange",
        { directories, from: start, ...untilParam(range.until) },
        encodeLinks(own.slice(at, endIndex)),
      );
      this.#take(body);
      from = nextPlace(range, params, comparePaths);
    }
  }

  /** Merges an answer; what is newer here by now is pushed. */
  #take(body: Uint8Array): void {
    this.push(this.#options.intake.take(this.peer, decodeLinks(body)));
  }

  async #call(
    method: string,
    params: JsonObject,
    body?: Uint8Array,
  ): Promise<RpcReply> {
    const { intake, rpc } = this.#options;
    const reply = await rpc.call(
      method,
      { ...intake.greeting(), ...params },
      {
        timeoutMs: CALL_TIMEOUT_MS,
        signal: this.#cancel.signal,
        ...(body === undefined ? {} : { body }),
      },
    );
    intake.admit(this.peer, reply.params);
    return reply;
  }

  /** Runs `work`; an operating error ends the link. */
  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof MarsError)) throw error;
      this.#end({ kind: "lost", message: error.message });
    }
  }

  #end(result: MetadataResult): void {
    if (this.#result !== undefined) return;
    this.#result = result;
    this.#queue.clear();
    this.#cancel.abort();
    this.#finish(result);
  }
}

function isBefore(link: Link | undefined, place: string): boolean {
  return link !== undefined && comparePaths(link.path, place) < 0;
}

/** Where the peer stopped; it must be further than the last time. */
function nextPlace(
  range: LinkRange,
  params: JsonObject,
  compare: (left: string, right: string) => number,
): string | undefined {
  const until = params["until"] === undefined
    ? undefined
    : textParam(params, "until");
  if (until === undefined) return range.until;
  const isOnward = compare(until, range.from) > 0 &&
    (range.until === undefined || compare(until, range.until) <= 0);
  if (isOnward) return until;
  throw new MarsError("Cannot exchange links: the peer goes in circles");
}
