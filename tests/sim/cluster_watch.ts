/**
 * What must hold at each moment, checked as it happens:
 *
 *   a host begins to log   only as designated primary (I10), on a disk that is
 *                          the state its history names (I6), never under the
 *                          number of another, and without forgetting what was
 *                          durable, unless somebody has forced it
 *   a record is applied    only if it is durable at its author
 *   a position is reached  the disk is the state of that position (I6)
 *   a link is written      by its owner only (I8), not older than what was seen
 *                          there (I9)
 *   a host is forced       it goes on behind everything that it has
 *   a log is deleted       only if every member has replayed it (I7)
 *   logging ends           for want of space, not of who has few logs
 */
import {
  logFileName,
  type LogName,
  parseLogFileName,
} from "../../src/base/names.ts";
import type { Actual } from "../../src/dataplane/mailbox.ts";
import {
  comparePositions,
  isConsistent,
  isSynced,
  type Position,
  resourceView,
} from "../../src/resource/view.ts";
import { linkPath, nameOf, ownerOf } from "../../src/tree/path.ts";
import type { Link } from "../../src/tree/snapshot.ts";
import {
  parseReplay,
  parseVersion,
  type ReplayValue,
  TOMBSTONE,
} from "../../src/tree/values.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import type { SimHost } from "./host.ts";
import { DISK_BYTES_MAX, RecordReader, stateOf } from "./records.ts";
import { checkShare } from "./share_chaos.ts";
import { positionText, Truth, Violation } from "./truth.ts";
import type { SimWorker, WorkerWatch } from "./worker.ts";

/** A worker acts on a plan that is at most so old. */
const PLAN_AGE_MS = 3_000;

/** Whether a host has copied the whole disk, if only once. */
function hasCopy(host: SimHost, resource: string): boolean {
  const view = resourceView(host.look(), resource, host.name);
  return view.own !== undefined && isSynced(view, view.own);
}

function originKey(path: string, value: string): string {
  return `${path} ${value}`;
}

/** Whether a host in log `at` may come to need `log`. */
function mayNeed(at: LogName, log: LogName): boolean {
  return at.sequence < log.sequence ||
    (at.sequence === log.sequence && at.host === log.host);
}

interface HostRecord {
  /** When the own tree last said that this host shall be primary. */
  designatedMs: number;
  isDesignated: boolean;
  /** The newest position whose records may be on the disk. */
  highest: Position | undefined;
  /** Somebody typed `primary --force` here, and nobody led since. */
  isForced: boolean;
  /** Somebody typed `invalidate` here: names of logs may come again. */
  hasGivenUp: boolean;
  /** Somebody typed `leave-resource` here: only it may have had its writes. */
  hasLeft: boolean;
}

/** A resource of the cluster, with its disk on every host. */
export interface Subject {
  readonly resource: string;
  readonly diskPath: string;
}

export class ClusterWatch implements WorkerWatch {
  readonly #world: ClusterWorld;
  readonly resource: string;
  readonly diskPath: string;
  readonly truth = new Truth();
  readonly #records = new Map<string, HostRecord>();
  /** Who wrote a version of a link first. */
  readonly #origins = new Map<string, string>();
  /** Somebody has forced something: losses are possible. */
  isForced = false;
  /** Somebody gave up a copy, perhaps the best one. */
  hasGivenUp = false;

  constructor(world: ClusterWorld, { resource, diskPath }: Subject) {
    this.#world = world;
    this.resource = resource;
    this.diskPath = diskPath;
  }

  record(name: string): HostRecord {
    let record = this.#records.get(name);
    if (record === undefined) {
      record = {
        designatedMs: -Infinity,
        isDesignated: false,
        highest: undefined,
        isForced: false,
        hasGivenUp: false,
        hasLeft: false,
      };
      this.#records.set(name, record);
    }
    return record;
  }

  /** Everything is repaired: what somebody has forced is over. */
  restart(): void {
    this.isForced = false;
    this.hasGivenUp = false;
    for (const record of this.#records.values()) {
      record.isForced = false;
      record.hasGivenUp = false;
      record.hasLeft = false;
    }
    const current = new Set<string>();
    for (const host of this.#world.hosts) {
      host.hasLostPower = false;
      for (const { path, value } of host.look().all()) {
        current.add(originKey(path, value));
      }
    }
    for (const key of this.#origins.keys()) {
      if (!current.has(key)) this.#origins.delete(key);
    }
  }

  /** Its tree may be older than it was. */
  onPowerLoss(host: SimHost): void {
    const record = this.record(host.name);
    record.isDesignated =
      host.look().value(linkPath.primary(this.resource)) === host.name;
  }

  onCommand(host: SimHost, words: readonly string[]): void {
    if (words[0] === "primary" && words.includes("--force")) {
      this.record(host.name).isForced = true;
      this.isForced = true;
    }
    if (words[0] === "leave-resource") this.record(host.name).hasLeft = true;
    if (words[0] === "invalidate" || words[0] === "leave-resource") {
      this.record(host.name).hasGivenUp = true;
      this.hasGivenUp = true;
    }
  }

  // ---- links ----------------------------------------------------------------

