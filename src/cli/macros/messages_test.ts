import { assertEquals } from "@std/assert";
import { evaluate, MacroWorld } from "../../../tests/support/macro_world.ts";

const STAMPS = "1.000000000 2.000000000";
const LINKS = {
  "actual-hosta/msg-wrn-space": `${STAMPS} low`,
  "resource-res1/actual-hosta/msg-err-b": `${STAMPS} bad\x1b[2J`,
  "resource-res1/actual-hosta/msg-err-a": "OK",
  "resource-res1/actual-hosta/msg-inf-c": "garbage",
  "resource-res1/actual-hosta/msg-wrn-d": ".deleted",
  "resource-res1/actual-hostb/msg-wrn-e": `${STAMPS} other`,
};

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%all-msg{}", `err-a: OK\nerr-b: ${STAMPS} bad?[2J\ninf-c: garbage`],
  ["%the-msg{}", `err-b: ${STAMPS} bad?[2J\ninf-c: garbage`],
  [
    "%the-pretty-err-msg{}",
    "err-b: 2026-11-22 12:49:30 2026-11-22 12:49:30 bad?[2J",
  ],
  ["%all-err-msg-count{}%the-err-msg-count{}%the-wrn-msg-count{}", "210"],
  ["%the-wrn-msg{hostb}", `wrn-e: ${STAMPS} other`],
  ["%the-global-wrn-msg{}", `wrn-space: ${STAMPS} low`],
  ["%the-global-msg-count{}%all-global-err-msg-count{}", "10"],
  ["%get-resource-err{} %get-resource-err-count{}", "one\ntwo 2"],
  ["%get-resource-fat-count{}%get-log-status{}", "0status"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    const world = new MacroWorld(LINKS);
    world.files.set("res1/error", "one\ntwo\n");
    world.files.set("res1/log", "status\n");
    assertEquals(evaluate(text, world), expected);
  });
}

Deno.test("Messages of the host need no resource", () => {
  const text = evaluate("%the-global-msg{}", new MacroWorld(LINKS), {
    res: "",
  });
  assertEquals(text, `wrn-space: ${STAMPS} low`);
});
