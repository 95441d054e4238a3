/**
 * The block device of the kernel beside the alternatives, inside one virtual
 * machine and in one run: `tests/vm/bench.sh` measures, this prints.
 *
 *   deno run --allow-all tests/bench/vm.ts [OPTION…] [PART…]
 *
 *   PART           only these: see PARTS
 *   --quick        a smoke test: everything runs, numbers mean little
 *   --targets=…    only these, with commas: see TARGETS
 *   --rounds=N --seconds=N
 *   --logs=tmpfs   logs lie in memory instead of ext4 on a RAM disk
 *   --engine=qemu  a stock Debian kernel under emulation, see tests/vm/vmrun
 *   --markdown     tables as they stand in docs/benchmarks.md
 *   --results=FILE where all runs are noted; build/bench-vm.json
 *
 * A script that needs DENO inside the machine finds it where it is here: the
 * machine sees this root file system.
 */
// A bench is there to be read.
// deno-lint-ignore-file no-console
import { parseArgs } from "@std/cli/parse-args";
import { MarsError, UsageError } from "../../src/base/errors.ts";
import { readFioReport } from "./fio_report.ts";
import {
  casesOf,
  type Line,
  markdownOf,
  type Run,
  TARGET_TITLES,
  textOf,
} from "./vm_results.ts";

const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

interface Part {
  readonly lines: readonly Line[];
  readonly works: readonly string[];
  /** Undefined for all. */
  readonly targets?: readonly string[];
}

/** Reads do not cross the line. */
const FAR_WORKS = [
  "randwrite-4k-1",
  "randwrite-4k-16",
  "randwrite-4k-64",
  "write-1m-4",
];
const FAR_TARGETS = ["flush+1", "durable+1", "drbd-A", "drbd-C"];

const PARTS: { readonly [name: string]: Part } = {
  write: {
    lines: ["plain"],
    works: ["randwrite-4k-1", "randwrite-4k-16", "randwrite-4k-64"],
  },
  read: {
    lines: ["plain"],
    works: ["randread-4k-1", "randread-4k-16", "randread-4k-64"],
  },
  sequential: { lines: ["plain"], works: ["write-1m-4", "read-1m-4"] },
  far: {
    lines: ["plain", "delay", "loss"],
    works: FAR_WORKS,
    targets: FAR_TARGETS,
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
const MODULES = "brd rd_nr=16 rd_size=2097152,ublk_drv,ext4";
const MEMORY_MIB = 6000;

interface Settings {
  readonly parts: readonly string[];
  readonly engine: string;
  readonly targets: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly logs: string;
}

async function main(): Promise<number> {
  const options = parseArgs(Deno.args, {
    boolean: ["quick", "markdown"],
    string: ["targets", "rounds", "seconds", "logs", "engine", "results", "_"],
  });
  const word = (name: string): string | undefined => {
    const value = options[name];
    return typeof value === "string" ? value : undefined;
  };
  const length = options["quick"] === true ? QUICK : FULL;
  const settings: Settings = {
    parts: options._.length === 0
      ? Object.keys(PARTS)
      : options._.map((name) => oneOf(PARTS, String(name))),
    engine: oneOf(ENGINES, word("engine") ?? "uml"),
    targets: (word("targets") ?? Object.keys(TARGET_TITLES).join(","))
      .split(",").map((name) => oneOf(TARGET_TITLES, name)),
    rounds: Number(word("rounds") ?? length.rounds),
    seconds: Number(word("seconds") ?? length.seconds),
    logs: word("logs") ?? "ext4",
  };
  const runs: Run[] = [];
  for (const name of settings.parts) {
    runs.push(...await measure(name, settings));
  }
  Deno.writeTextFileSync(
    word("results") ?? `${ROOT}/build/bench-vm.json`,
    `${JSON.stringify(runs, undefined, 1)}\n`,
  );
  const cases = casesOf(runs);
  console.log(
    options["markdown"] === true ? markdownOf(cases) : textOf(cases),
  );
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

/** One part in one machine. */
async function measure(name: string, settings: Settings): Promise<Run[]> {
  const part = PARTS[name];
  if (part === undefined) return [];
  const directory = `${ROOT}/build/vm/bench`;
  Deno.mkdirSync(directory, { recursive: true });
  for (const { name } of Deno.readDirSync(directory)) {
    Deno.removeSync(`${directory}/${name}`);
  }
  const targets = settings.targets
    .filter((target) => part.targets?.includes(target) ?? true);
  const environment = {
    DENO: Deno.execPath(),
    DENO_DIR: Deno.env.get("DENO_DIR") ?? `${ROOT}/.tools/deno-dir`,
    TARGETS: targets.join(" "),
    WORKS: part.works.join(" "),
    LINES: part.lines.join(" "),
    ROUNDS: String(settings.rounds),
    RUN_SECONDS: String(settings.seconds),
    LOGS: settings.logs,
  };
  console.error(`${name}: ${targets.join(", ")}`);
  const startMs = performance.now();
  const { code } = await new Deno.Command("sh", {
    cwd: ROOT,
    // Tables alone go to standard output.
    args: [
      ...["-c", 'exec tests/vm/vmrun "$@" >&2', "vmrun"],
      ...ENGINES[settings.engine] ?? [],
      ...["-t", "7200", "-M", String(MEMORY_MIB), "-m", MODULES],
      ...["--rw", directory],
      ...Object.entries(environment)
        .flatMap(([key, value]) => ["-e", `${key}=${value}`]),
      ...["--", "bash", "tests/vm/bench.sh", directory],
    ],
    stdin: "null",
  }).spawn().status;
  const tookS = (performance.now() - startMs) / 1000;
  console.error(`  took ${tookS.toFixed(0)} s`);
  if (code !== 0) throw new MarsError(`"${name}" ended with ${code}`);
  return runsIn(directory);
}

/** Runs in the order in which they were made. */
function runsIn(directory: string): Run[] {
  return [...Deno.readDirSync(directory)]
    .filter(({ name }) => name.endsWith(".json"))
    .map(({ name }) => ({ name, path: `${directory}/${name}` }))
    .map(({ name, path }) => ({
      name,
      path,
      madeMs: Deno.statSync(path).mtime?.getTime() ?? 0,
    }))
    .toSorted((left, right) => left.madeMs - right.madeMs)
    .map(({ name, path }): Run => {
      const [line = "", work = "", target = "", round] = name.split(".");
      const left = Deno.readTextFileSync(path.replace(/json$/, "left"));
      return {
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
