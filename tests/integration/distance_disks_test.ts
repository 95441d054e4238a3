/**
 * Real hosts whose disks fail: errors of the kernel, not of a stand-in. A loop
 * device over a sparse file fails every write for which its file system has no
 * block left, and works again when there is room; and every read behind the end
 * of a file that was cut.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Host, Hosts } from "../support/hosts.ts";
import { reportSkipped } from "../support/network.ts";
import { command } from "../support/programs.ts";
import { Recorder } from "../support/recorder.ts";
import {
  assertSameDisks,
  BLOCKS,
  caughtUp,
  connect,
  DISK_BYTES,
  sees,
  writeSome,
} from "../support/replicas.ts";

const MIB = 1024 * 1024;

/** A loop device that can be made to fail. */
class FailingDisk {
  readonly path: string;
  readonly #room: string;
  /** What was cut off. */
  #tail = new Uint8Array(0);

  constructor(directory: string, sizeBytes: number) {
    this.#room = `${directory}/room`;
    Deno.mkdirSync(this.#room);
    const size = `size=${sizeBytes + 8 * MIB}`;
    command("mount", "-t", "tmpfs", "-o", size, "mars", this.#room);
    Deno.writeFileSync(this.#image, new Uint8Array(0));
    Deno.truncateSync(this.#image, sizeBytes);
    this.path = command("losetup", "--find", "--show", this.#image);
  }

  /** From now on what has no block yet cannot be written. */
  fail(): void {
    using ballast = Deno.openSync(this.#ballast, { create: true, write: true });
    const piece = new Uint8Array(4096);
    try {
      for (;;) ballast.writeSync(piece);
    } catch (error) {
      assertMatch(String(error), /No space left/);
    }
  }

  work(): void {
    Deno.removeSync(this.#ballast);
  }

  /** From now on nothing from here on can be read. */
  failReads(startBytes: number): void {
    this.#tail = Deno.readFileSync(this.#image).slice(startBytes);
    Deno.truncateSync(this.#image, startBytes);
    // What is in memory could be read nevertheless.
    command("blockdev", "--flushbufs", this.path);
  }

  /** What was cut off is there again. */
  workAgain(): void {
    Deno.writeFileSync(this.#image, this.#tail, { append: true });
    command("blockdev", "--flushbufs", this.path);
  }

  [Symbol.dispose](): void {
    command("losetup", "--detach", this.path);
    command("umount", "-l", this.#room);
  }

  get #image(): string {
    return `${this.#room}/image`;
  }

  get #ballast(): string {
    return `${this.#room}/ballast`;
  }
}

function missing(): string | undefined {
  if (Deno.uid() !== 0) return "loop devices need root";
  try {
    Deno.statSync("/dev/loop-control");
    command("losetup", "--version");
    command("mkfs.ext4", "-V");
    return undefined;
  } catch (error) {
    return String(error);
  }
}

const trouble = missing();
reportSkipped("Disks that fail", trouble);

/** A resource "r" on these disks; the copy goes on behind. */
async function begin(
  [alpha, own]: readonly [Host, string],
  [beta, copy]: readonly [Host, string],
): Promise<void> {
  await alpha.must("create-resource", "r", own, "--timeout=30");
  await beta.must("join-resource", "r", copy);
}

async function copyEnds(alpha: Host): Promise<void> {
  await alpha.waitLink(
    "resource-r/syncstatus-beta",
    (value) => value === String(DISK_BYTES),
  );
}

Deno.test({
  name: "A disk that fails delays write-back, and clients do not notice",
  ignore: trouble !== undefined,
  fn: async () => {
    await using hosts = new Hosts();
    const [alpha, beta] = await hosts.cluster("alpha", "beta");
    assert(alpha !== undefined && beta !== undefined);
    using disk = new FailingDisk(alpha.directory, DISK_BYTES);
    try {
      await begin([alpha, disk.path], [beta, beta.makeDisk(DISK_BYTES)]);
      await copyEnds(alpha);
      const recorder = new Recorder({ blockCount: BLOCKS, seed: 21 });
      const client = await connect(alpha);
      disk.fail();
      await writeSome(recorder, client, 512);
      await sees(alpha, /DISK_ERROR=-\d+\[(EIO|ENOSPC)/);
      // What is not on the disk is read from the log.
      recorder.check(await client.read(0, recorder.sizeBytes));
      await writeSome(recorder, client, 128);
      disk.work();
      await client.disconnect();
      await caughtUp(beta, alpha);
      command("sync");
      recorder.check(
        Deno.readFileSync(disk.path).subarray(0, recorder.sizeBytes),
      );
      recorder.check(
        Deno.readFileSync(beta.disk).subarray(0, recorder.sizeBytes),
      );
    } finally {
      await alpha.end("SIGKILL");
    }
  },
});

Deno.test({
  name: "A disk that cannot be read holds up who compares or copies it",
  ignore: trouble !== undefined,
  fn: async () => {
    await using hosts = new Hosts();
    const [alpha, beta] = await hosts.cluster("alpha", "beta");
    assert(alpha !== undefined && beta !== undefined);
    using disk = new FailingDisk(alpha.directory, DISK_BYTES);
    try {
      const content = new Uint8Array(DISK_BYTES)
        .map((_, index) => (index >> 12) % 251);
      Deno.writeFileSync(disk.path, content);
      disk.failReads(DISK_BYTES / 2);
      await begin([alpha, disk.path], [beta, beta.makeDisk(DISK_BYTES)]);
      const unreadable = /wrn-sync.*Copy from "alpha" ended.*EIO/s;
      await sees(beta, unreadable);
      await sees(beta, /syncing/);
      disk.workAgain();
      await copyEnds(alpha);
      assertEquals(Deno.readFileSync(beta.disk), content);
      disk.failReads(DISK_BYTES / 2);
      await beta.must("verify", "r");
      await sees(beta, /wrn-verify.*Verification ended.*EIO/s);
      disk.workAgain();
      await sees(beta, /verified: all was equal/);
    } finally {
      await alpha.end("SIGKILL");
    }
  },
});

Deno.test({
  name: "A disk that fails holds up replay, and nobody else",
  ignore: trouble !== undefined,
  fn: async () => {
    await using hosts = new Hosts();
    const [alpha, beta] = await hosts.cluster("alpha", "beta");
    assert(alpha !== undefined && beta !== undefined);
    using disk = new FailingDisk(beta.directory, DISK_BYTES);
    try {
      await begin([alpha, alpha.makeDisk(DISK_BYTES)], [beta, disk.path]);
      await copyEnds(alpha);
      const recorder = new Recorder({ blockCount: BLOCKS, seed: 23 });
      const client = await connect(alpha);
      disk.fail();
      await writeSome(recorder, client, 512);
      await sees(beta, /DISK_ERROR=-\d+\[(EIO|ENOSPC)/);
      await writeSome(recorder, client, 128);
      disk.work();
      await client.disconnect();
      await caughtUp(beta, alpha);
      command("sync");
      recorder.check(
        Deno.readFileSync(disk.path).subarray(0, recorder.sizeBytes),
      );
      await sees(beta, /UpToDate/);
    } finally {
      await beta.end("SIGKILL");
    }
  },
});

Deno.test({
  name: "A log that cannot be made durable is ended, and the service goes on",
  ignore: trouble !== undefined,
  fn: async () => {
    await using hosts = new Hosts();
    const names = ["alpha", "beta"].map((name) => hosts.add(name));
    const [alpha, beta] = names;
    assert(alpha !== undefined && beta !== undefined);
    using disk = new FailingDisk(alpha.directory, 64 * MIB);
    command("mkfs.ext4", "-q", "-E", "nodiscard", disk.path);
    command("mount", "-o", "nodiscard", disk.path, alpha.marsDir);
    try {
      await hosts.unite(names);
      await begin(
        [alpha, alpha.makeDisk(DISK_BYTES)],
        [beta, beta.makeDisk(DISK_BYTES)],
      );
      await copyEnds(alpha);
      const recorder = new Recorder({ blockCount: BLOCKS, seed: 22 });
      const client = await connect(alpha);
      await writeSome(recorder, client, 128);
      disk.fail();
      for (let round = 0; round < 8; round++) {
        await writeSome(recorder, client, 256);
      }
      await sees(alpha, /emergency|log.*(failed|error|Input\/output)/i);
      recorder.check(await client.read(0, recorder.sizeBytes));
      disk.work();
      await client.disconnect();
      // What an administrator does about such a file system.
      await alpha.end("SIGTERM");
      command("umount", alpha.marsDir);
      // 1: errors were corrected.
      const { code } = new Deno.Command("e2fsck", { args: ["-fy", disk.path] })
        .outputSync();
      assert(code < 2, `e2fsck ended with ${code}`);
      command("mount", "-o", "nodiscard", disk.path, alpha.marsDir);
      alpha.start();
      const again = await connect(alpha);
      recorder.check(await again.read(0, recorder.sizeBytes));
      await writeSome(recorder, again, 64);
      await again.disconnect();
      await beta.must("invalidate", "r", "--timeout=30");
      await caughtUp(beta, alpha);
      assertSameDisks([alpha, beta], recorder);
      assertEquals(alpha.link("resource-r/primary"), "alpha");
    } finally {
      await alpha.end("SIGKILL");
      command("umount", "-l", alpha.marsDir);
    }
  },
});
