import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError } from "../base/errors.ts";
import {
  encodeFrameHead,
  type Frame,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  FrameDecoder,
  type FrameKind,
  LINE_LIMITS,
  STRANGER_LIMITS,
} from "./frame.ts";
import { concat } from "./key.ts";

const LIMITS = { jsonBytes: 64, payloadBytes: 256 };
const KINDS: readonly FrameKind[] = Object.values(FRAME_KIND);

interface Message {
  readonly kind: FrameKind;
  readonly id: number;
  readonly json: string;
  readonly body: Uint8Array;
}

const anyMessage: fc.Arbitrary<Message> = fc.record({
  kind: fc.constantFrom(...KINDS),
  id: fc.nat(0xffff_ffff),
  json: fc.string({ unit: "binary", maxLength: 16 }),
  body: fc.uint8Array({ maxLength: 192 }),
});

function encode(message: Message): Uint8Array {
  const { body, ...rest } = message;
  const head = encodeFrameHead({ ...rest, bodyBytes: body.length }, LIMITS);
  return concat([head, body]);
}

function messageOf(frame: Frame): Message {
  return {
    kind: frame.kind,
    id: frame.id,
    json: new TextDecoder().decode(frame.json),
    body: new Uint8Array(frame.body),
  };
}

/** Cuts `bytes` at the given fractions of its length. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const offsets = cuts.map((cut) => Math.floor(cut * bytes.length));
  const sorted = [0, ...offsets.toSorted((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.slice(sorted[index], end));
}

const anyCuts = fc.array(
  fc.double({ min: 0, max: 1, noNaN: true }),
  { maxLength: 20 },
);

Deno.test("FrameDecoder delivers what was encoded, however it is split", () => {
  fc.assert(fc.property(
    fc.array(anyMessage, { maxLength: 8 }),
    anyCuts,
    (messages, cuts) => {
      const stream = concat(messages.map(encode));
      const decoder = new FrameDecoder(LIMITS);
      const received: Message[] = [];
      for (const chunk of split(stream, cuts)) {
        decoder.push(chunk, (frame) => received.push(messageOf(frame)));
      }
      assertEquals(received, messages);
      assertEquals(decoder.heldBytes, 0);
    },
  ));
});

Deno.test("FrameDecoder puts bodies into the room that is lent", () => {
  fc.assert(fc.property(
    fc.array(anyMessage, { maxLength: 8 }),
    anyCuts,
    (messages, cuts) => {
      const room = new Uint8Array(LIMITS.payloadBytes);
      const decoder = new FrameDecoder(LIMITS, () => ({ bytes: room }));
      const received: Message[] = [];
      for (const chunk of split(concat(messages.map(encode)), cuts)) {
        decoder.push(chunk, (frame) => {
          if (frame.body.length > 0) assert(frame.body.buffer === room.buffer);
          received.push({ ...messageOf(frame), body: frame.body.slice() });
        });
      }
      assertEquals(received, messages);
    },
  ));
});

Deno.test("FrameDecoder leaves room alone that was taken back", () => {
  const body = new Uint8Array(100).fill(1);
  const stream = encode({ kind: FRAME_KIND.reply, id: 1, json: "{}", body });
  const next = encode({ kind: FRAME_KIND.ping, id: 2, json: "", body });
  const bytes = new Uint8Array(100);
  const room: { bytes: Uint8Array | undefined } = { bytes };
  const decoder = new FrameDecoder(
    LIMITS,
    ({ id }) => id === 1 ? room : undefined,
  );
  const received: number[] = [];
  const deliver = (frame: Frame): void => {
    received.push(frame.body.length);
  };
  decoder.push(stream.subarray(0, 58), deliver);
  assertEquals(bytes.indexOf(0), 40);
  room.bytes = undefined;
  decoder.push(concat([stream.subarray(58), next]), deliver);
  assertEquals(bytes.indexOf(0), 40);
  assertEquals(received, [0, 100]);
});

Deno.test("FrameDecoder survives any bytes and holds one frame at most", () => {
  // Half of the runs begin like a frame, so that they get behind the header.
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.tuple(fc.constantFrom(...KINDS), fc.uint8Array({ maxLength: 600 }))
      .map(([kind, rest]) => concat([Uint8Array.of(kind, 0, 0, 0), rest])),
    fc.tuple(anyMessage, fc.uint8Array({ maxLength: 80 }))
      .map(([message, rest]) => concat([encode(message), rest])),
  );
  fc.assert(
    fc.property(anyBytes, anyCuts, (bytes, cuts) => {
      const decoder = new FrameDecoder(LIMITS);
      try {
        for (const chunk of split(bytes, cuts)) {
          decoder.push(chunk, ({ json, body }) => {
            assert(json.length <= LIMITS.jsonBytes);
            assert(json.length + body.length <= LIMITS.payloadBytes);
          });
          assert(decoder.heldBytes <= LIMITS.payloadBytes);
        }
      } catch (error) {
        assert(error instanceof FormatError);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("FrameDecoder delivers a frame within a chunk without copying", () => {
  const body = new Uint8Array([1, 2, 3]);
  const chunk = encode({ kind: FRAME_KIND.reply, id: 7, json: "{}", body });
  const frames: Frame[] = [];
  new FrameDecoder(LIMITS).push(chunk, (frame) => frames.push(frame));
  assert(frames[0]?.body.buffer === chunk.buffer);
  assertEquals(new Uint8Array(frames[0].body), body);
});

Deno.test("FrameDecoder refuses a size beyond its limits at the header", () => {
  const body = new Uint8Array(STRANGER_LIMITS.payloadBytes + 1);
  const head = encodeFrameHead(
    { kind: FRAME_KIND.call, id: 1, json: "", bodyBytes: body.length },
    LINE_LIMITS,
  );
  const decoder = new FrameDecoder(STRANGER_LIMITS);
  assertThrows(
    () => decoder.push(head.subarray(0, FRAME_HEADER_BYTES), () => {}),
    FormatError,
    "at most",
  );
  assertEquals(decoder.heldBytes, 0);
});

Deno.test("FrameDecoder applies new limits from the next header on", () => {
  const small = encode({
    kind: FRAME_KIND.proof,
    id: 0,
    json: "",
    body: new Uint8Array(4),
  });
  const large = encodeFrameHead(
    { kind: FRAME_KIND.call, id: 1, json: "", bodyBytes: 100_000 },
    LINE_LIMITS,
  );
  const decoder = new FrameDecoder(STRANGER_LIMITS);
  decoder.push(concat([small, large]), () => {
    decoder.limits = LINE_LIMITS;
  });
  assertEquals(decoder.heldBytes, 100_000);
});

Deno.test("FrameDecoder refuses unknown kinds and used padding", () => {
  const good = encode({
    kind: FRAME_KIND.ping,
    id: 0,
    json: "",
    body: new Uint8Array(0),
  });
  for (const [offset, value] of [[0, 0], [0, 9], [0, 255], [1, 1], [3, 128]]) {
    const bad = good.slice();
    bad[offset ?? 0] = value ?? 0;
    assertThrows(
      () => new FrameDecoder(LIMITS).push(bad, () => {}),
      FormatError,
    );
  }
});

Deno.test("encodeFrameHead() refuses what a decoder would refuse", () => {
  const message = { kind: FRAME_KIND.reply, id: 1 };
  assertThrows(
    () =>
      encodeFrameHead(
        { ...message, json: "x".repeat(65), bodyBytes: 0 },
        LIMITS,
      ),
    FormatError,
  );
  assertThrows(
    () => encodeFrameHead({ ...message, json: "", bodyBytes: 257 }, LIMITS),
    FormatError,
  );
});
