/** invalidate on a tree without a daemon; alpha is the host that gives up. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { clusterLinks, TreeWorld } from "../../tests/support/tree_world.ts";
import { ERRNO, MarsError, RefusedError } from "../base/errors.ts";
import { portableCrc32c } from "../log/checksum.ts";
import {
  encodeRecord,
  RECORD_CODE,
  RECORD_OVERHEAD_BYTES,
} from "../log/record.ts";
import { versionText } from "../resource/history.ts";
import { rangesFor } from "../resource/rewind_record.ts";

const log = (sequence: number, host: string) => ({ sequence, host });
const V1 = versionText({ log: log(1, "alpha"), bytes: 100 }, undefined);
/** Both know log 2 of alpha, but beta went on before its end. */
const V2_ALPHA = versionText({ log: log(2, "alpha"), bytes: 90 }, V1);
const V2_BETA = versionText({ log: log(2, "alpha"), bytes: 70 }, V1);
const V3_BETA = versionText({ log: log(3, "beta"), bytes: 50 }, V2_BETA);

function splitBrain(): TreeWorld {
  const world = new TreeWorld();
  world.link({
    ...clusterLinks(),
    "resource-r/primary": "beta",
    "resource-r/actual-alpha/is-primary": "0",
    "resource-r/actual-beta/is-primary": "1",
    "resource-r/syncpos-alpha": "log-000000001-alpha,5,0",
    "resource-r/replay-alpha": "log-000000002-alpha,90,0",
    "resource-r/replay-beta": "log-000000003-beta,40,10",
    "resource-r/version-000000001-alpha": V1,
    "resource-r/version-000000001-beta": V1,
    "resource-r/version-000000002-alpha": V2_ALPHA,
    "resource-r/version-000000002-beta": V2_BETA,
    "resource-r/version-000000003-beta": V3_BETA,
  });
  world.log(1, "alpha", 100, 0);
  world.log(2, "alpha", 90, 0);
  return world;
}

Deno.test("invalidate begins again where the primary is", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r");
  assertEquals(
    world.value("resource-r/replay-alpha"),
    "log-000000003-beta,0,0",
  );
  assertEquals(world.value("resource-r/syncstatus-alpha"), "0");
  assertEquals(world.value("resource-r/syncpos-alpha"), ".deleted");
  assertEquals(world.value("resource-r/todo-alpha/attach"), "1");
});

Deno.test("invalidate takes the history of the primary for its own", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r");
  const version = (sequence: number): string | undefined =>
    world.value(`resource-r/version-00000000${sequence}-alpha`);
  assertEquals([version(1), version(2), version(3)], [V1, V2_BETA, V3_BETA]);
});

Deno.test("invalidate takes only versions that follow each other", async () => {
  using world = splitBrain();
  // What beta told of the log before is older than where it went on.
  const older = versionText({ log: log(2, "alpha"), bytes: 60 }, V1);
  world.link({
    "resource-r/version-000000002-beta": older,
    "resource-r/version-000000002-gamma": V2_BETA,
  });
  await world.run("invalidate", "r");
  assertEquals(world.value("resource-r/version-000000002-alpha"), V2_BETA);
});

Deno.test("invalidate waits for the history of the primary", async () => {
  using world = splitBrain();
  const older = versionText({ log: log(2, "alpha"), bytes: 60 }, V1);
  world.link({ "resource-r/version-000000002-beta": older });
  await assertRejects(
    () => world.run("invalidate", "r", "--timeout=0"),
    MarsError,
    'version of log 2 by "beta" not known yet up to its end',
  );
  assertEquals(world.value("resource-r/version-000000002-alpha"), V2_ALPHA);
});

Deno.test("invalidate deletes logs that the primary has otherwise", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r");
  assertEquals(world.files(), ["log-000000001-alpha"]);
});

Deno.test("invalidate forgets a version behind that of the primary", async () => {
  using world = splitBrain();
  const behind = { log: log(4, "alpha"), bytes: 1 };
  world.link({ "resource-r/version-000000004-alpha": versionText(behind, "") });
  await world.run("invalidate", "r");
  assertEquals(world.value("resource-r/version-000000004-alpha"), ".deleted");
});

Deno.test("invalidate says durably that the copy is bad before logs go", async () => {
  using world = splitBrain();
  const seen: (string | undefined)[] = [];
  await world.runWith((shim) => ({
    ...shim,
    mars_filesystem_flush: (fd) => {
      seen.push(
        world.value("resource-r/syncstatus-alpha"),
        world.files().join(" "),
      );
      return shim.mars_filesystem_flush(fd);
    },
  }), ["invalidate", "r"]);
  assertEquals(seen, ["0", "log-000000001-alpha log-000000002-alpha"]);
});

Deno.test("invalidate may be typed again after it was stopped", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r");
  const before = world.value("resource-r/version-000000003-alpha");
  await world.run("invalidate", "r");
  assertEquals(world.value("resource-r/version-000000003-alpha"), before);
  assertEquals(world.files(), ["log-000000001-alpha"]);
});

