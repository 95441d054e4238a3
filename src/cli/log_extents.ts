/**
 * What the records of a log file name: which ranges of the disk were written.
 *
 * The file is scanned as replay does it, with all digests: what cannot be
 * scanned to the very end tells nothing about what may have been written.
 */
import type { Crc32c } from "../log/checksum.ts";
import { openLog } from "../log/files.ts";
import { LogScanner } from "../log/scanner.ts";
import type { LogName } from "../base/names.ts";

const WINDOW_BYTES = 1024 * 1024;

/** Where to begin: at a record. */
export interface LogPlace {
  readonly directory: string;
  readonly log: LogName;
  readonly fromBytes: number;
}

/**
 * Calls `onWrite` for each record behind the place.
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
  const endBytes = (await file.stat()).size;
  if (endBytes < fromBytes) return false;
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
    if (outcome === "end") {
      const { verdict } = scanner;
      return verdict.kind === "eof" && verdict.restBytes === 0;
    }
    if (outcome === "record") {
      onWrite(scanner.offsetBytes, scanner.payloadLength);
      continue;
    }
    // Keep what is not scanned yet, and fill up behind it.
    bytes.copyWithin(0, scanner.positionBytes - startBytes, lengthBytes);
    lengthBytes -= scanner.positionBytes - startBytes;
    startBytes = scanner.positionBytes;
    const wantedLength = Math.min(bytes.length, endBytes - startBytes);
    while (lengthBytes < wantedLength) {
      const count = await file.read(bytes.subarray(lengthBytes, wantedLength));
      if (count === null) return false;
      lengthBytes += count;
    }
    scanner.setWindow({ bytes, startBytes, lengthBytes, endBytes });
  }
}
