/** Tests of the mailbox: codec, seqlock under a racing thread, waking. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AssertionError } from "../base/assert.ts";
import { type Actual, type Desired, Mailbox } from "./mailbox.ts";

const anyCount = fc.maxSafeNat();

const anyDesired: fc.Arbitrary<Desired> = fc.record({
  role: fc.constantFrom("idle", "log", "replay", "stop"),
  logSequence: anyCount,
  logHost: fc.stringMatching(/^[a-z0-9.ä-]{0,63}$/),
  startBytes: anyCount,
  logEndBytes: anyCount,
  sizeBytes: anyCount,
  level: fc.constantFrom("flush", "durable"),
  bypass: fc.constantFrom("off", "prepare", "serve"),
  isShort: fc.nat(1),
});

const anyActual: fc.Arbitrary<Actual> = fc.record({
  desiredVersion: fc.integer(),
  role: fc.constantFrom("idle", "log", "replay", "stopped"),
  logSequence: anyCount,
  loggedBytes: anyCount,
  durableBytes: anyCount,
  writtenBackSequence: anyCount,
  writtenBackBytes: anyCount,
  deviceOn: fc.nat(1),
  deviceErrno: anyCount,
  deviceStep: anyCount,
  deviceBytes: fc.nat(),
  bypass: fc.nat(2),
  openCount: anyCount,
  inFlight: anyCount,
  diskBytes: anyCount,
  diskErrno: anyCount,
  logErrno: anyCount,
  replayStatus: fc.integer(),
  replayDetail: fc.integer(),
  replayByte: fc.nat(255),
  writeCount: anyCount,
  writeBytes: anyCount,
  readCount: anyCount,
  readBytes: anyCount,
  replayCount: anyCount,
  replayBytes: anyCount,
});

/** An `Actual` all of whose numbers are `number`. */
function uniform(number: number): Actual {
  const [actual] = fc.sample(anyActual, { numRuns: 1, seed: 1 });
  assert(actual !== undefined);
  const entries = Object.keys(actual).map((key) =>
    key === "role" ? [key, "replay"] : [key, number]
  );
  return Object.fromEntries(entries);
}

Deno.test("Mailbox carries any Desired to the other end", () => {
  fc.assert(
    fc.property(anyDesired, fc.bigInt(0n, 1n << 62n), (value, stamp) => {
      const daemon = Mailbox.create();
      const worker = Mailbox.attach(daemon.buffer);
      daemon.writeDesired(value, stamp);
      assertEquals(worker.readDesired(), { version: 2, stampNs: stamp, value });
    }),
  );
});

Deno.test("Mailbox carries any Actual to the other end", () => {
  fc.assert(fc.property(anyActual, fc.bigInt(0n, 1n << 62n), (value, stamp) => {
    const daemon = Mailbox.create();
    const worker = Mailbox.attach(daemon.buffer);
    worker.writeActual(value, stamp);
    assertEquals(daemon.readActual(), { version: 2, stampNs: stamp, value });
  }));
});

Deno.test("Mailbox shows the newest of any sequence of records", () => {
  fc.assert(fc.property(fc.array(anyDesired, { minLength: 1 }), (values) => {
    const daemon = Mailbox.create();
    const worker = Mailbox.attach(daemon.buffer);
    for (const value of values) daemon.writeDesired(value, 1n);
    const last = values[values.length - 1];
    assert(last !== undefined);
    assertEquals(worker.readDesired().value, last);
  }));
});

Deno.test("writeDesired() of an equal record changes nothing", () => {
  const mailbox = Mailbox.create();
  const [desired] = fc.sample(anyDesired, 1);
  assert(desired !== undefined);
  assert(mailbox.writeDesired(desired, 1n));
  assertEquals(mailbox.writeDesired({ ...desired }, 2n), false);
  assertEquals(mailbox.readDesired().version, 2);
  assertEquals(mailbox.readDesired().stampNs, 1n);
});

Deno.test("writeDesired() counts the first record even if all is zero", () => {
  const mailbox = Mailbox.create();
  const { version, value } = mailbox.readDesired();
  assertEquals(version, 0);
  assert(mailbox.writeDesired(value, 0n));
  assertEquals(mailbox.desiredVersion, 2);
});

Deno.test("writeDesired() skips version 0 when the version wraps", () => {
  const mailbox = Mailbox.create();
  const { value } = mailbox.readDesired();
  new Int32Array(mailbox.buffer)[0] = -4;
  for (const [startBytes, version] of [[1, -2], [2, 2], [3, 4]] as const) {
    assert(mailbox.writeDesired({ ...value, startBytes }, 1n));
    assertEquals(mailbox.desiredVersion, version);
  }
});

Deno.test("writeDesired() refuses a host name that is too long", () => {
  const mailbox = Mailbox.create();
  const { value } = mailbox.readDesired();
  assertThrows(
    () => mailbox.writeDesired({ ...value, logHost: "x".repeat(257) }, 1n),
    AssertionError,
  );
});

Deno.test("waitActual() resolves when the record changes", async () => {
  const daemon = Mailbox.create();
  const worker = Mailbox.attach(daemon.buffer);
  const changed = daemon.waitActual(0);
  worker.writeActual(uniform(7), 1n);
  await changed;
  assertEquals(daemon.readActual().value, uniform(7));
  // Already different: resolves without a wake-up.
  await daemon.waitActual(0);
});

Deno.test("isAnswered says whether the daemon has run since the question", async () => {
  // What waits for memory keeps no event loop alive.
  const alive = setTimeout(() => {}, 30_000);
  const daemon = Mailbox.create();
  const worker = Mailbox.attach(daemon.buffer);
  assert(worker.isAnswered);
  const asked = daemon.answer();
  worker.ask();
  assertEquals(worker.isAnswered, false);
  await asked;
  assertEquals(worker.isAnswered, false);
  const again = daemon.answer();
  assert(worker.isAnswered);
  daemon.notifyAnswer();
  await again;
  clearTimeout(alive);
});

/** Runs in a thread: writes uniform records until the daemon has seen enough. */
const RACER = `
self.onmessage = async ({ data }) => {
  const { Mailbox } = await import(data.url);
  const mailbox = Mailbox.attach(data.buffer);
  const ballast = { ...data.first };
  for (let number = 1; mailbox.desiredVersion === 0; number++) {
    for (const key of Object.keys(ballast)) {
      if (key !== "role") ballast[key] = number;
    }
    mailbox.writeActual(ballast, BigInt(number));
  }
  self.close();
};`;

Deno.test("readActual() never mixes two records of a racing writer", async () => {
  const mailbox = Mailbox.create();
  const source = URL.createObjectURL(
    new Blob([RACER], { type: "text/javascript" }),
  );
  const worker = new Worker(source, { type: "module" });
  try {
    worker.postMessage({
      url: new URL("./mailbox.ts", import.meta.url).href,
      buffer: mailbox.buffer,
      first: uniform(0),
    });
    await mailbox.waitActual(0);
    const versions = new Set<number>();
    let previous = 0;
    // Until enough different records were seen while the other thread writes.
    while (versions.size < 2_000) {
      const { version, stampNs, value } = mailbox.readActual();
      versions.add(version);
      const number = value.logSequence;
      assertEquals(stampNs, BigInt(number));
      assertEquals(value, uniform(number));
      assert(number >= previous, "records do not go back");
      previous = number;
    }
  } finally {
    mailbox.writeDesired(mailbox.readDesired().value, 1n);
    worker.terminate();
    URL.revokeObjectURL(source);
  }
});
