import { assertEquals } from "@std/assert";
import { Turns } from "./turns.ts";

/** Whether `wait` has ended after whatever is ready has run. */
async function hasEnded(waiting: Promise<void>): Promise<boolean> {
  const late = new Promise<boolean>((resolve) =>
    setTimeout(() => resolve(false), 0)
  );
  return await Promise.race([waiting.then(() => true), late]);
}

Deno.test("Turns.wait() ends when the peer has led an exchange to its end", async () => {
  const turns = new Turns();
  const waiting = turns.wait("beta", new AbortController().signal);
  turns.heard("beta");
  assertEquals(await hasEnded(waiting), false);
  turns.done("gamma");
  assertEquals(await hasEnded(waiting), false);
  turns.done("beta");
  await waiting;
});

Deno.test("Turns.wait() ends when nothing is heard of the peer", async () => {
  const turns = new Turns();
  await turns.wait("beta", new AbortController().signal);
});

Deno.test("Turns.wait() ends when the line does", async () => {
  const turns = new Turns();
  const cancel = new AbortController();
  const waiting = turns.wait("beta", cancel.signal);
  turns.heard("beta");
  cancel.abort();
  await waiting;
});
