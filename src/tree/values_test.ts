import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AssertionError } from "../base/assert.ts";
import type { LogName } from "../base/names.ts";
import { anyIdentifier } from "../../tests/support/links.ts";
import {
  byteLengthOf,
  type Features,
  formatCount,
  formatFeatures,
  formatHostAddress,
  formatMessage,
  formatReplay,
  formatSkipCheck,
  formatStamp,
  formatStep,
  formatSwitch,
  formatVersion,
  isHostAddress,
  isStorableValue,
  isValueOf,
  type Message,
  parseCount,
  parseFeatures,
  parseHostAddress,
  parseInteger,
  parseMessage,
  parseReplay,
  parseStamp,
  parseSwitch,
  parseVerify,
  parseVersion,
  previousText,
  selfText,
  TOMBSTONE,
  truncateValue,
  VALUE_BYTES_MAX,
  type ValueKind,
  type VersionStep,
  type VersionValue,
} from "./values.ts";

const VALUE_KINDS: Readonly<Record<ValueKind, true>> = {
  acknowledge: true,
  address: true,
  count: true,
  features: true,
  host: true,
  integer: true,
  message: true,
  path: true,
  percent: true,
  replay: true,
  stamp: true,
  switch: true,
  text: true,
  tombstone: true,
  verify: true,
  version: true,
};

const anyLog: fc.Arbitrary<LogName> = fc.record({
  sequence: fc.nat({ max: 2_000_000_000 }),
  host: anyIdentifier,
});
const anyPosition = fc.maxSafeNat().map((value) => Math.floor(value / 2));
const anyDigest = fc.stringMatching(/^[0-9a-f]{32}$/);
const anyStep: fc.Arbitrary<VersionStep> = fc.record({
  digest: anyDigest,
  log: anyLog,
  endBytes: anyPosition,
});
const anyStamp = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const anyFeatures: fc.Arbitrary<Features> = fc.record({
  features: fc.nat({ max: 999 }),
  strategy: fc.nat({ max: 999 }),
  mask: fc.nat({ max: 0xffff_ffff }),
});

/** Text near the grammar: what a codec could be fooled by. */
const anyGarbage = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^[0-9a-f,.:()\[\]x log-]{0,80}$/),
  fc.record({ step: anyStep, at: fc.nat({ max: 80 }), by: fc.string() })
    .map(({ step, at, by }) => {
      const text = formatVersion(step, formatStep(step));
      return text.slice(0, at) + by + text.slice(at + 1);
    }),
);

Deno.test("parseReplay() reverses formatReplay()", () => {
  fc.assert(fc.property(
    fc.record({
      log: anyLog,
      startBytes: anyPosition,
      dirtyBytes: anyPosition,
    }),
    (value) => assertEquals(parseReplay(formatReplay(value)), value),
  ));
});

function textOf({ self, previous }: VersionValue): string {
  return formatVersion(
    self,
    previous === undefined ? "" : formatStep(previous),
  );
}

Deno.test("parseVersion() reverses formatVersion()", () => {
  fc.assert(fc.property(
    fc.record({
      self: anyStep,
      previous: fc.option(anyStep, { nil: undefined }),
    }),
    (value) => assertEquals(parseVersion(textOf(value)), value),
  ));
});

Deno.test("parseStamp() reverses formatStamp()", () => {
  fc.assert(fc.property(
    anyStamp,
    (value) => assertEquals(parseStamp(formatStamp(value)), value),
  ));
});

Deno.test("parseFeatures() reverses formatFeatures()", () => {
  fc.assert(fc.property(
    anyFeatures,
    (value) => assertEquals(parseFeatures(formatFeatures(value)), value),
  ));
});

Deno.test("parseMessage() reverses formatMessage()", () => {
  fc.assert(fc.property(
    fc.record({
      kind: fc.constant("text" as const),
      realNs: anyStamp,
      stampNs: anyStamp,
      text: fc.string({ minLength: 1, unit: "grapheme" }),
    }),
    (value: Message) => assertEquals(parseMessage(formatMessage(value)), value),
  ));
  assertEquals(parseMessage(formatMessage({ kind: "ok" })), { kind: "ok" });
});

Deno.test("parseHostAddress() reverses formatHostAddress()", () => {
  fc.assert(fc.property(
    fc.record({
      address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
      port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
    }),
    (value) => assertEquals(parseHostAddress(formatHostAddress(value)), value),
  ));
});

Deno.test("The codecs of small values reverse each other", () => {
  fc.assert(fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (one, two) => {
    assertEquals(parseCount(formatCount(one)), one);
    assertEquals(parseInteger(String(-one)), one === 0 ? 0 : -one);
    assertEquals(parseCount(formatSkipCheck(one)), one);
    const verify = { equalCount: one, differingCount: two };
    assertEquals(parseVerify(`${one},${two}`), verify);
  }));
  assertEquals(parseSwitch(formatSwitch(true)), true);
  assertEquals(parseSwitch(formatSwitch(false)), false);
});

