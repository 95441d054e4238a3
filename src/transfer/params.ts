// Pure
/**
 * Parameters of calls, checked before anything else sees them.
 *
 * Whoever sends a call is known and trusted to be a peer, not to be right.
 */
import { FormatError } from "../base/errors.ts";
import type { JsonObject } from "../peer/rpc.ts";

/** A text. @throws FormatError */
export function textParam(params: JsonObject, name: string): string {
  const value = params[name];
  if (typeof value === "string") return value;
  throw new FormatError(`Cannot decode a call: "${name}" is not a text`);
}

/** A count, an offset or a length, 0 to 2^53 - 1. @throws FormatError */
export function countParam(params: JsonObject, name: string): number {
  const value = params[name];
  const isCount = typeof value === "number" && Number.isSafeInteger(value) &&
    value >= 0;
  if (isCount) return value;
  throw new FormatError(`Cannot decode a call: "${name}" is not a count`);
}

/** @throws FormatError */
export function booleanParam(params: JsonObject, name: string): boolean {
  const value = params[name];
  if (typeof value === "boolean") return value;
  throw new FormatError(`Cannot decode a call: "${name}" is not a boolean`);
}

/** A list of texts. @throws FormatError */
export function textsParam(
  params: JsonObject,
  name: string,
): readonly string[] {
  const value = params[name];
  const isList = Array.isArray(value) &&
    value.every((text) => typeof text === "string");
  if (isList) return value;
  throw new FormatError(`Cannot decode a call: "${name}" is not a list`);
}
