import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { FormatError, MarsError } from "../base/errors.ts";
import { portableCrc32c } from "../log/checksum.ts";
import type { RpcReply } from "../peer/rpc.ts";
import { ACCEPT, isPlain, PACKINGS, packReply, unpackReply } from "./body.ts";

const crc = portableCrc32c;
const lengthMax = 1024 * 1024;

function replyOf(body: Uint8Array): RpcReply {
  return { params: { status: "ok" }, body };
}

const TEXT = new TextEncoder().encode("all work and no play ".repeat(10_000));

Deno.test("unpackReply() gives back what packReply() took", async () => {
  const anyBody = fc.oneof(
    fc.uint8Array({ maxLength: 4_000 }),
    fc.integer({ min: 0, max: 200_000 }).map((length) =>
      TEXT.subarray(0, length)
    ),
  );
  const anyPackings = fc.subarray([...PACKINGS]);
  await fc.assert(
    fc.asyncProperty(anyBody, anyPackings, async (body, packings) => {
      const reply = await packReply(replyOf(body), ACCEPT, { crc, packings });
      assertEquals(await unpackReply(reply, { crc, lengthMax }), body);
    }),
  );
});

Deno.test("packReply() packs only what gets smaller, for who can unpack it", async () => {
  const packings = PACKINGS;
  const packed = await packReply(replyOf(TEXT), ACCEPT, { crc, packings });
  assertEquals(packed.params["packed"], "zstd");
  assert(packed.body.length < TEXT.length / 10);
  const older = await packReply(replyOf(TEXT), { accept: "zlib" }, {
    packings,
  });
  assertEquals(older.params["packed"], "zlib");
  // A build that knows nothing of all this, and a cluster that allows nothing.
  for (
    const plain of [
      await packReply(replyOf(TEXT), {}, { packings }),
      await packReply(replyOf(TEXT), ACCEPT, {}),
    ]
  ) {
    assert(isPlain(plain.params));
    assertEquals(plain.body, TEXT);
  }
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  const same = await packReply(replyOf(noise), ACCEPT, { packings });
  assert(isPlain(same.params));
});

Deno.test("unpackReply() notices a flipped bit, packed or not", async () => {
  for (const packings of [[], PACKINGS]) {
    const reply = await packReply(replyOf(TEXT), ACCEPT, { crc, packings });
    const body = reply.body.slice();
    const at = body.length >> 1;
    body[at] = (body[at] ?? 0) ^ 0x10;
    await assertRejects(
      () => unpackReply({ ...reply, body }, { crc, lengthMax }),
      MarsError,
    );
  }
});

Deno.test("unpackReply() takes answers of builds without checksums", async () => {
  const body = await unpackReply(replyOf(TEXT), { crc, lengthMax });
  assertEquals(body, TEXT);
});

Deno.test("unpackReply() bounds what unpacking may take", async () => {
  const bomb = new Uint8Array(32 * 1024 * 1024);
  for (const name of PACKINGS) {
    const reply = await packReply(replyOf(bomb), ACCEPT, { packings: [name] });
    await assertRejects(
      () => unpackReply(reply, { crc, lengthMax }),
      FormatError,
      "unpack",
    );
  }
  await assertRejects(
    () =>
      unpackReply({ params: { packed: "rar" }, body: TEXT }, {
        crc,
        lengthMax,
      }),
    FormatError,
    '"rar"',
  );
});
