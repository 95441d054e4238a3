import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { viewOf } from "../base/bytes.ts";
import { ERRNO } from "../base/errors.ts";
import type {
  Acknowledge,
  BlockRequest,
  BlockTarget,
} from "../block/request.ts";
import { ScriptedSockets } from "../../tests/support/scripted_socket.ts";
import { NbdServer } from "./nbd.ts";
import {
  CHUNK,
  CHUNK_DONE,
  COMMAND,
  COMMAND_FLAG,
  decodeOptionReply,
  decodeReply,
  encodeInfoRequest,
  encodeOption,
  encodeRequest,
  OPTION,
  OPTION_REPLY,
  REQUEST_BYTES,
} from "./nbd_protocol.ts";

const SIZE = 2 * 1024 * 1024;
const CLIENTS_MAX = 16;
/** Two buffers of about 512 KiB. */
const CLIENT_BYTES_MAX = 1_100_000;

/** A disk in memory that acknowledges when told to. */
class Target implements BlockTarget {
  readonly bytes = new Uint8Array(SIZE);
  readonly waiting: { request: BlockRequest; acknowledge: Acknowledge }[] = [];
  /** Reads and writes of this byte fail. */
  badByte = -1;
  fuaCount = 0;

  submit(request: BlockRequest, acknowledge: Acknowledge): void {
    const { kind, offsetBytes, lengthBytes, memory, start } = request;
    const endBytes = offsetBytes + lengthBytes;
    assert(kind === "flush" || endBytes <= SIZE, "Request is inside");
    assert(kind === "flush" || lengthBytes > 0, "Request is not empty");
    if (request.forceUnitAccess) this.fuaCount++;
    if (this.#isBad(request)) {
      // Fails below.
    } else if (kind === "read") {
      memory.bytes.set(this.bytes.subarray(offsetBytes, endBytes), start);
    } else if (kind === "write") {
      const payload = memory.bytes.subarray(start, start + lengthBytes);
      this.bytes.set(payload, offsetBytes);
    } else if (kind === "writeZeroes") {
      this.bytes.fill(0, offsetBytes, endBytes);
    }
    this.waiting.push({ request, acknowledge });
  }

  /** Acknowledges one of the waiting requests. */
  acknowledge(choice: number): void {
    const index = choice % this.waiting.length;
    const [chosen] = this.waiting.splice(index, 1);
    assert(chosen !== undefined);
    chosen.acknowledge(this.#isBad(chosen.request) ? ERRNO.EIO : 0);
  }

  #isBad({ kind, offsetBytes, lengthBytes }: BlockRequest): boolean {
    return (kind === "read" || kind === "write") &&
      offsetBytes <= this.badByte && this.badByte < offsetBytes + lengthBytes;
  }
}

class Bench {
  readonly io = new ScriptedSockets();
  readonly target = new Target();
  readonly server = new NbdServer({
    io: this.io,
    target: this.target,
    exportName: "mydata",
    sizeBytes: SIZE,
    path: "/run/mars/nbd/mydata.sock",
  });

  constructor() {
    this.server.start();
  }

  /** Runs until nothing moves; requests are acknowledged as `choose` says. */
  settle(choose: () => number = () => 0): void {
    for (let quiet = 0; quiet < 2;) {
      const isMoving = this.io.turn();
      this.server.endOfTurn();
      if (this.target.waiting.length > 0) {
        this.target.acknowledge(choose());
        this.server.endOfTurn();
        quiet = 0;
      } else {
        quiet = isMoving ? 0 : quiet + 1;
      }
    }
  }

  /** A client in the transmission phase. */
  open(replies: "simple" | "structured"): number {
    const fd = this.io.connect();
    this.io.say(fd, new Uint8Array([0, 0, 0, 3]));
    if (replies === "structured") {
      this.io.say(fd, encodeOption(OPTION.STRUCTURED_REPLY, new Uint8Array(0)));
    }
    const info = encodeInfoRequest("mydata", []);
    this.io.say(fd, encodeOption(OPTION.GO, info));
    this.settle();
    this.io.takeSent(fd);
    assertEquals(this.io.lineOf(fd).isShutDown, false);
    return fd;
  }
}

interface Wish {
  readonly type: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly flags: number;
}

