// Pure
/**
 * Format of the call `log.read`.
 *
 *   request  resource     text, an identifier
 *            sequence     count
 *            host         text, the author of the log
 *            offsetBytes  count
 *            lengthMax    count of bytes; the reply may bring less
 *            waitMs       count; how long to wait at the durable end
 *   reply    status       "ok" | "missing"
 *            durableBytes count, durable end of the log; only if "ok"
 *            isFinal      boolean, the log will not grow; only if "ok"
 *   body     bytes of the log from `offsetBytes`
 */
import { FormatError } from "../base/errors.ts";
import {
  formatSequence,
  isIdentifier,
  type LogName,
  parseLogFileName,
} from "../base/names.ts";
import { EMPTY_BODY, type JsonObject, type RpcReply } from "../peer/rpc.ts";
import { booleanParam, countParam, textParam } from "./params.ts";

/** How far a log is durable somewhere. */
export type LogEnd = { readonly bytes: number; readonly isFinal: boolean };

export type ReadRange = {
  readonly offsetBytes: number;
  readonly lengthMax: number;
  readonly waitMs: number;
};

export type ReadRequest = ReadRange & {
  readonly resource: string;
  readonly log: LogName;
};

/** Inverse of `decodeReadRequest`. */
export function encodeReadRequest(request: ReadRequest): JsonObject {
  const { resource, log, offsetBytes, lengthMax, waitMs } = request;
  return { resource, ...log, offsetBytes, lengthMax, waitMs };
}

/** Nothing that passes here names anything but a log. @throws FormatError */
export function decodeReadRequest(params: JsonObject): ReadRequest {
  const resource = textParam(params, "resource");
  const host = textParam(params, "host");
  const sequence = countParam(params, "sequence");
  const log = parseLogFileName(`log-${formatSequence(sequence)}-${host}`);
  if (!isIdentifier(resource) || log?.host !== host) {
    throw new FormatError(
      `Cannot read a log: illegal name "${resource}" or "${host}"`,
    );
  }
  return {
    resource,
    log,
    offsetBytes: countParam(params, "offsetBytes"),
    lengthMax: countParam(params, "lengthMax"),
    waitMs: countParam(params, "waitMs"),
  };
}

export type ReadReply =
  | { readonly status: "missing" }
  | {
    readonly status: "ok";
    readonly end: LogEnd;
    readonly body: Uint8Array;
  };

/** Inverse of `decodeReadReply`. */
export function encodeReadReply(reply: ReadReply): RpcReply {
  if (reply.status === "missing") {
    return { params: { status: "missing" }, body: EMPTY_BODY };
  }
  const { bytes, isFinal } = reply.end;
  return {
    params: { status: "ok", durableBytes: bytes, isFinal },
    body: reply.body,
  };
}

/** @throws FormatError */
export function decodeReadReply({ params, body }: RpcReply): ReadReply {
  const status = textParam(params, "status");
  if (status === "missing") return { status };
  const end = {
    bytes: countParam(params, "durableBytes"),
    isFinal: booleanParam(params, "isFinal"),
  };
  return { status: "ok", end, body };
}
