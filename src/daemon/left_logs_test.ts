/** Who was made to leave is told what is left of the resource there. */
import { assertEquals } from "@std/assert";
import type { LogFile } from "../log/files.ts";
import { linkPath } from "../tree/path.ts";
import { Snapshot } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { LEFT_LOGS_KEY, LeftLogs } from "./left_logs.ts";

const DEVICE = linkPath.device("r", "gamma");
const SIZE = linkPath.size("r");

function logFile(sequence: number): LogFile {
  const log = { sequence, host: "alpha" };
  return { log, sizeBytes: 1_000_000, changedAtMs: 0 };
}

/** Host "gamma", which another one made leave "r". */
class World {
  readonly #left = new LeftLogs();
  #stampNs = 0n;
  snapshot = new Snapshot([]);
  files: LogFile[] = [logFile(1), logFile(2)];
  isRunning = false;
  hasHeard = true;

  constructor() {
    this.tell(SIZE, "4096");
    this.tell(linkPath.data("r", "alpha"), "/dev/null");
    this.tell(DEVICE, TOMBSTONE);
  }

  tell(path: string, value: string): void {
    const stampNs = ++this.#stampNs;
    this.snapshot = this.snapshot.with([{ path, value, stampNs }]);
  }

  /** Looks once; what is told then. */
  async look(): Promise<string[]> {
    await this.#left.look({
      host: "gamma",
      marsDir: "/mars",
      snapshot: () => this.snapshot,
      hasHeard: () => this.hasHeard,
      isRunning: () => this.isRunning,
      logDirectory: (path) => ({
        list: () => {
          assertEquals(path, "/mars/resource-r");
          return Promise.resolve(this.files);
        },
      }),
    });
    return this.#left.obstacles.map(({ key, text }) => {
      assertEquals(key, LEFT_LOGS_KEY);
      return text;
    });
  }

  /** What is told when nothing changes. */
  async told(): Promise<string[]> {
    await this.look();
    return await this.look();
  }
}

Deno.test("Logs that stayed are told, with what to type", async () => {
  assertEquals(await new World().told(), [
    '"r": this host is no member any more; 2 logs of it (1.907 MiB) stayed here; to free the space type: mars leave-resource r',
  ]);
});

Deno.test("Logs of a deleted resource are told as files", async () => {
  const world = new World();
  world.tell(SIZE, TOMBSTONE);
  assertEquals(await world.told(), [
    '"r": it was deleted; 2 logs of it (1.907 MiB) stayed here; to free the space type: rm /mars/resource-r/log-*',
  ]);
});

Deno.test("Logs are not told before they are found twice", async () => {
  const world = new World();
  assertEquals(await world.look(), []);
  assertEquals((await world.look()).length, 1);
  world.files = [];
  assertEquals(await world.look(), []);
  world.files = [logFile(1)];
  assertEquals(await world.look(), [], "a command may just be joining");
});

Deno.test("Logs are not told of who takes part, runs, or has heard nothing", async () => {
  const member = new World();
  member.tell(DEVICE, "r");
  assertEquals(await member.told(), []);
  const leaving = new World();
  leaving.tell(linkPath.data("r", "gamma"), "/dev/null");
  assertEquals(await leaving.told(), []);
  const stopping = new World();
  stopping.isRunning = true;
  assertEquals(await stopping.told(), []);
  const returning = new World();
  returning.hasHeard = false;
  assertEquals(await returning.told(), []);
});

Deno.test("Nothing is told where no log stayed", async () => {
  const world = new World();
  world.files = [];
  assertEquals(await world.told(), []);
});
