import { assertEquals } from "@std/assert";
import { Turns } from "./turns.ts";

/** Whether `wait` has ended after whatever is ready has run. */
async function hasEnded(waiting: Promise<boolean>): Promise<boolean> {
  const late = new Promise<boolean>((resolve) =>
    setTimeout(() => resolve(false), 0)
  );
  return await Promise.race([waiting.then(() => true), late]);
}

Deno.test("Turns.wait() ends when the peer has led an exchange to its end", async () => {
  const turns = new Turns();
  const waiting = turns.wait("beta", new AbortController().signal);
  turns.heard("beta", true);
  assertEquals(await hasEnded(waiting), false);
  turns.done("gamma");
  assertEquals(await hasEnded(waiting), false);
  turns.done("beta");
  assertEquals(await waiting, true);
});

Deno.test("Turns.wait() ends when nothing is heard of the peer", async () => {
  const turns = new Turns();
  assertEquals(await turns.wait("beta", new AbortController().signal), false);
});

Deno.test("Turns.wait() does not count an exchange that had begun before", async () => {
  const turns = new Turns();
  turns.heard("beta", true);
  const waiting = turns.wait("beta", new AbortController().signal);
  turns.heard("beta", false);
  turns.done("beta");
  assertEquals(await waiting, false);
});

Deno.test("Turns.wait() ends when the line does", async () => {
  const turns = new Turns();
  const cancel = new AbortController();
  const waiting = turns.wait("beta", cancel.signal);
  turns.heard("beta", true);
  cancel.abort();
  assertEquals(await waiting, false);
});
