/**
 * The call `log.read` as the host answers it that has the log.
 *
 * Bytes of a log are given by its name, never by a path, and never beyond its
 * durable end: a log that was fetched cannot be ahead of the log of its author,
 * whatever loses its power. Any host serves any log it has. A call at the
 * durable end waits up to `waitMs` for growth, so that a new byte travels at
 * once and nobody polls.
 */
import { ERRNO, MarsError, SyscallError } from "../base/errors.ts";
import type { LogName } from "../base/names.ts";
import type { Crc32c } from "../log/checksum.ts";
import {
  EMPTY_BODY,
  type RpcCall,
  type RpcHandlers,
  type RpcReply,
} from "../peer/rpc.ts";
import { type Packing, packReply } from "./body.ts";
import type { FileOpener, RandomFile } from "./file.ts";
import {
  decodeReadRequest,
  encodeReadReply,
  type LogEnd,
  type ReadRequest,
} from "./log_read.ts";
import { READ_BYTES_MAX } from "./read_size.ts";

/** Ours. A call that waits longer is answered as it is and asked again. */
export const WAIT_MS_MAX = 20_000;

/** The logs of this host, as far as peers may read them. */
export interface LogSource {
  /** Durable end of a log; undefined if it is not here. */
  durableEnd(resource: string, log: LogName): LogEnd | undefined;
  /** Calls back when the durable end may have changed, until unsubscribed. */
  onGrowth(resource: string, log: LogName, callback: () => void): () => void;
  logPath(resource: string, log: LogName): string;
}

export interface LogServiceOptions {
  readonly source: LogSource;
  readonly files: FileOpener;
  /** Undefined: answers carry no checksum. */
  readonly crc?: Crc32c | undefined;
  /** How answers may be compressed for who can read that. */
  readonly packings?: () => readonly Packing[];
}

/** Handlers that serve the logs of this host. */
export function logHandlers(
  options: LogServiceOptions,
): RpcHandlers {
  return { "log.read": (call) => serveRead(options, call) };
}

async function serveRead(
  options: LogServiceOptions,
  call: RpcCall,
): Promise<RpcReply> {
  const { source, files } = options;
  const request = decodeReadRequest(call.params);
  const { resource, log, offsetBytes } = request;
  let end = source.durableEnd(resource, log);
  if (end !== undefined && isWaiting(end, offsetBytes) && request.waitMs > 0) {
    await growth(source, request, call.signal);
    end = source.durableEnd(resource, log);
  }
  if (end === undefined) return encodeReadReply({ status: "missing" });
  const lengthBytes = Math.min(
    end.bytes - offsetBytes,
    request.lengthMax,
    READ_BYTES_MAX,
  );
  if (lengthBytes <= 0) {
    return encodeReadReply({ status: "ok", end, body: EMPTY_BODY });
  }
  const body = (await call.buffer()).subarray(0, lengthBytes);
  const path = source.logPath(resource, log);
  if (await readLog(files, path, { offsetBytes, body })) {
    const reply = encodeReadReply({ status: "ok", end, body });
    return await packReply(reply, call.params, {
      crc: options.crc,
      packings: options.packings?.() ?? [],
    });
  }
  return encodeReadReply({ status: "missing" });
}

function isWaiting(end: LogEnd, offsetBytes: number): boolean {
  return end.bytes === offsetBytes && !end.isFinal;
}

/** Resolves when there is something to tell, or nothing for too long. */
function growth(
  source: LogSource,
  request: ReadRequest,
  signal: AbortSignal,
): Promise<void> {
  const { resource, log, offsetBytes, waitMs } = request;
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      unsubscribe();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const look = (): void => {
      const end = source.durableEnd(resource, log);
      if (end === undefined || !isWaiting(end, offsetBytes)) finish();
    };
    const timer = setTimeout(finish, Math.min(waitMs, WAIT_MS_MAX));
    const unsubscribe = source.onGrowth(resource, log, look);
    signal.addEventListener("abort", finish, { once: true });
    if (signal.aborted) finish();
    else look();
  });
}

/** Fills `body`, all of it; false if the log has just been deleted. */
async function readLog(
  files: FileOpener,
  path: string,
  { offsetBytes, body }: {
    readonly offsetBytes: number;
    readonly body: Uint8Array;
  },
): Promise<boolean> {
  let file: RandomFile;
  try {
    file = await files.open(path, "read");
  } catch (error) {
    // Logs are deleted while others still ask for them.
    if (isErrno(error, ERRNO.ENOENT)) return false;
    throw error;
  }
  try {
    const count = await file.read(body, offsetBytes);
    if (count === body.length) return true;
    throw new MarsError(
      `Cannot read log "${path}": ${offsetBytes + count} bytes only`,
    );
  } finally {
    file.close();
  }
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof SyscallError && error.errno === errno;
}
