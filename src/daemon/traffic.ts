/**
 * Traffic: what the lines of this host keep to, and what they move.
 *
 * Per class and direction there is one bucket for the host and one per peer; a
 * line passes both. Settings are links and may change at any time; what cannot
 * be read limits nothing, and is said. See `tree/traffic.ts`.
 */
import { MarsError } from "../base/errors.ts";
import { parseRateSchedule, rateAt } from "../base/rate_schedule.ts";
import type { RateSchedule } from "../base/rate_schedule.ts";
import { type Clock, MS_PER_S, weekTimeOf } from "../base/time.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import { LINE_TIMING, type LineTiming, timingOf } from "../peer/line.ts";
import { BucketPace, type LinePace } from "../peer/pace.ts";
import {
  type LineTerms,
  type OpenLine,
  type SocketPorts,
  TRAFFIC_CLASSES,
  type TrafficClass,
} from "../peer/terms.ts";
import type { LinkValue, Obstacle } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import {
  type Direction,
  formatTraffic,
  hostSetting,
  limitName,
  LINE_TIMEOUT,
  NO_TRAFFIC,
  parseLineTimeout,
  parseTos,
  tosName,
} from "../tree/traffic.ts";
import { TOMBSTONE } from "../tree/values.ts";
import type { SocketOptions } from "./sockets.ts";

export interface TrafficOptions {
  readonly host: string;
  readonly clock: Clock;
  /** Sets the options of a socket; undefined: there are no sockets. */
  readonly setOptions?:
    | ((ports: SocketPorts, options: SocketOptions) => void)
    | undefined;
}

/**
 * Ours: CS2 for management, AF11 for bulk that somebody waits for, LE for bulk
 * that can wait. Those of MARS are bits of a scheme that is no more.
 */
const TOS_DEFAULTS: Readonly<Record<TrafficClass, string>> = {
  meta: "cs2",
  log: "af11",
  sync: "le",
};

// Ours. As other rates are measured.
const WINDOW_MS = 1_000;
const KIB = 1024;

const SETTING_KEY = "wrn-traffic-setting";
const DIRECTIONS: readonly Direction[] = ["send", "receive"];

/** One direction of one class. */
interface Flow {
  readonly bucket: TokenBucket;
  bytes: number;
  seenBytes: number;
  kibPerSecond: number;
}

