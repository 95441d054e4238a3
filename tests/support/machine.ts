/** What the kernel shows below /proc and /sys, as a test has laid it out. */
import { dirname } from "@std/path";
import type { Shown } from "../../src/device/openers.ts";

/** Files by path; a value that begins with "->" is a link. */
export function machine(
  files: Readonly<Record<string, string>>,
): Shown & Disposable {
  const root = Deno.makeTempDirSync();
  for (const [path, text] of Object.entries(files)) {
    const place = `${root}/${path}`;
    Deno.mkdirSync(dirname(place), { recursive: true });
    if (text.startsWith("->")) Deno.symlinkSync(text.slice(2), place);
    else Deno.writeTextFileSync(place, text);
  }
  return {
    proc: `${root}/proc`,
    sys: `${root}/sys`,
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}
