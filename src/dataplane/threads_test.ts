/** Tests of threads, with the kernel's scheduler. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { loadShim, type Shim } from "../../ffi/shim.ts";
import { DataPlane, SHIM_PATH, until } from "../../tests/support/data_plane.ts";
import { Mailbox } from "./mailbox.ts";
import { DaemonThread, stopYielding, yieldingThreadOf } from "./threads.ts";

const SCHED_OTHER = 0;
const SCHED_BATCH = 3;
const SCHED_IDLE = 5;

const shim = loadShim(SHIM_PATH);
const main = yieldingThreadOf(shim);
const ignore = main === undefined;
if (ignore) {
  // Whoever reads the result must know why tests are left out.
  // deno-lint-ignore no-console
  console.log("threads: skipped, because this process may not rise again");
}

Deno.test({
  name: "DaemonThread makes a thread yield, and lets it run again",
  ignore,
  fn: () => {
    const mailbox = Mailbox.create();
    const thread = new DaemonThread(shim, { mailbox, thread: main ?? 0 });
    thread.yield();
    assertEquals(shim.mars_thread_policy(main ?? 0), SCHED_IDLE);
    thread.restore();
    assertEquals(shim.mars_thread_policy(main ?? 0), SCHED_OTHER);
  },
});

Deno.test({
  name: "ask() puts threads right that were born while their maker yielded",
  ignore,
  fn: async () => {
    const mailbox = Mailbox.create();
    const thread = new DaemonThread(shim, { mailbox, thread: main ?? 0 });
    shim.mars_thread_policy_set(0, SCHED_IDLE);
    const born = new Worker(
      `data:text/javascript,postMessage(0);onmessage=()=>close()`,
      { type: "module" },
    );
    await new Promise((resolve) =>
      born.addEventListener("message", resolve, { once: true })
    );
    const idle = (): number[] =>
      [...Deno.readDirSync("/proc/self/task")]
        .map(({ name }) => Number(name))
        .filter((id) => shim.mars_thread_policy(id) === SCHED_IDLE);
    assertEquals(idle().length > 1, true);
    thread.ask();
    assertEquals(idle(), []);
    born.terminate();
  },
});

Deno.test("yieldingThreadOf() leaves alone whom somebody else has scheduled", () => {
  for (const policy of [SCHED_BATCH, SCHED_IDLE, 1, 2]) {
    const fake = { ...shim, "mars_thread_policy": () => policy } as Shim;
    assertEquals(yieldingThreadOf(fake), undefined);
  }
});

Deno.test("yieldingThreadOf() makes nobody yield who could not come back", () => {
  const refused = {
    "mars_thread_policy": () => SCHED_OTHER,
    "mars_thread_rank": () => 20,
    "mars_thread_rank_set": () => -1,
  };
  const fake = { ...shim, ...refused } as Shim;
  assertEquals(yieldingThreadOf(fake), undefined);
});

Deno.test("yieldingThreadOf() leaves the nice value as it was", () => {
  const rank = shim.mars_thread_rank();
  yieldingThreadOf(shim);
  assertEquals(shim.mars_thread_rank(), rank);
});

Deno.test("stopYielding() of a thread that is gone does nothing", () => {
  stopYielding(shim, 2 ** 31 - 1);
});

Deno.test({
  name: "A worker makes the daemon's thread yield while its device is in use",
  ignore,
  fn: async () => {
    const thread = main ?? 0;
    await using plane = new DataPlane(1024 * 1024);
    plane.createDisk("disk");
    plane.createLog(1);
    const handle = plane.start("disk", { yieldingThread: thread });
    handle.adjust(plane.logging(1));
    await until(handle, "device on", ({ deviceOn }) => deviceOn === 1);
    assertEquals(shim.mars_thread_policy(thread), SCHED_OTHER);
    const client = await plane.connect();
    const isPolicy = (policy: number) => () =>
      shim.mars_thread_policy(thread) === policy;
    await client.write(0, new Uint8Array(4096));
    await until(handle, "yielding", isPolicy(SCHED_IDLE));
    await until(handle, "nobody used it", isPolicy(SCHED_OTHER));
    await client.write(0, new Uint8Array(4096));
    await until(handle, "yielding again", isPolicy(SCHED_IDLE));
    await client.disconnect();
    handle.adjust(plane.logging(1, { role: "idle" }));
    await until(handle, "role ended", ({ role }) => role === "idle");
    assertEquals(shim.mars_thread_policy(thread), SCHED_OTHER);
  },
});

Deno.test({
  name: "A worker that fails leaves nobody yielding",
  ignore,
  fn: async () => {
    const thread = main ?? 0;
    await using plane = new DataPlane(1024 * 1024);
    plane.createDisk("disk");
    plane.createLog(1);
    const handle = plane.start("disk", {
      yieldingThread: thread,
      workerUrl: new URL(
        "../../tests/support/failing_worker.ts",
        import.meta.url,
      ),
    });
    handle.adjust(plane.logging(1));
    await until(handle, "device on", ({ deviceOn }) => deviceOn === 1);
    const client = await plane.connect();
    const block = new Uint8Array(4096);
    await client.write(0, block);
    // What waits for memory keeps no event loop alive.
    const alive = setTimeout(() => {}, 60_000);
    const isYielding = () => shim.mars_thread_policy(thread) === SCHED_IDLE;
    await until(handle, "yielding", isYielding);
    Deno.writeTextFileSync(plane.path("fail"), "");
    await assertRejects(() => client.write(0, block));
    await client.disconnect().catch(() => "the server has hung up");
    await handle.stop();
    clearTimeout(alive);
    assert(handle.failure !== undefined);
    assertEquals(shim.mars_thread_policy(thread), SCHED_OTHER);
  },
});
