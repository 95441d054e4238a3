/** When it is a warning that something ends again and again. */
import { assertEquals } from "@std/assert";
import { Standstill } from "./standstill.ts";

Deno.test("Standstill warns after three tries that got nowhere", () => {
  const standstill = new Standstill();
  const seen = [5, 5, 5, 5, 6, 6, 6].map((reachedBytes) => {
    standstill.ended(reachedBytes);
    return standstill.severity;
  });
  assertEquals(seen, ["inf", "inf", "wrn", "wrn", "inf", "inf", "wrn"]);
  standstill.over();
  assertEquals(standstill.severity, "inf");
});
