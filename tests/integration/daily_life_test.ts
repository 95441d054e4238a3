/** The shell script that walks through the daily life of two hosts. */
import { assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("A day in the life of two hosts", async () => {
  const { code, stdout, stderr } = await new Deno.Command(
    `${ROOT}tests/daily_life.sh`,
    { args: [`${ROOT}build/mars`], stdout: "piped", stderr: "piped" },
  ).output();
  const text = new TextDecoder();
  const said = `${text.decode(stdout)}${text.decode(stderr)}`;
  assertEquals(code, 0, said);
});
