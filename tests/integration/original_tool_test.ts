/** The shell script that plays the original's admin tool on two hosts. */
import { assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("The original's tool finds what it reads and waits for", async () => {
  const { code, stdout, stderr } = await new Deno.Command(
    `${ROOT}tests/original_tool.sh`,
    {
      args: [Deno.execPath(), "run", "--allow-all", `${ROOT}main.ts`],
      stdout: "piped",
      stderr: "piped",
    },
  ).output();
  const text = new TextDecoder();
  const said = `${text.decode(stdout)}${text.decode(stderr)}`;
  assertEquals(code, 0, said);
});
