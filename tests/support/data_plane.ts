/** A worker with real files in a directory of its own. */
import { loadShim } from "../../ffi/shim.ts";
import { assert } from "../../src/base/assert.ts";
import { LamportClock } from "../../src/base/lamport.ts";
import { logFileName } from "../../src/base/names.ts";
import { systemClock } from "../../src/base/time.ts";
import { NbdClient } from "../../src/cli/demo/nbd_client.ts";
import {
  DataplaneHandle,
  type DataplaneOptions,
} from "../../src/dataplane/handle.ts";
import type { Actual, Desired } from "../../src/dataplane/mailbox.ts";

export const SHIM_PATH = new URL("../../build/libmars.so", import.meta.url)
  .pathname;
const shim = loadShim(SHIM_PATH);
const HOST = "alpha";
const DEADLINE_MS = 20_000;
const POLL_MS = 5;

/** Directory, files and worker; ends with all of them. */
export class DataPlane {
  readonly directory: string;
  readonly sizeBytes: number;
  readonly #handles: DataplaneHandle[] = [];

  constructor(sizeBytes: number) {
    this.directory = Deno.makeTempDirSync({ prefix: "mars-plane-" });
    this.sizeBytes = sizeBytes;
  }

  path(name: string): string {
    return `${this.directory}/${name}`;
  }

  createDisk(name: string): void {
    Deno.writeFileSync(this.path(name), new Uint8Array(this.sizeBytes));
  }

  createLog(sequence: number): void {
    Deno.writeFileSync(this.logPath(sequence), new Uint8Array(0));
  }

  logPath(sequence: number): string {
    return this.path(logFileName({ sequence, host: HOST }));
  }

  logBytes(sequence: number): number {
    return Deno.statSync(this.logPath(sequence)).size;
  }

  /** A worker on the disk of this name. */
  start(
    diskName: string,
    options: Partial<DataplaneOptions> = {},
  ): DataplaneHandle {
    const handle = new DataplaneHandle({
      workerUrl: new URL("../../src/dataplane/worker.ts", import.meta.url),
      shim,
      shimPath: SHIM_PATH,
      lamport: new LamportClock(systemClock),
      host: HOST,
      resource: "r",
      logDirectory: this.directory,
      diskPath: this.path(diskName),
      deviceName: "mydata",
      nbdSocketPath: this.path("nbd.sock"),
      ublk: undefined,
      traceLevel: "error",
      yieldingThread: undefined,
      traceFormat: "text",
      ...options,
    });
    this.#handles.push(handle);
    return handle;
  }

  /** What a primary desires. */
  logging(logSequence: number, changes: Partial<Desired> = {}): Desired {
    return {
      role: "log",
      logSequence,
      logHost: HOST,
      startBytes: 0,
      logEndBytes: 0,
      sizeBytes: this.sizeBytes,
      level: "flush",
      bypass: "off",
      isShort: 0,
      ...changes,
    };
  }

  /** What a secondary desires. */
  replaying(
    logSequence: number,
    startBytes: number,
    logEndBytes: number,
  ): Desired {
    return this.logging(logSequence, {
      role: "replay",
      startBytes,
      logEndBytes,
    });
  }

  /** A primary on a new disk and an empty first log, and a client of it. */
  async serving(): Promise<
    { readonly handle: DataplaneHandle; readonly client: NbdClient }
  > {
    this.createDisk("disk");
    this.createLog(1);
    const handle = this.start("disk");
    handle.adjust(this.logging(1));
    await until(handle, "device on", (actual) => actual.deviceOn === 1);
    return { handle, client: await this.connect() };
  }

  connect(): Promise<NbdClient> {
    return NbdClient.connect(this.path("nbd.sock"), "mydata");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles) await handle.stop();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Resolves when `holds` is true of what is actual; else names `what`. */
export async function until(
  handle: DataplaneHandle,
  what: string,
  holds: (actual: Actual) => boolean,
): Promise<Actual> {
  const endMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const actual = handle.actual();
    if (holds(actual)) return actual;
    assert(
      performance.now() < endMs,
      `Not in time: ${what}: ${JSON.stringify(actual)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
