/** The text of `info` in the control directory: what runs here, for people. */
import type { Settings } from "../base/settings.ts";
import type { Peers } from "./peers.ts";
import type { Resources } from "./resources.ts";

/** Memory of the main thread's engine, in bytes. */
export interface HeapUse {
  readonly heapUsed: number;
  readonly heapTotal: number;
  /** Of buffers, which lie outside. */
  readonly external: number;
}

/** @param heap undefined: it is not known */
export function infoText(
  settings: Settings,
  peers: Peers,
  resources: Resources,
  heap: HeapUse | undefined,
): string {
  const lines = [
    `host ${settings.host}`,
    ...(heap === undefined ? [] : [heapLine(heap)]),
    ...peers.lines(),
    ...resources.lines(),
  ];
  return `${lines.join("\n")}\n`;
}

const MB = 1_000_000;

function heapLine({ heapUsed, heapTotal, external }: HeapUse): string {
  const [used, total, outside] = [heapUsed, heapTotal, external]
    .map((bytes) => (bytes / MB).toFixed(1));
  return `heap ${used} of ${total} MB, ${outside} MB of buffers`;
}
