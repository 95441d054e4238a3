import { assert, assertEquals, assertMatch } from "@std/assert";
import { deadline } from "@std/async/deadline";
import fc from "fast-check";
import { MarsError } from "../base/errors.ts";
import { type Clock, systemClock } from "../base/time.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import {
  encodeFrameHead,
  FRAME_KIND,
  FrameDecoder,
  type FrameKind,
  LINE_LIMITS,
} from "./frame.ts";
import { concat } from "./key.ts";
import { Line, type LineSocket } from "./line.ts";
import { BucketPace } from "./pace.ts";
import { EMPTY_BODY } from "./rpc.ts";
import { VirtualTime } from "../../tests/sim/virtual_time.ts";

const DEADLINE_MS = 10_000;

/** A socket whose other end is the test. */
class TestSocket implements LineSocket {
  readonly written: Uint8Array[] = [];
  isPaused = false;
  isDestroyed = false;
  #callBacks: (() => void)[] = [];
  #listeners = new Map<string, (argument: never) => void>();

  setNoDelay(): void {}
  on(event: string, take: (argument: never) => void): void {
    this.#listeners.set(event, take);
  }
  write(bytes: Uint8Array, written: () => void): void {
    this.written.push(bytes);
    this.#callBacks.push(written);
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  destroy(): void {
    this.isDestroyed = true;
  }

  /** The kernel takes the oldest write. */
  drain(): boolean {
    const callBack = this.#callBacks.shift();
    callBack?.();
    return callBack !== undefined;
  }

  emit(event: string, argument?: unknown): void {
    // Each listener knows what its event brings.
    this.#listeners.get(event)?.(argument as never);
  }
}

function makeLine(
  options: { pingMs?: number; silenceMs?: number; clock?: Clock } = {},
) {
  const socket = new TestSocket();
  const line = new Line({
    socket,
    limits: LINE_LIMITS,
    timing: {
      handshakeMs: DEADLINE_MS,
      pingMs: options.pingMs ?? DEADLINE_MS,
      silenceMs: options.silenceMs ?? DEADLINE_MS,
    },
    clock: options.clock ?? systemClock,
  });
  line.start();
  return { socket, line };
}

function frame(kind: FrameKind, bodyBytes = 0): Uint8Array {
  return encodeFrameHead({ kind, id: 1, json: "", bodyBytes }, LINE_LIMITS);
}

Deno.test("Line sends all frames in order, in bounded writes", () => {
  const anyBody = fc.oneof(
    fc.integer({ min: 0, max: 100 }),
    fc.integer({ min: 0, max: 300_000 }),
  ).map((bytes) => {
    const body = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 97) body[at] = at % 251;
    return body;
  });
  fc.assert(
    fc.property(fc.array(anyBody, { maxLength: 12 }), (bodies) => {
      const { socket, line } = makeLine();
      for (const body of bodies) {
        line.send(frame(FRAME_KIND.reply, body.length), body);
      }
      while (socket.drain());
      for (const bytes of socket.written) {
        assert(bytes.length > 0);
        assert(bytes.length <= 64 * 1024);
      }
      const received: Uint8Array[] = [];
      const decoder = new FrameDecoder(LINE_LIMITS);
      for (const bytes of socket.written) {
        decoder.push(bytes, ({ body }) => received.push(new Uint8Array(body)));
      }
      assertEquals(received, bodies);
      line.end(new MarsError("done"));
    }),
    { numRuns: 50 },
  );
});

Deno.test("Line does not copy large bodies", () => {
  const { socket, line } = makeLine();
  const body = new Uint8Array(1024 * 1024);
  line.send(frame(FRAME_KIND.reply, body.length), body);
  while (socket.drain());
  const views = socket.written.filter(({ buffer }) => buffer === body.buffer);
  const viewBytes = views.reduce((sum, { length }) => sum + length, 0);
  assert(viewBytes >= body.length - 16 * 1024);
  line.end(new MarsError("done"));
});

