/**
 * Small files that must be complete or absent, whatever happens.
 *
 * A file is written under another name in the same directory, made durable, and
 * then given its name; the directory is made durable last.
 */
import { dirname } from "@std/path";

/**
 * Makes a file, mode 0600, unless there is one by that name. Of several callers
 * at the same time one wins; the others leave its file alone.
 *
 * @returns whether this call made it
 */
export async function createFileOnce(
  path: string,
  text: string,
): Promise<boolean> {
  const draft = await writeDraft(path, text, 0o600);
  try {
    await Deno.link(draft, path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  } finally {
    await Deno.remove(draft);
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Gives `path` new contents and `mode`; readers see either old or new. */
export async function replaceFile(
  path: string,
  text: string,
  mode: number,
): Promise<void> {
  const draft = await writeDraft(path, text, mode);
  try {
    await Deno.rename(draft, path);
  } catch (error) {
    await Deno.remove(draft);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes what was created or removed in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path, { read: true });
  await directory.sync();
}

async function writeDraft(
  path: string,
  text: string,
  mode: number,
): Promise<string> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${crypto.randomUUID()}.tmp`;
  await Deno.writeTextFile(draft, text, { createNew: true, mode });
  using file = await Deno.open(draft, { read: true });
  await file.sync();
  return draft;
}