function messageOf(wish: Wish, cookieLow: number): Uint8Array {
  const payloadBytes = wish.type === COMMAND.WRITE ? wish.lengthBytes : 0;
  const bytes = new Uint8Array(REQUEST_BYTES + payloadBytes);
  const cookieHigh = 0xfeed_beef;
  encodeRequest(viewOf(bytes), 0, { ...wish, cookieHigh, cookieLow });
  fill(bytes.subarray(REQUEST_BYTES), cookieLow);
  return bytes;
}

function fill(bytes: Uint8Array, seed: number): void {
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = (at * 13 + (at >> 8) * 7 + seed * 31 + 1) % 256;
  }
}

interface Answer {
  error: number;
  data: Uint8Array;
}

/** Splits a stream of replies; fails on anything that is not one. */
function answersIn(
  stream: Uint8Array,
  wishes: readonly Wish[],
): Map<number, Answer> {
  const done = new Map<number, Answer>();
  const open = new Map<number, Answer>();
  for (let at = 0; at < stream.length;) {
    const header = decodeReply(viewOf(stream.subarray(at, at + 20)));
    assert(typeof header === "object", "Reply begins as it should");
    assertEquals(header.cookieHigh, 0xfeed_beef);
    const cookie = header.cookieLow;
    const wish = wishes[cookie];
    assert(wish !== undefined, "Reply belongs to a request");
    assert(!done.has(cookie), "Answered once");
    const isRead = wish.type === COMMAND.READ;
    const answer = open.get(cookie) ??
      { error: 0, data: new Uint8Array(isRead ? wish.lengthBytes : 0) };
    if (header.kind === "simple") {
      at += 16;
      answer.error = header.error;
      if (isRead && header.error === 0) {
        answer.data = stream.slice(at, at + wish.lengthBytes);
        at += wish.lengthBytes;
      }
      done.set(cookie, answer);
      continue;
    }
    at += 20;
    const payload = stream.subarray(at, at + header.payloadBytes);
    at += header.payloadBytes;
    if (header.type === CHUNK.ERROR) {
      answer.error = viewOf(payload).getUint32(0);
    } else if (header.type === CHUNK.OFFSET_DATA) {
      const offset = Number(viewOf(payload).getBigUint64(0));
      answer.data.set(payload.subarray(8), offset - wish.offsetBytes);
    }
    if ((header.flags & CHUNK_DONE) !== 0) done.set(cookie, answer);
    else open.set(cookie, answer);
  }
  return done;
}

/** What a correct server answers; changes `disk`. */
function expected(disk: Uint8Array, wish: Wish, cookie: number): Answer {
  const { type, offsetBytes, lengthBytes, flags } = wish;
  const endBytes = offsetBytes + lengthBytes;
  const none = new Uint8Array(0);
  const fail = (error: number): Answer => ({ error, data: none });
  const knownFlags = type === COMMAND.WRITE_ZEROES ? 3 : 1;
  if (!Object.values<number>(COMMAND).includes(type)) return fail(22);
  if (type === COMMAND.WRITE_ZEROES && (flags & ~3) === 16) return fail(95);
  if ((flags & ~knownFlags) !== 0) return fail(22);
  if (type === COMMAND.FLUSH) return fail(0);
  if (lengthBytes === 0) return fail(22);
  const isChange = type === COMMAND.WRITE || type === COMMAND.WRITE_ZEROES;
  if (endBytes > SIZE) return fail(isChange ? 28 : 22);
  if (offsetBytes % 512 !== 0 || lengthBytes % 512 !== 0) return fail(22);
  if (type === COMMAND.READ) {
    return { error: 0, data: disk.slice(offsetBytes, endBytes) };
  }
  if (type === COMMAND.WRITE) {
    fill(disk.subarray(offsetBytes, endBytes), cookie);
  }
  if (type === COMMAND.WRITE_ZEROES) disk.fill(0, offsetBytes, endBytes);
  return fail(0);
}

