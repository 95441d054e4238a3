import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import {
  type ClassTraffic,
  formatTraffic,
  logLimitKib,
  parseLineTimeout,
  parseTos,
  parseTraffic,
} from "./traffic.ts";

const anyKib = fc.integer({ min: 0, max: 1e9 });
const anyLimit = fc.option(anyKib, { nil: undefined });
const anyRow: fc.Arbitrary<ClassTraffic> = fc.record({
  trafficClass: fc.constantFrom("meta", "log", "sync"),
  sentKib: anyKib,
  sendLimitKib: anyLimit,
  receivedKib: anyKib,
  receiveLimitKib: anyLimit,
});

Deno.test("parseTraffic() reads what formatTraffic() writes", () => {
  fc.assert(fc.property(fc.array(anyRow), (rows) => {
    assertEquals(parseTraffic(formatTraffic(rows)), rows);
  }));
});

Deno.test("logLimitKib() is the smaller limit of both ends", () => {
  const limitOf = (links: Readonly<Record<string, string>>) => {
    const snapshot = snapshotOf(links);
    return logLimitKib(snapshot, { from: "alpha", to: "beta" });
  };
  const sends = { "actual-alpha/traffic-beta": "sync 0/1 0/-,log 0/20 0/7" };
  const takes = { "actual-beta/traffic-alpha": "log 0/5 0/30" };
  assertEquals(limitOf({}), undefined);
  assertEquals(limitOf({ "actual-alpha/traffic-beta": "-" }), undefined);
  assertEquals(limitOf(sends), 20);
  assertEquals(limitOf(takes), 30);
  assertEquals(limitOf({ ...sends, ...takes }), 20);
  assertEquals(limitOf({ "actual-alpha/traffic-beta": "junk" }), undefined);
});

Deno.test("parseTraffic() leaves out what it cannot read", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    parseTraffic(text);
  }));
  assertEquals(parseTraffic("-"), []);
  assertEquals(parseTraffic("log 1/2 3/x,log 1/2 3/-").length, 1);
});

Deno.test("parseTos() knows names and leaves the bits of congestion alone", () => {
  assertEquals(parseTos("cs2"), 64);
  assertEquals(parseTos("AF11"), 40);
  assertEquals(parseTos("le"), 4);
  assertEquals(parseTos("ef"), 184);
  assertEquals(parseTos("16"), 16);
  assertEquals(parseTos("2"), 0);
  assertEquals(parseTos("255"), 252);
  for (const text of ["256", "-1", "", "gold", "af14", "0x10"]) {
    assertEquals(parseTos(text), undefined, text);
  }
});

Deno.test("parseLineTimeout() takes seconds within bounds", () => {
  assertEquals(parseLineTimeout("2"), 2);
  assertEquals(parseLineTimeout("600"), 600);
  for (const text of ["1", "601", "1.5", "", "-5", "9999"]) {
    assertEquals(parseLineTimeout(text), undefined, text);
  }
});