Deno.test("Line tells when a frame is sent, not before and not when it ends", () => {
  for (const bodyBytes of [0, 100, 300_000]) {
    const { socket, line } = makeLine();
    const told: string[] = [];
    const body = new Uint8Array(bodyBytes);
    const head = frame(FRAME_KIND.reply, bodyBytes);
    line.send(head, body, () => told.push("first"));
    line.send(head, body, () => told.push("second"));
    const frameBytes = head.length + bodyBytes;
    let takenBytes = 0;
    let writeIndex = 0;
    while (told.length < 2) {
      assertEquals(told.includes("first"), takenBytes >= frameBytes);
      takenBytes += socket.written[writeIndex++]?.length ?? 0;
      assert(socket.drain());
    }
    assertEquals(told, ["first", "second"]);
    assertEquals(takenBytes, 2 * frameBytes);
    line.send(head, body, () => told.push("third"));
    line.end(new MarsError("done"));
    while (socket.drain());
    assertEquals(told.length, 2);
  }
});

Deno.test("Line does not read while its answers are not taken", () => {
  const { socket, line } = makeLine();
  const body = new Uint8Array(1024 * 1024);
  line.send(frame(FRAME_KIND.reply, body.length), body);
  assert(socket.isPaused);
  while (socket.isPaused) assert(socket.drain());
  assert(!socket.isPaused);
  while (socket.drain());
  assertEquals(
    socket.written.reduce((sum, { length }) => sum + length, 0),
    body.length + 16,
  );
  line.end(new MarsError("done"));
});

Deno.test("Line answers a ping and keeps it from its user", () => {
  const { socket, line } = makeLine();
  const kinds: number[] = [];
  line.onFrame = ({ kind }) => kinds.push(kind);
  socket.emit(
    "data",
    concat([
      frame(FRAME_KIND.ping),
      frame(FRAME_KIND.pong),
      frame(FRAME_KIND.call),
    ]),
  );
  assertEquals(kinds, [FRAME_KIND.call]);
  assertEquals(socket.written[0]?.[0], FRAME_KIND.pong);
  line.end(new MarsError("done"));
});

Deno.test("Line pings a silent peer and then gives it up", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const clock = { realNs: () => 0n, monotonicMs: () => time.nowMs };
  const { socket, line } = makeLine({ pingMs: 10, silenceMs: 60, clock });
  line.establish();
  await time.run(70);
  assert(line.isEnded);
  assertMatch((await line.ended).message, /no sign of life/);
  assert(socket.isDestroyed);
  assertEquals(socket.written[0]?.[0], FRAME_KIND.ping);
});

Deno.test("Line lives as long as the peer does", async () => {
  const { socket, line } = makeLine({ pingMs: 10, silenceMs: 60 });
  line.establish();
  let ticks = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  line.onTick = () => {
    socket.emit("data", frame(FRAME_KIND.pong));
    if (++ticks === 20) resolve();
  };
  await deadline(promise, DEADLINE_MS);
  assert(!line.isEnded);
  line.end(new MarsError("done"));
});

Deno.test("Line forgives silence while this process slept", async () => {
  let nowMs = 0;
  const clock = { realNs: () => 0n, monotonicMs: () => nowMs };
  const { line } = makeLine({ pingMs: 5, silenceMs: 50, clock });
  line.establish();
  let ticks = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  line.onTick = () => {
    nowMs += 1_000;
    if (++ticks === 3) resolve();
  };
  await deadline(promise, DEADLINE_MS);
  assert(!line.isEnded);
  line.end(new MarsError("done"));
});