for (
  const [what, links] of [
    ["a primary", { "resource-r/actual-alpha/is-primary": "1" }],
    ["a designated primary", { "resource-r/primary": "alpha" }],
    ["a host while nobody is primary", { "resource-r/primary": "(none)" }],
    ["a host that does not know where the primary is", {
      "resource-r/replay-beta": ".deleted",
    }],
  ] as const
) {
  Deno.test(`invalidate refuses ${what}, also with --force`, async () => {
    using world = splitBrain();
    world.link(links);
    await assertRejects(
      () => world.run("invalidate", "r", "--force"),
      RefusedError,
    );
    assertEquals(world.value("resource-r/syncstatus-alpha"), "1048576");
    assertEquals(world.value("resource-r/todo-alpha/attach"), "1");
    assertEquals(world.files().length, 2);
  });
}

Deno.test("invalidate --dry-run changes nothing", async () => {
  using world = splitBrain();
  await world.run("invalidate", "r", "--dry-run");
  assertEquals(world.value("resource-r/syncstatus-alpha"), "1048576");
  assertEquals(world.files().length, 2);
});

// ---- only what was written here ---------------------------------------------

const BLOCK_BYTES = 4096;
const RECORD_BYTES = BLOCK_BYTES + RECORD_OVERHEAD_BYTES;

/** A log of one block per record; `blocks` are their places on the disk. */
function recordsOf(blocks: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(blocks.length * RECORD_BYTES);
  for (const [index, block] of blocks.entries()) {
    const record = encodeRecord({
      sequence: index + 1,
      seconds: 1_700_000_000,
      nanoseconds: 0,
      code: RECORD_CODE.writeNew,
      offsetBytes: block * BLOCK_BYTES,
      payload: new Uint8Array(BLOCK_BYTES).fill(block),
    }, { digest: "crc32c", compression: "none", crc: portableCrc32c });
    bytes.set(record, index * RECORD_BYTES);
  }
  return bytes;
}

/** beta went on behind the first record of log 2, alpha wrote two more. */
function intactSplit(): TreeWorld {
  const world = splitBrain();
  const at = (count: number) => ({
    log: log(2, "alpha"),
    bytes: count * RECORD_BYTES,
  });
  const v2Alpha = versionText(at(3), V1);
  const v2Beta = versionText(at(1), V1);
  world.link({
    "resource-r/syncpos-alpha": ".deleted",
    "resource-r/replay-alpha": `log-000000002-alpha,${3 * RECORD_BYTES},0`,
    "resource-r/version-000000002-alpha": v2Alpha,
    "resource-r/version-000000002-beta": v2Beta,
    "resource-r/version-000000003-beta": versionText(
      { log: log(3, "beta"), bytes: 50 },
      v2Beta,
    ),
  });
  world.log(2, "alpha", 0, 0);
  Deno.writeFileSync(
    `${world.marsDir}/resource-r/log-000000002-alpha`,
    recordsOf([9, 5, 6]),
  );
  return world;
}

const NOTE = "resource-r/local-alpha/rewind";

Deno.test("invalidate goes back to where the histories parted", async () => {
  using world = intactSplit();
  const { printed } = await world.run("invalidate", "r");
  assertEquals(printed, [
    '"r": copying from "beta" again, only what was written here: 8.000 KiB',
  ]);
  const position = `log-000000002-alpha,${RECORD_BYTES},0`;
  assertEquals(world.value("resource-r/replay-alpha"), position);
  assertEquals(world.value("resource-r/syncstatus-alpha"), "0");
  assertEquals(world.value(`${NOTE}-0`), "5+2");
  assertEquals(world.value(NOTE)?.split(" ").slice(0, 3), [
    position,
    "1048576",
    "1",
  ]);
  assertEquals(
    Deno.statSync(`${world.marsDir}/resource-r/log-000000002-alpha`).size,
    RECORD_BYTES,
  );
});

Deno.test("invalidate --full and --force compare the whole disk", async () => {
  for (const option of ["--full", "--force"]) {
    using world = intactSplit();
    await world.run("invalidate", "r", option);
    assertEquals(world.value(NOTE), undefined);
    assertEquals(
      world.value("resource-r/replay-alpha"),
      "log-000000003-beta,0,0",
    );
  }
});

Deno.test("invalidate that was stopped behind its note copies all", async () => {
  using world = intactSplit();
  let flushes = 0;
  await assertRejects(() =>
    world.runWith((shim) => ({
      ...shim,
      // The first one makes durable that the copy is worth nothing.
      mars_filesystem_flush: (fd) =>
        ++flushes > 1 ? -ERRNO.EIO : shim.mars_filesystem_flush(fd),
    }), ["invalidate", "r"])
  );
  assertEquals(world.value("resource-r/syncstatus-alpha"), "0");
  assert(world.value(NOTE) !== undefined);
  // Its position is not the one that the note is for.
  const view = world.desk("view").view("r");
  const { replay } = view.own ?? {};
  assertEquals(rangesFor(view.rewind, replay, 1 << 20), undefined);
  await world.run("invalidate", "r");
  assertEquals(world.value(NOTE), ".deleted");
  assertEquals(world.value("resource-r/syncstatus-alpha"), "0");
  assertEquals(
    world.value("resource-r/replay-alpha"),
    "log-000000003-beta,0,0",
  );
});

Deno.test("invalidate notes numbers that must not come again", async () => {
  using world = splitBrain();
  world.log(4, "alpha", 10, 0);
  await world.run("invalidate", "r");
  assertEquals(world.value("resource-r/userspace/used-log-alpha"), "4");
});
