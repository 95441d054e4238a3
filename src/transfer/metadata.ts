/**
 * Links between hosts.
 *
 *   meta.push      links                   -> links of these that are newer here
 *   meta.digests   digests of tops or of   -> which of them differ
 *                  directories in some
 *   meta.exchange  links of directories    -> all links that are newer here
 *   meta.done      an exchange is complete
 *   meta.look      nothing: look at your tree, somebody may have changed it
 *
 * All of them carry and answer a greeting, the cluster and the Lamport stamp of
 * the sender; see `intake.ts`. Links travel in the body; see `link_message.ts`.
 *
 * After a line is up, its dialer finds what both sides have missed:
 *
 *   for each group of names at the top of the tree, in order
 *     send a digest per top; the peer names those that differ
 *     for each group of directories in these, in order
 *       send a digest per directory; the peer names those that differ
 *       for each range of links of these, in order
 *         send own links; the peer merges them and answers with those of its
 *         own that are newer or missing there; merge these
 *
 * Both hosts dial, and one exchange serves both: see `turns.ts`. A digest covers
 * path, stamp and value of every link, also of
 * tombstones. From then on changes are pushed as they happen: one message in
 * flight, and what queues up meanwhile travels with the next. Both may repeat
 * or get lost with the line: the merge rule makes every order give the same,
 * and the exchange after the next connect finds the rest.
 *
 * One order is kept: who sees a sign of life of a host knows all that the host
 * wrote before, whatever way it came. So signs are taken from pushes only, no
 * push overtakes the exchange, and signs come last.
 *
 * Every host dials every peer, so each pushes on its own line. Who cannot dial
 * uses the line that the peer has dialed.
 */
import { MarsError } from "../base/errors.ts";
import type { JsonObject, RpcClient, RpcReply } from "../peer/rpc.ts";
import { directoryOf, isSign, linkPath, ownerOf } from "../tree/path.ts";
import type { Link } from "../tree/snapshot.ts";
import type { Scope } from "./catalog.ts";
import { TOMBSTONE } from "../tree/values.ts";
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
import {
  checkCount,
  NAMES_PER_MESSAGE_MAX,
  namesIn,
  untilParam,
} from "./metadata_service.ts";
import { textParam, textsParam } from "./params.ts";

// Ours: five million links. At this bound the line is given up.
const EXCHANGE_ROUNDS_MAX = 10_000;

// Ours. A peer that is alive and does not answer for so long is lost.
const CALL_TIMEOUT_MS = 30_000;

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
  intake.take(rpc.peer, withoutSigns(decodeLinks(body)));
}

