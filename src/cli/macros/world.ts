// Pure
/**
 * World: everything that macros may ask for, and do.
 *
 * One reading of the tree stands behind it; `refresh()` takes a new one. What
 * macros do to the world is little: words on the terminal, waiting, and links,
 * where the administrator has allowed it.
 */
import type { Snapshot } from "../../tree/snapshot.ts";
import type { Report } from "../report.ts";

/** How good a word is; decides its colour. */
export type Mood = "good" | "changing" | "bad";

/** Where a device is mounted. */
export interface Mount {
  readonly directory: string;
  readonly type: string;
  readonly options: string;
}

/** How bad the lines of a status file are. */
export type StatusClass = "warning" | "error" | "fatal" | "log";

export interface World {
  readonly marsDir: string;
  /** The host on which this runs, in the words of the tree. */
  readonly host: string;
  readonly snapshot: Snapshot;
  /** Wall clock, nanoseconds since 1970. */
  readonly realNs: bigint;
  /** Lamport time: not below the wall clock. */
  readonly lamportNs: bigint;
  readonly isDaemonRunning: boolean;
  /** Why the tree takes no links; empty while it does. */
  readonly treeTrouble: string;
  /** Whether hosts count that have left. */
  readonly countsDeletedPeers: boolean;

  refresh(): void;
  report(resource: string, host: string): Report;
  /** Own address; of others what the tree says. */
  addressOf(host: string): string | undefined;
  /** Whether something is at a path; undefined if nobody may look. */
  isThere(path: string): boolean | undefined;
  nbdSocket(device: string): string | undefined;
  mountOf(device: string): Mount | undefined;
  /** Text of a status file; empty if there is none. */
  statusText(resource: string, kind: StatusClass): string;
  /** Paths in the tree that match a pattern, sorted. */
  glob(pattern: string): string[];
  /** Text of any file; undefined if there is none for this user. */
  readFile(path: string): string | undefined;

  /** `2026-11-22 12:49:30`, local time. */
  formatTime(ns: bigint): string;
  paint(text: string, mood: Mood): string;
  /** A line on stderr, once. */
  warn(line: string): void;
  sleep(durationMs: number): void;
  /** Tells the daemon to hear from its peers. */
  askPeers(): void;
  /** @throws MarsError unless links may be written */
  setLink(path: string, value: string): void;
}