Deno.test("Line ends on bytes that are no frames, and hears nothing more", async () => {
  const { socket, line } = makeLine();
  const kinds: number[] = [];
  line.onFrame = ({ kind }) => kinds.push(kind);
  socket.emit("data", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  const reason = await line.ended;
  assertMatch(reason.message, /unknown kind/);
  assert(socket.isDestroyed);
  socket.emit("data", frame(FRAME_KIND.call));
  line.send(frame(FRAME_KIND.call), EMPTY_BODY);
  assertEquals(kinds, []);
  assertEquals(socket.written, []);
});

Deno.test("Line delivers nothing behind the frame that ended it", async () => {
  const { socket, line } = makeLine();
  let count = 0;
  line.onFrame = () => {
    count++;
    line.end(new MarsError("enough"));
  };
  socket.emit(
    "data",
    concat([frame(FRAME_KIND.call), frame(FRAME_KIND.call)]),
  );
  assertEquals((await line.ended).message, "enough");
  assertEquals(count, 1);
});

Deno.test("Line ends once, for its first reason", async () => {
  for (const event of ["error", "end", "close"]) {
    const { socket, line } = makeLine();
    socket.emit(event, new Error("reset"));
    line.end(new MarsError("later"));
    assertMatch((await line.ended).message, /^Line was (lost|closed)/);
  }
});

/** A line at a pace, in virtual time; whatever it writes arrives at once. */
function makePacedLine(time: VirtualTime, rate: number, silenceMs = 10_000) {
  const clock = { realNs: () => 0n, monotonicMs: () => time.nowMs };
  const { socket, line } = makeLine({
    pingMs: silenceMs / 3,
    silenceMs,
    clock,
  });
  let count = 0;
  const buckets = [new TokenBucket(rate, 0)];
  const paceOf = () =>
    new BucketPace({
      buckets,
      monotonicMs: clock.monotonicMs,
      count: (bytes) => count += bytes,
    });
  line.establish({ sending: paceOf(), receiving: paceOf() });
  return { socket, line, passed: () => count };
}

Deno.test("Line sends no faster than it may, in small pieces", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const { socket, line, passed } = makePacedLine(time, 100_000);
  const body = new Uint8Array(1_000_000);
  line.send(frame(FRAME_KIND.reply, body.length), body);
  for (let step = 0; step < 1_000 && passed() < body.length; step++) {
    while (socket.drain());
    await time.run(time.nowMs + 10);
  }
  assert(time.nowMs >= 9_700 && time.nowMs <= 10_400, `${time.nowMs} ms`);
  assert(socket.written.every(({ length }) => length <= 10_000));
  line.end(new MarsError("done"));
});

Deno.test("Line reads no faster than it may, and does not die of that", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const { socket, line } = makePacedLine(time, 1_024);
  const body = new Uint8Array(30_000);
  let endedFor = "";
  line.ended.then((reason) => endedFor = reason.message);
  socket.emit("data", concat([frame(FRAME_KIND.reply, body.length), body]));
  assert(socket.isPaused);
  await time.run(29_000);
  assert(socket.isPaused);
  await time.run(30_000);
  assert(!socket.isPaused);
  assertEquals(endedFor, "");
  line.end(new MarsError("done"));
});

Deno.test("Line keeps to another timing at once, and does not die of that", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const clock = { realNs: () => 0n, monotonicMs: () => time.nowMs };
  const { socket, line } = makeLine({
    pingMs: 200_000,
    silenceMs: 600_000,
    clock,
  });
  line.establish();
  let endedAtMs = 0;
  line.ended.then(() => endedAtMs = time.nowMs);
  await time.run(150_000);
  line.retime({ handshakeMs: 0, pingMs: 1_000, silenceMs: 3_000 });
  // The peer answers for a while, and then no more.
  for (let step = 0; step < 100; step++) {
    await time.run(time.nowMs + 100);
    if (!socket.drain()) continue;
    socket.emit("data", frame(FRAME_KIND.pong));
  }
  assertEquals(endedAtMs, 0);
  assert(socket.written.length >= 8, `${socket.written.length} pings`);
  await time.run(time.nowMs + 60_000);
  assert(endedAtMs > 160_000, "it was alive");
  assert(endedAtMs <= 165_000, `dead at ${endedAtMs} ms`);
});

Deno.test("Line gives signs of life while it only hears", async () => {
  const time = new VirtualTime();
  using _ = time.install();
  const clock = { realNs: () => 0n, monotonicMs: () => time.nowMs };
  const { socket, line } = makeLine({ pingMs: 1_000, silenceMs: 3_000, clock });
  line.establish();
  let [signs, atMs] = [0, 0];
  for (let step = 0; step < 100; step++) {
    // The peer fills its direction; a ping of its own would come too late.
    socket.emit("data", frame(FRAME_KIND.pong));
    while (socket.drain());
    await time.run(time.nowMs + 100);
    if (socket.written.length === signs) continue;
    signs = socket.written.length;
    assert(time.nowMs - atMs <= 1_600, `silent for ${time.nowMs - atMs} ms`);
    atMs = time.nowMs;
  }
  assert(signs >= 8, `${signs} signs of life`);
  line.end(new MarsError("done"));
});
