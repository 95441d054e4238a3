/**
 * Records of the logs of this host, for who has to apply them once more.
 */
import { MarsError } from "../base/errors.ts";
import { logFileName } from "../base/names.ts";
import type { Crc32c } from "../log/checksum.ts";
import { RECORD_CODE } from "../log/record.ts";
import { LogScanner } from "../log/scanner.ts";
import type { Position } from "../resource/view.ts";
import type { FileOpener } from "../transfer/file.ts";
import type { OnRecord } from "../transfer/verify.ts";

/** A stretch of one log file; between two records at both ends. */
export interface LogStretch {
  readonly path: string;
  readonly startBytes: number;
  /** Undefined: to the end of the file. */
  readonly endBytes: number | undefined;
}

/** Delivers the new data of a stretch, in order. @throws MarsError */
export type ReadStretch = (
  stretch: LogStretch,
  onRecord: OnRecord,
) => Promise<void>;

// Ours. As large as pieces of a log that are fetched.
const WINDOW_BYTES = 1024 * 1024;
// Ours. More logs than anybody has between two positions; a bound.
const LOGS_MAX = 1_000;

/** For log files in the format of `log/`. */
export function stretchReader(files: FileOpener, crc: Crc32c): ReadStretch {
  return async ({ path, startBytes, endBytes: end }, onRecord) => {
    const file = await files.open(path, "read");
    try {
      const endBytes = end ?? file.sizeBytes();
      const scanner = new LogScanner({
        crc,
        startBytes,
        deviceSizeBytes: undefined,
      });
      const bytes = new Uint8Array(WINDOW_BYTES);
      for (;;) {
        const outcome = scanner.next();
        if (outcome === "record") {
          if (scanner.code !== RECORD_CODE.writeNew) continue;
          const { payload, payloadStart, payloadLength } = scanner;
          onRecord(
            scanner.offsetBytes,
            payload.subarray(payloadStart, payloadStart + payloadLength),
          );
        } else if (outcome === "end") {
          if (scanner.positionBytes === endBytes) return;
          throw new MarsError(
            `Cannot read "${path}": no record at ${scanner.positionBytes}`,
          );
        } else {
          const at = scanner.positionBytes;
          const window = bytes.subarray(0, Math.max(0, endBytes - at));
          const lengthBytes = await file.read(window, at);
          if (lengthBytes < Math.min(window.length, scanner.neededBytes)) {
            throw new MarsError(`Cannot read "${path}": it is shorter now`);
          }
          scanner.setWindow({ bytes, startBytes: at, lengthBytes, endBytes });
        }
      }
    } finally {
      file.close();
    }
  };
}

/**
 * Delivers the new data between two positions, which may lie in different logs
 * of one host. @throws MarsError
 */
export async function readRecords(
  { from, upTo }: { readonly from: Position; readonly upTo: Position },
  { read, pathOf }: {
    readonly read: ReadStretch;
    readonly pathOf: (log: Position["log"]) => string;
  },
  onRecord: OnRecord,
): Promise<void> {
  const count = upTo.log.sequence - from.log.sequence;
  const isOneHistory = from.log.host === upTo.log.host && count < LOGS_MAX;
  if (!isOneHistory) {
    throw new MarsError(
      `Cannot read from "${logFileName(from.log)}" on to "${
        logFileName(upTo.log)
      }": not one chain of logs`,
    );
  }
  for (let step = 0; step <= count; step++) {
    const sequence = from.log.sequence + step;
    const startBytes = step === 0 ? from.bytes : 0;
    const endBytes = step === count ? upTo.bytes : undefined;
    if (endBytes !== undefined && startBytes >= endBytes) return;
    const path = pathOf({ sequence, host: from.log.host });
    await read({ path, startBytes, endBytes }, onRecord);
  }
}
