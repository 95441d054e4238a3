/** When it is looked who has a device open. */
import { assertEquals } from "@std/assert";
import { DeviceUsers } from "./device_users.ts";

function users(): {
  text: (openCount: number, isWanted: boolean) => string;
  passMs: (durationMs: number) => void;
  ask: () => void;
  looks: string[];
} {
  const looks: string[] = [];
  let nowMs = 0;
  const users = new DeviceUsers({
    look: (isThorough) => {
      looks.push(isThorough ? "all" : "kernel");
      return `look ${looks.length}`;
    },
    monotonicMs: () => nowMs,
  });
  return {
    text: (openCount, isWanted) => users.text({ openCount, isWanted }),
    passMs: (durationMs) => nowMs += durationMs,
    ask: () => users.ask(),
    looks,
  };
}

Deno.test("DeviceUsers looks at nothing while nobody has it open", () => {
  const { text, passMs, looks } = users();
  assertEquals(text(0, true), "");
  passMs(100_000);
  assertEquals(text(0, false), "");
  assertEquals(looks, []);
});

Deno.test("DeviceUsers looks when it is opened, and then seldom", () => {
  const { text, passMs, ask, looks } = users();
  assertEquals(text(1, true), "look 1");
  passMs(29_000);
  assertEquals(text(1, true), "look 1");
  passMs(1_000);
  assertEquals(text(1, true), "look 2");
  ask();
  assertEquals(text(1, true), "look 3");
  assertEquals(text(0, true), "");
  assertEquals(looks, ["kernel", "kernel", "kernel"]);
});

Deno.test("DeviceUsers looks at everybody, and often, while it is in the way", () => {
  const { text, passMs, looks } = users();
  text(1, true);
  assertEquals(text(1, false), "look 2");
  passMs(1_999);
  assertEquals(text(1, false), "look 2");
  passMs(1);
  assertEquals(text(1, false), "look 3");
  assertEquals(looks, ["kernel", "all", "all"]);
});
