/**
 * `mars demo` as a user runs it.
 *
 * The demo checks itself and ends with 0 only if every byte is as it must be,
 * so a good end is the widest test of all.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";

const MAIN = decodeURIComponent(
  new URL("../../main.ts", import.meta.url).pathname,
);

/** A directory in which the demo makes its own, and the demo in it. */
class DemoRun implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ dir: "/tmp", prefix: "m-" });
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #output = "";
  #told: () => void = () => {};

  constructor(...options: string[]) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", MAIN, "demo", ...options],
      env: { TMPDIR: this.directory, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#reading = this.#read();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get output(): string {
    return this.#output;
  }

  /** Resolves when the demo has said it, or has ended. */
  async said(text: string): Promise<void> {
    const end = this.#reading.then(() => "end" as const);
    while (!this.#output.includes(text)) {
      const more = new Promise<void>((resolve) => this.#told = resolve);
      if (await Promise.race([more, end]) === "end") return;
    }
  }

  /** @returns the exit code */
  async ended(): Promise<number> {
    await this.#reading;
    return (await this.#process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGTERM");
    } catch (error) {
      // It has ended, as it should.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.ended();
    Deno.removeSync(this.directory, { recursive: true });
  }

  async #read(): Promise<void> {
    for await (
      const text of this.#process.stdout.pipeThrough(new TextDecoderStream())
    ) {
      this.#output += text;
      this.#told();
    }
  }
}

/** Command lines of the processes that use `directory`. */
function processesIn(directory: string): string[] {
  const found: string[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = Deno.readTextFileSync(`/proc/${name}/environ`);
      if (text.includes(`MARS_DIR=${directory}`)) found.push(name);
    } catch (error) {
      // It has ended meanwhile, or belongs to somebody else.
      const isExpected = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.PermissionDenied ||
        (error instanceof Error && /os error 3\b/.test(error.message));
      if (!isExpected) throw error;
    }
  }
  return found;
}

Deno.test("mars demo proves what it says, and cleans up", async () => {
  await using demo = new DemoRun();
  const code = await demo.ended();
  assertEquals(code, 0, demo.output);
  assertStringIncludes(demo.output, "facts proved");
  assertEquals([...Deno.readDirSync(demo.directory)], []);
  assertEquals(processesIn(demo.directory), []);
});

Deno.test("mars demo cleans up when it is interrupted", async () => {
  await using demo = new DemoRun();
  await demo.said("join-resource");
  assert(processesIn(demo.directory).length >= 3, demo.output);
  Deno.kill(demo.pid, "SIGINT");
  assertEquals(await demo.ended(), 130, demo.output);
  assertEquals([...Deno.readDirSync(demo.directory)], []);
  assertEquals(processesIn(demo.directory), []);
});

Deno.test("mars demo keeps the traces when a host fails", async () => {
  await using demo = new DemoRun();
  await demo.said("join-resource");
  const [entry] = [...Deno.readDirSync(demo.directory)];
  const pidPath = `${demo.directory}/${entry?.name}/gamma/run/daemon.pid`;
  Deno.kill(Number(Deno.readTextFileSync(pidPath)), "SIGKILL");
  assertEquals(await demo.ended(), 1, demo.output);
  assertStringIncludes(demo.output, `Daemon of "gamma" ended with 137`);
  assertEquals([...Deno.readDirSync(demo.directory)].length, 1);
  assertEquals(processesIn(demo.directory), []);
});
