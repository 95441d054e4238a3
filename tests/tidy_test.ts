/**
 * ARCHITECTURE.md and the conventions as a test.
 *
 * Each rule is a row: what it forbids, an example it must complain about, one
 * it must accept, and the function that finds violations. So a rule that has
 * lost its teeth fails like a file that breaks it.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { OPTION_ROWS, takesNextWord } from "../src/cli/options.ts";
import {
  codeOf,
  type Import,
  importsOf,
  readSource,
  roomOf,
  type Source,
  sourceOf,
  targetOf,
} from "./support/source.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** Rank of each room; an import may only point to a strictly lower one. */
const RANK: Readonly<Record<string, number>> = {
  base: 0,
  ffi: 1,
  log: 2,
  peer: 2,
  ring: 2,
  tree: 2,
  block: 3,
  resource: 3,
  cli: 4,
  device: 4,
  logger: 4,
  replay: 4,
  transfer: 4,
  dataplane: 5,
  daemon: 6,
};

/** Rooms of one plane never import rooms of the other. */
const CONTROL = ["tree", "peer", "resource", "transfer", "cli", "daemon"];
const DATA = ["ring", "block", "device", "logger", "replay", "dataplane"];
const DOOR = {
  from: "daemon",
  to: [
    "src/dataplane/device_users.ts",
    "src/dataplane/handle.ts",
    "src/dataplane/kernel_devices.ts",
    "src/dataplane/threads.ts",
  ],
};
/** The door's words: types of what passes through it. */
const DOOR_TYPES = "src/dataplane/mailbox.ts";

/** Rooms in which nothing is asynchronous. */
const SYNCHRONOUS = ["ring", "block", "device", "logger", "replay"];

/** Rooms that are pure, and the files in them that are not. */
const PURE: Readonly<Record<string, readonly string[]>> = {
  resource: [],
  tree: [
    "store.ts",
    "reading.ts",
    "lazy.ts",
    "link_files.ts",
    "scan.ts",
    "watch.ts",
  ],
  log: ["files.ts", "shim_crc32c.ts"],
  block: ["disk.ts"],
  logger: [],
  replay: [],
};

/** Pure files of other rooms. */
const PURE_FILES = [
  "src/peer/frame.ts",
  "src/peer/rpc.ts",
  "src/cli/report.ts",
  "src/cli/split_json.ts",
  "src/cli/view_json.ts",
];

/** Folders in which all files are pure. */
const PURE_FOLDERS = ["src/cli/macros/"];

/** Words that a pure file does not use. */
const EFFECTS =
  /\b(?:Deno|Date|performance|Math\.random|setTimeout|setInterval|queueMicrotask|crypto\.getRandomValues)\b/g;

/** Modules that a quick command has no time to load. */
const SLOW = /^node:/;

/** What every command loads at once; the rest comes when it is needed. */
const QUICK = ["main.ts", "src/cli/commands.ts"];

const LINES_MAX = 500;
/** Tables of text may be longer. */
const TABLES = ["src/cli/macros/texts_default.ts", "src/cli/help_topics.ts"];

type Rule = {
  readonly name: string;
  /** Path and text of a file that breaks the rule. */
  readonly bad: readonly [path: string, text: string];
  /** Path and text of a similar file that does not. */
  readonly good: readonly [path: string, text: string];
  readonly complaints: (source: Source) => readonly string[];
};

