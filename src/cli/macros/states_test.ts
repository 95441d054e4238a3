import { assertEquals, assertThrows } from "@std/assert";
import {
  evaluate,
  type Links,
  MacroWorld,
  snapshotOf,
} from "../../../tests/support/macro_world.ts";
import { TimeoutError } from "../../base/errors.ts";
import { MacroError } from "./run.ts";

const LINKS: Links = {
  "ips/ip-hosta": "10.0.0.1",
  "ips/ip-hostb": "10.0.0.2",
  "actual-hosta/time": "1.000000000",
  "actual-hostb/time": ["1.000000000", 61n],
  "resource-res1/size": "4096",
  "resource-res1/primary": "hostb",
  "resource-res1/data-hosta": "/dev/a",
  "resource-res1/data-hostb": "/dev/b",
  "resource-res1/device-hostc": "res1",
  "resource-res1/todo-hosta/connect": "1",
  "resource-res1/todo-hosta/emergency-limit": "20",
  "resource-res1/actual-hosta/is-attached": "1",
  "resource-res1/actual-hosta/is-copying": "1",
  "resource-res1/actual-hosta/replay-code": "-74,-10101,0x00",
  "resource-res1/actual-hosta/disk-error": "\x1b[31m",
  "resource-res1/actual-hostb/is-attached": "1",
  "resource-res1/actual-hostb/is-primary": "1",
};

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%is-attach{}%is-fetch{}%is-replay{}%is-primary{}", "1100"],
  ["%is-primary{hostb}%is-secondary{}%is-secondary{hostb}", "110"],
  ["%does{copy}%does{attached}%does{primary}{hostb}", "111"],
  ["%nr-attach{}%nr-primary{}%nr-secondary{}", "211"],
  ["%todo-fetch{}%todo{connect}%todo{fetch}%todo-attach{}", "1110"],
  ["%todo{emergency-limit}", "1"],
  ["%get-primary{} %actual-primary{}", "hostb hostb"],
  ["[%todo-primary{}%todo-primary{hostb}%todo-secondary{}]", "[11]"],
  ["%is-member{}%is-member{res1}{hostc}%is-guest{}{hostc}%is-guest{}", "1010"],
  ["%is-alive{}%is-alive{hosta}%is-alive{hostc}", "010"],
  ["%let{window}{62}%is-alive{}", "1"],
  ["%is-module-loaded{}%is-module-loaded{hostb}", "10"],
  ["%replay-code{} [%disk-error{}]", "-74,-10101,0x00 []"],
  [
    "%errno-text{-5}%errno-text{0}%errno-text{111}",
    "[EIO:Input/output_error][ECONNREFUSED:Connection_refused]",
  ],
  ["%errno-text{-85,-10101}", "[ERESTART:Incomplete_log]"],
  ["%errno-text{4000}", "[errno_4000:unknown]"],
  ["%let{host}{hostb}%is-primary{}", "1"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    assertEquals(evaluate(text, new MacroWorld(LINKS)), expected);
  });
}

Deno.test("does{} refuses an unknown state, naming those it knows", () => {
  assertThrows(
    () => evaluate("%does{fly}", new MacroWorld(LINKS)),
    MacroError,
    'there is no state "fly"; there are: attach, sync',
  );
});

Deno.test("A state that a daemon should have told is noted as missing", () => {
  const world = new MacroWorld(LINKS);
  evaluate("%is-sync{}%is-attach{}%is-sync{hostc}", world);
  assertEquals([...world.report("res1", "hosta").facts.missing], [
    "resource-res1/actual-hosta/is-syncing",
  ]);
});

/** A world in which `links` appear at the second look. */
function changing(links: Links): MacroWorld {
  const world = new MacroWorld(LINKS);
  world.onSleep = () => {
    world.snapshot = snapshotOf({ ...LINKS, ...links });
  };
  return world;
}

Deno.test("wait-… returns as soon as it holds", () => {
  const world = changing({
    "resource-res1/actual-hosta/is-syncing": "1",
    "resource-res1/todo-hosta/connect": "0",
    "resource-res1/primary": "hosta",
  });
  const text =
    "%wait-is-sync-on{}%wait-todo-fetch-off{}%wait-todo-primary-on{}";
  assertEquals(evaluate(`${text}done`, world), "done");
});

Deno.test("wait{} takes any condition", () => {
  const world = changing({ "resource-res1/primary": "(none)" });
  assertEquals(evaluate("%wait{%!{%get-primary{}}}done", world), "done");
});

Deno.test("wait-… gives up after the timeout, with its own exit code", () => {
  assertThrows(
    () =>
      evaluate("%wait-is-sync-on{}", new MacroWorld(LINKS), { timeout: "3" }),
    TimeoutError,
    "Gave up after 3 s waiting: is-sync-on does not hold",
  );
});

Deno.test("wait-cluster waits for those who are alive, not for the dead", () => {
  const world = changing({ "actual-hosta/time": ["1.000000000", -1n] });
  world.host = "hostb";
  assertEquals(evaluate("%wait-cluster{}done", world), "done");
  const alone = new MacroWorld(LINKS);
  assertEquals(evaluate("%wait-cluster{}done", alone), "done");
});
