/**
 * The block device of the kernel beside the alternatives, inside one virtual
 * machine and in one run: `tests/vm/bench.sh` measures, this prints.
 *
 *   deno run --allow-all tests/bench/vm.ts [OPTION…] [PART…]
 *
 *   PART           only these: see PARTS, and "profile"
 *   --quick        a smoke test: everything runs, numbers mean little
 *   --targets=…    only these, with commas: see TARGET_TITLES
 *   --works=…      only these, with commas: see PARTS
 *   --rounds=N --seconds=N
 *   --logs=tmpfs   logs lie in memory instead of ext4 on a RAM disk
 *   --engine=qemu  a stock Debian kernel under emulation, see tests/vm/vmrun
 *   --markdown     tables as they stand in docs/benchmarks.md
 *   --svg=FILE     a plot
 *   --results=FILE where everything is noted; build/bench-vm.json
 *   --from=FILE,…  nothing is measured: what was noted there
 */
// A bench is there to be read.
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import { MarsError, UsageError } from "../../src/base/errors.ts";
import { type FioReport, readFioReport } from "./fio_report.ts";
import { markdownTable, textTable } from "./figures.ts";
import { plotOf } from "./vm_plot.ts";
import { type Profile, profileOf, profileTable } from "./vm_profile.ts";
import {
  casesOf,
  goalsOf,
  groupsOf,
  type Line,
  markdownOf,
  type Run,
  TARGET_TITLES,
  textOf,
} from "./vm_results.ts";

const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

/** Where scripts report to. */
const REPORTS = `${ROOT}/build/vm/bench`;

/** A part of its own kind. */
const PROFILE = "profile";

interface Part {
  readonly lines: readonly Line[];
  readonly works: readonly string[];
  /** Undefined for all. */
  readonly targets?: readonly string[];
}

const WRITES = [
  "randwrite-4k-1",
  "randwrite-4k-16",
  "randwrite-4k-64",
  "write-1m-4",
];

const PARTS: { readonly [name: string]: Part } = {
  write: {
    lines: ["plain"],
    works: WRITES,
  },
  read: {
    lines: ["plain"],
    works: ["randread-4k-1", "randread-4k-16", "randread-4k-64", "read-1m-4"],
  },
  // Reads do not cross the line.
  far: {
    lines: ["plain", "delay", "loss"],
    works: WRITES,
    targets: ["flush+1", "durable+1", "drbd-A", "drbd-C"],
  },
};

const FULL = { rounds: 5, seconds: 2 };
const QUICK = { rounds: 1, seconds: 1 };

/** How a machine is started. */
const ENGINES: { readonly [name: string]: readonly string[] } = {
  uml: ["-E", "uml", "--suite", "trixie-backports", "-k", "7"],
  // The kernel for clouds has no DRBD.
  qemu: ["-E", "qemu", "--flavour", "amd64"],
};
const MODULES =
  "brd rd_nr=16 rd_size=2097152,ublk_drv,ext4,drbd,loop,sch_netem";
const MEMORY_MIB = 8000;
const LIMIT_SECONDS = 7200;

const PLOT_TITLE = "Block devices on RAM disks of one virtual machine";

interface Settings {
  readonly parts: readonly string[];
  readonly engine: string;
  readonly targets: readonly string[];
  /** Undefined for all. */
  readonly works: readonly string[] | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly logs: string;
  readonly resultsPath: string;
}

/** What is noted in a file. */
interface Results {
  readonly runs: readonly Run[];
  /** Absent if it was not asked for. */
  readonly profile?: Profile;
}

async function main(): Promise<number> {
  const options = parseArgs(Deno.args, {
    boolean: ["quick", "markdown"],
    string: [
      ...["targets", "works", "rounds", "seconds", "logs", "engine"],
      ...["results", "from", "svg", "_"],
    ],
  });
  const word = (name: string): string | undefined => {
    const value = options[name];
    return typeof value === "string" ? value : undefined;
  };
  const length = options["quick"] === true ? QUICK : FULL;
  const known = { ...PARTS, [PROFILE]: true };
  const from = word("from");
  const results = from !== undefined
    ? read(from.split(","))
    : await measureAll({
      parts: options._.length === 0
        ? Object.keys(known)
        : options._.map((name) => oneOf(known, String(name))),
      engine: oneOf(ENGINES, word("engine") ?? "uml"),
      targets: (word("targets") ?? Object.keys(TARGET_TITLES).join(","))
        .split(",").map((name) => oneOf(TARGET_TITLES, name)),
      works: word("works")?.split(","),
      rounds: Number(word("rounds") ?? length.rounds),
      seconds: Number(word("seconds") ?? length.seconds),
      logs: word("logs") ?? "ext4",
      resultsPath: word("results") ?? `${ROOT}/build/bench-vm.json`,
    });
  const cases = casesOf(results.runs);
  const groups = groupsOf(cases);
  const goals = goalsOf(cases, results.runs);
  const tables = options["markdown"] === true
    ? [markdownTable(goals), markdownOf(groups)]
    : [textOf(cases), textTable(goals)];
  console.log(tables.join("\n\n"));
  if (results.profile !== undefined) {
    console.log(`\n${profileTable(results.profile)}`);
  }
  const svg = word("svg");
  if (svg !== undefined) {
    Deno.writeTextFileSync(svg, plotOf(PLOT_TITLE, groups));
  }
  return 0;
}

