import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { FormatError, MarsError, TimeoutError } from "../base/errors.ts";
import { RpcAnswerer } from "./answerer.ts";
import { RpcCaller } from "./caller.ts";
import {
  encodeFrameHead,
  FRAME_KIND,
  FrameDecoder,
  type FrameKind,
  LINE_LIMITS,
} from "./frame.ts";
import { concat } from "./key.ts";
import {
  ANSWER_BUFFERS_MAX,
  CALLS_IN_FLIGHT_MAX,
  decodeJsonObject,
  EMPTY_BODY,
  isJsonObject,
  type RpcCall,
  type RpcHandlers,
  type RpcReply,
} from "./rpc.ts";

/** Timers that go off when the test says so. */
class Timers {
  readonly #timers = new Map<number, () => void>();
  #next = 0;

  readonly after = (_delayMs: number, callBack: () => void): () => void => {
    const id = this.#next++;
    this.#timers.set(id, callBack);
    return () => this.#timers.delete(id);
  };

  get count(): number {
    return this.#timers.size;
  }

  fire(): void {
    const timers = [...this.#timers.values()];
    this.#timers.clear();
    for (const callBack of timers) callBack();
  }
}

/** Both ends of a line in memory; each byte goes through the decoder. */
function makeLine(handlers: RpcHandlers) {
  const timers = new Timers();
  const reports: string[] = [];
  const toAnswerer = new FrameDecoder(LINE_LIMITS);
  const toCaller = new FrameDecoder(
    LINE_LIMITS,
    (header) => caller.roomFor(header),
  );
  const caller = new RpcCaller({
    peer: "alpha",
    after: timers.after,
    send: (head, body) =>
      toAnswerer.push(
        concat([head, body]),
        (frame) => answerer.receive(frame),
      ),
  });
  const answerer: RpcAnswerer = new RpcAnswerer({
    peer: "beta",
    handlers,
    report: (method, error) => reports.push(`${method}: ${error}`),
    send: (head, body) =>
      toCaller.push(concat([head, body]), (frame) => caller.receive(frame)),
  });
  return { caller, answerer, timers, reports };
}

function frameOf(kind: FrameKind, id: number, json: string) {
  return {
    kind,
    id,
    json: new TextEncoder().encode(json),
    body: EMPTY_BODY,
  };
}

const empty: RpcReply = { params: {}, body: EMPTY_BODY };

/** A handler whose calls wait until the test answers them. */
function makeGate() {
  const calls: { call: RpcCall; answer: (reply: RpcReply) => void }[] = [];
  const handler = (call: RpcCall): Promise<RpcReply> =>
    new Promise((answer) => calls.push({ call, answer }));
  return { calls, handler };
}

Deno.test("RpcCaller.call() gets params and body back", async () => {
  const { caller } = makeLine({
    echo: ({ peer, params, body }) =>
      Promise.resolve({ params: { peer, params }, body }),
  });
  const body = new Uint8Array([1, 2, 3]);
  const reply = await caller.call("echo", { n: 1, list: [null, "ä"] }, {
    body,
  });
  assertEquals(reply.params, {
    peer: "beta",
    params: { n: 1, list: [null, "ä"] },
  });
  assertEquals(new Uint8Array(reply.body), body);
});

Deno.test("RpcCaller.call() puts the body into the room it is given", async () => {
  const { caller } = makeLine({
    echo: ({ params, body }) => Promise.resolve({ params, body }),
  });
  const into = new Uint8Array(4);
  for (const bytes of [[1, 2, 3], [], [9, 8, 7, 6]]) {
    const body = Uint8Array.from(bytes);
    const reply = await caller.call("echo", {}, { body, into });
    assertEquals(new Uint8Array(reply.body), body);
    if (bytes.length > 0) assert(reply.body.buffer === into.buffer);
  }
});

Deno.test("RpcCaller.call() finds other room for a body that is too large", async () => {
  const { caller } = makeLine({
    echo: ({ params, body }) => Promise.resolve({ params, body }),
  });
  const into = new Uint8Array(4);
  const body = new Uint8Array(5).fill(1);
  const reply = await caller.call("echo", {}, { body, into });
  assertEquals(new Uint8Array(reply.body), body);
  assertEquals(into, new Uint8Array(4));
});

Deno.test("RpcCaller leaves the room of a canceled call alone", async () => {
  const gate = makeGate();
  const { caller } = makeLine({ wait: gate.handler });
  const into = new Uint8Array(4);
  const cancel = new AbortController();
  const { signal } = cancel;
  const reply = caller.call("wait", {}, { into, signal });
  cancel.abort();
  await assertRejects(() => reply, MarsError, "canceled");
  gate.calls[0]?.answer({ params: {}, body: new Uint8Array(4).fill(1) });
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  assertEquals(into, new Uint8Array(4));
});

Deno.test("RpcCaller matches replies in any order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 * CALLS_IN_FLIGHT_MAX }),
      fc.infiniteStream(fc.nat()),
      async (count, choices) => {
        const gate = makeGate();
        const { caller } = makeLine({ wait: gate.handler });
        const replies = Array.from(
          { length: count },
          (_, n) => caller.call("wait", { n }),
        );
        for (let left = count; left > 0; left--) {
          assert(gate.calls.length <= CALLS_IN_FLIGHT_MAX);
          const choice = (choices.next().value ?? 0) % gate.calls.length;
          const [chosen] = gate.calls.splice(choice, 1);
          chosen?.answer({ params: chosen.call.params, body: EMPTY_BODY });
          // The answer travels in microtasks; the next call may start in them.
          for (let turn = 0; turn < 8; turn++) await Promise.resolve();
        }
        const numbers = (await Promise.all(replies)).map(({ params }) =>
          params["n"]
        );
        assertEquals(numbers, Array.from({ length: count }, (_, n) => n));
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("RpcCaller holds back calls beyond CALLS_IN_FLIGHT_MAX", async () => {
  const gate = makeGate();
  const { caller } = makeLine({ wait: gate.handler });
  const replies = Array.from(
    { length: CALLS_IN_FLIGHT_MAX + 1 },
    () => caller.call("wait", {}),
  );
  assertEquals(gate.calls.length, CALLS_IN_FLIGHT_MAX);
  gate.calls[0]?.answer(empty);
  await replies[0];
  assertEquals(gate.calls.length, CALLS_IN_FLIGHT_MAX + 1);
  for (const { answer } of gate.calls) answer(empty);
  await Promise.all(replies);
});

Deno.test("RpcCaller.lose() rejects all calls, now and later", async () => {
  const gate = makeGate();
  const { caller, timers } = makeLine({ wait: gate.handler });
  const replies = Array.from(
    { length: CALLS_IN_FLIGHT_MAX + 5 },
    () => caller.call("wait", {}, { timeoutMs: 1000 }),
  );
  caller.lose(new MarsError("Line was lost"));
  for (const outcome of await Promise.allSettled(replies)) {
    assert(outcome.status === "rejected");
    assertEquals(outcome.reason.message, "Line was lost");
  }
  await assertRejects(
    () => caller.call("wait", {}),
    MarsError,
    "Line was lost",
  );
  assertEquals(timers.count, 0);
});

Deno.test("RpcCaller.call() rejects after its timeout and cancels", async () => {
  const gate = makeGate();
  const { caller, timers } = makeLine({ wait: gate.handler });
  const reply = caller.call("wait", {}, { timeoutMs: 50 });
  timers.fire();
  await assertRejects(() => reply, TimeoutError, "50 ms");
  assert(gate.calls[0]?.call.signal.aborted);
});

Deno.test("RpcCaller keeps the place of a canceled call until its answer", async () => {
  const gate = makeGate();
  const { caller, answerer } = makeLine({ wait: gate.handler });
  const cancel = new AbortController();
  const unwanted = Array.from(
    { length: CALLS_IN_FLIGHT_MAX },
    () => caller.call("wait", {}, { signal: cancel.signal }),
  );
  cancel.abort();
  for (const outcome of await Promise.allSettled(unwanted)) {
    assert(outcome.status === "rejected");
    assertStringIncludes(outcome.reason.message, "canceled");
  }
  const wanted = caller.call("wait", { n: 1 });
  assertEquals(gate.calls.length, CALLS_IN_FLIGHT_MAX);
  assertEquals(answerer.runningCount, CALLS_IN_FLIGHT_MAX);
  gate.calls[0]?.answer(empty);
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  gate.calls.at(-1)?.answer({ params: { n: 1 }, body: EMPTY_BODY });
  assertEquals((await wanted).params, { n: 1 });
});

Deno.test("RpcCaller.call() rejects at once when its signal is aborted", async () => {
  const { caller, answerer } = makeLine({});
  const signal = AbortSignal.abort();
  await assertRejects(
    () => caller.call("wait", {}, { signal }),
    MarsError,
    "canceled",
  );
  assertEquals(answerer.runningCount, 0);
});

Deno.test("RpcCaller.call() rejects what is too large and goes on", async () => {
  const { caller } = makeLine({ echo: () => Promise.resolve(empty) });
  const body = new Uint8Array(LINE_LIMITS.payloadBytes + 1);
  await assertRejects(
    () => caller.call("echo", {}, { body }),
    FormatError,
    "at most",
  );
  const text = "x".repeat(LINE_LIMITS.jsonBytes + 1);
  await assertRejects(() => caller.call("echo", { text }), FormatError);
  assertEquals((await caller.call("echo", {})).params, {});
});

Deno.test("RpcAnswerer tells the message of a MarsError", async () => {
  const { caller, reports } = makeLine({
    fail: () => Promise.reject(new MarsError("Cannot do that: no disk")),
  });
  await assertRejects(
    () => caller.call("fail", {}),
    MarsError,
    "Cannot do that: no disk",
  );
  assertEquals(reports, []);
});

Deno.test("RpcAnswerer hides other errors and reports them", async () => {
  const { caller, reports } = makeLine({
    fail: () => {
      throw new TypeError("secret of the inside");
    },
  });
  const error = await assertRejects(() => caller.call("fail", {}), MarsError);
  assertEquals(error.message, "Internal error");
  assertStringIncludes(reports[0] ?? "", "secret of the inside");
});

Deno.test("RpcAnswerer refuses unknown methods, inherited ones too", async () => {
  const { caller } = makeLine({});
  for (const method of ["nope", "toString", "__proto__", "constructor"]) {
    await assertRejects(
      () => caller.call(method, {}),
      MarsError,
      "no such method",
    );
  }
});

Deno.test("RpcAnswerer refuses a reply that is too large and goes on", async () => {
  const { caller } = makeLine({
    big: () =>
      Promise.resolve({
        params: {},
        body: new Uint8Array(LINE_LIMITS.payloadBytes + 1),
      }),
    small: () => Promise.resolve(empty),
  });
  await assertRejects(() => caller.call("big", {}), MarsError, "at most");
  assertEquals((await caller.call("small", {})).params, {});
});

Deno.test("RpcAnswerer.lose() aborts the handlers and keeps quiet", async () => {
  const gate = makeGate();
  const sent: Uint8Array[] = [];
  const answerer = new RpcAnswerer({
    peer: "beta",
    handlers: { wait: gate.handler },
    send: (head) => sent.push(head),
    report: () => {},
  });
  answerer.receive(
    frameOf(FRAME_KIND.call, 1, '{"method":"wait","params":{}}'),
  );
  answerer.lose();
  assert(gate.calls[0]?.call.signal.aborted);
  gate.calls[0].answer(empty);
  await Promise.resolve();
  assertEquals(sent, []);
});

/** An answerer whose answers are sent when the test says so. */
function makeSlowLine(handlers: RpcHandlers) {
  const sent: (() => void)[] = [];
  const answerer = new RpcAnswerer({
    peer: "beta",
    handlers,
    send: (_head, _body, done) => sent.push(() => done?.()),
    report: () => {},
  });
  const call = (id: number, method: string): void =>
    answerer.receive(
      frameOf(FRAME_KIND.call, id, JSON.stringify({ method, params: {} })),
    );
  return { answerer, sent, call };
}

Deno.test("RpcAnswerer lends each buffer again when its answer is sent", async () => {
  const lent: Uint8Array[] = [];
  const { answerer, sent, call } = makeSlowLine({
    read: async ({ buffer }) => {
      const body = await buffer();
      lent.push(body);
      // An answer need not be in the buffer, nor be one.
      if (lent.length % 3 === 0) throw new MarsError("No");
      return lent.length % 3 === 1 ? empty : { params: {}, body };
    },
  });
  for (let id = 1; id <= 3 * ANSWER_BUFFERS_MAX; id++) call(id, "read");
  await settled();
  assertEquals(lent.length, ANSWER_BUFFERS_MAX);
  assertEquals(sent.length, ANSWER_BUFFERS_MAX);
  for (let done = 1; done <= 2 * ANSWER_BUFFERS_MAX; done++) {
    sent.shift()?.();
    await settled();
    assertEquals(lent.length, ANSWER_BUFFERS_MAX + done);
  }
  assertEquals(new Set(lent).size, ANSWER_BUFFERS_MAX);
  assertEquals(answerer.runningCount, 0);
});

Deno.test("RpcAnswerer answers who is canceled while it waits for a buffer", async () => {
  const { answerer, sent, call } = makeSlowLine({
    read: async ({ buffer }) => ({ params: {}, body: await buffer() }),
  });
  for (let id = 1; id <= ANSWER_BUFFERS_MAX + 2; id++) call(id, "read");
  await settled();
  assertEquals(answerer.runningCount, 2);
  answerer.receive(frameOf(FRAME_KIND.cancel, ANSWER_BUFFERS_MAX + 1, ""));
  await settled();
  assertEquals(answerer.runningCount, 1);
  assertEquals(sent.length, ANSWER_BUFFERS_MAX + 1);
  answerer.lose();
  await settled();
  assertEquals(sent.length, ANSWER_BUFFERS_MAX + 1);
});

/** Resolves when everything has happened that needs no event. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("RpcAnswerer refuses more calls than may be in flight", () => {
  const gate = makeGate();
  const { answerer } = makeLine({ wait: gate.handler });
  const json = '{"method":"wait","params":{}}';
  for (let id = 1; id <= CALLS_IN_FLIGHT_MAX; id++) {
    answerer.receive(frameOf(FRAME_KIND.call, id, json));
  }
  assertThrows(
    () =>
      answerer.receive(frameOf(FRAME_KIND.call, CALLS_IN_FLIGHT_MAX + 1, json)),
    FormatError,
    "in flight",
  );
});

Deno.test("RpcAnswerer refuses ids in use, other kinds and bad calls", () => {
  const gate = makeGate();
  const { answerer } = makeLine({ wait: gate.handler });
  const good = '{"method":"wait","params":{}}';
  answerer.receive(frameOf(FRAME_KIND.call, 1, good));
  const bad = [
    frameOf(FRAME_KIND.call, 1, good),
    frameOf(FRAME_KIND.reply, 2, "{}"),
    frameOf(FRAME_KIND.call, 2, ""),
    frameOf(FRAME_KIND.call, 2, "[]"),
    frameOf(FRAME_KIND.call, 2, "{"),
    frameOf(FRAME_KIND.call, 2, '{"method":1,"params":{}}'),
    frameOf(FRAME_KIND.call, 2, '{"method":"wait","params":[]}'),
  ];
  for (const frame of bad) {
    assertThrows(() => answerer.receive(frame), FormatError);
  }
});

Deno.test("RpcCaller refuses replies nobody waits for", () => {
  const { caller } = makeLine({});
  assertThrows(
    () => caller.receive(frameOf(FRAME_KIND.reply, 5, "{}")),
    FormatError,
    "no call",
  );
});

Deno.test("decodeJsonObject() yields an object or a FormatError", () => {
  fc.assert(fc.property(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.json().map((json) => new TextEncoder().encode(json)),
    ),
    (bytes) => {
      try {
        assert(isJsonObject(decodeJsonObject(bytes)));
      } catch (error) {
        assert(error instanceof FormatError);
      }
    },
  ));
  assertEquals(decodeJsonObject(EMPTY_BODY), {});
});

Deno.test("decodeJsonObject() survives deep nesting", () => {
  const depth = LINE_LIMITS.jsonBytes / 2;
  const bytes = new TextEncoder().encode("[".repeat(depth));
  assertThrows(() => decodeJsonObject(bytes), FormatError);
});

Deno.test("encodeFrameHead() makes a call that RpcAnswerer reads", () => {
  const gate = makeGate();
  const { answerer } = makeLine({ wait: gate.handler });
  const head = encodeFrameHead({
    kind: FRAME_KIND.call,
    id: 0xffff_ffff,
    json: '{"method":"wait","params":{"a":1}}',
    bodyBytes: 0,
  }, LINE_LIMITS);
  new FrameDecoder(LINE_LIMITS).push(head, (frame) => answerer.receive(frame));
  assertEquals(gate.calls[0]?.call.params, { a: 1 });
});

Deno.test("RpcCaller gives what came of a reply when the line is lost", async () => {
  const sent: Uint8Array[] = [];
  const timers = new Timers();
  const caller = new RpcCaller({
    peer: "alpha",
    after: timers.after,
    send: (head) => sent.push(head),
  });
  const decoder = new FrameDecoder(
    LINE_LIMITS,
    (header) => caller.roomFor(header),
  );
  const into = new Uint8Array(100);
  const parts: [unknown, number][] = [];
  const options = {
    into,
    onPart: (params: unknown, bytes: number) => parts.push([params, bytes]),
  };
  const first = caller.call("read", {}, options);
  const second = caller.call("read", {}, options);
  const reply = concat([
    encodeFrameHead({
      kind: FRAME_KIND.reply,
      id: 1,
      json: '{"n":1}',
      bodyBytes: 50,
    }, LINE_LIMITS),
    new Uint8Array(50).fill(9),
  ]);
  decoder.push(reply.subarray(0, reply.length - 20), () => {});
  caller.lose(new MarsError("Lost the line"));
  await assertRejects(() => first, MarsError, "Lost");
  await assertRejects(() => second, MarsError, "Lost");
  assertEquals(parts, [[{ n: 1 }, 30]]);
  assertEquals(into.subarray(0, 31), new Uint8Array(31).fill(9, 0, 30));
});

Deno.test("RpcCaller keeps to what its peer takes", async () => {
  const sent: Uint8Array[] = [];
  const caller = new RpcCaller({
    peer: "alpha",
    after: new Timers().after,
    send: (head) => sent.push(head),
    callsMax: 2,
  });
  const calls = [1, 2, 3].map(() => caller.call("wait", {}));
  assertEquals(sent.length, 2);
  caller.lose(new MarsError("Lost the line"));
  for (const call of calls) await assertRejects(() => call, MarsError);
});
