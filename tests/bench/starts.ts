/**
 * How long a quick command takes: `mars view` on the tree of one host, as one
 * file and by plain Deno, beside the smallest program that Deno can run.
 *
 * The price of the launcher is the difference to the command line that it
 * executes, which it is asked for.
 */
import { MarsError } from "../../src/base/errors.ts";
import { isThere } from "../../src/base/remove.ts";
import { type Host, Hosts } from "../support/hosts.ts";
import { type Bench, interleave } from "./bench.ts";
import { atMost, type Figure, NO_GOAL, ratioAtMost } from "./figures.ts";
import { PrimaryResource } from "./primary.ts";

const ROUNDS = 25;
const ROUNDS_QUICK = 3;
const DISK_BYTES = 16 * 1024 * 1024;
const MARS = decodeURIComponent(
  new URL("../../build/mars", import.meta.url).pathname,
);
const MAIN = decodeURIComponent(
  new URL("../../main.ts", import.meta.url).pathname,
);

export async function benchStarts(bench: Bench): Promise<Figure[]> {
  await using hosts = new Hosts();
  const [host] = await hosts.cluster("alpha");
  if (host === undefined) return [];
  await PrimaryResource.create(host, "mydata", {
    sizeBytes: DISK_BYTES,
    level: "flush",
  });
  const words = ["view", ...optionsOf(host)];
  const deno = Deno.execPath();
  const sides = new Map<string, () => Promise<number>>([
    ["eval", () => startOf(deno, ["eval", "1"], {})],
    [
      "source",
      () => startOf(deno, ["run", "--allow-all", MAIN, ...words], {}),
    ],
  ]);
  if (isThere(MARS)) {
    const { program, args, env } = await launched(words);
    sides.set("mars", () => startOf(MARS, words, {}));
    sides.set("plain", () => startOf(program, args, env));
  }
  const tookMs = new Map<string, number[]>();
  // Whatever is compiled and cached at the first start is not measured.
  for (const measure of sides.values()) await measure();
  await interleave(
    bench.isQuick ? ROUNDS_QUICK : ROUNDS,
    [...sides].map(([name, measure]) => async () => {
      tookMs.set(name, [...tookMs.get(name) ?? [], await measure()]);
    }),
  );
  return figuresOf(tookMs);
}

function figuresOf(tookMs: ReadonlyMap<string, readonly number[]>): Figure[] {
  const evals = tookMs.get("eval") ?? [];
  const sources = tookMs.get("source") ?? [];
  const against = "deno eval 1";
  const unit = "ms";
  const source: Figure = {
    what: "start of mars view, from source",
    unit,
    ours: sources,
    theirs: evals,
    against,
    goal: NO_GOAL,
  };
  const mars = tookMs.get("mars");
  const plain = tookMs.get("plain");
  if (mars === undefined || plain === undefined) return [source];
  return [
    {
      what: "start of mars view",
      unit,
      ours: mars,
      theirs: evals,
      against,
      goal: ratioAtMost(1.5),
    },
    source,
    {
      what: "— price of the launcher",
      unit,
      ours: mars.map((value, round) => value - (plain[round] ?? NaN)),
      theirs: [],
      against: "",
      goal: atMost(5),
    },
  ];
}

function optionsOf(host: Host): string[] {
  return [
    `--mars-dir=${host.marsDir}`,
    `--run-dir=${host.directory}/run`,
    `--etc-dir=${host.directory}/etc`,
    `--host=${host.name}`,
  ];
}

/** Milliseconds until a program that must succeed has ended. */
async function startOf(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<number> {
  const startMs = performance.now();
  const { code, stderr } = await new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
    stdout: "null",
  }).output();
  const tookMs = performance.now() - startMs;
  if (code === 0) return tookMs;
  const text = new TextDecoder().decode(stderr);
  throw new MarsError(`"${program}" ended with ${code}: ${text}`);
}

/** What the launcher executes for `words`; it says so itself. */
async function launched(
  words: readonly string[],
): Promise<{ program: string; args: string[]; env: Record<string, string> }> {
  const { stderr } = await new Deno.Command(MARS, {
    args: [...words],
    env: { MARS_DEBUG_LAUNCH: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stderr);
  const directory = /running from (.*)$/m.exec(text)?.[1];
  if (directory === undefined) {
    throw new MarsError(`Cannot tell what is launched: ${text}`);
  }
  const args = [...text.matchAll(/argument \d+: (.*)$/gm)]
    .map((match) => match[1] ?? "");
  const env: Record<string, string> = {};
  for (const match of text.matchAll(/^mars launch: ([A-Z_]+)=(.*)$/gm)) {
    env[match[1] ?? ""] = match[2] ?? "";
  }
  return { program: `${directory}/deno`, args: args.slice(1), env };
}
