/** A world of macros in memory, for tests. */
import { NS_PER_S } from "../../src/base/time.ts";
import { outcome } from "../../src/cli/macros/flow.ts";
import { Library } from "../../src/cli/macros/library.ts";
import { PRIMITIVES } from "../../src/cli/macros/primitives.ts";
import { type MacroText, Run } from "../../src/cli/macros/run.ts";
import { TEXTS } from "../../src/cli/macros/texts.ts";
import type { Mood, Mount, World } from "../../src/cli/macros/world.ts";
import { Report, ResourceFacts } from "../../src/cli/report.ts";
import type { LocalLog } from "../../src/resource/plan_types.ts";
import { Snapshot } from "../../src/tree/snapshot.ts";

export const NOW_NS = 1_800_000_000n * NS_PER_S;

/** A value, or a value and its age in seconds. */
export type Links = Readonly<
  Record<string, string | readonly [value: string, ageS: bigint]>
>;

export function snapshotOf(links: Links): Snapshot {
  return new Snapshot(
    Object.entries(links).map(([path, link]) => {
      const [value, ageS] = typeof link === "string" ? [link, 0n] : link;
      return { path, value, stampNs: NOW_NS - ageS * NS_PER_S };
    }),
  );
}

export class MacroWorld implements World {
  readonly marsDir = "/mars";
  host = "hosta";
  snapshot: Snapshot;
  realNs = NOW_NS;
  lamportNs = NOW_NS;
  isDaemonRunning = true;
  treeTrouble = "";
  countsDeletedPeers = false;
  logs: readonly LocalLog[] = [];
  isDiskThere: boolean | undefined = true;
  socket: string | undefined;
  mount: Mount | undefined;
  isPainted = false;
  readonly warned: string[] = [];
  readonly written: (readonly [path: string, value: string])[] = [];
  readonly templates = new Map<string, string>();
  readonly files = new Map<string, string>();
  /** Called by each sleep. */
  onSleep: () => void = () => {};
  #reports = new Map<string, Report>();

  constructor(links: Links) {
    this.snapshot = snapshotOf(links);
  }

  refresh(): void {
    this.#reports = new Map();
  }

  report(resource: string, host: string): Report {
    const key = `${resource}/${host}`;
    const known = this.#reports.get(key);
    if (known !== undefined) return known;
    const facts = new ResourceFacts(this.snapshot, resource, {
      host: this.host,
      nowNs: this.lamportNs,
      logs: this.logs,
    });
    const report = new Report(facts, host);
    this.#reports.set(key, report);
    return report;
  }

  addressOf(host: string): string | undefined {
    return this.snapshot.value(`ips/ip-${host}`);
  }

  isThere(): boolean | undefined {
    return this.isDiskThere;
  }

  nbdSocket(): string | undefined {
    return this.socket;
  }

  mountOf(): Mount | undefined {
    return this.mount;
  }

  statusText(resource: string, kind: string): string {
    return this.files.get(`${resource}/${kind}`) ?? "";
  }

  glob(pattern: string): string[] {
    return [`${pattern}-1`, `${pattern}-2`];
  }

  readFile(path: string): string | undefined {
    return this.files.get(path);
  }

  template(name: string): MacroText | undefined {
    const text = this.templates.get(name);
    return text === undefined ? undefined : { name, text };
  }

  formatTime(): string {
    return "2026-11-22 12:49:30";
  }

  paint(text: string, mood: Mood): string {
    return this.isPainted ? `<${mood}>${text}` : text;
  }

  warn(line: string): void {
    this.warned.push(line);
  }

  sleep(durationMs: number): void {
    this.realNs += BigInt(durationMs) * 1_000_000n;
    this.onSleep();
  }

  askPeers(): void {}

  setLink(path: string, value: string): void {
    this.written.push([path, value]);
  }
}

const VARIABLES: Readonly<Record<string, string>> = {
  cmd: "view",
  res: "res1",
  mars: "/mars",
  host: "hosta",
  "real_host": "hosta",
  timeout: "600",
  threshold: String(10 * 2 ** 20),
  window: "60",
  "stuck-seconds": "3600",
  "keep-backup-hours": "168",
  "keep-backup-seconds": "604800",
  force: "0",
  "dry-run": "0",
  verbose: "0",
};

/** The text of `text` as a macro in `world`. */
export function evaluate(
  text: string,
  world: MacroWorld = new MacroWorld({}),
  variables: Readonly<Record<string, string>> = {},
): string {
  const library = new Library({
    primitives: PRIMITIVES,
    texts: TEXTS,
    templates: (name) => world.template(name),
  });
  const run = new Run(
    library,
    world,
    new Map(Object.entries({ ...VARIABLES, host: world.host, ...variables })),
  );
  const code = library.compile({ name: "test", text });
  return outcome(() => run.call("test", code, []));
}
