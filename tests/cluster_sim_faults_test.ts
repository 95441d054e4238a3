/**
 * The simulation of clusters itself: the same seed is the same run, and what is
 * broken on purpose is noticed. A checker that cannot fail checks nothing.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { ERRNO, SyscallError } from "../src/base/errors.ts";
import { LogScanner } from "../src/log/scanner.ts";
import { Resources } from "../src/daemon/resources.ts";
import { LinkTree } from "../src/tree/store.ts";
import { LamportClock } from "../src/base/lamport.ts";
import { MetadataLink } from "../src/transfer/metadata.ts";
import {
  ClusterWorld,
  SHARED,
  SimFailure,
  type WorldOptions,
} from "./sim/cluster_world.ts";
import { DISK, RESOURCE } from "./sim/records.ts";
import { SimWorker } from "./sim/worker.ts";

const SEEDS_MAX = 150;

interface FaultOptions extends WorldOptions {
  /** Where one is known to be found soon. */
  readonly firstSeed: number;
}

/** The first failure among many seeds of a broken world; "" if there is none. */
async function failureOf(
  breaks: (world: ClusterWorld) => void,
  words: RegExp,
  { firstSeed = 1, ...options }: Partial<FaultOptions> = {},
): Promise<string> {
  for (let seed = firstSeed; seed < firstSeed + SEEDS_MAX; seed++) {
    try {
      await ClusterWorld.run({ seed, onWorld: breaks, ...options });
    } catch (error) {
      if (!(error instanceof SimFailure)) throw error;
      const [text = ""] = error.message.split("\n");
      if (words.test(text)) return text;
    }
  }
  return "";
}

/** Lets `work` run with another method in the place of `name`. */
async function withMethod<T extends object>(
  prototype: T,
  name: keyof T,
  method: unknown,
  work: () => Promise<void>,
): Promise<void> {
  const real = Object.getOwnPropertyDescriptor(prototype, name);
  if (real === undefined) throw new Error(`no method "${String(name)}"`);
  Object.defineProperty(prototype, name, { ...real, value: method });
  try {
    await work();
  } finally {
    Object.defineProperty(prototype, name, real);
  }
}

Deno.test("ClusterWorld.run() is the same for the same seed", async () => {
  for (const seed of [4711, 4712, 4713]) {
    const first = await ClusterWorld.run({ seed });
    assertEquals(await ClusterWorld.run({ seed }), first);
  }
  const [left, right] = [
    await ClusterWorld.run({ seed: 1 }),
    await ClusterWorld.run({ seed: 2 }),
  ];
  assertEquals(left.hash === right.hash, false);
});

Deno.test("A failure names seed, step and the command that repeats it", async () => {
  let message = "";
  try {
    await ClusterWorld.run({
      seed: 5,
      onWorld: (world) =>
        world.time.after(500, () => {
          throw new Error("broken on purpose");
        }),
    });
  } catch (error) {
    if (!(error instanceof SimFailure)) throw error;
    message = error.message;
  }
  assertStringIncludes(message, "broken on purpose");
  assertStringIncludes(message, "seed 5, step ");
  assertStringIncludes(message, "make sim SEED=5 COUNT=1");
});

Deno.test("A record that is changed on its way to the disk is noticed (I6)", async () => {
  const found = await failureOf((world) => {
    world.time.after(900, () => {
      for (const host of world.hosts) {
        const disk = host.files.disk(DISK);
        disk?.write(new Uint8Array([255, 255]), 0);
        disk?.flush();
      }
    });
  }, /not the state|is not that of/);
  assertStringIncludes(found, "write 65535");
});

Deno.test("A log that is deleted too early is noticed (I7)", async () => {
  const found = await failureOf((world) => {
    world.time.after(1_200, () => {
      const [first] = world.hosts;
      first?.writeLinks({
        [`resource-${RESOURCE}/log-000000001-alpha`]: ".deleted",
      });
    });
  }, /\(I7\)/);
  assertStringIncludes(found, "deletes log-000000001-alpha");
});

Deno.test("A host that writes what is another's is noticed (I8)", async () => {
  const found = await failureOf((world) => {
    world.time.after(1_200, () => {
      world.hosts[1]?.writeLinks({
        [`resource-${RESOURCE}/replay-alpha`]: "log-000000009-alpha,0,0",
      });
    });
  }, /\(I8\)/);
  assertStringIncludes(found, "replay-alpha");
});

Deno.test("A clock that ignores stamps is noticed (I9)", async () => {
  await withMethod(
    LamportClock.prototype,
    "observe",
    () => true,
    async () => {
      const found = await failureOf(() => {}, /\(I9\)|is ".*" of|rest/);
      assertEquals(found === "", false);
    },
  );
});

Deno.test("A host that leads although another is designated is noticed (I10)", async () => {
  const found = await failureOf((world) => {
    const { watch } = world;
    const real = watch.onLink.bind(watch);
    // The watch is told that somebody else shall be primary.
    watch.onLink = (host, link) =>
      real(
        host,
        link.path.endsWith("/primary") ? { ...link, value: "nobody" } : link,
      );
  }, /\(I10\)/);
  assertStringIncludes(found, "is not designated");
});

Deno.test("A merge that forgets is noticed: trees differ", async () => {
  const apply = LinkTree.prototype.apply;
  await withMethod(
    LinkTree.prototype,
    "apply",
    function (
      this: LinkTree,
      links: Parameters<typeof apply>[0],
      context: Parameters<typeof apply>[1],
    ) {
      const some = [...links].filter(({ path }) => !path.endsWith("/attach"));
      return apply.call(this, some, context);
    },
    async () => {
      const found = await failureOf(() => {}, /todo-.*\/attach is/);
      assertStringIncludes(found, "missing on");
    },
  );
});