/** All but signs of life, which travel in order only. */
function withoutSigns(links: readonly Link[]): Link[] {
  return links.filter(({ path }) => !isSign(path));
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
  /** Signs of life; sent when nothing else is left. */
  readonly #signs = new Map<string, Link>();
  /** The peer has all that was here when the line came up. */
  #isOpen = false;
  #pushing: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  #isLookOwed = false;
  #exchanged: Promise<void>;
  #isExchanging = true;
  /** What has been compared does not count any more. */
  #isComparisonOwed = false;
  #roundCount = 0;

  private constructor(options: MetadataLinkOptions) {
    this.#options = options;
    this.peer = options.rpc.peer;
    const ended = new Promise<MetadataResult>((resolve) => {
      this.#finish = resolve;
    });
    this.#exchanged = this.#guard(() => this.#exchangeInTurn());
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
      // The peer knows best what it does itself, and would refuse it. But what
      // it has no use for any more others may delete.
      const isOurs = ownerOf(link.path) !== this.peer ||
        link.value === TOMBSTONE;
      if (isOurs && this.#options.intake.isFit(link)) this.#enqueue(link);
    }
    this.#pushQueued();
  }

  #pushQueued(): void {
    if (!this.#isOpen || this.#queue.size + this.#signs.size === 0) return;
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

  /** Exchanges once more in any case: the own links have other stamps now. */
  compareAgain(): void {
    this.#isComparisonOwed = true;
    this.refresh();
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
    const queue = isSign(link.path) ? this.#signs : this.#queue;
    const queued = queue.get(link.path);
    if (queued !== undefined && queued.stampNs > link.stampNs) return;
    queue.set(link.path, link);
  }

  async #pushAll(): Promise<void> {
    while (this.#result === undefined) {
      const queued = this.#nextQueued();
      if (queued.length === 0) break;
      const links = queued.slice(0, countThatFits(queued));
      for (const { path } of links) {
        this.#queue.delete(path);
        this.#signs.delete(path);
      }
      const { body } = await this.#call("meta.push", {}, encodeLinks(links));
      this.#take(body);
    }
    this.#pushing = undefined;
  }

  /** More than fit into a message, unless there are fewer; signs last. */
  #nextQueued(): Link[] {
    const snapshot = this.#options.intake.snapshot();
    const queued: Link[] = [];
    for (const link of this.#queue.values()) {
      if (queued.length > LINKS_PER_MESSAGE_MAX) return queued;
      // As it stands now: its stamp may have been corrected meanwhile.
      queued.push(snapshot.get(link.path) ?? link);
    }
    for (const link of this.#signs.values()) {
      if (queued.length > LINKS_PER_MESSAGE_MAX) return queued;
      // A newer one may be ahead of what is not queued yet.
      const now = snapshot.get(link.path) ?? link;
      queued.push(now.stampNs < link.stampNs ? now : link);
    }
    return queued;
  }

  /** From now on changes are pushed, those that have waited first. */
  #open(): void {
    if (this.#isOpen || this.#result !== undefined) return;
    this.#isOpen = true;
    const snapshot = this.#options.intake.snapshot();
    const hosts = [...snapshot.hosts(), this.#options.intake.host];
    this.push(
      hosts.flatMap((host) =>
        snapshot.get(linkPath.global(host, "time")) ?? []
      ),
    );
  }

  async #exchangeInTurn(): Promise<void> {
    const { intake, onExchanged } = this.#options;
    const isLed = intake.host > this.peer &&
      await intake.turns.wait(this.peer, this.#cancel.signal);
    if (!isLed) return await this.#exchangeAll();
    this.#isExchanging = false;
    if (this.#result !== undefined) return;
    this.#open();
    onExchanged();
    if (this.#isComparisonOwed) await this.#exchangeAll();
  }

  async #exchangeAll(): Promise<void> {
    this.#isExchanging = true;
    this.#isComparisonOwed = false;
    this.#roundCount = 0;
    await this.#compare({ kind: "tops" }, (tops) =>
      this.#compare(
        { kind: "directories", tops },
        (directories) => this.#exchangeLinks(directories),
      ));
    this.#isExchanging = false;
    if (this.#result !== undefined) return;
    this.#open();
    this.#options.onExchanged();
    await this.#call("meta.done", {});
    const isOwed = this.#isComparisonOwed && !this.#isExchanging;
    if (isOwed && this.#result === undefined) await this.#exchangeAll();
  }

  /** Finds what differs, and hands it on, some names at a time. */
  async #compare(
    scope: Scope,
    act: (names: readonly string[]) => Promise<void>,
  ): Promise<void> {
    let from: string | undefined = "";
    while (from !== undefined && this.#result === undefined) {
      const start: string = from;
      const { range, names } = await this.#differing(scope, start);
      if (names.length > 0) await act(names);
      from = range.until;
    }
  }

  /** Names from `from` on that differ, and where to go on. */
  async #differing(
    scope: Scope,
    from: string,
  ): Promise<{ range: LinkRange; names: readonly string[] }> {
    const { catalog } = this.#options.intake;
    const snapshot = this.#options.intake.snapshot();
    const own = namesIn(catalog.names(snapshot, scope), {
      from,
      until: undefined,
    });
    const until = own[NAMES_PER_MESSAGE_MAX];
    const digests: string[] = [];
    for (const name of own.slice(0, NAMES_PER_MESSAGE_MAX)) {
      const digest = catalog.digest(snapshot, scope, name);
      if (digest !== undefined) digests.push(name, digest);
    }
    this.#countRound();
    const { params } = await this.#call("meta.digests", {
      ...(scope.kind === "tops" ? {} : { tops: [...scope.tops] }),
      digests,
      from,
      ...untilParam(until),
    });
    const next = nextPlace({ from, until }, params, compareTexts);
    const names = textsParam(params, "names");
    checkCount(names.length);
    return { range: { from, until: next }, names };
  }

  /** A peer that always names one more place must not keep us busy forever. */
  #countRound(): void {
    this.#roundCount++;
    if (this.#roundCount <= EXCHANGE_ROUNDS_MAX) return;
    throw new MarsError(
      `Cannot exchange links: no end after ${EXCHANGE_ROUNDS_MAX} messages`,
    );
  }

  async #exchangeLinks(directories: readonly string[]): Promise<void> {
    const { intake } = this.#options;
    const all = { from: "", until: undefined };
    const own = [...intake.catalog.links(intake.snapshot(), directories, all)];
    let from: string | undefined = "";
    let at = 0;
    while (from !== undefined && this.#result === undefined) {
      const start: string = from;
      while (isBefore(own[at], start)) at++;
      const endIndex = at + countThatFits(own, at);
      const range = { from: start, until: own[endIndex]?.path };
      this.#countRound();
      const { params, body } = await this.#call(
        "meta.exchange",
        {
          directories: directories.filter((directory) =>
            compareTexts(directory, directoryOf(start)) >= 0
          ),
          from: start,
          ...untilParam(range.until),
        },
        encodeLinks(own.slice(at, endIndex)),
      );
      this.#take(body);
      from = nextPlace(range, params, comparePaths);
    }
  }

  /** Merges an answer; what is newer here by now is pushed. */
  #take(body: Uint8Array): void {
    const links = withoutSigns(decodeLinks(body));
    this.push(this.#options.intake.take(this.peer, links));
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
    this.#signs.clear();
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