  onLink(host: SimHost, link: Link): void {
    const { path, value } = link;
    // What is only stamped again is not written anew.
    const key = originKey(path, value);
    const origin = this.#origins.get(key) ?? host.name;
    this.#origins.set(key, origin);
    const owner = ownerOf(path);
    if (owner !== undefined && origin !== owner) {
      this.#checkForeignWrite(host, link, owner);
    }
    if (path === linkPath.primary(this.resource)) {
      this.#world.note(`${host.name}: primary -> ${value}`);
      const record = this.record(host.name);
      if (record.isDesignated) record.designatedMs = this.#world.time.nowMs;
      // Who was forced last may come back without force, but for another one.
      const isOther = this.#world.host(value) !== undefined &&
        value !== host.name;
      if (record.isDesignated && isOther) record.isForced = false;
      record.isDesignated = value === host.name;
    }
    // A copy begins at 0. What a larger disk adds leaves the rest as it is: it
    // may still be ahead of a position that a loss of power takes back.
    const isAnew = value === "0" || value === TOMBSTONE;
    if (path === linkPath.syncStatus(this.resource, host.name) && isAnew) {
      this.record(host.name).highest = undefined;
    }
    if (path === linkPath.replay(this.resource, host.name)) {
      this.#world.note(`${host.name}: replay -> ${value}`);
    }
    const version = parseVersion(value);
    const isAuthors = version?.self.log.host === owner;
    if (isAuthors && version?.previous !== undefined) {
      const { log, endBytes } = version.previous;
      this.truth.tell(version.self.log, { log, bytes: endBytes });
    }
    if (value === TOMBSTONE && origin === host.name) {
      const log = parseLogFileName(nameOf(path));
      if (log !== undefined) this.#checkDeletion(host, log);
    }
  }

