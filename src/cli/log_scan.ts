/**
 * What is in a log file: its records, one after the other, as replay sees them.
 *
 * The file is read in windows and may be cut meanwhile; then it ends there.
 */
import type { LogName } from "../base/names.ts";
import type { Crc32c } from "../log/checksum.ts";
import { openLog } from "../log/files.ts";
import { LogScanner } from "../log/scanner.ts";
import type { Verdict } from "../log/verdict.ts";

// Ours. Holds many records of the largest size; larger windows gained nothing.
const WINDOW_BYTES = 1024 * 1024;

/**
 * Scans an open log from `startBytes` on, where a record begins.
 *
 * @param onRecord may look at the scanner until it returns
 * @returns why the scan ended
 */
export async function scanLog(
  file: Deno.FsFile,
  { crc, startBytes: fromBytes }: {
    readonly crc: Crc32c;
    readonly startBytes: number;
  },
  onRecord: (scanner: LogScanner) => void,
): Promise<Verdict> {
  let endBytes = (await file.stat()).size;
  await file.seek(fromBytes, Deno.SeekMode.Start);
  const scanner = new LogScanner({
    crc,
    startBytes: fromBytes,
    deviceSizeBytes: undefined,
  });
  const bytes = new Uint8Array(WINDOW_BYTES);
  let startBytes = fromBytes;
  let lengthBytes = 0;
  for (;;) {
    const outcome = scanner.next();
    if (outcome === "end") return scanner.verdict;
    if (outcome === "record") {
      onRecord(scanner);
      continue;
    }
    // Keep what is not scanned yet, and fill up behind it.
    bytes.copyWithin(0, scanner.positionBytes - startBytes, lengthBytes);
    lengthBytes -= scanner.positionBytes - startBytes;
    startBytes = scanner.positionBytes;
    const wantedLength = Math.min(bytes.length, endBytes - startBytes);
    while (lengthBytes < wantedLength) {
      const count = await file.read(bytes.subarray(lengthBytes, wantedLength));
      if (count === null) {
        // Somebody cut the file meanwhile.
        endBytes = startBytes + lengthBytes;
        break;
      }
      lengthBytes += count;
    }
    scanner.setWindow({ bytes, startBytes, lengthBytes, endBytes });
  }
}

/** Where to begin: at a record. */
export interface LogPlace {
  readonly directory: string;
  readonly log: LogName;
  readonly fromBytes: number;
}

/**
 * Calls `onWrite` for each range of the disk that records behind the place
 * name. What cannot be scanned to its end tells nothing about what may have been
 * written.
 *
 * @returns whether the file is intact to its end
 * @throws SyscallError
 */
export async function scanWrites(
  { directory, log, fromBytes }: LogPlace,
  crc: Crc32c,
  onWrite: (offsetBytes: number, lengthBytes: number) => void,
): Promise<boolean> {
  using file = await openLog(directory, log, "read");
  const { size } = await file.stat();
  if (size < fromBytes) return false;
  const place = { crc, startBytes: fromBytes };
  const verdict = await scanLog(file, place, (scanner) => {
    onWrite(scanner.offsetBytes, scanner.payloadLength);
  });
  // Not one that was cut while it was read.
  return verdict.kind === "eof" && verdict.restBytes === 0 &&
    verdict.offsetBytes === size;
}
