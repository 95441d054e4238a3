/**
 * Real hosts whose tree lies on a small file system of its own: one that gets
 * full, fails, or goes away. Needs root.
 */
import { assert, assertStringIncludes } from "@std/assert";
import { sleep } from "../../src/base/time.ts";
import type { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import { type Host, type Hosts, waitFor } from "./hosts.ts";
import { command } from "./programs.ts";
import type { Recorder } from "./recorder.ts";

export const MIB = 1024 * 1024;
export const DISK_BYTES = 16 * MIB;
export const BLOCKS = 1024;
export const LANES = 8;
/**
 * Size of a tmpfs, a file system on which long links need a block, or one with
 * a journal, which ends when it fails.
 */
export type TreeKind = "8m" | "32m" | "96m" | "ext4" | "journal";

/** A tree on a small file system of its own; unmounts it at the end. */
export class SmallTree {
  readonly host: Host;
  readonly #kind: TreeKind;

  constructor(host: Host, kind: TreeKind) {
    this.host = host;
    this.#kind = kind;
    const { marsDir } = host;
    if (kind !== "ext4" && kind !== "journal") {
      mount("-t", "tmpfs", "-o", `size=${kind}`, "mars", marsDir);
      return;
    }
    const isSmall = kind === "ext4";
    Deno.writeFileSync(this.#image, new Uint8Array(0));
    // The other one must not get full, however fast this machine writes.
    Deno.truncateSync(this.#image, (isSmall ? 24 : 8192) * MIB);
    // Nothing is kept for root, nor, if it is small, for a journal.
    const words = ["-m", "0", "-I", "256"];
    if (isSmall) words.push("-O", "^has_journal");
    command("mkfs.ext4", "-q", ...words, this.#image);
    mount("-o", "loop", this.#image, marsDir);
    if (!isSmall) return;
    Deno.writeFileSync(this.#ballast, new Uint8Array(14 * MIB));
  }

  /** Lets every write fail, also of files that are open. */
  fail(): void {
    mount("-o", "remount,abort", this.host.marsDir);
  }

  /** Makes it read-only, or takes that back; nobody may write to it. */
  protect(isProtected: boolean): void {
    const how = isProtected ? "ro" : "rw";
    mount("-o", `remount,${how}`, this.host.marsDir);
  }

  /** Takes the tree away from under the daemon. */
  vanish(): void {
    command("umount", "-l", this.host.marsDir);
  }

  /** Brings back what has vanished. */
  comeBack(): void {
    const { stdout } = new Deno.Command("losetup", {
      args: ["--noheadings", "--output=NAME", "-j", this.#image],
    }).outputSync();
    mount(new TextDecoder().decode(stdout).trim(), this.host.marsDir);
  }

  /** What an administrator does about one that fails, once nobody uses it. */
  mend(): void {
    const { marsDir } = this.host;
    command("umount", marsDir);
    // 1: errors were corrected.
    const { code } = new Deno.Command("e2fsck", { args: ["-fy", this.#image] })
      .outputSync();
    assert(code < 2, `e2fsck ended with ${code}`);
    mount("-o", "loop", this.#image, marsDir);
  }

  /** Leaves no block over. */
  fill(): void {
    const { marsDir } = this.host;
    using file = Deno.openSync(`${marsDir}/filling`, {
      create: true,
      append: true,
    });
    const block = new Uint8Array(1024);
    try {
      for (;;) file.writeSync(block);
    } catch (error) {
      assertStringIncludes(String(error), "No space left");
    }
  }

  /** Makes room. */
  grow(): void {
    if (this.#kind === "ext4") Deno.removeSync(this.#ballast);
    else mount("-o", "remount,size=128m", this.host.marsDir);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.end("SIGKILL");
    new Deno.Command("umount", { args: ["-l", this.host.marsDir] })
      .outputSync();
  }

  get #image(): string {
    return `${this.host.directory}/tree`;
  }

  get #ballast(): string {
    return `${this.host.marsDir}/ballast`;
  }
}

function mount(...words: string[]): void {
  command("mount", ...words);
}

/** Whether a file can become a file system and be mounted. */
export function hasExt4(): boolean {
  if (Deno.uid() !== 0) return false;
  try {
    Deno.statSync("/dev/loop-control");
    return new Deno.Command("mkfs.ext4", { args: ["-V"] }).outputSync().success;
  } catch {
    return false; // One of them is missing.
  }
}

/** Writes from several lanes until it is told to stop. */
export class Writer {
  readonly #recorder: Recorder;
  readonly #client: NbdClient;
  readonly #lanes: Promise<void>[] = [];
  #isStopped = false;
  /** Rest of each lane between two writes. */
  pauseMs = 0;

  constructor(recorder: Recorder, client: NbdClient) {
    this.#recorder = recorder;
    this.#client = client;
    for (let lane = 0; lane < LANES; lane++) this.#lanes.push(this.#run(lane));
  }

  async #run(lane: number): Promise<void> {
    for (let count = 0; !this.#isStopped; count++) {
      await this.#recorder.writeOne(this.#client);
      if (lane === 0 && count % 50 === 0) await this.#client.flush();
      if (this.pauseMs > 0) await sleep(this.pauseMs);
    }
  }

  /** Waits until so many more writes have been acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.#recorder.acknowledgedCount + count;
    await Promise.race([
      waitFor(
        `${count} more writes`,
        () => this.#recorder.acknowledgedCount >= goal,
      ),
      // A lane that fails ends the wait at once.
      Promise.all(this.#lanes),
    ]);
  }

  /** @throws the first error that a client has seen */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#lanes);
    await this.#client.flush();
    await this.#client.disconnect();
  }
}

export async function listening(host: Host, ...words: string[]): Promise<void> {
  const before = host.traces().split("daemon: Started").length;
  host.start(...words);
  await waitFor(
    `${host.name} to listen`,
    () => host.traces().split("daemon: Started").length > before,
  );
}

/** Alpha, alone in a cluster, primary of "r", on a tree of this kind. */
export async function primaryOn(
  hosts: Hosts,
  kind: TreeKind,
  ...words: string[]
): Promise<SmallTree> {
  const tree = new SmallTree(hosts.add("alpha"), kind);
  const alpha = tree.host;
  await listening(alpha, ...words);
  await alpha.must("create-cluster", `--ip=127.0.0.1:${alpha.port}`);
  await alpha.must("create-resource", "r", alpha.makeDisk(DISK_BYTES));
  return tree;
}

export function state(host: Host, name: string): string | undefined {
  return host.link(`resource-r/actual-${host.name}/${name}`);
}

export async function inEmergency(host: Host): Promise<void> {
  await host.waitLink(
    `resource-r/actual-${host.name}/is-emergency`,
    (value) => value === "1",
  );
}

export async function isLogging(host: Host): Promise<void> {
  await waitFor(
    `${host.name} to log again`,
    () => state(host, "has-emergency") === "0",
  );
}