const RULES: readonly Rule[] = [
  {
    name: "Imports point to rooms of lower rank",
    bad: ["src/tree/a.ts", 'import { x } from "../peer/b.ts";'],
    good: ["src/tree/a.ts", 'import { x } from "../base/b.ts";'],
    complaints: (source) =>
      targets(source).filter(({ room, target }) =>
        room !== target.room && rankOf(target.room) >= rankOf(room)
      ).map(({ target }) => target.path),
  },
  {
    name: "Control and data planes meet only at the door",
    bad: ["src/daemon/a.ts", 'import type { X } from "../block/disk.ts";'],
    good: ["src/daemon/a.ts", 'import { X } from "../dataplane/handle.ts";'],
    complaints: (source) =>
      targets(source).filter(({ room, target }) =>
        (DATA.includes(room) && CONTROL.includes(target.room)) ||
        (CONTROL.includes(room) && DATA.includes(target.room) &&
          !(room === DOOR.from && isDoor(target)))
      ).map(({ target }) => target.path),
  },
  {
    name: "Pure rooms say that they are pure",
    bad: ["src/resource/a.ts", "export const x = 1;"],
    good: ["src/tree/store.ts", "export const x = 1;"],
    complaints: (source) =>
      mustBePure(source.path) && !source.text.startsWith("// Pure\n")
        ? ["the first line is not // Pure"]
        : [],
  },
  {
    name: "Pure files have no effects",
    bad: ["src/tree/a.ts", "// Pure\nexport const x = Date.now();"],
    good: ["src/tree/a.ts", "// Pure\n/** Date. */\nexport const x = 1;"],
    complaints: (source) =>
      !source.text.startsWith("// Pure\n") ? [] : [
        ...source.code.match(EFFECTS) ?? [],
        ...source.imports.filter(({ specifier, kind }) =>
          kind !== "type" && /^node:|(?:^|\/)ffi\//.test(specifier)
        ).map(({ specifier }) => specifier),
      ],
  },
  {
    name: "Nothing is exported by default or passed on",
    bad: ["src/base/a.ts", 'export { x } from "./b.ts";'],
    good: ["src/base/a.ts", "export { x };"],
    complaints: (source) => [
      ...source.code.match(/\bexport\s+default\b|\bas\s+default\b/g) ?? [],
      ...source.code.match(
        /\bexport\s*(?:type\s*)?(?:\*|\{[^}]*\})\s*(?:as\s+\w+\s*)?from\b/g,
      ) ?? [],
    ],
  },
  {
    name: "No file is a barrel",
    bad: ["src/base/mod.ts", ""],
    good: ["src/base/model.ts", ""],
    complaints: ({ path }) => /\/(?:mod|index)\.ts$/.test(path) ? [path] : [],
  },
  {
    name: "The data plane is not asynchronous",
    bad: ["src/ring/a.ts", "async function x() {}"],
    good: ["src/ring/a.ts", "/** Not async. */ function x() {}"],
    complaints: (source) =>
      SYNCHRONOUS.includes(roomOf(source.path) ?? "")
        ? source.code.match(/\b(?:async|await|Promise)\b/g) ?? []
        : [],
  },
  {
    name: "Only the command line and traces use the console",
    bad: ["src/daemon/a.ts", "console.log(1);"],
    good: ["src/cli/a.ts", "console.log(1);"],
    complaints: (source) =>
      source.path === "main.ts" || source.path === "src/base/trace.ts" ||
        roomOf(source.path) === "cli"
        ? []
        : source.code.match(/\bconsole\.\w+/g) ?? [],
  },
  {
    name: "Only main.ts ends the process",
    bad: ["src/cli/a.ts", "Deno.exit(1);"],
    good: ["main.ts", "Deno.exit(1);"],
    complaints: (source) =>
      source.path === "main.ts"
        ? []
        : source.code.match(/\bDeno\.exit\b|\bprocess\.exit\b/g) ?? [],
  },
  {
    name: "Files are short",
    bad: ["src/base/a.ts", "\n".repeat(LINES_MAX + 1)],
    good: ["src/cli/macros/texts_default.ts", "\n".repeat(LINES_MAX + 1)],
    complaints: ({ path, text }) => {
      const lineCount = text.split("\n").length - 1;
      return lineCount > LINES_MAX && !TABLES.includes(path)
        ? [`${lineCount} lines`]
        : [];
    },
  },
  {
    name: "Files begin with what they are",
    bad: ["src/base/a.ts", "const x = 1;"],
    good: ["src/base/a.ts", "// Pure\n/** X. */\nconst x = 1;"],
    complaints: ({ text }) =>
      /^(?:\/\/ Pure\n)?\/\*\*/.test(text) ? [] : [text.slice(0, 40)],
  },
  {
    name: "Lint directives name a rule and carry a reason",
    bad: ["src/base/a.ts", "const a = 1;\n// deno-lint-ignore no-console\n"],
    good: ["src/base/a.ts", "// Because.\n// deno-lint-ignore no-console\n"],
    complaints: ({ text }) => directivesWithoutReason(text),
  },
  {
    name: "The type checker is not silenced",
    bad: ["src/base/a.ts", "// @ts-ignore\n"],
    good: ["src/base/a.ts", "// ignore\n"],
    complaints: ({ text }) =>
      text.match(/@ts-(?:ignore|nocheck|expect-error)/g) ?? [],
  },
  {
    name: "Listening for TLS goes through node:tls",
    bad: ["src/peer/a.ts", "Deno.listenTls({});"],
    good: ["src/peer/a.ts", "tls.createServer({});"],
    complaints: (source) => source.code.match(/\bDeno\.listenTls\b/g) ?? [],
  },
];

