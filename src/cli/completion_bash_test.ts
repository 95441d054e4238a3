/** What real shells complete, as far as they are installed. */
import { assert, assertEquals } from "@std/assert";
import { bashCompletion } from "./completion_bash.ts";
import { fishCompletion } from "./completion_fish.ts";
import { completionOptions, completionRows } from "./completion_table.ts";
import { zshCompletion } from "./completion_zsh.ts";

const SCRIPTS = {
  bash: bashCompletion(),
  zsh: zshCompletion(),
  fish: fishCompletion(),
} as const;

type Shell = keyof typeof SCRIPTS;

function isInstalled(shell: string): boolean {
  const paths = (Deno.env.get("PATH") ?? "").split(":");
  return paths.some((path) => {
    try {
      return Deno.statSync(`${path}/${shell}`).isFile;
    } catch {
      // Not there, or not for us.
      return false;
    }
  });
}

/** A directory with a tree of two resources and two hosts, and the scripts. */
class ShellWorld implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "mars-shell-" });

  constructor() {
    for (const resource of ["alpha1", "beta2", "deleted"]) {
      Deno.mkdirSync(`${this.directory}/mars/resource-${resource}`, {
        recursive: true,
      });
    }
    Deno.mkdirSync(`${this.directory}/mars/ips`);
    for (
      const link of [
        "resource-alpha1/size",
        "resource-beta2/size",
        "ips/ip-host1",
        "ips/ip-host2",
      ]
    ) Deno.symlinkSync("1", `${this.directory}/mars/${link}`);
    for (const [shell, script] of Object.entries(SCRIPTS)) {
      Deno.writeTextFileSync(`${this.directory}/mars.${shell}`, script);
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }

  run(shell: Shell, ...args: string[]): string[] {
    const { code, stdout, stderr } = new Deno.Command(shell, {
      args,
      cwd: this.directory,
      env: { MARS_DIR: `${this.directory}/mars`, HOME: this.directory },
      stdin: "null",
    }).outputSync();
    const decoder = new TextDecoder();
    assertEquals(decoder.decode(stderr), "");
    assertEquals(code, 0);
    return decoder.decode(stdout).split("\n").filter((line) => line !== "");
  }

  /** What bash offers for the last of these words. */
  bash(...words: string[]): string[] {
    return this.run(
      "bash",
      "-c",
      'source ./mars.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mars; printf "%s\\n" "${COMPREPLY[@]}"',
      "bash",
      ...words,
    ).sort();
  }

  /** What fish offers for the end of this line. */
  fish(line: string): string[] {
    return this.run(
      "fish",
      "-c",
      "source ./mars.fish; complete -C $argv[1]",
      line,
    ).map((found) => found.split("\t")[0] ?? "").sort();
  }
}

for (const shell of ["bash", "zsh", "fish"] as const) {
  Deno.test({
    name: `completion ${shell} is a script that ${shell} understands`,
    // Only where the shell is installed.
    ignore: !isInstalled(shell),
    fn: () => {
      using world = new ShellWorld();
      assertEquals(world.run(shell, "-n", `mars.${shell}`), []);
    },
  });

  Deno.test(`completion ${shell} knows every command and every option`, () => {
    const words = new Set(SCRIPTS[shell].match(/[\w-]+/g));
    const names = completionRows().filter((row) =>
      row.isOffered || row.words.length > 0
    ).flatMap((row) => row.names.slice(0, row.words.length === 0 ? 1 : 99));
    const missing = names.filter((name) => !words.has(name.replace("*", "")));
    assertEquals(missing, []);
    const options = completionOptions().map(({ name }) => name);
    const dashes = shell === "fish" ? "" : "--";
    const absent = options.filter((name) => !words.has(dashes + name));
    assertEquals(absent, []);
  });
}

/** Words on the line, what is offered. */
const BASH: readonly (readonly [string[], string[]])[] = [
  [["mars", "prim"], ["primary"]],
  [["marsadm", "primary", ""], ["all", "alpha1", "beta2"]],
  [["mars", "primary", "al"], ["all", "alpha1"]],
  [["mars", "primary", "alpha1,"], ["alpha1,alpha1", "alpha1,beta2"]],
  [["mars", "force-primary", "b"], ["beta2"]],
  [["mars", "connect", "b"], ["beta2"]],
  [["mars", "--timeout", "5", "secon"], ["secondary"]],
  [["mars", "--timeout", "=", "5", "view", "be"], ["beta2"]],
  [["mars", "lowlevel-set-host-ip", ""], ["host1", "host2"]],
  [["mars", "view", "--host", "=", ""], ["host1", "host2"]],
  [["mars", "--host", ""], ["host1", "host2"]],
  [["mars", "completion", ""], ["bash", "fish", "zsh"]],
  [["mars", "key", ""], ["forget", "list", "show", "trust"]],
  [["mars", "log", "v"], ["verify"]],
  [["mars", "log", "verify", "mars.b"], ["mars.bash"]],
  [["mars", "help", "secon"], ["secondary"]],
  [["mars", "wait-resource", "alpha1", "primary"], [
    "primary-off",
    "primary-on",
  ]],
  [["mars", "view-replst"], ["view-replstate", "view-replstate-1and1"]],
  [["mars", "prettyprint-replstate-"], ["prettyprint-replstate-1and1"]],
  [["mars", "view-replstate", "be"], ["beta2"]],
  [["mars", "--sing"], ["--singlestep"]],
  [["mars", "--timeo"], ["--timeout="]],
  [["mars", "--mars-dir", "=", "/none", "primary", ""], ["all"]],
  [["mars", "secondary", "alpha1", ""], []],
];

Deno.test("bash completes commands, resources, hosts, options and values", () => {
  using world = new ShellWorld();
  const found = BASH.map(([words]) => [words, world.bash(...words)]);
  assertEquals(found, BASH.map((row) => [...row]));
});

Deno.test("bash completes without a tree", () => {
  using world = new ShellWorld();
  Deno.removeSync(`${world.directory}/mars`, { recursive: true });
  assertEquals(world.bash("mars", "primary", ""), ["all"]);
  assertEquals(world.bash("mars", "--host", ""), []);
});

Deno.test({
  name: "fish completes commands, resources, hosts, options and values",
  ignore: !isInstalled("fish"),
  fn: () => {
    using world = new ShellWorld();
    assertEquals(world.fish("mars prim"), ["primary"]);
    assertEquals(world.fish("marsadm primary "), ["all", "alpha1", "beta2"]);
    assertEquals(world.fish("mars primary alpha1,b"), ["alpha1,beta2"]);
    assertEquals(world.fish("mars --host "), ["host1", "host2"]);
    assertEquals(world.fish("mars --timeout 5 secon"), ["secondary"]);
    assertEquals(world.fish("mars log v"), ["verify"]);
    assertEquals(world.fish("mars view-replstate-"), ["view-replstate-1and1"]);
    assertEquals(world.fish("mars view-replstate be"), ["beta2"]);
    assert(world.fish("mars --sing").includes("--singlestep"));
  },
});
