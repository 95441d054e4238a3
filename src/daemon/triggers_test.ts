import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { LOOK, parseTriggers, type Places, type Trigger } from "./triggers.ts";

const LINKS = new Set(["ips/ip-alpha", "resource-x/data-beta8"]);

const PLACES: Places = {
  linkOf: (text) =>
    /^\/mars\/[a-z].*[^/]$/.test(text)
      ? text.slice("/mars/".length)
      : undefined,
  directoryOf: (text) => {
    if (text === "/") return "";
    return /^\/mars\/probe-[a-z0-9]+$/.test(text)
      ? text.slice("/mars/".length)
      : undefined;
  },
  isKnown: (path) => path === "" || path === "probe-alpha" || LINKS.has(path),
};

const parse = (text: string): Trigger[] => parseTriggers(text, PLACES);
const look = (mask: number): Trigger => ({ kind: "look", mask });
const push = (path: string): Trigger => ({
  kind: "push",
  peer: "beta",
  address: undefined,
  value: "1",
  path,
});

const TELL = LOOK.here | LOOK.tell;
const EVERYWHERE = TELL | LOOK.ask | LOOK.tellAll;
const FULLY = EVERYWHERE | LOOK.full;

Deno.test("parseTriggers() knows every message", () => {
  assertEquals(parse("1"), [look(LOOK.here)]);
  assertEquals(parse("2"), [look(TELL)]);
  assertEquals(parse("3"), [look(EVERYWHERE)]);
  assertEquals(parse("7"), [look(EVERYWHERE)]);
  assertEquals(parse("8"), [look(FULLY)]);
  assertEquals(parse("99"), [look(FULLY)]);
  assertEquals(parse("t 6"), [look(LOOK.ask | LOOK.tell)]);
  assertEquals(parse("p beta 1 /mars/ips/ip-alpha"), [push("ips/ip-alpha")]);
  assertEquals(parse("P beta 10.0.0.1 /dev/x /mars/resource-x/data-beta8"), [{
    kind: "push",
    peer: "beta",
    address: "10.0.0.1",
    value: "/dev/x",
    path: "resource-x/data-beta8",
  }]);
  assertEquals(parse("c beta 10.0.0.1 /mars/uuid"), [
    { kind: "check", peer: "beta", address: "10.0.0.1", path: "uuid" },
  ]);
  assertEquals(parse("f beta 10.0.0.1 /"), [
    { kind: "fetch", peer: "beta", address: "10.0.0.1", directory: "" },
  ]);
  assertEquals(parse("L a text 8"), [{ kind: "note", text: "a text 8" }]);
});

Deno.test("parseTriggers() takes grown numbers as more than was asked", () => {
  assertEquals(parse("13"), [look(FULLY)]);
  assertEquals(parse("t 42"), [look(FULLY)]);
});

Deno.test("parseTriggers() cuts messages that have grown together", () => {
  assertEquals(parse("2p beta 1 /mars/ips/ip-alpha8"), [
    look(TELL),
    push("ips/ip-alpha"),
    look(FULLY),
  ]);
  assertEquals(
    parse("p beta 1 /mars/ips/ip-alphap beta 1 /mars/resource-x/data-beta8"),
    [push("ips/ip-alpha"), push("resource-x/data-beta8")],
  );
  assertEquals(parse("f beta 10.0.0.1 /mars/probe-alpha8"), [
    {
      kind: "fetch",
      peer: "beta",
      address: "10.0.0.1",
      directory: "probe-alpha",
    },
    look(FULLY),
  ]);
  assertEquals(parse("f beta 10.0.0.1 /3"), [
    { kind: "fetch", peer: "beta", address: "10.0.0.1", directory: "" },
    look(EVERYWHERE),
  ]);
});

Deno.test("parseTriggers() takes a name that ends in a digit if it is known", () => {
  assertEquals(parse("p beta 1 /mars/resource-x/data-beta8"), [
    push("resource-x/data-beta8"),
  ]);
});

Deno.test("parseTriggers() pushes nothing in doubt", () => {
  assertEquals(parse("p beta 1 /mars/ips/ip-gamma8"), [look(EVERYWHERE)]);
  assertEquals(parse("p beta"), [look(TELL)]);
  assertEquals(parse("p beta 1 /etc/passwd"), [look(TELL)]);
  assertEquals(parse("garbage"), [look(TELL)]);
});

Deno.test("parseTriggers() believes a path between newlines", () => {
  assertEquals(parse("\np beta 1 /mars/ips/ip-gamma8\n"), [
    push("ips/ip-gamma8"),
  ]);
  assertEquals(parse("\nt 12\n"), [look(LOOK.tell | LOOK.tellAll)]);
});

Deno.test("parseTriggers() never pushes what nobody asked for", () => {
  const message = fc.constantFrom(
    "1",
    "2",
    "3",
    "8",
    "t 5",
    "p beta 1 /mars/ips/ip-alpha",
    "p beta 1 /mars/resource-x/data-beta8",
    "f beta 10.0.0.1 /mars/probe-alpha",
  );
  const asked = new Set(["ips/ip-alpha", "resource-x/data-beta8"]);
  fc.assert(fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
    for (const trigger of parse(messages.join(""))) {
      if (trigger.kind === "push") assertEquals(asked.has(trigger.path), true);
      if (trigger.kind === "fetch") {
        assertEquals(trigger.directory, "probe-alpha");
      }
    }
  }));
});

Deno.test("parseTriggers() ends soon whatever it is given", () => {
  const text = "p a b /mars/xp a b /mars/x8".repeat(300);
  assertEquals(parse(text).length > 0, true);
  assertEquals(parse("9".repeat(100_000)), [look(TELL)]);
});
