/**
 * Links by hand, for experts: set-link, get-link, delete-file, cat.
 *
 * Everybody may write below `userspace/`, where no host looks. Anything else
 * needs --force: hosts believe what stands there.
 *
 * The original's help says `set-link PATH VALUE`, and its tool takes `VALUE
 * PATH`. Both are taken here: the path is the word that looks like one.
 */
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";
import { parseLogFileName } from "../base/names.ts";
import { classify, nameOf } from "../tree/path.ts";
import { isValueOf, TOMBSTONE } from "../tree/values.ts";
import type { Command, Desk } from "./command.ts";
import { readable } from "./readable.ts";
import { isUserspace, treeLikeness, treePathOf } from "./tree_words.ts";

/** Ours: nobody gives more words than a shell takes. */
const WORDS_MAX = 100_000;

export const EXPERT_COMMANDS: readonly Command[] = [
  {
    name: "set-link",
    usage: "PATH VALUE [--force]",
    summary: "For experts: write a link of the tree; below userspace/ for all",
    details:
      "VALUE PATH is taken, too. PATH is relative to the tree, or absolute.",
    subject: "none",
    wordsMin: 2,
    wordsMax: 2,
    run: (desk, _resource, [first = "", second = ""]) =>
      setLink(desk, first, second),
  },
  {
    name: "get-link",
    usage: "PATH",
    summary: "Print the value of a link of the tree",
    subject: "none",
    isReading: true,
    wordsMin: 1,
    wordsMax: 1,
    run: (desk, _resource, [word = ""]) => getLink(desk, word),
  },
  {
    name: "delete-file",
    usage: "PATH… [--force]",
    summary: "For experts: delete links of the tree, on all hosts",
    subject: "none",
    wordsMin: 1,
    wordsMax: WORDS_MAX,
    run: (desk, _resource, words) => deleteFiles(desk, words),
  },
  {
    name: "cat",
    usage: "FILE…",
    summary: "Print links and status files, times and error codes readable",
    subject: "none",
    isReading: true,
    wordsMin: 1,
    wordsMax: WORDS_MAX,
    run: (desk, _resource, words) => {
      for (const word of words) {
        const text = contentOf(desk, word);
        desk.answer(text, { file: word, text });
      }
    },
  },
];

function setLink(desk: Desk, first: string, second: string): void {
  const root = desk.settings.marsDir;
  const likeness = treeLikeness(first, root) - treeLikeness(second, root);
  if (likeness === 0) {
    throw new UsageError(
      `Cannot tell which of "${first}" and "${second}" is the path: write it as "${root}/…"`,
    );
  }
  const [word, value] = likeness > 0 ? [first, second] : [second, first];
  const path = knownPath(desk, word);
  if (value === "" || value === TOMBSTONE) {
    throw new UsageError(
      `Cannot write an empty link; to delete it type: mars delete-file ${path}`,
    );
  }
  checkUserspace(desk, "write", [path]);
  const kind = classify(path)?.value;
  if (kind !== undefined && !isValueOf(kind, value)) {
    desk.warn(`WARNING: no host will understand "${value}" as ${kind}`);
  }
  desk.write([{ path, value }]);
}

function getLink(desk: Desk, word: string): void {
  const path = knownPath(desk, word);
  const link = desk.look().get(path);
  if (link === undefined) throw new MarsError(`There is no link "${path}"`);
  if (link.value === TOMBSTONE) {
    throw new MarsError(`Link "${path}" has been deleted`);
  }
  desk.answer(link.value, { path, value: link.value });
}

/** Either all of them or, if one is refused, none. */
function deleteFiles(desk: Desk, words: readonly string[]): void {
  const { marsDir } = desk.settings;
  const paths = [...new Set(words.map((word) => knownPath(desk, word)))];
  checkUserspace(desk, "delete", paths);
  const snapshot = desk.snapshot();
  const there = paths.filter((path) => {
    if (snapshot.value(path) !== undefined) return true;
    const isFile = desk.files.read(`${marsDir}/${path}`) !== undefined;
    if (!isFile) desk.warn(`WARNING: there is nothing at "${path}"`);
    return isFile;
  });
  desk.write(there.map((path) => ({ path, value: TOMBSTONE })));
}

/** @throws UsageError */
function knownPath(desk: Desk, word: string): string {
  const { marsDir } = desk.settings;
  const path = treePathOf(word, marsDir);
  if (path !== undefined) return path;
  throw new UsageError(
    `Cannot use "${word}" as path: expected one below "${marsDir}", at most three names, none with a leading dot`,
  );
}

/** @throws RefusedError for links that hosts believe, unless forced */
export function checkUserspace(
  desk: Desk,
  verb: string,
  paths: readonly string[],
): void {
  const others = paths.filter((path) => !isUserspace(path));
  if (others.length === 0) return;
  const names = others.map((path) => `"${path}"`).join(", ");
  if (desk.options.force) {
    desk.warn(`WARNING: hosts believe what stands at ${names}`);
    return;
  }
  throw new RefusedError(`Cannot ${verb} ${names}`, [
    'it is not below "userspace/", and hosts believe what stands there; --force if you know better',
  ]);
}

/** In the tree, or else where the caller is. @throws MarsError */
function contentOf(desk: Desk, word: string): string {
  const { marsDir } = desk.settings;
  if (parseLogFileName(nameOf(word)) !== undefined) {
    throw new MarsError(
      `Cannot print "${word}": it is a log; type: mars log dump FILE`,
    );
  }
  const paths = word.startsWith("/") ? [word] : [`${marsDir}/${word}`, word];
  for (const path of paths) {
    const text = desk.files.readLink(path) ?? desk.files.read(path);
    if (text !== undefined) return readable(text.replace(/\n$/, ""));
  }
  throw new MarsError(`There is no link or file "${word}"`);
}
