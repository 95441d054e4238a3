/**
 * The build that was released last, out of the history of this checkout.
 *
 * `tests/released` names its commit. The sources are unpacked below `build/`,
 * with a shim of their own, and run with the same Deno. Nothing of it is in the
 * repository but the name; a checkout without history cannot have it.
 */
import { MarsError } from "../../src/base/errors.ts";
import { isThere } from "../../src/base/remove.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** Its `main.ts`, or why it cannot be had. */
export type Released =
  | { readonly kind: "main"; readonly path: string }
  | { readonly kind: "none"; readonly reason: string };

/** The program of the commit that `tests/released` names. */
export async function releasedMain(): Promise<Released> {
  const commit = (await Deno.readTextFile(`${ROOT}tests/released`)).trim();
  const directory = `${ROOT}build/released-${commit.slice(0, 12)}`;
  const path = `${directory}/main.ts`;
  if (isThere(path)) return { kind: "main", path };
  const known = await git("cat-file", "-e", `${commit}^{commit}`);
  if (known !== undefined) {
    return { kind: "none", reason: `no history of ${commit}: ${known}` };
  }
  await Deno.mkdir(`${ROOT}build`, { recursive: true });
  const unpacked = await Deno.makeTempDir({
    dir: `${ROOT}build`,
    prefix: "unpack-",
  });
  try {
    const archive = `${unpacked}.tar`;
    await must(git("archive", `--output=${archive}`, commit));
    await must(run("tar", "-xf", archive, "-C", unpacked));
    await Deno.remove(archive);
    await must(run("make", "-C", unpacked, "build/libmars.so"));
    await Deno.rename(unpacked, directory);
  } catch (error) {
    await Deno.remove(unpacked, { recursive: true });
    // Another process was faster; what it made is as good.
    if (!isThere(path)) throw error;
  }
  return { kind: "main", path };
}

/** The checkout may belong to somebody else than who tests. */
function git(...words: string[]): Promise<string | undefined> {
  return run("git", "-c", "safe.directory=*", "-C", ROOT, ...words);
}

/** What went wrong; undefined if nothing. */
async function run(
  program: string,
  ...words: string[]
): Promise<string | undefined> {
  try {
    const { success, stderr } = await new Deno.Command(program, {
      args: words,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return undefined;
    const text = new TextDecoder().decode(stderr).trim();
    return text === "" ? `${program} failed` : text;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `no ${program} here`;
    throw error;
  }
}

async function must(outcome: Promise<string | undefined>): Promise<void> {
  const trouble = await outcome;
  if (trouble !== undefined) {
    throw new MarsError(`Cannot make the released build: ${trouble}`);
  }
}
