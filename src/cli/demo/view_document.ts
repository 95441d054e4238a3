// Pure
/** What the demo reads of `mars view --json`: only what it shows. */
import { FormatError } from "../../base/errors.ts";

/** A place where the histories of two hosts part. */
export interface SeenSplit {
  readonly hosts: readonly string[];
  /** Bytes of logs that each has from the one on in which they part. */
  readonly amountBytes: readonly number[];
}

export interface SeenResource {
  readonly disk: string;
  readonly replication: string;
  readonly role: string;
  readonly primary: string;
  readonly splits: readonly SeenSplit[];
  /** Errors that hold, as "host: text". */
  readonly errors: readonly string[];
}

/** @throws FormatError unless `text` describes `resource` */
export function readView(text: string, resource: string): SeenResource {
  const found = itemsOf(fieldOf(JSON.parse(text), "resources"))
    .find((item) => fieldOf(item, "resource") === resource);
  if (found === undefined) {
    throw new FormatError(`Cannot read view: no resource "${resource}"`);
  }
  return {
    disk: textOf(fieldOf(found, "disk")),
    replication: textOf(fieldOf(found, "replication")),
    role: textOf(fieldOf(found, "role")),
    primary: textOf(fieldOf(found, "primary")),
    splits: itemsOf(fieldOf(found, "splits")).map((split) => {
      const sides = itemsOf(fieldOf(split, "sides"));
      return {
        hosts: sides.map((side) => textOf(fieldOf(side, "host"))),
        amountBytes: sides.map((side) => Number(fieldOf(side, "amountBytes"))),
      };
    }),
    errors: itemsOf(fieldOf(found, "obstacles"))
      .filter((item) => fieldOf(item, "severity") === "error")
      .map((item) =>
        `${textOf(fieldOf(item, "host"))}: ${textOf(fieldOf(item, "text"))}`
      ),
  };
}

function fieldOf(value: unknown, name: string): unknown {
  const isRecord = typeof value === "object" && value !== null;
  return isRecord
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
