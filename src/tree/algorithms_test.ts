import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  COMPRESSIONS,
  DIGESTS,
  formatMask,
  formatNames,
  parseMask,
} from "./algorithms.ts";

for (const table of [DIGESTS, COMPRESSIONS]) {
  const prefix = table[0]?.name;
  const anyMask = fc.subarray([...table]).map((rows) =>
    rows.reduce((sum, { bit }) => sum + bit, 0)
  );

  Deno.test(`parseMask() takes every form of a mask of ${prefix}`, () => {
    fc.assert(fc.property(anyMask, (mask) => {
      const names = formatNames(mask, table);
      const forms = [
        formatMask(mask),
        String(mask),
        `0${mask.toString(8)}`,
        ...(names === "" ? [] : [names, names.toLowerCase()]),
      ];
      for (const form of forms) {
        assertEquals(parseMask(form, table), mask, form);
      }
    }));
  });

  Deno.test(`parseMask() refuses other bits than those of ${prefix}`, () => {
    const all = table.reduce((sum, { bit }) => sum + bit, 0);
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 33 }), (mask) => {
      const isInside = (BigInt(mask) & ~BigInt(all)) === 0n;
      assertEquals(parseMask(String(mask), table), isInside ? mask : undefined);
    }));
  });
}

Deno.test("parseMask() refuses names of the other kind, and garbage", () => {
  const texts = [
    "COMPRESS_LZO",
    "CHKSUM_MD5|COMPRESS_LZO",
    "CHKSUM_MD5|",
    "",
    "-1",
    "0x",
    "1.5",
    "09",
  ];
  for (const text of texts) {
    assertEquals(parseMask(text, DIGESTS), undefined, text);
  }
});
