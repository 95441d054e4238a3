// Pure
/**
 * A tree whose file system may go away: unmounted, or failing every access.
 *
 * What is found below the empty mount point is no tree; read as one, it would
 * end every resource, and links written there would never be seen again. So
 * nothing is read or written while what this host has told of itself is not
 * there, once it was. What is known stays as it is.
 */
import { MarsError } from "../base/errors.ts";
import type { LogDirectory } from "../log/files.ts";
import type {
  FileStatus,
  FreshDirectory,
  LinkDisk,
} from "../tree/link_files.ts";
import type { Listing } from "../tree/scan.ts";

// Ours. One more look at the file system would be felt in each of thousands of
// links; so is nothing else in this time.
const LOOK_MS = 20;

export class TreeGuard implements LinkDisk {
  readonly #disk: LinkDisk;
  readonly #witness: string;
  readonly #root: string;
  readonly #monotonicMs: () => number;
  /** The witness was there. */
  #isArmed = false;
  #isGone = false;
  #lookedAtMs = -Infinity;

  /** @param witness a path that is there as long as the tree is */
  constructor(
    disk: LinkDisk,
    options: {
      readonly witness: string;
      /** For messages. */
      readonly root: string;
      readonly monotonicMs: () => number;
    },
  ) {
    this.#disk = disk;
    this.#witness = options.witness;
    this.#root = options.root;
    this.#monotonicMs = options.monotonicMs;
  }

  /** Whether the tree was there, and is not. */
  get isGone(): boolean {
    const nowMs = this.#monotonicMs();
    if (nowMs < this.#lookedAtMs + LOOK_MS) return this.#isGone;
    this.#lookedAtMs = nowMs;
    const isThere = this.#isWitnessThere();
    this.#isGone = this.#isArmed && !isThere;
    this.#isArmed ||= isThere;
    return this.#isGone;
  }

  /** @throws MarsError while the tree is gone */
  assertThere(): void {
    if (!this.isGone) return;
    throw new MarsError(
      `Cannot use tree "${this.#root}": its file system is gone or fails; mount it again`,
    );
  }

  /** The same of logs. */
  guarded(logs: LogDirectory): LogDirectory {
    return {
      path: logs.path,
      list: async () => {
        this.assertThere();
        return await logs.list();
      },
      create: async (log) => {
        this.assertThere();
        return await logs.create(log);
      },
      truncate: async (log, sizeBytes) => {
        this.assertThere();
        await logs.truncate(log, sizeBytes);
      },
      delete: async (log) => {
        this.assertThere();
        return await logs.delete(log);
      },
    };
  }

  status(path: string): FileStatus | undefined {
    this.assertThere();
    return this.#disk.status(path);
  }

  list(directory: string): Listing | undefined {
    this.assertThere();
    return this.#disk.list(directory);
  }

  value(path: string): string | Error | undefined {
    this.assertThere();
    return this.#disk.value(path);
  }

  replace(path: string, value: string, stampNs: bigint): boolean {
    this.assertThere();
    return this.#disk.replace(path, value, stampNs);
  }

  createDirectory(fresh: FreshDirectory): bigint | undefined {
    this.assertThere();
    return this.#disk.createDirectory(fresh);
  }

  stamp(path: string, stampNs: bigint): void {
    this.assertThere();
    this.#disk.stamp(path, stampNs);
  }

  remove(path: string): void {
    this.assertThere();
    this.#disk.remove(path);
  }

  check(): void {
    this.assertThere();
    this.#disk.check();
  }

  flush(): void {
    this.assertThere();
    this.#disk.flush();
  }

  #isWitnessThere(): boolean {
    try {
      return this.#disk.status(this.#witness) !== undefined;
    } catch (error) {
      // It cannot be read: that is no tree either.
      if (error instanceof MarsError) return false;
      throw error;
    }
  }
}
