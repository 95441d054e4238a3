import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { viewOf } from "../base/bytes.ts";
import {
  decodeInfoRequest,
  decodeOption,
  decodeOptionReply,
  decodeReply,
  encodeChunk,
  encodeErrorPayload,
  encodeGreeting,
  encodeInfoRequest,
  encodeOption,
  encodeOptionReply,
  encodeRequest,
  encodeSimpleReply,
  errorOf,
  isGreeting,
  OPTION,
  OPTION_REPLY,
  REQUEST_BYTES,
  RequestHeader,
} from "./nbd_protocol.ts";
import { Handshake } from "./nbd_handshake.ts";

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const request = fc.record({
  flags: uint16,
  type: uint16,
  cookieHigh: uint32,
  cookieLow: uint32,
  offsetBytes: fc.maxSafeNat(),
  lengthBytes: uint32,
});

Deno.test("RequestHeader.decode() reverses encodeRequest()", () => {
  fc.assert(fc.property(request, fc.nat(40), (fields, start) => {
    const view = new DataView(new ArrayBuffer(start + REQUEST_BYTES));
    encodeRequest(view, start, fields);
    const header = new RequestHeader();
    assert(header.decode(view, start));
    assertEquals({ ...header }, fields);
  }));
});

Deno.test("RequestHeader.decode() accepts nothing without the magic", () => {
  fc.assert(fc.property(
    fc.uint8Array({ minLength: REQUEST_BYTES, maxLength: REQUEST_BYTES }),
    (bytes) => {
      fc.pre(viewOf(bytes).getUint32(0) !== 0x25609513);
      assertEquals(new RequestHeader().decode(viewOf(bytes), 0), false);
    },
  ));
});

Deno.test("RequestHeader.decode() never sees a huge offset as a small one", () => {
  const view = new DataView(new ArrayBuffer(REQUEST_BYTES));
  view.setUint32(0, 0x25609513);
  view.setBigUint64(16, 0xffff_ffff_ffff_f000n);
  const header = new RequestHeader();
  assert(header.decode(view, 0));
  assert(header.offsetBytes >= Number.MAX_SAFE_INTEGER);
});

Deno.test("decodeReply() reverses the replies' encoders", () => {
  fc.assert(fc.property(
    uint32,
    uint32,
    uint32,
    uint16,
    uint16,
    (error, cookieHigh, cookieLow, flags, type) => {
      const view = new DataView(new ArrayBuffer(26));
      encodeSimpleReply(view, 0, error, cookieHigh, cookieLow);
      const simple = decodeReply(view);
      assert(typeof simple === "object");
      assertEquals(simple.kind, "simple");
      assertEquals(simple.error, error);
      assertEquals(simple.cookieHigh, cookieHigh);
      assertEquals(simple.cookieLow, cookieLow);

      encodeChunk(view, 0, flags, type, cookieHigh, cookieLow, 6);
      encodeErrorPayload(view, 20, error);
      const chunk = decodeReply(view);
      assert(typeof chunk === "object");
      assertEquals(chunk.kind, "chunk");
      assertEquals([chunk.flags, chunk.type], [flags, type]);
      assertEquals(chunk.payloadBytes, 6);
      assertEquals(chunk.cookieLow, cookieLow);
      assertEquals(view.getUint32(20), error);
    },
  ));
});

Deno.test("decodeOption() and decodeOptionReply() reverse their encoders", () => {
  fc.assert(
    fc.property(uint32, uint32, fc.uint8Array(), (option, type, data) => {
      const asked = encodeOption(option, data);
      assertEquals(decodeOption(viewOf(asked), 0), {
        option,
        lengthBytes: data.length,
      });
      assertEquals(asked.slice(16), data);
      const answer = encodeOptionReply(option, type, data);
      assertEquals(decodeOptionReply(viewOf(answer)), {
        option,
        type,
        lengthBytes: data.length,
      });
      assertEquals(answer.slice(20), data);
    }),
  );
  assert(isGreeting(viewOf(encodeGreeting())));
});

Deno.test("decodeInfoRequest() reverses encodeInfoRequest()", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 100 });
  fc.assert(fc.property(text, fc.array(uint16), (name, wanted) => {
    const bytes = encodeInfoRequest(name, wanted);
    const decoded = decodeInfoRequest(bytes);
    assertEquals(decoded?.wanted, wanted);
    assertEquals(decoded?.name, name.toWellFormed());
    assertEquals(decodeInfoRequest(bytes.slice(0, -1)), undefined);
    assertEquals(decodeInfoRequest(new Uint8Array([...bytes, 0])), undefined);
  }));
});

Deno.test("Handshake answers whatever bytes an option has", () => {
  const options = fc.oneof(
    uint32,
    fc.constantFrom(...Object.values(OPTION)),
  );
  fc.assert(fc.property(options, fc.uint8Array(), (option, data) => {
    const handshake = new Handshake({ name: "mydata", sizeBytes: 1 << 20 });
    const { reply, next } = handshake.answer(option, data);
    assert(reply.length > 0 || next === "end");
    const isBare = option === OPTION.EXPORT_NAME;
    if (isBare) return;
    const first = decodeOptionReply(viewOf(reply));
    assert(first !== undefined);
    assertEquals(first.option, option);
  }));
});

Deno.test("Handshake refuses with the reply that fits", () => {
  const handshake = new Handshake({ name: "mydata", sizeBytes: 1 << 20 });
  const typeOf = (option: number, data: Uint8Array): number | undefined =>
    decodeOptionReply(viewOf(handshake.answer(option, data).reply))?.type;
  const none = new Uint8Array(0);
  const other = encodeInfoRequest("other", []);
  assertEquals(typeOf(5, none), OPTION_REPLY.ERR_UNSUP);
  assertEquals(typeOf(10, other), OPTION_REPLY.ERR_UNSUP);
  assertEquals(typeOf(OPTION.GO, other), OPTION_REPLY.ERR_UNKNOWN);
  assertEquals(typeOf(OPTION.INFO, none), OPTION_REPLY.ERR_INVALID);
  assertEquals(typeOf(OPTION.LIST, other), OPTION_REPLY.ERR_INVALID);
  assertEquals(handshake.isStructured, false);
  assertEquals(typeOf(OPTION.STRUCTURED_REPLY, none), OPTION_REPLY.ACK);
  assertEquals(handshake.isStructured, true);
  assertEquals(handshake.begin(0), false, "Not fixed newstyle");
  assertEquals(handshake.begin(5), false, "Unknown flag");
  assertEquals(handshake.begin(3), true);
});

Deno.test("errorOf() tells only what the protocol knows", () => {
  assertEquals(errorOf(0), 0);
  assertEquals(errorOf(28), 28);
  assertEquals(errorOf(121), 5);
});
