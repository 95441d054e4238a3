import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { equalBytes } from "../base/bytes.ts";
import {
  compress,
  COMPRESSION_FLAG,
  type CompressionName,
  decompressInto,
} from "./compress.ts";

// Made with liblzo2 2.10 and liblz4 1.9.4. A payload is described by parts:
// ["random", seed, length], ["byte", value, length], ["copy", distance, length].
type Part = readonly [string, number, number];
interface CompressedVector {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly length: number;
  readonly "lzo1x_1": string;
  readonly "lzo1x_999": string;
  readonly lz4: string;
}

const VECTORS: readonly CompressedVector[] = JSON.parse(
  Deno.readTextFileSync(
    new URL("../../tests/vectors/compressed.json", import.meta.url),
  ),
);
const NAMES = ["lzo", "lz4", "zlib"] as const;

/** The payload that the parts of a vector describe. */
function payloadOf(parts: readonly Part[]): Uint8Array {
  const bytes: number[] = [];
  for (const [kind, first, length] of parts) {
    let state = first;
    for (let count = 0; count < length; count++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      if (kind === "random") bytes.push(state >>> 24);
      else if (kind === "byte") bytes.push(first);
      else bytes.push(bytes[bytes.length - first] ?? NaN);
    }
  }
  return Uint8Array.from(bytes);
}

function packedBy(vector: CompressedVector): [CompressionName, Uint8Array][] {
  return [
    ["lzo", Uint8Array.fromHex(vector.lzo1x_1)],
    ["lzo", Uint8Array.fromHex(vector.lzo1x_999)],
    ["lz4", Uint8Array.fromHex(vector.lz4)],
  ];
}

for (const vector of VECTORS) {
  Deno.test(`decompressInto() reads LZO and LZ4 blocks: ${vector.name}`, () => {
    const payload = payloadOf(vector.parts);
    assertEquals(payload.length, vector.length);
    for (const [name, packed] of packedBy(vector)) {
      const target = new Uint8Array(payload.length);
      assert(decompressInto(target, packed, COMPRESSION_FLAG[name]), name);
      assert(equalBytes(target, payload), name);
    }
  });

  Deno.test(`decompressInto() refuses blocks that are cut: ${vector.name}`, () => {
    for (const [name, packed] of packedBy(vector)) {
      for (let length = 0; length < packed.length; length++) {
        const target = new Uint8Array(vector.length);
        const cut = packed.subarray(0, length);
        assert(!decompressInto(target, cut, COMPRESSION_FLAG[name]), name);
      }
    }
  });

  Deno.test(`decompressInto() wants the announced length: ${vector.name}`, () => {
    for (const [name, packed] of packedBy(vector)) {
      for (const length of [vector.length - 1, vector.length + 1]) {
        const target = new Uint8Array(length);
        assert(!decompressInto(target, packed, COMPRESSION_FLAG[name]), name);
      }
    }
  });
}

Deno.test("decompressInto() gives back what compress() made of it", () => {
  fc.assert(fc.property(
    fc.uint8Array({ minLength: 1, maxLength: 3000 }),
    fc.integer({ min: 1, max: 8 }),
    (pattern, repeats) => {
      const payload = new Uint8Array(pattern.length * repeats);
      for (let turn = 0; turn < repeats; turn++) {
        payload.set(pattern, turn * pattern.length);
      }
      const packed = compress(payload, "zlib");
      assert(packed !== undefined);
      const target = new Uint8Array(payload.length);
      assert(decompressInto(target, packed, COMPRESSION_FLAG.zlib));
      assert(equalBytes(target, payload));
    },
  ));
});

Deno.test("compress() leaves LZO and LZ4 to others", () => {
  assertEquals(compress(new Uint8Array(512), "lzo"), undefined);
  assertEquals(compress(new Uint8Array(512), "lz4"), undefined);
});

Deno.test("decompressInto() refuses a zlib stream of another length", () => {
  const packed = compress(new Uint8Array(512), "zlib");
  assert(packed !== undefined);
  for (const length of [1, 511, 513]) {
    const target = new Uint8Array(length);
    assert(!decompressInto(target, packed, COMPRESSION_FLAG.zlib));
  }
});

Deno.test("decompressInto() refuses a zlib stream with a wrong Adler-32", () => {
  const packed = compress(new Uint8Array(512), "zlib");
  assert(packed !== undefined);
  for (let bit = 0; bit < 32; bit++) {
    const damaged = packed.slice();
    const at = damaged.length - 1 - Math.floor(bit / 8);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit % 8));
    const target = new Uint8Array(512);
    assert(!decompressInto(target, damaged, COMPRESSION_FLAG.zlib));
  }
});

Deno.test("decompressInto() ends on any bytes and stays inside the target", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(...NAMES),
      (packed, name) => {
        const room = new Uint8Array(1024 + 64).fill(0xee);
        decompressInto(
          room.subarray(0, 1024),
          packed,
          COMPRESSION_FLAG[name],
        );
        assert(room.subarray(1024).every((byte) => byte === 0xee));
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("decompressInto() ends on any flipped bit of a good block", () => {
  for (const vector of VECTORS) {
    for (const [name, packed] of packedBy(vector)) {
      for (let at = 0; at < packed.length; at++) {
        const damaged = packed.slice();
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
        const room = new Uint8Array(vector.length + 64).fill(0xee);
        const target = room.subarray(0, vector.length);
        decompressInto(target, damaged, COMPRESSION_FLAG[name]);
        assert(room.subarray(vector.length).every((byte) => byte === 0xee));
      }
    }
  }
});