Deno.test("Changes that are not pushed are noticed", async () => {
  await withMethod(MetadataLink.prototype, "push", () => {}, async () => {
    const found = await failureOf(() => {}, /./);
    assertEquals(found === "", false);
  });
});

Deno.test("A split brain that nobody forced is noticed", async () => {
  const found = await failureOf((world) => {
    const [alpha, beta] = world.hosts;
    world.time.after(900, () => {
      for (const { name } of world.hosts) {
        world.network.block("beta", name);
        world.network.block(name, "beta");
      }
      alpha?.worker(RESOURCE)?.openDevice();
      alpha?.worker(RESOURCE)?.write();
      // By hand: no command would do that.
      beta?.writeLinks({ [`resource-${RESOURCE}/primary`]: "beta" });
    });
  }, /nobody forced|are lost/);
  assertEquals(found === "", false);
});

Deno.test("Durable writes that are gone are noticed", async () => {
  const found = await failureOf((world) => {
    world.time.after(1_500, () => {
      const log = { sequence: 1, host: "alpha" };
      // The truth knows of more than any log has.
      if (world.truth.durableBytes(log) !== undefined) {
        world.truth.setDurable(log, 1_000_000);
      }
    });
  }, /are lost|not in the history/);
  assertEquals(found === "", false);
});

/** Lets the newest byte of every foreign log rot now and then. */
function rotten(world: ClusterWorld): void {
  world.time.after(3, () => {
    for (const host of world.hosts) {
      const logs = host.files.listLogs(`resource-${RESOURCE}`)
        .filter(({ log }) => log.host !== host.name);
      const newest = logs.at(-1);
      if (newest === undefined || newest.sizeBytes === 0) continue;
      const file = host.files.log(RESOURCE, newest.log);
      file?.rot(newest.sizeBytes - 1, world.random.below(8));
    }
    if (world.time.nowMs < ROT_MS) rotten(world);
  });
}

const ROT_MS = 2_000;

Deno.test("A damaged copy of a log that nobody cuts is noticed", async () => {
  const found = await failureOf((world) => {
    rotten(world);
    for (const { files } of world.hosts) {
      const real = files.logDirectory.bind(files);
      files.logDirectory = (path, life) => ({
        ...real(path, life),
        truncate: () =>
          Promise.reject(new SyscallError("truncate", path, ERRNO.EIO)),
      });
    }
  }, /./);
  assertEquals(found === "", false);
});

Deno.test("Damage that is replayed is noticed (I6, I11)", async () => {
  await withMethod(
    LogScanner.prototype,
    "next",
    function (this: LogScanner) {
      const found = realNext.call(this);
      if (found === "record") {
        this.payload = this.payload.slice();
        this.payload[this.payloadStart + 1] = 77;
      }
      return found;
    },
    async () => {
      const found = await failureOf(() => {}, /\(I6\)|is not that of/);
      assertStringIncludes(found, "has write 197");
    },
  );
});

Deno.test("Durable writes that are gone are noticed where nobody was forced", async () => {
  const found = await failureOf((world) => {
    // Elsewhere somebody was.
    world.watch.isForced = true;
    world.time.after(1_500, () => {
      const log = { sequence: 1, host: "alpha" };
      if (world.truth.durableBytes(log) !== undefined) {
        world.truth.setDurable(log, 1_000_000);
      }
    });
  }, /nobody was forced/);
  assertStringIncludes(found, "durable bytes of log-000000001-alpha");
});

Deno.test("A host that is forced and gives up what it has is noticed", async () => {
  const found = await failureOf((world) => {
    const { watch } = world;
    const real = watch.onLog.bind(watch);
    watch.onLog = (worker, ...rest) => {
      const { files } = worker.options;
      for (const host of world.hosts) {
        // As if it had all along what it has not replayed.
        for (const { log } of files.listLogs(`resource-${RESOURCE}`)) {
          if (log.host !== host.name || host.files === files) continue;
          const theirs = host.files.logBytes(`resource-${RESOURCE}`, log);
          files.log(RESOURCE, log)?.write(theirs, 0);
        }
      }
      real(worker, ...rest);
    };
  }, /was forced to lead and goes on/);
  assertStringIncludes(found, "although it has");
});

Deno.test("A second resource is checked as the first is", async () => {
  const found = await failureOf(
    (world) => {
      world.time.after(900, () => {
        for (const { files } of world.hosts) {
          files.disk(`${DISK}-s`)?.write(new Uint8Array([255, 255]), 0);
        }
      });
    },
    /not the state|is not that of/,
    { resources: [RESOURCE, "s"] },
  );
  assertStringIncludes(found, "write 65535");
});

const CROWDED = { ...SHARED, chaosMs: 8_000 };

Deno.test("A greedy resource that pushes another is noticed", async () => {
  await withMethod(Resources.prototype, "logShare", () => 1, async () => {
    const found = await failureOf(() => {}, /emergency mode on/, {
      ...CROWDED,
      firstSeed: 11,
    });
    assertStringIncludes(found, '"s" goes into emergency mode');
  });
});

Deno.test("A quota that is not kept is noticed", async () => {
  const { adjust } = SimWorker.prototype;
  await withMethod(
    SimWorker.prototype,
    "adjust",
    function (this: SimWorker, desired: Parameters<typeof adjust>[0]) {
      adjust.call(this, { ...desired, bypass: "off" });
    },
    async () => {
      const found = await failureOf(() => {}, /the quota is/, CROWDED);
      assertStringIncludes(found, 'Logs of "r" have');
    },
  );
});

const realNext = LogScanner.prototype.next;
