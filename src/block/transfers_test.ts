import { assert, assertEquals } from "@std/assert";
import { ERRNO } from "../base/errors.ts";
import { SimIo } from "../../tests/sim/io.ts";
import { Transfers } from "./transfers.ts";

const LENGTH = 10_000;

function transfer(
  io: SimIo,
  kind: "read" | "write",
  bytes: Uint8Array,
  offsetBytes: number,
): number {
  const transfers = new Transfers(io);
  const fd = io.open("/file");
  let result: number | undefined;
  transfers[kind](
    fd,
    { bytes, address: 0 },
    0,
    bytes.length,
    offsetBytes,
    (value, tag) => {
      assertEquals(tag, 7);
      result = value;
    },
    7,
  );
  while (result === undefined) assert(io.step(), "the transfer goes on");
  io.close(fd);
  return result;
}

Deno.test("Transfers.read() and write() are whole although all are short", () => {
  const io = new SimIo({ seed: 1, shortShare: 1 });
  io.create("/file", new Uint8Array(2 * LENGTH));
  const written = Uint8Array.from({ length: LENGTH }, (_, at) => at % 251);
  assertEquals(transfer(io, "write", written, 33), LENGTH);
  const found = new Uint8Array(LENGTH);
  assertEquals(transfer(io, "read", found, 33), LENGTH);
  assertEquals(found, written);
});

Deno.test("Transfers.read() beyond the end of a file is EIO", () => {
  const io = new SimIo({ seed: 1 });
  io.create("/file", new Uint8Array(100));
  assertEquals(transfer(io, "read", new Uint8Array(101), 0), -ERRNO.EIO);
});

Deno.test("Transfers.write() repeats what was interrupted, with a bound", () => {
  const io = new SimIo({ seed: 1 });
  io.create("/file", new Uint8Array(LENGTH));
  let interruptions = 5;
  io.inject = () => interruptions-- > 0 ? ERRNO.EINTR : 0;
  assertEquals(transfer(io, "write", new Uint8Array(LENGTH), 0), LENGTH);
  interruptions = Infinity;
  assertEquals(
    transfer(io, "write", new Uint8Array(LENGTH), 0),
    -ERRNO.EINTR,
  );
});

Deno.test("Transfers.write() passes an error after a part was written", () => {
  const io = new SimIo({ seed: 1, shortShare: 1 });
  io.create("/file", new Uint8Array(0));
  let writeCount = 0;
  io.inject = () => ++writeCount > 2 ? ERRNO.ENOSPC : 0;
  assertEquals(
    transfer(io, "write", new Uint8Array(LENGTH), 0),
    -ERRNO.ENOSPC,
  );
});
