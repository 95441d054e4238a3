import { assertEquals } from "@std/assert";
import {
  evaluate,
  type Links,
  MacroWorld,
} from "../../../tests/support/macro_world.ts";

const LINKS: Links = {
  "ips/ip-hosta": "10.0.0.1",
  "ips/ip-hostb": "10.0.0.2",
  "ips/ip-hostd": ".deleted",
  "resource-res1/data-hosta": "/dev/a",
  "resource-res1/device-hosta": "res1",
  "resource-res1/data-hostc": "/dev/c",
  "resource-res1/device-hostb": "res1",
  "resource-res10/data-hostb": "/dev/b",
  "resource-res10/device-hosta": "res10",
  "resource-res2/data-hosta": "/dev/a",
  "resource-res2/device-hosta": "res2",
  "resource-gone/data-hosta": ".deleted",
};

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%my-resources{}", "res1\nres2\nres10"],
  ["%my-members{}", "res1\nres2"],
  ["%my-guests{}", "res10"],
  ["%my-guests{hostb}", "res1"],
  ["%all-resources{}", "res1\nres2\nres10"],
  ["%all-guests{}", "res1\nres10"],
  ["%count-my-resources{}%count-all-members{}", "33"],
  ["%cluster-peers{}", "hosta\nhostb"],
  ["%resource-peers{}", "hosta\nhostc"],
  ["%guest-peers{}", "hostb"],
  ["%configured-peers{}", "hosta\nhostb\nhostc"],
  ["%count-configured-peers{}%count-cluster-peers{}", "32"],
  [
    "%foreach{res}{%my-members{}}{%{res}:%count-resource-peers{} }",
    "res1:2 res2:1 ",
  ],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text, new MacroWorld(LINKS)), expected);
  });
}

Deno.test("Hosts that left count only when asked for", () => {
  const world = new MacroWorld(LINKS);
  world.countsDeletedPeers = true;
  assertEquals(evaluate("%cluster-peers{}", world), "hosta\nhostb\nhostd");
});
