/** Help says what the tables say, and fits the screen. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { UsageError } from "../base/errors.ts";
import { HELP_ROWS, helpText, topicOf, usageOf } from "./help.ts";
import { GROUPS, TOPICS } from "./help_topics.ts";
import { OPTION_ROWS } from "./options.ts";

Deno.test("Every command has a topic", () => {
  const without = HELP_ROWS.filter(({ name, isOldName }) =>
    isOldName !== true && TOPICS[name] === undefined
  );
  assertEquals(without.map(({ name }) => name), []);
});

Deno.test("Topics name options that exist", () => {
  const known = OPTION_ROWS.map(({ name }) => name);
  const unknown = Object.values(TOPICS).flatMap(({ options = [] }) => options)
    .filter((name) => !known.includes(name));
  assertEquals(unknown, []);
});

Deno.test("Options in usages exist", () => {
  const known = OPTION_ROWS.map(({ name }) => name);
  const unknown = HELP_ROWS.flatMap(({ usage }) =>
    [...usage.matchAll(/--([a-z-]+)/g)].map(([, name = ""]) => name)
  ).filter((name) => !known.includes(name));
  assertEquals(unknown, []);
});

Deno.test("Summaries are one sentence without its full stop", () => {
  for (const { name, summary } of [...HELP_ROWS, ...OPTION_ROWS]) {
    assert(summary.length > 0, name);
    assert(!summary.endsWith("."), `${name}: ${summary}`);
    assert(!summary.includes("\n"), name);
  }
});

Deno.test("help fits two screens of 80 columns and names every command", async () => {
  const text = await helpText([], false);
  const lines = text.split("\n");
  assert(lines.length <= 90, `${lines.length} lines`);
  assertEquals(lines.filter((line) => line.length > 80), []);
  const words = new Set(text.split(/[\s,]+/));
  const missing = HELP_ROWS.filter((row) => topicOf(row).group !== "old")
    .flatMap(({ name }) => name.split(" "))
    .filter((word) => !words.has(word));
  assertEquals(missing, []);
});

Deno.test("help --all shows every usage and every option", async () => {
  const text = await helpText([], true);
  const lines = text.split("\n").map((line) => line.trim());
  const missing = HELP_ROWS.map(usageOf).filter((usage) =>
    !lines.includes(usage)
  );
  assertEquals(missing, []);
  const options = OPTION_ROWS.filter(({ isIgnored }) => isIgnored !== true);
  const absent = options.filter(({ name }) =>
    !lines.some((line) => line.startsWith(`--${name}`))
  );
  assertEquals(absent, []);
  assertEquals(
    GROUPS.filter(([, title]) => !lines.includes(`${title}:`)),
    [],
  );
});

Deno.test("help COMMAND shows usage, details, options, examples, exit codes", async () => {
  const text = await helpText(["primary"], false);
  assertStringIncludes(text, "Usage: mars primary RES");
  assertStringIncludes(text, "the old primary is designated again");
  assertStringIncludes(text, "--ignore-sync");
  assertStringIncludes(text, "mars pause-fetch mydata");
  assertStringIncludes(text, "Exit codes: 0 done, 1 failed");
});

Deno.test("help of every command is within 80 columns, but for examples", async () => {
  const texts = await Promise.all(
    HELP_ROWS.map((row) => helpText(row.name.split(" "), false)),
  );
  const wide = texts.flatMap((text) => text.split("\n")).filter((line) =>
    line.length > 80 && !/^ {2}mars |^Usage: /.test(line)
  );
  assertEquals(wide, []);
});

Deno.test("help finds commands by alias, by two words, and families by one", async () => {
  assertStringIncludes(await helpText(["connect"], false), "mars resume-fetch");
  assertStringIncludes(await helpText(["key", "show"], false), "mars key show");
  const log = await helpText(["log"], false);
  assertStringIncludes(log, "mars log dump");
  assertStringIncludes(log, "mars log verify");
});

Deno.test("help takes what follows a command, as in `mars primary r --help`", async () => {
  assertEquals(
    await helpText(["primary", "mydata"], false),
    await helpText(["primary"], false),
  );
});

Deno.test("help of an unknown command names those nearby", async () => {
  await assertRejects(
    () => helpText(["primray"], false),
    UsageError,
    "primary",
  );
});

Deno.test("help has articles", async () => {
  assertStringIncludes(await helpText(["hooks"], false), "hook-all-pre");
  assertStringIncludes(
    await helpText(["options"], false),
    "--thresh-logsize=GB",
  );
  assertStringIncludes(await helpText(["environment"], false), "MARS_PATH");
  assertStringIncludes(await helpText(["files"], false), "/run/mars/nbd");
  assertStringIncludes(await helpText(["macros"], false), "replay-reached");
  assertStringIncludes(await helpText(["exit-codes"], false), "4");
});
