/**
 * A real ext4 file system with real files, without root.
 *
 * `mkfs.ext4 -d` makes it in a file, `fsck.ext4 -fn` checks what has become of
 * it on a disk, and `debugfs rdump` takes the files out again. All three come
 * with e2fsprogs.
 */
import { MarsError } from "../../base/errors.ts";
import { equalBytes } from "../../base/bytes.ts";

const TOOL_DIRECTORIES = ["/usr/sbin", "/sbin"];
/** Where files are taken from; every Debian has some there. */
const SOURCE_DIRECTORY = "/usr/share";
const FILE_BYTES_MAX = 512 * 1024;
const FILES_MAX = 400;
const TOTAL_BYTES_MAX = 12 * 1024 * 1024;
const DEPTH_MAX = 6;
/** So that the choice is not all of one kind. */
const FILES_PER_DIRECTORY_MAX = 8;

/** What was put in. */
export interface FileTree {
  readonly fileCount: number;
  readonly totalBytes: number;
}

/** Whether mkfs.ext4, fsck.ext4 and debugfs are there. */
export async function hasTools(): Promise<boolean> {
  try {
    for (const tool of ["mkfs.ext4", "fsck.ext4", "debugfs"]) {
      await run(tool, ["-V"]);
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Copies files of this machine to `target`, which must not exist. */
export function collectFiles(target: string): FileTree {
  const tree = { fileCount: 0, totalBytes: 0 };
  Deno.mkdirSync(target);
  copyFiles(SOURCE_DIRECTORY, target, DEPTH_MAX, tree);
  Deno.writeTextFileSync(
    `${target}/README`,
    "Put here by mars demo, through the device of its first primary.\n",
  );
  tree.fileCount += 1;
  return tree;
}

/** Makes a file system of `sizeBytes` with the files of `source` in `image`. */
export async function makeFileSystem(
  image: string,
  { source, sizeBytes }: { source: string; sizeBytes: number },
): Promise<void> {
  const blocks = `${sizeBytes / 1024}k`;
  const made = await run("mkfs.ext4", [
    "-q",
    "-F",
    "-d",
    source,
    image,
    blocks,
  ]);
  if (made.code !== 0) {
    throw new MarsError(`Cannot make a file system: ${made.text}`);
  }
}

/** Complaints of fsck about the file system at the beginning of `disk`. */
export async function checkFileSystem(
  disk: string,
): Promise<string | undefined> {
  const checked = await run("fsck.ext4", ["-f", "-n", disk]);
  return checked.code === 0 ? undefined : checked.text;
}

/**
 * Takes all files out of the file system on `disk` and compares them.
 *
 * @param room directory that does not exist yet
 * @returns how many are as in `source`, and the first that are not
 */
export async function compareFiles(
  disk: string,
  { source, room }: { source: string; room: string },
): Promise<{ goodCount: number; bad: readonly string[] }> {
  Deno.mkdirSync(room);
  const dumped = await run("debugfs", ["-R", `rdump / ${room}`, disk]);
  if (dumped.code !== 0) {
    throw new MarsError(`Cannot read the file system: ${dumped.text}`);
  }
  const bad: string[] = [];
  let goodCount = 0;
  for (const path of filesBelow(source)) {
    if (isSame(`${source}/${path}`, `${room}/${path}`)) goodCount += 1;
    else bad.push(path);
  }
  return { goodCount, bad };
}

function copyFiles(
  source: string,
  target: string,
  depth: number,
  tree: { fileCount: number; totalBytes: number },
): void {
  let hereCount = 0;
  for (const entry of entriesOf(source)) {
    const isFull = tree.fileCount >= FILES_MAX ||
      tree.totalBytes >= TOTAL_BYTES_MAX;
    if (isFull) return;
    const path = `${source}/${entry.name}`;
    if (entry.isDirectory && depth > 0) {
      Deno.mkdirSync(`${target}/${entry.name}`);
      copyFiles(path, `${target}/${entry.name}`, depth - 1, tree);
    } else if (entry.isFile && hereCount < FILES_PER_DIRECTORY_MAX) {
      const bytes = contentOf(path);
      if (bytes === undefined || bytes.length > FILE_BYTES_MAX) continue;
      Deno.writeFileSync(`${target}/${entry.name}`, bytes);
      hereCount += 1;
      tree.fileCount += 1;
      tree.totalBytes += bytes.length;
    }
  }
}

function entriesOf(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch (error) {
    if (isOutOfReach(error)) return [];
    throw error;
  }
}

function contentOf(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (isOutOfReach(error)) return undefined;
    throw error;
  }
}

/** Not for us, or not there any more. */
function isOutOfReach(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable ||
    error instanceof Deno.errors.NotFound;
}

function* filesBelow(directory: string, below = ""): Generator<string> {
  for (const entry of Deno.readDirSync(`${directory}/${below}`)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory) yield* filesBelow(directory, path);
    else yield path;
  }
}

function isSame(left: string, right: string): boolean {
  const other = contentOf(right);
  return other !== undefined && equalBytes(Deno.readFileSync(left), other);
}

/** @throws NotFound if there is no such tool */
async function run(
  tool: string,
  args: readonly string[],
): Promise<{ code: number; text: string }> {
  const path = [Deno.env.get("PATH") ?? "", ...TOOL_DIRECTORIES].join(":");
  const file = path.split(":").map((directory) => `${directory}/${tool}`)
    .find((candidate) => isThere(candidate));
  if (file === undefined) throw new Deno.errors.NotFound(tool);
  const result = await new Deno.Command(file, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(result.stdout) + decoder.decode(result.stderr);
  return { code: result.code, text: text.trim() };
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (isOutOfReach(error)) return false;
    throw error;
  }
}
