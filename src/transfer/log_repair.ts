/**
 * Repair of a log: records that are damaged here, from a member that has them.
 *
 * The bytes from the first damaged record on are asked for, verified, and put in
 * the place of the own ones; nothing is cut off, so what is intact behind the
 * damage needs not be fetched again, and nothing is lost if this ends anywhere.
 * Only whole records that the own file has room for are written. If not even one
 * fits, the file was cut inside of it: then it is cut to its begin, and fetching
 * does the rest.
 *
 * One call repairs what one read brings. Replay finds the next damage, if any.
 */
import { MarsError, SyscallError } from "../base/errors.ts";
import type { LogName } from "../base/names.ts";
import type { Crc32c } from "../log/checksum.ts";
import { LogScanner } from "../log/scanner.ts";
import { describeVerdict } from "../log/verdict.ts";
import type { RpcClient } from "../peer/rpc.ts";
import { ACCEPT, unpackReply } from "./body.ts";
import type { FileOpener } from "./file.ts";
import { decodeReadReply, encodeReadRequest } from "./log_read.ts";
import { CALL_TIMEOUT_MS, READ_BYTES_MAX } from "./read_size.ts";

/**
 * "repaired"  intact records stand there now, durably
 * "missing"   the peer does not have these bytes
 * "damaged"   the peer has them damaged as well
 * "lost"      the line was lost, or the peer refused
 * "failed"    the own file failed
 */
export type RepairResult =
  | { readonly kind: "repaired"; readonly bytes: number }
  | { readonly kind: "missing" }
  | {
    readonly kind: "damaged" | "lost" | "failed";
    readonly message: string;
  };

export interface RepairOptions {
  readonly rpc: RpcClient;
  readonly files: FileOpener;
  readonly crc: Crc32c;
  readonly resource: string;
  readonly log: LogName;
  readonly path: string;
  /** Where the first damaged record begins. */
  readonly offsetBytes: number;
  readonly signal: AbortSignal;
}

/** Never rejects for anything foreseen. */
export async function repairLog(options: RepairOptions): Promise<RepairResult> {
  try {
    const bytes = await read(options);
    if (bytes === undefined) return { kind: "missing" };
    return await replace(options, bytes);
  } catch (error) {
    if (!(error instanceof MarsError)) throw error;
    const { message } = error;
    return { kind: error instanceof SyscallError ? "failed" : "lost", message };
  }
}

/** What the peer has from there on; undefined if it has nothing. */
async function read(options: RepairOptions): Promise<Uint8Array | undefined> {
  const { rpc, resource, log, offsetBytes, crc, signal } = options;
  const range = { offsetBytes, lengthMax: READ_BYTES_MAX, waitMs: 0 };
  const reply = await rpc.call(
    "log.read",
    { ...encodeReadRequest({ resource, log, ...range }), ...ACCEPT },
    { timeoutMs: CALL_TIMEOUT_MS, signal },
  );
  const body = await unpackReply(reply, { crc, lengthMax: READ_BYTES_MAX });
  const { status } = decodeReadReply({ params: reply.params, body });
  return status === "missing" || body.length === 0 ? undefined : body;
}

async function replace(
  { files, path, offsetBytes, crc }: RepairOptions,
  bytes: Uint8Array,
): Promise<RepairResult> {
  const file = await files.open(path, "update");
  try {
    const roomBytes = file.sizeBytes() - offsetBytes;
    const { intactBytes, firstBytes, message } = intact(bytes, crc, roomBytes);
    if (firstBytes === 0) return { kind: "damaged", message };
    if (intactBytes === 0) await file.truncate(offsetBytes);
    else await file.write(bytes.subarray(0, intactBytes), offsetBytes);
    await file.flush();
    return { kind: "repaired", bytes: intactBytes };
  } finally {
    file.close();
  }
}

/** How much of `bytes` are whole records within the room; the first one's end. */
function intact(
  bytes: Uint8Array,
  crc: Crc32c,
  roomBytes: number,
): { intactBytes: number; firstBytes: number; message: string } {
  const scanner = new LogScanner({
    crc,
    startBytes: 0,
    deviceSizeBytes: undefined,
  });
  scanner.setWindow({
    bytes,
    startBytes: 0,
    lengthBytes: bytes.length,
    endBytes: bytes.length,
  });
  let [intactBytes, firstBytes] = [0, 0];
  while (scanner.next() === "record") {
    if (firstBytes === 0) firstBytes = scanner.positionBytes;
    if (scanner.positionBytes > roomBytes) break;
    intactBytes = scanner.positionBytes;
  }
  const message = firstBytes === 0 ? describeVerdict(scanner.verdict) : "";
  return { intactBytes, firstBytes, message };
}
