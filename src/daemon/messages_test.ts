import { assertEquals } from "@std/assert";
import { Snapshot } from "../tree/snapshot.ts";
import { Messages, messagesLeftBehind } from "./messages.ts";

const S = 1_000_000_000n;

/** Both clocks; the Lamport clock is an hour ahead. */
function at(seconds: number): {
  nowMs: number;
  realNs: bigint;
  stampNs: bigint;
} {
  const realNs = BigInt(seconds) * S;
  return { nowMs: seconds * 1000, realNs, stampNs: realNs + 3600n * S };
}

const KEY = "err-x";

Deno.test("Messages keep the time of the first occurrence", () => {
  const messages = new Messages([]);
  const first = "100.000000000 3700.000000000";
  assertEquals(messages.update([{ key: KEY, text: "one" }], at(100)), [
    [KEY, `${first} one`],
  ]);
  assertEquals(messages.update([{ key: KEY, text: "one" }], at(101)), []);
  assertEquals(messages.update([{ key: KEY, text: "two" }], at(102)), [
    [KEY, `${first} two`],
  ]);
});

Deno.test("Messages are kept for a while, then OK", () => {
  const messages = new Messages([]);
  messages.update([{ key: KEY, text: "one" }], at(100));
  assertEquals(messages.update([], at(200)), []);
  assertEquals(messages.update([], at(209)), []);
  assertEquals(messages.update([], at(210)), [[KEY, "OK"]]);
  assertEquals(messages.update([], at(300)), []);
  assertEquals(messages.update([{ key: KEY, text: "one" }], at(400)), [
    [KEY, "400.000000000 4000.000000000 one"],
  ]);
});

Deno.test("Messages about connections vanish", () => {
  const key = "needed-connection-with-beta";
  const messages = new Messages([]);
  messages.update([{ key, text: "CONNECTED" }], at(100));
  messages.update([], at(101));
  assertEquals(messages.update([], at(111)), [[key, ".deleted"]]);
});

Deno.test("Messages about connections begin anew when a line ends", () => {
  const key = "needed-connection-with-beta";
  const messages = new Messages([]);
  messages.update([{ key, text: "CONNECTED" }], at(100));
  const ended = "200.000000000 3800.000000000";
  for (const reason of ["refused", "no answer"]) {
    const text = `NOT connected: ${reason}`;
    const seconds = reason === "refused" ? 200 : 300;
    assertEquals(messages.update([{ key, text }], at(seconds)), [
      [key, `${ended} ${text}`],
    ]);
  }
});

Deno.test("Messages of one key stand behind one another", () => {
  const messages = new Messages([]);
  const obstacles = [{ key: KEY, text: "one" }, { key: KEY, text: "two" }];
  assertEquals(messages.update(obstacles, at(1))[0]?.[1].slice(-8), " one,two");
});

Deno.test("Messages of an earlier daemon go on or end", () => {
  const value = "5.000000000 6.000000000 one";
  const snapshot = new Snapshot([
    { path: "actual-a/msg-err-x", value, stampNs: 1n },
    { path: "actual-a/msg-err-y", value: "garbage", stampNs: 1n },
    { path: "actual-a/msg-err-z", value: "OK", stampNs: 1n },
    { path: "actual-a/msg-err-w", value: ".deleted", stampNs: 1n },
  ]);
  const messages = new Messages(messagesLeftBehind(snapshot, "actual-a/msg-"));
  assertEquals(messages.update([{ key: KEY, text: "one" }], at(100)), []);
  assertEquals(messages.update([{ key: KEY, text: "two" }], at(101)), [
    [KEY, "5.000000000 6.000000000 two"],
  ]);
  assertEquals(messages.update([], at(111)), [["err-y", "OK"]]);
});
