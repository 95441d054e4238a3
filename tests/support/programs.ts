/** Programs of the system, as tests use them. */
import { MarsError } from "../../src/base/errors.ts";

/** What a program that must succeed says, without the last line's end. */
export function command(program: string, ...words: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, {
    args: words,
  }).outputSync();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout).trim();
  const text = decoder.decode(stderr).trim();
  throw new MarsError(`${program} ${words.join(" ")}: ${text}`);
}
