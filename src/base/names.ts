// Pure
/**
 * Names: identifiers of hosts and resources, sequence numbers, log files.
 *
 *   identifier  [A-Za-z0-9_][-A-Za-z0-9_]*, at most 63 characters, not reserved
 *   sequence    decimal, at least nine digits, zero padded
 *   log file    log-<sequence>-<host>
 *
 * The host in a log's name is the one that wrote the log, not the one that
 * stores the copy. It is a node name and may therefore contain dots.
 *
 * Source: naming rules of the tree and of log files of MARS.
 */
import { assert } from "./assert.ts";

/** Names one transaction log of a resource. */
export interface LogName {
  readonly sequence: number;
  readonly host: string;
}

// Prescribed by MARS.
const IDENTIFIER_CHARACTERS_MAX = 63;
const SEQUENCE_DIGITS_MIN = 9;
const IDENTIFIER = /^[A-Za-z0-9_][-A-Za-z0-9_]*$/;
const RESERVED_WORDS: ReadonlySet<string> = new Set([
  "none",
  "all",
  "any",
  "full",
  "empty",
  "undefined",
  "remote",
  "local",
  "localhost",
]);

// What ends a host in links (`,` and `:`) or a file name (`/`, NUL) cannot be
// part of one. 15 digits are always a safe integer.
const LOG_FILE_NAME = /^log-(\d{1,15})-([^,:/\s\0]{1,255})$/;

/** Whether `text` may name a host, a resource or a device. */
export function isIdentifier(text: string): boolean {
  return text.length <= IDENTIFIER_CHARACTERS_MAX &&
    IDENTIFIER.test(text) && !RESERVED_WORDS.has(text);
}

/** A sequence number as it stands in names: `000000042`. */
export function formatSequence(sequence: number): string {
  assert(Number.isSafeInteger(sequence), "sequence is an integer");
  assert(sequence >= 0, "sequence is not negative");
  return String(sequence).padStart(SEQUENCE_DIGITS_MIN, "0");
}

/** `log-000000042-alpha` */
export function logFileName(log: LogName): string {
  return `log-${formatSequence(log.sequence)}-${log.host}`;
}

/** The log that `name` names; undefined if it is no name of a log. */
export function parseLogFileName(name: string): LogName | undefined {
  const match = LOG_FILE_NAME.exec(name);
  const [, digits, host] = match ?? [];
  if (digits === undefined || host === undefined) return undefined;
  return { sequence: Number(digits), host };
}
