import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loadShim } from "../../ffi/shim.ts";
import { MarsError } from "../base/errors.ts";
import { viewOf } from "../base/bytes.ts";
import { encodeRecordInto, HEADER_BYTES } from "../log/record.ts";
import { shimCrc32c } from "../log/shim_crc32c.ts";
import { logDump, logVerify } from "./inspect.ts";

const VECTORS_URL = new URL("../../tests/vectors/", import.meta.url);
const crc = shimCrc32c(
  loadShim(new URL("../../build/libmars.so", import.meta.url)),
);

interface Vector {
  readonly file: string;
  readonly records: readonly unknown[];
  readonly end: { readonly status: number; readonly rest?: number };
}

const VECTORS: readonly Vector[] = JSON.parse(
  Deno.readTextFileSync(new URL("expected.json", VECTORS_URL)),
);

function pathOf(file: string): string {
  return fromFileUrl(new URL(file, VECTORS_URL));
}

/** Output lines and exit code of a command on a file. */
async function run(
  command: typeof logDump,
  path: string,
  json: boolean,
): Promise<{ lines: string[]; exitCode: number }> {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const exitCode = await command(path, { json, write, crc });
  return { lines, exitCode };
}

for (const vector of VECTORS) {
  Deno.test(`logDump() gives exactly what is expected of ${vector.file}`, async () => {
    const { lines, exitCode } = await run(logDump, pathOf(vector.file), true);
    assertEquals(lines.map((line) => JSON.parse(line)), [
      ...vector.records,
      { end: vector.end },
    ]);
    const isIntact = vector.end.status === 0 && vector.end.rest === 0;
    assertEquals(exitCode, isIntact ? 0 : 1);
  });
}

Deno.test("logDump() prints one readable line per record", async () => {
  const { lines, exitCode } = await run(
    logDump,
    pathOf("v08-stream3.bin"),
    false,
  );
  assertEquals(exitCode, 0);
  assertEquals(lines.slice(1), [
    "           0     596           1  new                     8192     512  " +
    "2023-11-14T22:13:20.000000100Z  crc32c",
    "         596    4180           2  old               8589934592    4096  " +
    "2023-11-14T22:13:20.000000200Z  crc32c",
    "        4776     596           3  new                    12288     512  " +
    "2023-11-14T22:13:20.000000300Z  crc32c",
    "3 records with 5120 bytes",
    "Intact to the end at 5372",
  ]);
});

Deno.test("logVerify() names place and kind of damage", async () => {
  const { lines, exitCode } = await run(
    logVerify,
    pathOf("n05-endmagic-repeated-5a.bin"),
    false,
  );
  assertEquals(exitCode, 1);
  assertEquals(lines, [
    "1 record with 512 bytes",
    "Damaged at 596, 1192 bytes before the end: the end of the record is " +
    "overwritten with one repeated byte 0x5a " +
    "(status EBADMSG -74, detail -10021)",
  ]);
});

Deno.test("logVerify() tells a torn record from damage", async () => {
  const { lines, exitCode } = await run(
    logVerify,
    pathOf("n01-torn-mid-payload.bin"),
    false,
  );
  assertEquals(exitCode, 1);
  assert(lines[1]?.startsWith("Torn at 1192, 300 bytes before the end"));
});

Deno.test("logVerify() fails on stray bytes and shows odd records", async () => {
  const stray = await run(
    logVerify,
    pathOf("n02-torn-below-overhead.bin"),
    false,
  );
  assertEquals(stray.exitCode, 1);
  const odd = await run(logVerify, pathOf("n13-seq-back.bin"), false);
  assertEquals(odd.exitCode, 0);
  assertEquals(odd.lines, [
    "3 records with 1536 bytes",
    "1 of them accepted, but odd: see the dump",
    "Intact to the end at 1788",
  ]);
});

Deno.test("logVerify() prints only the end as JSON", async () => {
  const { lines } = await run(logVerify, pathOf("v01-crc32c-24.bin"), true);
  assertEquals(lines.map((line) => JSON.parse(line)), [
    { end: { offset: 108, status: 0, status_name: "EOF", rest: 0 } },
  ]);
});

Deno.test("logVerify() reads a log of many windows", async () => {
  const recordCount = 3000;
  const payloadLength = 1500;
  const bytes = new Uint8Array(recordCount * (payloadLength + 84));
  const view = viewOf(bytes);
  let at = 0;
  for (let index = 0; index < recordCount; index++) {
    bytes.fill(index, at + HEADER_BYTES, at + HEADER_BYTES + payloadLength);
    const fields = {
      sequence: index + 1,
      seconds: index,
      nanoseconds: 0,
      code: 1,
      offsetBytes: index * 4096,
    };
    at += encodeRecordInto(bytes, view, at, fields, payloadLength, crc);
  }
  const directory = await Deno.makeTempDir();
  try {
    const path = join(directory, "log-000000001-alpha");
    await Deno.writeFile(path, bytes);
    const { lines, exitCode } = await run(logVerify, path, false);
    assertEquals(exitCode, 0);
    assertEquals(lines, [
      "3000 records with 4500000 bytes",
      `Intact to the end at ${bytes.length}`,
    ]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("logDump() says which file it cannot read", async () => {
  const missing = pathOf("no-such-file.bin");
  await assertRejects(() => run(logDump, missing, false), MarsError, missing);
  const directory = fromFileUrl(VECTORS_URL);
  await assertRejects(
    () => run(logDump, directory, false),
    MarsError,
    "not a regular file",
  );
});
