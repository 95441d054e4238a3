/**
 * Mailbox: how control and data plane agree. Two records in shared memory.
 *
 *   Desired  written by the daemon, read by the worker
 *   Actual   written by the worker, read by the daemon
 *
 * Each has a version that is odd while being written; a reader retries on a
 * change. The newest value counts; intermediate ones may be missed, and that is
 * correct, because both describe a state and not an event.
 *
 * Waking: the daemon adds to the worker's eventfd, the worker notifies the
 * version of `Actual`.
 */

/** What the daemon wants from a worker. */
export interface Desired {
  /**
   * "idle"    disk open, nothing else
   * "log"     primary: serve the device, write to the log, write back
   * "replay"  apply the log from `startBytes` up to `logEndBytes`
   * "stop"    finish everything and end the thread
   */
  readonly role: "idle" | "log" | "replay" | "stop";
  /**
   * Log to write to or to replay. While logging, a higher sequence asks for a
   * rotation: the new file exists already and is empty.
   */
  readonly logSequence: number;
  readonly logHost: string;
  /** Where replay begins; ignored while logging, which begins at 0. */
  readonly startBytes: number;
  /** Replay may read up to here; later bytes are not durable here yet. */
  readonly logEndBytes: number;
  /** Bytes of the device. */
  readonly sizeBytes: number;
  /** When a write is acknowledged. */
  readonly level: "flush" | "durable";
}

/** What a worker does. Positions belong to `logSequence` unless named. */
export interface Actual {
  /** Version of the `Desired` that was adopted last; even. */
  readonly desiredVersion: number;
  readonly role: "idle" | "log" | "replay" | "stopped";
  readonly logSequence: number;
  /** End of what is in the log file. While replaying: end of this run. */
  readonly loggedBytes: number;
  /** End of what is durable in the log file. */
  readonly durableBytes: number;
  /**
   * Everything before this position is durable on the disk. Its log may be an
   * older one than `logSequence` for a while after a rotation.
   */
  readonly writtenBackSequence: number;
  readonly writtenBackBytes: number;
  /** 1 while clients may connect to the device. */
  readonly deviceOn: number;
  /** Clients that have the device open. */
  readonly openCount: number;
  /** Requests accepted and not yet acknowledged. */
  readonly inFlight: number;
  /** Bytes of the backing disk; 0 while it is not open. */
  readonly diskBytes: number;
  /** 0, or the positive errno of the disk; stays until it works again. */
  readonly diskErrno: number;
  /** 0, or the positive errno of the log: logging has ended. */
  readonly logErrno: number;
  /**
   * Replay: 0 running, 1 `logEndBytes` reached, 2 incomplete record before
   * `logEndBytes`, negative errno: damage at `writtenBackBytes`.
   */
  readonly replayStatus: number;
  /** Negative detail code of the scanner and byte of a repeated pattern. */
  readonly replayDetail: number;
  readonly replayByte: number;
  /** Totals since the worker started, for rates. */
  readonly writeCount: number;
  readonly writeBytes: number;
  readonly readCount: number;
  readonly readBytes: number;
  readonly replayCount: number;
  readonly replayBytes: number;
}
