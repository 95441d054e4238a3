import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { loadShim } from "../../ffi/shim.ts";
import { equalBytes, toHex, viewOf } from "../base/bytes.ts";
import {
  DIGEST_FLAG,
  FOLDED_FLAGS,
  foldedSum,
  matchesCrc32c,
  oldSum,
  portableCrc32c,
  SUM_BYTES,
} from "./checksum.ts";
import { shimCrc32c } from "./shim_crc32c.ts";

const SHIM = loadShim(new URL("../../build/libmars.so", import.meta.url));
const DIGITS = new TextEncoder().encode("123456789");
const TEXT = new TextEncoder().encode("mars interoperability!!\n");

/** The payload that most vectors of the format use. */
function vectorPayload(): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: 512 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

Deno.test("portableCrc32c has the check value of Castagnoli", () => {
  assertEquals(portableCrc32c.crc32c(DIGITS, 0, 9), 0xe3069283);
});

Deno.test("portableCrc32c equals the instruction and the shim's table", () => {
  const crc = shimCrc32c(SHIM);
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 700 }),
    fc.nat(20),
    (bytes, wantedStart) => {
      const start = Math.min(wantedStart, bytes.length);
      const length = bytes.length - start;
      const portable = portableCrc32c.crc32c(bytes, start, length);
      assertEquals(portable, crc.crc32c(bytes, start, length));
      assertEquals(portable, SHIM.mars_crc32c_portable(bytes, start, length));
    },
  ));
});

Deno.test("fold() of the shim, of the portable one and foldedSum() agree", () => {
  const crc = shimCrc32c(SHIM);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 700 }), (payload) => {
    const byShim = new Uint8Array(payload.length + SUM_BYTES);
    byShim.set(payload);
    const byTable = byShim.slice();
    crc.fold(byShim, 0, payload.length, payload.length);
    portableCrc32c.fold(byTable, 0, payload.length, payload.length);
    const sum = foldedSum(DIGEST_FLAG.crc32c, payload, portableCrc32c);
    assertEquals(byTable, byShim);
    assertEquals(byShim.slice(payload.length), sum);
  }));
});

Deno.test("matchesCrc32c() is true for the right sum and for no other", () => {
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 200 }),
    fc.nat(SUM_BYTES * 8 - 1),
    (payload, bit) => {
      const bytes = new Uint8Array(payload.length + SUM_BYTES);
      bytes.set(payload);
      portableCrc32c.fold(bytes, 0, payload.length, payload.length);
      const matches = (): boolean =>
        matchesCrc32c(
          portableCrc32c,
          bytes,
          0,
          payload.length,
          viewOf(bytes),
          payload.length,
        );
      assert(matches());
      const at = payload.length + Math.floor(bit / 8);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
      assert(!matches());
    },
  ));
});

Deno.test("foldedSum() by CRC32C has the words of the specification", () => {
  const sum = foldedSum(DIGEST_FLAG.crc32c, TEXT, portableCrc32c);
  assertEquals(toHex(sum ?? TEXT), "46537d302366b391d66ced299b155f4c");
});

Deno.test("foldedSum() has the sums of the specification for each digest", () => {
  const sums = {
    crc32c: "028b1ce3c550a7c7f80f7d2fb1958886",
    crc32: "426d59df3df8a184020c77e73d63e242",
    md5: "96789f23cf152ab22bc4c26c2fb39bbe",
    sha1: "2ec7aaa53aae0a29c974737f5574b212",
  } as const;
  const payload = vectorPayload();
  assertEquals(toHex(oldSum(payload)), "33291e93");
  const names = ["crc32c", "crc32", "md5", "sha1"] as const;
  for (const name of names) {
    const sum = foldedSum(DIGEST_FLAG[name], payload, portableCrc32c);
    assertEquals(toHex(sum ?? payload), sums[name], name);
  }
});

Deno.test("foldedSum() takes the most preferred digest", () => {
  const payload = vectorPayload();
  const order = ["crc32c", "crc32", "md5", "sha1"] as const;
  let flags = FOLDED_FLAGS;
  for (const name of order) {
    assertEquals(
      foldedSum(flags, payload, portableCrc32c),
      foldedSum(DIGEST_FLAG[name], payload, portableCrc32c),
      name,
    );
    flags &= ~DIGEST_FLAG[name];
  }
  assertEquals(foldedSum(flags, payload, portableCrc32c), undefined);
});

Deno.test("foldedSum() passes over MD5 for an odd length", () => {
  const { md5, sha1 } = DIGEST_FLAG;
  assertEquals(foldedSum(md5, DIGITS, portableCrc32c), undefined);
  assertEquals(
    foldedSum(md5 | sha1, DIGITS, portableCrc32c),
    foldedSum(sha1, DIGITS, portableCrc32c),
  );
});

Deno.test("foldedSum() of equal halves is zero", () => {
  const sum = foldedSum(
    DIGEST_FLAG.crc32c,
    new Uint8Array(512).fill(7),
    portableCrc32c,
  );
  assert(equalBytes(sum ?? DIGITS, new Uint8Array(SUM_BYTES)));
});
