import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseRateSchedule, rateAt } from "./rate_schedule.ts";
import { NS_PER_MS, weekTimeOf } from "./time.ts";

const MON = 0;
const FRI = 4;
const SAT = 5;
const SUN = 6;

function at(text: string, day: number, time: string): number | undefined {
  const [hours = "", minutes = ""] = time.split(":");
  return rateAt(parseRateSchedule(text) ?? [], {
    day,
    minute: Number(hours) * 60 + Number(minutes),
  });
}

Deno.test("rateAt() goes by time of day, the end exclusive", () => {
  const text = "08:00-18:00=10M,=100M";
  assertEquals(at(text, MON, "07:59"), 100 * 2 ** 20);
  assertEquals(at(text, MON, "08:00"), 10 * 2 ** 20);
  assertEquals(at(text, MON, "17:59"), 10 * 2 ** 20);
  assertEquals(at(text, MON, "18:00"), 100 * 2 ** 20);
});

Deno.test("rateAt() is unlimited where no rule matches, and with 0", () => {
  assertEquals(at("08:00-18:00=10M", SUN, "20:00"), undefined);
  assertEquals(at("Sat-Sun=0,=20k", SAT, "12:00"), undefined);
  assertEquals(at("Sat-Sun=0,=20k", FRI, "12:00"), 20_000);
  assertEquals(at("0", FRI, "12:00"), undefined);
});

Deno.test("rateAt() gives hours past midnight to the day they begin on", () => {
  const text = "Fri/22:00-06:00=1M,=2M";
  assertEquals(at(text, FRI, "05:00"), 2 * 2 ** 20);
  assertEquals(at(text, FRI, "23:00"), 2 ** 20);
  assertEquals(at(text, SAT, "05:59"), 2 ** 20);
  assertEquals(at(text, SAT, "06:00"), 2 * 2 ** 20);
  assertEquals(at(text, SAT, "23:00"), 2 * 2 ** 20);
});

Deno.test("rateAt() takes days that go past Sunday", () => {
  assertEquals(at("Sat-Mon=5K", MON, "12:00"), 5120);
  assertEquals(at("Sat-Mon=5K", SUN, "12:00"), 5120);
  assertEquals(at("Sat-Mon=5K", FRI, "12:00"), undefined);
});

Deno.test("parseRateSchedule() takes one rate for ever", () => {
  assertEquals(at("1.5m", MON, "00:00"), 1_500_000);
  assertEquals(at("00:00-24:00=1G", MON, "23:59"), 2 ** 30);
});

Deno.test("parseRateSchedule() refuses what is none", () => {
  for (
    const text of [
      "",
      ",",
      "fast",
      "-1",
      "100", // bytes per second: nothing would live
      "10M,",
      "8-18=10M",
      "08:00-18:60=10M",
      "25:00-26:00=10M",
      "08:00-08:00=10M",
      "Foo=10M",
      "Mon-Tue-Wed=10M",
      "Mon/=10M",
      "Mon08:00-09:00=10M",
      "08:00-18:00=10M=20M",
      "10Mbit",
      "9".repeat(30),
      new Array(65).fill("1M").join(","),
    ]
  ) {
    assertEquals(parseRateSchedule(text), undefined, text);
  }
});

Deno.test("parseRateSchedule() survives any text", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const schedule = parseRateSchedule(text) ?? [];
    const rate = rateAt(schedule, { day: 0, minute: 0 });
    return rate === undefined || rate >= 1024;
  }));
});

Deno.test("weekTimeOf() begins the week on Monday, in local time", () => {
  const realNs = (...at: [number, number]): bigint =>
    BigInt(new Date(2026, 10, 22, ...at).getTime()) * NS_PER_MS;
  assertEquals(weekTimeOf(realNs(13, 5)), {
    day: SUN,
    minute: 13 * 60 + 5,
  });
  assertEquals(weekTimeOf(realNs(24, 0)).day, MON);
});