Deno.test("No codec throws on garbage", () => {
  const kinds = Object.keys(VALUE_KINDS);
  fc.assert(
    fc.property(anyGarbage, (text) => {
      for (const kind of kinds) {
        // The keys of the record are exactly the kinds.
        isValueOf(kind as ValueKind, text);
      }
      selfText(text);
      previousText(text);
      isStorableValue(text);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("What parses formats to a value of the same meaning", () => {
  fc.assert(
    fc.property(anyGarbage, (text) => {
      const version = parseVersion(text);
      if (version === undefined) return;
      assertEquals(parseVersion(textOf(version)), version);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("parseReplay() reads values of the original", () => {
  assertEquals(parseReplay("log-000000002-beta,1048576,2097152"), {
    log: { sequence: 2, host: "beta" },
    startBytes: 1048576,
    dirtyBytes: 2097152,
  });
});

Deno.test("parseVersion() reads a first log without predecessor", () => {
  const value = "c9c9ede02a26379e6cdfc2ab01b11882,log-000000001-hosta,0:";
  assertEquals(parseVersion(value), {
    self: {
      digest: "c9c9ede02a26379e6cdfc2ab01b11882",
      log: { sequence: 1, host: "hosta" },
      endBytes: 0,
    },
    previous: undefined,
  });
  assertEquals(selfText(value), value.slice(0, -1));
  assertEquals(previousText(value), "");
});

const MALFORMED: readonly (readonly [ValueKind, string])[] = [
  ["replay", "log-000000002-beta,1048576"],
  ["replay", "log-000000002-beta,1048576,-1"],
  ["replay", "log-000000002-beta,1048576,1,"],
  ["replay", "log-000000002-beta,01,0"],
  ["replay", "log-000000002-beta,9007199254740991,1"],
  ["replay", "log-000000002-beta,9007199254740993,0"],
  ["replay", "log--beta,0,0"],
  ["replay", " log-000000002-beta,0,0"],
  ["version", "c9c9ede02a26379e6cdfc2ab01b11882,log-000000001-hosta,0"],
  ["version", "C9C9EDE02A26379E6CDFC2AB01B11882,log-000000001-hosta,0:"],
  ["version", "c9c9,log-000000001-hosta,0:"],
  ["version", "c9c9ede02a26379e6cdfc2ab01b11882,log-000000001-hosta,0:x"],
  ["stamp", "1795351445"],
  ["stamp", "1795351445.1"],
  ["stamp", "-1.000000000"],
  ["count", "0x10"],
  ["count", "1e3"],
  ["count", "9007199254740992"],
  ["count", ""],
  ["integer", "--1"],
  ["percent", "101"],
  ["switch", "2"],
  ["switch", "01"],
  ["features", "4,5,071f0000"],
  ["features", "4,5,0x1071f0000"],
  ["message", "OKAY"],
  ["message", "1.000000000 text"],
  ["host", "none"],
  ["host", "a/b"],
  ["path", "dev/sda"],
  ["address", "10.0.0"],
  ["address", "10.0.0.256"],
  ["address", "10.0.0.1:"],
  ["address", "10.0.0.1:0"],
  ["address", "10.0.0.1:65536"],
  ["address", "[10.0.0.1]"],
  ["address", "[::1"],
  ["address", "1::2::3"],
  ["address", "1:2:3:4:5:6:7:8:9"],
  ["address", "-host"],
  ["acknowledge", "always"],
  ["verify", "1,2,3"],
  ["text", ""],
  ["tombstone", "0"],
];

for (const [kind, value] of MALFORMED) {
  Deno.test(`isValueOf() refuses "${value}" as ${kind}`, () => {
    assertEquals(isValueOf(kind, value), false);
  });
}

Deno.test("isValueOf() lets a tombstone stand for every kind", () => {
  assertEquals(isValueOf("version", TOMBSTONE), true);
});

Deno.test("isHostAddress() knows addresses, names and ports", () => {
  for (
    const value of [
      "10.0.0.1",
      "10.0.0.1:7777",
      "[fe80::1]:7777",
      "[::1]",
      "::1",
      "::ffff:10.0.0.1",
      "alpha.example:7777",
    ]
  ) assertEquals(isHostAddress(value), true, value);
});

Deno.test("formatCount() asserts what cannot be a count", () => {
  assertThrows(() => formatCount(-1), AssertionError);
  assertThrows(() => formatCount(0.5), AssertionError);
  assertThrows(() => formatCount(2 ** 53), AssertionError);
});

Deno.test("formatMessage() keeps control characters off terminals", () => {
  const message = formatMessage({
    kind: "text",
    realNs: 1n,
    stampNs: 2n,
    text: "a\nb\u001b[2J",
  });
  assertEquals(message, "0.000000001 0.000000002 a b [2J");
});

Deno.test("byteLengthOf() equals what an encoder makes", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assertEquals(byteLengthOf(text), new TextEncoder().encode(text).length);
  }));
});

Deno.test("truncateValue() gives the longest storable prefix", () => {
  fc.assert(fc.property(
    fc.string({ unit: "grapheme", minLength: 300, maxLength: 1200 }),
    (text) => {
      const cut = truncateValue(text);
      assertEquals(isStorableValue(cut), true);
      assertEquals(text.startsWith(cut), true);
      const next = [...text.slice(cut.length)][0] ?? "";
      const isWhole = cut === text;
      const isLongest = byteLengthOf(cut + next) > VALUE_BYTES_MAX;
      assertEquals(isWhole || isLongest, true);
    },
  ));
});
