/** A tree in memory, with the merge rules of the real one. */
import { LamportClock } from "../../src/base/lamport.ts";
import { SyscallError } from "../../src/base/errors.ts";
import type { Clock } from "../../src/base/time.ts";
import { mergeLink, objectionTo } from "../../src/tree/merge.ts";
import { isSameLink, type Link, Snapshot } from "../../src/tree/snapshot.ts";
import type {
  ApplyContext,
  LinkWrite,
  TreeStore,
} from "../../src/tree/store.ts";

/** A clock that a test moves. */
export class ManualClock implements Clock {
  nowNs = 1_700_000_000_000_000_000n;

  realNs(): bigint {
    return this.nowNs;
  }

  monotonicMs(): number {
    return Number(this.nowNs / 1_000_000n);
  }
}

export class MemoryTree implements TreeStore {
  readonly root = "/memory";
  readonly lamport: LamportClock;
  /** Links that can still be stored; then ENOSPC. */
  roomCount = Number.MAX_SAFE_INTEGER;
  #snapshot: Snapshot;

  constructor(clock: Clock, links: Iterable<Link> = []) {
    this.lamport = new LamportClock(clock);
    this.#snapshot = new Snapshot(links);
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  write(links: Iterable<LinkWrite>): Link[] {
    const sharedNs = this.lamport.next();
    const written: Link[] = [];
    for (const { path, value, stampNs = sharedNs } of links) {
      const own = this.#snapshot.get(path);
      if (own === undefined || own.stampNs <= stampNs) {
        written.push({ path, value, stampNs });
      }
    }
    this.#snapshot = this.#snapshot.with(written);
    return written;
  }

  apply(links: Iterable<Link>, context: ApplyContext): Link[] {
    const taken = new Map<string, Link>();
    try {
      for (const link of links) {
        if (objectionTo(context.sender, link) !== undefined) continue;
        if (!this.lamport.observe(link.stampNs)) continue;
        const own = taken.get(link.path) ?? this.#snapshot.get(link.path);
        if (own !== undefined && isSameLink(own, link)) continue;
        if (mergeLink(own, link, context) !== "take") continue;
        if (this.roomCount-- <= 0) {
          throw new SyscallError("link", link.path, 28);
        }
        taken.set(link.path, link);
      }
    } finally {
      this.#snapshot = this.#snapshot.with(taken.values());
    }
    return [...taken.values()];
  }

  /** Memory is as durable as it gets. */
  flush(): void {}

  /** It has seen all of its links. */
  resumeClock(): void {}

  unlink(path: string, value?: string): void {
    const isOther = value !== undefined &&
      this.#snapshot.get(path)?.value !== value;
    if (isOther) return;
    this.#snapshot = this.#snapshot.without([path]);
  }

  rescan(): Link[] {
    return [];
  }
}