  /** A tool may tidy up after a host that is no member any more. */
  #checkForeignWrite(host: SimHost, link: Link, owner: string): void {
    if (link.value === TOMBSTONE) return;
    throw new Violation(
      `${host.name} wrote ${link.path} -> ${link.value}, which is ${owner}'s (I8)`,
    );
  }

  #checkDeletion(host: SimHost, log: LogName): void {
    this.#world.note(`${host.name}: deletes ${logFileName(log)}`);
    for (const member of this.#world.hosts) {
      const snapshot = member.look();
      const text = snapshot.value(linkPath.replay(this.resource, member.name));
      const isMember =
        snapshot.value(linkPath.data(this.resource, member.name)) !== undefined;
      const replay = parseReplay(text ?? "");
      if (!isMember || replay === undefined) continue;
      if (!mayNeed(replay.log, log)) continue;
      if (this.#isExcused(host, member)) continue;
      if (!this.#canReach(replay, log)) continue;
      // Nothing is lost with a log that has nothing in it.
      if ((this.truth.durableBytes(log) ?? 0) === 0) continue;
      throw new Violation(
        `${host.name} deletes ${
          logFileName(log)
        }, ${member.name} is at ${text} (I7)`,
      );
    }
  }

  /**
   * Whether all that lies between a position and `log` is anywhere: behind a
   * hole, or a log that is gone for good, nothing is of use to anybody there.
   */
  #canReach(at: ReplayValue, log: LogName): boolean {
    const { hosts } = this.#world;
    const { truth } = this;
    const files = hosts.flatMap(({ files }) =>
      files.listLogs(linkPath.resource(this.resource))
    );
    const isLast = (truth.durableBytes(at.log) ?? 0) <= at.startBytes ||
      files.some(({ log: { sequence }, sizeBytes }) =>
        sequence === at.log.sequence && sizeBytes > at.startBytes
      );
    if (!isLast) return false;
    for (let next = at.log.sequence + 1; next < log.sequence; next++) {
      if (!files.some(({ log: { sequence } }) => sequence === next)) {
        return false;
      }
    }
    return true;
  }

  /** Whether nobody could know that `member` needs a log. */
  #isExcused(host: SimHost, member: SimHost): boolean {
    const { hasGivenUp, hasLeft } = this.record(member.name);
    if (host === member) return hasLeft;
    const known = host.look();
    const isKnown =
      known.value(linkPath.data(this.resource, member.name)) !== undefined;
    // What a loss of power has taken from its tree, or one that joined where
    // nobody heard of it: it has no copy yet, and copies from where others are.
    if (!isKnown) {
      return host.hasLostPower || hasLeft ||
        !hasCopy(member, this.resource);
    }
    // Going back is for those who copy again.
    return hasGivenUp;
  }

  // ---- workers --------------------------------------------------------------

  onRole(worker: SimWorker, role: Actual["role"]): void {
    this.#world.note(`${worker.options.host}: worker ${role}`);
  }

  onEmergency(worker: SimWorker): void {
    const host = this.#world.host(worker.options.host);
    this.#world.note(`${worker.options.host}: emergency of ${this.resource}`);
    if (host !== undefined) checkShare(this.#world, host, this.resource);
  }

  onLog(
    worker: SimWorker,
    log: LogName,
    behind: Position | undefined,
    isBypassed: boolean,
  ): void {
    const { time } = this.#world;
    const { truth } = this;
    const { host: name } = worker.options;
    const record = this.record(name);
    const { disk } = worker;
    if (disk === undefined) throw new Violation("a primary without a disk");
    const isDesignated = record.isDesignated ||
      time.nowMs - record.designatedMs < PLAN_AGE_MS;
    if (!isDesignated) {
      throw new Violation(
        `${name} begins ${logFileName(log)}, but is not designated (I10)`,
      );
    }
    const from = behind ?? this.#predecessor(worker, log);
    this.#world.note(
      `${name}: begins ${logFileName(log)} behind ${
        from === undefined ? "nothing" : positionText(from)
      }`,
    );
    if (from !== undefined) {
      const lostBytes = truth.lostBehind(from);
      const mayLose = record.isForced && from.log.host !== name;
      if (lostBytes > 0 && !mayLose) {
        throw new Violation(
          `${name} goes on behind ${
            positionText(from)
          }, ${lostBytes} durable ` +
            `bytes of "${from.log.host}" are lost`,
        );
      }
    }
    if (from !== undefined && behind === undefined && record.isForced) {
      this.#checkForced(worker, from);
    }
    const [rival] = truth.rivals(log);
    if (rival !== undefined && !this.isForced) {
      throw new Violation(
        `${name} begins ${logFileName(log)} beside ${
          logFileName(rival)
        }: a split brain that nobody forced`,
      );
    }
    const known = from === undefined ? undefined : truth.stateAt(from);
    const isRotation = behind !== undefined && known !== undefined &&
      !isBypassed;
    truth.begin(log, {
      base: isRotation ? known : stateOf(disk),
      from,
      isBypassed,
      isForced: record.isForced && behind === undefined,
      mayRepeat: record.hasGivenUp,
    });
    record.highest = { log, bytes: Number.MAX_SAFE_INTEGER };
  }

  /**
   * Who is forced to lead goes on behind everything that it has: what others
   * had, too, is lost, but nothing else.
   */
  #checkForced({ options: { files, host } }: SimWorker, from: Position): void {
    const { resource, truth } = this;
    const heldBytes = (log: LogName, startBytes: number): number => {
      const file = files.log(resource, log);
      if (file === undefined) return 0;
      const deviceBytes = DISK_BYTES_MAX;
      const reader = new RecordReader(file, { startBytes, deviceBytes });
      const endBytes = Math.min(
        file.lengthBytes,
        truth.durableBytes(log) ?? 0,
      );
      while (!("kind" in reader.next(endBytes)));
      return reader.positionBytes - startBytes;
    };
    const rests = [
      { log: from.log, startBytes: from.bytes },
      ...truth.successors(from).map((log) => ({ log, startBytes: 0 })),
    ];
    for (const { log, startBytes } of rests) {
      const bytes = heldBytes(log, startBytes);
      if (bytes === 0 || log.host === host) continue;
      throw new Violation(
        `${host} was forced to lead and goes on behind ${
          positionText(from)
        }, although it has ${bytes} bytes of ${logFileName(log)} behind that`,
      );
    }
  }

  /** What the own version link of a log says that it follows. */
  #predecessor(worker: SimWorker, log: LogName): Position | undefined {
    const host = this.#world.host(worker.options.host);
    const path = linkPath.version(this.resource, log.sequence, log.host);
    const version = parseVersion(host?.look().value(path) ?? "");
    const previous = version?.previous;
    return previous && { log: previous.log, bytes: previous.endBytes };
  }

  onApplied(worker: SimWorker, at: Position): void {
    const record = this.record(worker.options.host);
    const isNewer = record.highest !== undefined &&
      comparePositions(at, record.highest) > 0;
    if (isNewer) record.highest = at;
  }

  onReplayed(worker: SimWorker, at: Position): void {
    const { truth } = this;
    const { host: name } = worker.options;
    const host = this.#world.host(name);
    const record = this.record(name);
    const { disk } = worker;
    if (host === undefined || disk === undefined) return;
    // Its author may have lost the file since, or fetch it again.
    const file = this.#world.host(at.log.host)?.files.log(
      this.resource,
      at.log,
    );
    const isOwn = at.log.host === name &&
      truth.durableBytes(at.log) !== undefined;
    if (isOwn && file !== undefined) {
      // What a daemon finds when it starts it flushes, and then it counts.
      truth.setDurable(at.log, Math.min(at.bytes, file.durableBytes));
    }
    const durableBytes = Math.max(
      truth.durableBytesEver(at.log),
      file?.durableBytes ?? 0,
    );
    if (at.log.host !== name && at.bytes > durableBytes) {
      throw new Violation(
        `${name} has applied ${positionText(at)}, but only ${durableBytes} ` +
          `bytes are durable at "${at.log.host}"`,
      );
    }
    const isNewest = record.highest === undefined ||
      comparePositions(at, record.highest) >= 0;
    if (!isNewest) return;
    const view = resourceView(host.snapshot(), this.resource, name);
    if (view.own === undefined || !isConsistent(view, view.own)) return;
    record.highest = at;
    truth.check(at, stateOf(disk), `${name} replays`);
  }
}