const wish: fc.Arbitrary<Wish> = fc.record({
  type: fc.constantFrom(0, 0, 0, 1, 1, 1, 3, 4, 6, 5, 7, 99),
  offsetBytes: fc.oneof(
    fc.nat(SIZE / 512).map((sectors) => sectors * 512),
    fc.nat(SIZE),
  ),
  lengthBytes: fc.oneof(
    fc.integer({ min: 1, max: 16 }).map((sectors) => sectors * 512),
    fc.integer({ min: 1, max: SIZE / 2048 }).map((sectors) => sectors * 512),
    fc.nat(3000),
  ),
  flags: fc.constantFrom(0, 0, 0, 0, 1, 2, 16, 18, 4),
});

Deno.test("NbdServer answers every request as a plain disk would", () => {
  fc.assert(
    fc.property(
      fc.array(wish, { minLength: 1, maxLength: 40 }),
      fc.constantFrom("simple", "structured"),
      fc.array(fc.nat(1000), { minLength: 1, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 400_000 }), {
        minLength: 1,
        maxLength: 10,
      }),
      (wishes, replies, choices, cuts) => {
        const bench = new Bench();
        const fd = bench.open(replies);
        const stream = concatenate(wishes.map(messageOf));
        let cut = 0;
        for (let at = 0; at < stream.length;) {
          const count = cuts[cut++ % cuts.length] ?? 1;
          bench.io.say(fd, stream.subarray(at, at + count));
          at += count;
        }
        let choice = 0;
        bench.settle(() => choices[choice++ % choices.length] ?? 0);
        const answers = answersIn(bench.io.takeSent(fd), wishes);
        assertEquals(answers.size, wishes.length);
        const disk = new Uint8Array(SIZE);
        wishes.forEach((wish, cookie) => {
          const should = expected(disk, wish, cookie);
          const answer = answers.get(cookie);
          assertEquals(answer?.error, should.error);
          if (should.error === 0) assertSame(answer?.data, should.data);
        });
        assertSame(bench.target.bytes, disk);
        assertEquals(bench.server.inFlight, 0);
        assertEquals(bench.server.openCount, 1);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("NbdServer survives random bytes at any phase, within its memory", () => {
  const junk = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), {
    maxLength: 8,
  });
  fc.assert(fc.property(
    fc.constantFrom("greeting", "option", "simple", "structured"),
    junk,
    (phase, parts) => {
      const bench = new Bench();
      const witness = bench.open("simple");
      let fd: number;
      if (phase === "simple" || phase === "structured") {
        fd = bench.open(phase);
      } else {
        fd = bench.io.connect();
        if (phase === "option") bench.io.say(fd, new Uint8Array([0, 0, 0, 3]));
      }
      for (const part of parts) bench.io.say(fd, part);
      bench.settle();
      assert(bench.io.allocatedBytes <= 2 * CLIENT_BYTES_MAX);
      assertAlive(bench, witness);
      bench.io.hangUp(fd);
      bench.settle();
      assertEquals(bench.server.clientCount, 1);
      assert(bench.io.lineOf(fd).isClosed);
    },
  ));
});

Deno.test("NbdServer outlives a client that vanishes at any byte", () => {
  const wishes = [
    { type: COMMAND.WRITE, offsetBytes: 512, lengthBytes: 1024, flags: 1 },
    { type: COMMAND.READ, offsetBytes: 0, lengthBytes: 512, flags: 0 },
  ];
  const all = concatenate([
    new Uint8Array([0, 0, 0, 3]),
    encodeOption(OPTION.LIST, new Uint8Array(0)),
    encodeOption(OPTION.GO, encodeInfoRequest("mydata", [3])),
    ...wishes.map(messageOf),
  ]);
  const bench = new Bench();
  const witness = bench.open("structured");
  for (let count = 0; count <= all.length; count++) {
    const fd = bench.io.connect();
    bench.io.say(fd, all.subarray(0, count));
    bench.io.hangUp(fd);
    bench.settle();
    assert(bench.io.lineOf(fd).isClosed);
    assertEquals(bench.server.clientCount, 1);
  }
  assertAlive(bench, witness);
  assert(bench.io.allocatedBytes <= 2 * CLIENT_BYTES_MAX, "Memory is reused");
});

Deno.test("NbdServer waits for requests in flight of a vanished client", () => {
  const bench = new Bench();
  const fd = bench.open("simple");
  const write = { type: COMMAND.WRITE, offsetBytes: 0, flags: 0 };
  bench.io.say(fd, messageOf({ ...write, lengthBytes: 4096 }, 0));
  bench.io.turn();
  bench.server.closeAll();
  for (let turn = 0; turn < 5; turn++) bench.io.turn();
  assertEquals(bench.server.inFlight, 1);
  assertEquals(bench.server.openCount, 1, "Its memory is still in use");
  assertEquals(bench.io.lineOf(fd).isClosed, false);
  bench.settle();
  assertEquals(bench.server.openCount, 0);
  assert(bench.io.lineOf(fd).isClosed);
});

Deno.test("NbdServer skips an oversize payload and answers", () => {
  for (const replies of ["simple", "structured"] as const) {
    const bench = new Bench();
    const fd = bench.open(replies);
    const lengthBytes = 32 * 1024 * 1024 + 512;
    const wishes = [
      { type: COMMAND.WRITE, offsetBytes: 0, lengthBytes, flags: 0 },
      { type: COMMAND.READ, offsetBytes: 0, lengthBytes, flags: 0 },
      { type: COMMAND.FLUSH, offsetBytes: 0, lengthBytes: 0, flags: 0 },
    ];
    const part = new Uint8Array(1024 * 1024);
    const message = messageOf(
      { type: 99, offsetBytes: 0, lengthBytes, flags: 0 },
      0,
    );
    viewOf(message).setUint16(6, COMMAND.WRITE);
    bench.io.say(fd, message);
    for (let at = 0; at < lengthBytes; at += part.length) {
      bench.io.say(
        fd,
        part.subarray(0, Math.min(part.length, lengthBytes - at)),
      );
      bench.settle();
    }
    for (const cookie of [1, 2]) {
      const wish = wishes[cookie];
      assert(wish !== undefined);
      bench.io.say(fd, messageOf(wish, cookie));
    }
    bench.settle();
    const answers = answersIn(bench.io.takeSent(fd), wishes);
    assertEquals(answers.get(0)?.error, ERRNO.EINVAL);
    assertEquals(answers.get(1)?.error, ERRNO.EINVAL);
    assertEquals(answers.get(2)?.error, 0);
    assertEquals(bench.target.fuaCount, 0);
    assert(bench.io.allocatedBytes <= CLIENT_BYTES_MAX);
  }
});

Deno.test("NbdServer hangs up on who negotiates forever", () => {
  for (const lengthBytes of [0, 10_000]) {
    const bench = new Bench();
    const fd = bench.io.connect();
    bench.io.say(fd, new Uint8Array([0, 0, 0, 3]));
    for (let count = 0; count < 100; count++) {
      bench.io.say(fd, encodeOption(0, new Uint8Array(lengthBytes)));
    }
    bench.settle();
    assert(bench.io.lineOf(fd).isClosed);
  }
});

Deno.test("NbdServer refuses a huge option and goes on", () => {
  const bench = new Bench();
  const fd = bench.io.connect();
  bench.io.say(fd, new Uint8Array([0, 0, 0, 3]));
  bench.io.say(fd, encodeOption(OPTION.GO, new Uint8Array(100_000)));
  bench.io.say(fd, encodeOption(77, new Uint8Array(10)));
  bench.io.say(fd, encodeOption(OPTION.ABORT, new Uint8Array(0)));
  bench.settle();
  const sent = bench.io.takeSent(fd).subarray(18);
  assertEquals(
    [0, 20, 40].map((at) =>
      decodeOptionReply(viewOf(sent.subarray(at, at + 20)))?.type
    ),
    [OPTION_REPLY.ERR_TOO_BIG, OPTION_REPLY.ERR_UNSUP, OPTION_REPLY.ACK],
  );
  assertEquals(sent.length, 60);
  assert(bench.io.lineOf(fd).isClosed);
});

Deno.test("NbdServer serves EXPORT_NAME with and without padding", () => {
  for (const [flags, length] of [[1, 134], [3, 10]] as const) {
    const bench = new Bench();
    const fd = bench.io.connect();
    bench.io.say(fd, new Uint8Array([0, 0, 0, flags]));
    const name = new TextEncoder().encode("mydata");
    bench.io.say(fd, encodeOption(OPTION.EXPORT_NAME, name));
    bench.settle();
    const sent = bench.io.takeSent(fd).subarray(18);
    assertEquals(sent.length, length);
    assertEquals(viewOf(sent).getBigUint64(0), BigInt(SIZE));
    assertAlive(bench, fd);
  }
});

Deno.test("NbdServer tells a failing disk, in whole and in part", () => {
  const lengthBytes = 1024 * 1024;
  const wishes = [
    { type: COMMAND.READ, offsetBytes: 0, lengthBytes: 4096, flags: 0 },
    { type: COMMAND.READ, offsetBytes: 0, lengthBytes, flags: 0 },
    { type: COMMAND.WRITE, offsetBytes: 0, lengthBytes, flags: 0 },
    { type: COMMAND.READ, offsetBytes: 8192, lengthBytes, flags: 0 },
  ];
  for (const replies of ["simple", "structured"] as const) {
    const bench = new Bench();
    const fd = bench.open(replies);
    bench.target.badByte = 100;
    bench.io.say(fd, concatenate(wishes.map(messageOf)));
    bench.settle();
    const answers = answersIn(bench.io.takeSent(fd), wishes);
    assertEquals(
      wishes.map((_, cookie) => answers.get(cookie)?.error),
      [ERRNO.EIO, ERRNO.EIO, ERRNO.EIO, 0],
    );
    assertEquals(bench.io.lineOf(fd).isShutDown, false);
  }
});

Deno.test("NbdServer hangs up when the middle of a simple read fails", () => {
  const bench = new Bench();
  const fd = bench.open("simple");
  bench.target.badByte = 600_000;
  const wish = { type: COMMAND.READ, offsetBytes: 0, flags: 0 };
  bench.io.say(fd, messageOf({ ...wish, lengthBytes: 1024 * 1024 }, 0));
  bench.settle();
  assert(bench.io.lineOf(fd).isClosed);
  assert(bench.io.takeSent(fd).length < 1024 * 1024, "Never told as a success");
});

Deno.test("NbdServer stops receiving while a client reads no replies", () => {
  const bench = new Bench();
  const fd = bench.open("simple");
  bench.io.lineOf(fd).isBlocked = true;
  const wish = { type: COMMAND.READ, offsetBytes: 0, flags: 0 };
  const wishes = Array.from(
    { length: 400 },
    () => ({ ...wish, lengthBytes: 65536 }),
  );
  for (const [cookie, wish] of wishes.entries()) {
    bench.io.say(fd, messageOf(wish, cookie));
  }
  bench.settle();
  assert(bench.io.lineOf(fd).input.length > 300, "Most is not received");
  assert(bench.io.allocatedBytes <= CLIENT_BYTES_MAX);
  bench.io.lineOf(fd).isBlocked = false;
  bench.settle();
  assertEquals(answersIn(bench.io.takeSent(fd), wishes).size, 400);
});

Deno.test("NbdServer stops receiving while nothing is acknowledged", () => {
  const bench = new Bench();
  const fd = bench.open("simple");
  const wish = { type: COMMAND.WRITE, offsetBytes: 0, flags: 0 };
  const wishes = Array.from(
    { length: 600 },
    (_, index) => ({ ...wish, lengthBytes: index % 2 === 0 ? 512 : 40_960 }),
  );
  for (const [cookie, wish] of wishes.entries()) {
    bench.io.say(fd, messageOf(wish, cookie));
  }
  for (let turn = 0; turn < 2000; turn++) {
    bench.io.turn();
    bench.server.endOfTurn();
  }
  const stalledAt = bench.server.inFlight;
  assert(stalledAt <= 256);
  assert(bench.io.lineOf(fd).input.length > 300);
  bench.settle(() => 7);
  assertEquals(answersIn(bench.io.takeSent(fd), wishes).size, 600);
});

Deno.test("NbdServer turns away the one client too many", () => {
  const bench = new Bench();
  const fds = Array.from({ length: CLIENTS_MAX }, () => bench.open("simple"));
  const extra = bench.io.connect();
  bench.settle();
  assert(bench.io.lineOf(extra).isClosed);
  assertEquals(bench.server.openCount, CLIENTS_MAX);
  for (const fd of fds) assertAlive(bench, fd);
  const [first] = fds;
  assert(first !== undefined);
  bench.io.hangUp(first);
  bench.settle();
  assertAlive(bench, bench.open("structured"));
});

Deno.test("NbdServer ends a handshake that takes too long, and only that", () => {
  const bench = new Bench();
  const open = bench.open("simple");
  const slow = bench.io.connect();
  bench.settle();
  bench.io.pass(5_000);
  const later = bench.io.connect();
  bench.settle();
  bench.io.pass(6_000);
  bench.settle();
  assert(bench.io.lineOf(slow).isClosed);
  assertEquals(bench.io.lineOf(later).isClosed, false);
  bench.io.pass(10_000);
  bench.settle();
  bench.io.pass(10_000);
  bench.settle();
  assert(bench.io.lineOf(later).isClosed);
  assertAlive(bench, open);
});

Deno.test("NbdServer.stopListening() keeps clients but lets nobody in", () => {
  const bench = new Bench();
  const open = bench.open("simple");
  const half = bench.io.connect();
  bench.settle();
  assertEquals(bench.server.clientCount, 2);
  bench.server.stopListening();
  bench.settle();
  assert(bench.io.lineOf(half).isClosed);
  assertAlive(bench, open);
  assertEquals(bench.server.openCount, 1);
  assertEquals(bench.server.isStopped, true);
  bench.server.start();
  assertAlive(bench, bench.open("simple"));
});

Deno.test("NbdServer finishes what came before a disconnect, then hangs up", () => {
  const bench = new Bench();
  const fd = bench.open("simple");
  const wishes = [
    { type: COMMAND.WRITE, offsetBytes: 0, lengthBytes: 512, flags: 1 },
    { type: COMMAND.DISCONNECT, offsetBytes: 0, lengthBytes: 0, flags: 0 },
    { type: COMMAND.WRITE, offsetBytes: 0, lengthBytes: 512, flags: 0 },
  ];
  bench.io.say(fd, concatenate(wishes.map(messageOf)));
  bench.settle();
  const answers = answersIn(bench.io.takeSent(fd), wishes);
  assertEquals([...answers.keys()], [0]);
  assertEquals(bench.target.fuaCount, 1);
  assert(bench.io.lineOf(fd).isClosed);
});

Deno.test("NbdServer.resize() moves the end for everybody", () => {
  const bench = new Bench();
  const fd = bench.open("simple");
  const wish = { type: COMMAND.READ, lengthBytes: 512, flags: 0 };
  const wishes = [
    { ...wish, offsetBytes: 4096 },
    { ...wish, offsetBytes: 4096 },
  ];
  bench.server.resize(4096 + 100);
  bench.io.say(fd, messageOf({ ...wish, offsetBytes: 4096 }, 0));
  bench.settle();
  bench.server.resize(8192);
  bench.io.say(fd, messageOf({ ...wish, offsetBytes: 4096 }, 1));
  bench.settle();
  const answers = answersIn(bench.io.takeSent(fd), wishes);
  assertEquals([0, 1].map((at) => answers.get(at)?.error), [ERRNO.EINVAL, 0]);
});

Deno.test("NbdServer passes FUA on with every piece of a long write", () => {
  const bench = new Bench();
  const fd = bench.open("simple");
  const flags = COMMAND_FLAG.FUA;
  const lengthBytes = 1024 * 1024;
  const wish = { type: COMMAND.WRITE, offsetBytes: 512, lengthBytes, flags };
  bench.io.say(fd, messageOf(wish, 0));
  let pieceCount = 0;
  bench.settle(() => pieceCount++);
  assert(pieceCount > 1);
  assertEquals(bench.target.fuaCount, pieceCount);
});

/** The client's connection works. */
function assertAlive(bench: Bench, fd: number): void {
  bench.settle();
  bench.io.takeSent(fd);
  const wish = {
    type: COMMAND.FLUSH,
    offsetBytes: 0,
    lengthBytes: 0,
    flags: 0,
  };
  bench.io.say(fd, messageOf(wish, 0));
  bench.settle();
  const answers = answersIn(bench.io.takeSent(fd), [wish]);
  assertEquals(answers.get(0)?.error, 0);
}

/** As `assertEquals`, but quick and short about a megabyte. */
function assertSame(actual: Uint8Array | undefined, should: Uint8Array): void {
  assertEquals(actual?.length, should.length);
  const at = should.findIndex((byte, index) => byte !== actual?.[index]);
  assertEquals(at, -1, `First difference at ${at}`);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
