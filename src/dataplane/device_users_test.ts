/** The words for those who use a device. */
import { assertEquals } from "@std/assert";
import { usersText } from "./device_users.ts";

Deno.test("usersText() names the first three, and counts the rest", () => {
  const opener = (pid: number, command: string) => ({ pid, command, count: 1 });
  assertEquals(usersText([], []), "");
  assertEquals(usersText(["swap"], []), "swap");
  assertEquals(
    usersText(['mounted on "/a"'], [opener(7, "fio"), opener(8, "")]),
    'mounted on "/a", "fio" (pid 7), process 8, which has ended',
  );
  assertEquals(
    usersText(['mounted on "/a"', "swap"], [
      opener(7, "fio"),
      opener(8, "dd"),
      opener(9, "dd"),
    ]),
    'mounted on "/a", swap, "fio" (pid 7), and 2 more',
  );
});

Deno.test("usersText() cuts what is too long for a link", () => {
  const text = usersText([`mounted on "/${"x".repeat(5_000)}"`], []);
  assertEquals(text.length, 121);
  assertEquals(text.endsWith("…"), true);
});