/** Rules for tests, documentation and build files too. */
const TEXT_RULES: readonly Rule[] = [
  {
    name: "Nothing refers to what only its author knows",
    bad: ["src/base/a.ts", `// See ${"#"}123.`],
    good: ["src/base/a.ts", "class A { #field = 1; }"],
    complaints: ({ text }) =>
      text.match(/(?<![\w&]|PKCS )#\d+\b|\bissue \d+|(?<![\w.])\/work\//gi) ??
        [],
  },
  {
    name: "Nothing is left to be done",
    bad: ["src/base/a.ts", `// ${"FIX"}ME later`],
    good: ["src/base/a.ts", "const TODO_ATTACH = 1;"],
    complaints: ({ text }) =>
      text.match(/\bFIXME\b|\bTODO[:(]|\/\/ TODO\b/g) ?? [],
  },
  {
    name: "No test is singled out",
    bad: ["src/base/a_test.ts", `Deno.test.${"only"}("x", () => {});`],
    good: ["src/base/a_test.ts", 'Deno.test("x", () => {});'],
    complaints: ({ text }) =>
      text.match(/\bDeno\.test\.only\b|\bonly: true\b/g) ?? [],
  },
];

function rankOf(room: string): number {
  return RANK[room] ?? Infinity;
}

type Target = {
  readonly path: string;
  readonly room: string;
  readonly kind: Import["kind"];
};

function isDoor(target: Target): boolean {
  return DOOR.to.includes(target.path) ||
    (target.path === DOOR_TYPES && target.kind === "type");
}

/** The rooms that a file imports from; `main.ts` may import them all. */
function targets(
  source: Source,
): { readonly room: string; readonly target: Target }[] {
  const room = roomOf(source.path);
  if (room === undefined) return [];
  return source.imports.flatMap(({ specifier, kind }) => {
    const path = targetOf(source.path, specifier);
    const target = path === undefined ? undefined : roomOf(path);
    if (path === undefined || target === undefined) return [];
    return [{ room, target: { path, room: target, kind } }];
  });
}

function mustBePure(path: string): boolean {
  const isBelow = PURE_FOLDERS.some((folder) => path.startsWith(folder));
  if (isBelow || PURE_FILES.includes(path)) return true;
  const exceptions = PURE[roomOf(path) ?? ""];
  return exceptions !== undefined &&
    !exceptions.includes(path.slice(path.lastIndexOf("/") + 1));
}

function directivesWithoutReason(text: string): string[] {
  const lines = text.split("\n");
  return lines.filter((line, index) => {
    if (!/^\s*\/\/ deno-lint-ignore/.test(line)) return false;
    const above = lines[index - 1] ?? "";
    return !/deno-lint-ignore(?:-file)? [a-z]/.test(line) ||
      !(/ -- \w/.test(line) ||
        /^\s*(?:\/\/ (?!Pure|deno-)|\*\/)/.test(above));
  });
}

/** All files below a folder, relative to the checkout, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await filesBelow(path));
    else found.push(path);
  }
  return found.sort();
}

async function read(paths: readonly string[]): Promise<Source[]> {
  return await Promise.all(paths.map((path) => readSource(ROOT, path)));
}

const SOURCES = await read([
  "main.ts",
  "ffi/shim.ts",
  ...(await filesBelow("src")).filter((path) =>
    path.endsWith(".ts") && !path.endsWith("_test.ts")
  ),
]);

const TEXTS = await read([
  "Makefile",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "deno.json",
  ".ci/run",
  ...(await Promise.all(["src", "ffi", "std", "docs", "tests"].map(filesBelow)))
    .flat().filter((path) => /\.(?:ts|js|c|h|sh|md|txt)$/.test(path)),
]);

for (
  const [rules, sources] of [[RULES, SOURCES], [TEXT_RULES, TEXTS]] as const
) {
  for (const rule of rules) {
    Deno.test(rule.name, () => {
      assertNotEquals(rule.complaints(sourceOf(...rule.bad)), []);
      assertEquals(rule.complaints(sourceOf(...rule.good)), []);
      const found = sources.flatMap((source) =>
        rule.complaints(source).map((what) => `${source.path}: ${what}`)
      );
      assertEquals(found, []);
    });
  }
}

Deno.test("Every source is imported by another one", () => {
  const imported = new Set(
    SOURCES.flatMap((source) =>
      source.imports.map(({ specifier }) => targetOf(source.path, specifier))
    ),
  );
  const orphans = SOURCES.map(({ path }) => path)
    .filter((path) => path !== "main.ts" && !imported.has(path));
  assertEquals(orphans, []);
});

Deno.test("Quick commands load no slow modules", () => {
  const reached = new Set(QUICK);
  // A set yields what is added while it is walked through.
  for (const path of reached) {
    const source = SOURCES.find((candidate) => candidate.path === path);
    for (const { specifier, kind } of source?.imports ?? []) {
      const target = targetOf(path, specifier);
      if (kind === "value" && target !== undefined) reached.add(target);
    }
  }
  const slow = SOURCES.filter(({ path }) => reached.has(path))
    .flatMap(({ path, imports }) =>
      imports.filter(({ specifier, kind }) =>
        kind === "value" && SLOW.test(specifier)
      ).map(({ specifier }) => `${path}: ${specifier}`)
    );
  assert(reached.has("src/base/errors.ts"), "imports are followed");
  assertEquals(slow, []);
});

Deno.test("Every unit test sits beside its source", async () => {
  const files = await filesBelow("src");
  const lonely = files.filter((path) =>
    path.endsWith("_test.ts") &&
    !files.includes(path.replace(/(?:_property)?_test\.ts$/, ".ts"))
  );
  assertEquals(lonely, []);
});

Deno.test("Every room is in the rank table and in ARCHITECTURE.md", async () => {
  const text = await Deno.readTextFile(`${ROOT}ARCHITECTURE.md`);
  const folders: string[] = [];
  for await (const entry of Deno.readDir(`${ROOT}src`)) {
    folders.push(entry.name);
  }
  const rooms = [...new Set([...folders, "ffi"])].sort();
  const documented = [...text.matchAll(/^\| `(\w+)\/`\s*\|[^|]*\| (\d)/gm)]
    .map((match): [string, number] => [match[1] ?? "", Number(match[2])]);
  assertEquals(rooms, Object.keys(RANK).sort());
  assertEquals(Object.fromEntries(documented), RANK);
});

Deno.test("The launcher knows every option that takes a value", async () => {
  const launcher = await Deno.readTextFile(`${ROOT}ffi/launch.c`);
  const there = /OPTIONS_WITH_VALUE\[\] = \{([^}]*)\}/.exec(launcher)?.[1];
  const known = [...(there ?? "").matchAll(/"--([a-z-]+)"/g)]
    .map((match) => match[1] ?? "");
  const wanted = OPTION_ROWS.filter(takesNextWord).map(({ name }) => name);
  assertEquals(known.sort(), wanted.sort());
});

Deno.test("codeOf() keeps code and blanks everything else", () => {
  const text = [
    'a("b // c"); // d',
    '/* e\n f */ g(/h[/"]i/.test(`j${k({ l: `m` })}n`));',
    "o = p / q / r;",
    'return /s"/u;',
  ].join("\n");
  assertEquals(
    codeOf(text).replace(/ +/g, " "),
    "a( ); \n \n g( .test( k({ l: }) ));\no = p / q / r;\nreturn ;",
  );
});

Deno.test("importsOf() tells values, types and lazy imports apart", () => {
  const text = `
    import { a, type B } from "./a.ts";
    import type { C } from "./c.ts";
    import { type D, type E } from "./d.ts";
    export { f } from "./f.ts";
    import "./g.ts";
    const h = await import("./h.ts");
    const i = new Worker(new URL("./i.ts", import.meta.url));
    // import { j } from "./j.ts";
    const k = 'import { l } from "./l.ts"';
    import * as m from "node:m";
  `;
  assertEquals(
    importsOf(text).map(({ specifier, kind }) => `${specifier} ${kind}`),
    [
      "./a.ts value",
      "./c.ts type",
      "./d.ts type",
      "./f.ts value",
      "./g.ts value",
      "./h.ts lazy",
      "./i.ts lazy",
      "node:m value",
    ],
  );
});
