/** Starts `nbd_worker.ts` and stops it. */
import { loadShim } from "../../ffi/shim.ts";
import type { NbdWorkerOptions } from "./nbd_worker.ts";

const SHIM_PATH = new URL("../../build/libmars.so", import.meta.url).pathname;

// Once, outside of any test: a library stays loaded.
const shim = loadShim(SHIM_PATH);

export const EXPORT_NAME = "mydata";

export interface NbdUnderTest {
  readonly path: string;
  /** As URI for the tools. */
  readonly uri: string;
  readonly directory: string;
  readonly counts: Int32Array;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startNbd(
  options: Partial<NbdWorkerOptions> & { readonly sizeBytes: number },
): Promise<NbdUnderTest> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/nbd.sock`;
  const eventfd = shim.mars_eventfd_create();
  const counts = new Int32Array(new SharedArrayBuffer(32));
  const url = new URL("./nbd_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const say = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
  const ready = say();
  worker.postMessage(
    {
      shimPath: SHIM_PATH,
      socketPath: path,
      exportName: EXPORT_NAME,
      filePath: undefined,
      eventfd,
      badByte: -1,
      order: "reversed",
      counts,
      ...options,
    } satisfies NbdWorkerOptions,
  );
  await ready;
  const ended = say();
  ended.catch(() => {});
  return {
    path,
    uri: `nbd+unix:///${EXPORT_NAME}?socket=${path}`,
    directory,
    counts,
    async [Symbol.asyncDispose](): Promise<void> {
      shim.mars_eventfd_add(eventfd, 1);
      await ended;
      worker.terminate();
      shim.mars_file_close(eventfd);
      await Deno.remove(directory, { recursive: true });
    },
  };
}
