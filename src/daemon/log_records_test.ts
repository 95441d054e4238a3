import { assertEquals, assertRejects } from "@std/assert";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import { MarsError } from "../base/errors.ts";
import { logFileName } from "../base/names.ts";
import type { Position } from "../resource/view.ts";
import { type LogStretch, readRecords, stretchReader } from "./log_records.ts";
import { loadShim } from "../../ffi/shim.ts";
import { shimCrc32c } from "../log/shim_crc32c.ts";

const SHIM = new URL("../../build/libmars.so", import.meta.url);
const CRC = shimCrc32c(loadShim(SHIM));

function at(sequence: number, bytes: number, host = "alpha"): Position {
  return { log: { sequence, host }, bytes };
}

/** The stretches that are read between two positions. */
async function stretches(from: Position, upTo: Position): Promise<string[]> {
  const found: LogStretch[] = [];
  await readRecords({ from, upTo }, {
    pathOf: logFileName,
    read: (stretch) => {
      found.push(stretch);
      return Promise.resolve();
    },
  }, () => {});
  return found.map(({ path, startBytes, endBytes }) =>
    `${path} ${startBytes}..${endBytes ?? ""}`
  );
}

Deno.test("readRecords() reads from log to log", async () => {
  assertEquals(await stretches(at(2, 100), at(2, 300)), [
    "log-000000002-alpha 100..300",
  ]);
  assertEquals(await stretches(at(2, 100), at(4, 300)), [
    "log-000000002-alpha 100..",
    "log-000000003-alpha 0..",
    "log-000000004-alpha 0..300",
  ]);
  assertEquals(await stretches(at(2, 100), at(3, 0)), [
    "log-000000002-alpha 100..",
  ]);
  assertEquals(await stretches(at(2, 100), at(2, 100)), []);
  assertEquals(await stretches(at(2, 100), at(1, 900)), []);
});

Deno.test("readRecords() refuses what is not one chain of logs", async () => {
  await assertRejects(
    () => stretches(at(2, 100), at(3, 300, "beta")),
    MarsError,
    "not one chain",
  );
  // So many logs only garbage can name.
  await assertRejects(() => stretches(at(2, 0), at(9_999, 0)), MarsError);
});

Deno.test("stretchReader() delivers nothing that is not intact", async () => {
  const files = new MemoryFiles();
  files.set("log", new Uint8Array(4096).fill(7));
  const read = stretchReader(files, CRC);
  for (const endBytes of [undefined, 4096, 8192]) {
    const stretch = { path: "log", startBytes: 0, endBytes };
    await assertRejects(() =>
      read(stretch, () => {
        throw new Error("delivered");
      }), MarsError);
  }
  assertEquals(files.openCount, 0);
  await read({ path: "log", startBytes: 4096, endBytes: 4096 }, () => {});
});