/** @throws UsageError */
function oneOf(
  table: { readonly [name: string]: unknown },
  name: string,
): string {
  if (name in table) return name;
  throw new UsageError(
    `Unknown "${name}": expected ${Object.keys(table).join(", ")}`,
  );
}

function read(paths: readonly string[]): Results {
  // True because only `measureAll` writes such files.
  const all = paths.map((path) =>
    JSON.parse(Deno.readTextFileSync(path)) as Results
  );
  const profile = all.findLast(({ profile }) => profile !== undefined)?.profile;
  const runs = all.flatMap(({ runs }) => runs);
  return profile === undefined ? { runs } : { runs, profile };
}

async function measureAll(settings: Settings): Promise<Results> {
  let results: Results = { runs: [] };
  for (const name of settings.parts) {
    results = name === PROFILE
      ? { ...results, profile: await measureProfile(settings) }
      : {
        ...results,
        runs: [...results.runs, ...await measure(name, settings)],
      };
    // The next part may fail, or be given up.
    Deno.writeTextFileSync(
      settings.resultsPath,
      `${JSON.stringify(results, undefined, 1)}\n`,
    );
  }
  return results;
}

/** One part in one machine. */
async function measure(name: string, settings: Settings): Promise<Run[]> {
  const part = PARTS[name];
  if (part === undefined) return [];
  const targets = settings.targets
    .filter((target) => part.targets?.includes(target) ?? true);
  const works = part.works
    .filter((work) => settings.works?.includes(work) ?? true);
  if (works.length === 0) return [];
  console.error(`${name}: ${targets.join(", ")}`);
  await runInside("tests/vm/bench.sh", settings, {
    TARGETS: targets.join(" "),
    WORKS: works.join(" "),
    LINES: part.lines.join(" "),
    ROUNDS: String(settings.rounds),
    RUN_SECONDS: String(settings.seconds),
    LOGS: settings.logs,
  });
  return runsOf(name);
}

async function measureProfile(settings: Settings): Promise<Profile> {
  console.error(PROFILE);
  await runInside("tests/vm/profile.sh", settings, {});
  const report = (name: string): FioReport =>
    readFioReport(
      Deno.readTextFileSync(`${REPORTS}/${name}.json`),
      "write",
    );
  return profileOf(Deno.readTextFileSync(`${REPORTS}/profile.txt`), {
    clock: report("clock"),
    plain: report("plain"),
    empty: report("null"),
  });
}

/** Runs a script in a machine; what it reports lies in `REPORTS`. */
async function runInside(
  script: string,
  { engine }: Settings,
  environment: { readonly [name: string]: string },
): Promise<void> {
  Deno.mkdirSync(REPORTS, { recursive: true });
  for (const { name } of Deno.readDirSync(REPORTS)) {
    Deno.removeSync(`${REPORTS}/${name}`);
  }
  const variables = Object.entries({
    ...environment,
    // The machine sees this root file system.
    DENO: Deno.execPath(),
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${ROOT}/.tools/deno-dir`,
  });
  const startMs = performance.now();
  const { code } = await new Deno.Command("sh", {
    cwd: ROOT,
    args: [
      // Tables alone go to standard output.
      ...["-c", 'build/mars version >&2 && exec tests/vm/vmrun "$@" >&2', "sh"],
      ...ENGINES[engine] ?? [],
      ...["-t", String(LIMIT_SECONDS), "-M", String(MEMORY_MIB)],
      ...["-m", MODULES, "--rw", REPORTS],
      ...variables.flatMap(([key, value]) => ["-e", `${key}=${value}`]),
      ...["--", "bash", script, REPORTS],
    ],
    // Unpacked here: the machine finds it there.
    env: { MARS_LAUNCH_DIR: `${ROOT}/build/vm-bin` },
    stdin: "null",
  }).spawn().status;
  const tookS = (performance.now() - startMs) / 1000;
  console.error(`  took ${tookS.toFixed(0)} s`);
  if (code !== 0) throw new MarsError(`"${script}" ended with ${code}`);
}

/** Runs in the order in which they were made. */
function runsOf(part: string): Run[] {
  return [...Deno.readDirSync(REPORTS)]
    .filter(({ name }) => name.endsWith(".json"))
    .map(({ name }) => {
      const path = `${REPORTS}/${name}`;
      const madeMs = Deno.statSync(path).mtime?.getTime() ?? 0;
      return { name, path, madeMs };
    })
    .toSorted((left, right) => left.madeMs - right.madeMs)
    .map(({ name, path }): Run => {
      const [line = "", work = "", target = "", round] = name.split(".");
      const left = Deno.readTextFileSync(path.replace(/json$/, "left"));
      return {
        part,
        line: line === "delay" || line === "loss" ? line : "plain",
        work,
        target,
        round: Number(round),
        report: readFioReport(
          Deno.readTextFileSync(path),
          work.includes("read") ? "read" : "write",
        ),
        leftSeconds: Number(left) / 1e6,
      };
    });
}

Deno.exit(await main());
