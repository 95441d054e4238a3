import { assert } from "@std/assert";
import { systemClock } from "./time.ts";

Deno.test("systemClock.realNs() grows from call to call", () => {
  let beforeNs = systemClock.realNs();
  for (let call = 0; call < 100_000; call++) {
    const nowNs = systemClock.realNs();
    assert(nowNs > beforeNs, `${nowNs} after ${beforeNs}`);
    beforeNs = nowNs;
  }
});
