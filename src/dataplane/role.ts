/** What the roles of a worker have in common. */
import { SyscallError } from "../base/errors.ts";
import type { Disk } from "../block/disk.ts";
import type { Crc32c } from "../log/checksum.ts";
import type { Ring } from "../ring/ring.ts";
import type { Actual, Birth, Desired } from "./mailbox.ts";
import type { YieldingThread } from "./precedence.ts";
import type { StampSource } from "./stamps.ts";

/** What a role works with; all of it stays the worker's. */
export interface Parts {
  readonly birth: Birth;
  readonly ring: Ring;
  readonly crc: Crc32c;
  readonly disk: Disk;
  readonly stamps: StampSource;
  /** Who waits while the device is in use; undefined: nobody. */
  readonly yielding: YieldingThread | undefined;
}

/** `Actual` as the worker fills it in. */
export type Report = { -readonly [Key in keyof Actual]: Actual[Key] };

/** "log" or "replay" from its begin to its end. */
export interface Role {
  /** Compares with what is desired and does what is missing; every turn. */
  adopt(desired: Desired): void;
  /** Does what is to be done once per turn, and what that makes possible. */
  endOfTurn(desired: Desired): void;
  /** Fills in what this role knows. */
  report(report: Report): void;
  /** Nothing is left to be done or closed: the next role may begin. */
  readonly isOver: boolean;
  /** The worker fails: closes what is open without waiting. */
  abandon(): void;
}

/** What `Actual` shows for an error; `refusedErrno` for a refusal of ours. */
export function errnoOf(error: unknown, refusedErrno: number): number {
  return error instanceof SyscallError ? error.errno : refusedErrno;
}