export class Traffic implements LineTerms {
  readonly #options: TrafficOptions;
  /** By name of the limit: those of the host as a whole, and of peers. */
  readonly #flows = new Map<string, Flow>();
  readonly #peers = new Set<string>();
  readonly #open = new Set<OpenLine>();
  readonly #schedules = new Map<string, RateSchedule | undefined>();
  #timing: LineTiming = LINE_TIMING;
  #tos: ReadonlyMap<TrafficClass, number> = new Map(
    TRAFFIC_CLASSES.map((each) => [each, parseTos(TOS_DEFAULTS[each]) ?? 0]),
  );
  #obstacles: Obstacle[] = [];
  /** Of this host. */
  #addresses: ReadonlySet<string> = new Set();
  #measuredAtMs: number;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#measuredAtMs = options.clock.monotonicMs();
  }

  /** See `LineTerms`. */
  timing(): LineTiming {
    return this.#timing;
  }

  /** See `LineTerms`. */
  pace(peer: string, trafficClass: TrafficClass): LinePace {
    this.#peers.add(peer);
    const paceOf = (direction: Direction): BucketPace => {
      const whole = this.#flow(limitName(direction, trafficClass));
      const own = this.#flow(limitName(direction, trafficClass, peer));
      return new BucketPace({
        buckets: [whole.bucket, own.bucket],
        monotonicMs: () => this.#options.clock.monotonicMs(),
        count: (bytes) => {
          whole.bytes += bytes;
          own.bytes += bytes;
        },
      });
    };
    return { sending: paceOf("send"), receiving: paceOf("receive") };
  }

  /** See `LineTerms`. */
  opened(line: OpenLine): () => void {
    this.#open.add(line);
    this.#mark(line);
    return () => this.#open.delete(line);
  }

  /**
   * Ends lines from addresses that this host had and has no more: nothing comes
   * there, and to wait for the silence would be a waste of time.
   */
  lookAtAddresses(addresses: ReadonlySet<string> = new Set()): void {
    const before = this.#addresses;
    this.#addresses = addresses;
    for (const { ports: { address }, end } of [...this.#open]) {
      if (!before.has(address) || addresses.has(address)) continue;
      end(new MarsError(`Line was lost: this host has "${address}" no more`));
    }
  }

  /** What is wrong with settings. */
  get obstacles(): readonly Obstacle[] {
    return this.#obstacles;
  }

  /** Adopts the settings as they stand now. */
  update(snapshot: Snapshot): void {
    this.#obstacles = [];
    this.#adoptLimits(snapshot);
    const hasNewTiming = this.#adoptTiming(snapshot);
    const before = this.#tos;
    this.#tos = new Map(TRAFFIC_CLASSES.map((each) => {
      const fallback = parseTos(TOS_DEFAULTS[each]) ?? 0;
      return [each, this.#read(snapshot, tosName(each), parseTos) ?? fallback];
    }));
    for (const line of this.#open) {
      const { trafficClass } = line;
      const hasNewTos = before.get(trafficClass) !==
        this.#tos.get(trafficClass);
      if (hasNewTiming) line.retime(this.#timing);
      if (hasNewTiming || hasNewTos) this.#mark(line);
    }
  }

  /** Returns whether lines are to keep to another one now. */
  #adoptTiming(snapshot: Snapshot): boolean {
    const seconds = this.#read(snapshot, LINE_TIMEOUT, parseLineTimeout);
    const timing = seconds === undefined
      ? LINE_TIMING
      : timingOf(seconds * MS_PER_S);
    const isNews = timing.silenceMs !== this.#timing.silenceMs;
    this.#timing = timing;
    return isNews;
  }

  /** Links that tell peer by peer what moves, and what may. */
  links(snapshot: Snapshot): LinkValue[] {
    this.#measure();
    const { host } = this.#options;
    return [...this.#peers].sort().flatMap((peer) => {
      const path = linkPath.global(host, `traffic-${peer}`);
      const isTold = snapshot.value(path) !== undefined;
      if (snapshot.value(linkPath.ip(peer)) === undefined) {
        this.#peers.delete(peer);
        return isTold ? [{ path, value: TOMBSTONE }] : [];
      }
      const rows = TRAFFIC_CLASSES.map((trafficClass) => {
        const sent = this.#told("send", trafficClass, peer);
        const received = this.#told("receive", trafficClass, peer);
        return {
          trafficClass,
          sentKib: sent.kib,
          sendLimitKib: sent.limitKib,
          receivedKib: received.kib,
          receiveLimitKib: received.limitKib,
        };
      });
      const isNews = (row: typeof rows[number]): boolean =>
        row.sendLimitKib !== undefined || row.receiveLimitKib !== undefined ||
        (row.trafficClass !== "meta" && row.sentKib + row.receivedKib > 0);
      const value = formatTraffic(rows.filter(isNews)) || NO_TRAFFIC;
      return value === NO_TRAFFIC && !isTold ? [] : [{ path, value }];
    });
  }

  #adoptLimits(snapshot: Snapshot): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const time = weekTimeOf(clock.realNs());
    for (const trafficClass of TRAFFIC_CLASSES) {
      for (const direction of DIRECTIONS) {
        for (const peer of [undefined, ...this.#peers]) {
          const name = limitName(direction, trafficClass, peer);
          const schedule = this.#read(
            snapshot,
            name,
            (text) => this.#scheduleOf(text),
          );
          const rate = schedule && rateAt(schedule, time);
          const { bucket } = this.#flow(name);
          if (bucket.bytesPerSecond !== rate) bucket.setRate(rate, nowMs);
        }
      }
    }
  }

  /** Parsed once: there are many rounds and few settings. */
  #scheduleOf(text: string): RateSchedule | undefined {
    const known = this.#schedules.get(text);
    if (known !== undefined) return known;
    const schedule = parseRateSchedule(text);
    if (schedule !== undefined) this.#schedules.set(text, schedule);
    return schedule;
  }

  #read<T>(
    snapshot: Snapshot,
    name: string,
    parse: (text: string) => T | undefined,
  ): T | undefined {
    const text = hostSetting(snapshot, this.#options.host, name);
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) {
      this.#obstacles.push({
        key: SETTING_KEY,
        text: `Setting "${name}" is not obeyed: cannot read "${text}"`,
      });
    }
    return value;
  }

  #flow(name: string): Flow {
    const known = this.#flows.get(name);
    if (known !== undefined) return known;
    const nowMs = this.#options.clock.monotonicMs();
    const flow = {
      bucket: new TokenBucket(undefined, nowMs),
      bytes: 0,
      seenBytes: 0,
      kibPerSecond: 0,
    };
    this.#flows.set(name, flow);
    return flow;
  }

  #told(
    direction: Direction,
    trafficClass: TrafficClass,
    peer: string,
  ): { kib: number; limitKib: number | undefined } {
    const own = this.#flow(limitName(direction, trafficClass, peer));
    const whole = this.#flow(limitName(direction, trafficClass));
    const limit = Math.min(
      own.bucket.bytesPerSecond ?? Infinity,
      whole.bucket.bytesPerSecond ?? Infinity,
    );
    return {
      kib: own.kibPerSecond,
      limitKib: limit === Infinity ? undefined : Math.round(limit / KIB),
    };
  }

  #measure(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const elapsedMs = nowMs - this.#measuredAtMs;
    if (elapsedMs < WINDOW_MS) return;
    this.#measuredAtMs = nowMs;
    for (const flow of this.#flows.values()) {
      const moved = flow.bytes - flow.seenBytes;
      flow.seenBytes = flow.bytes;
      flow.kibPerSecond = Math.round(moved * MS_PER_S / elapsedMs / KIB);
    }
  }

  #mark({ ports, trafficClass }: OpenLine): void {
    this.#options.setOptions?.(ports, {
      tos: this.#tos.get(trafficClass) ?? 0,
      isBulk: trafficClass !== "meta",
      unansweredMs: this.#timing.silenceMs,
    });
  }
}
