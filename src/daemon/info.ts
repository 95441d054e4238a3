/** The text of `info` in the control directory: what runs here, for people. */
import type { Settings } from "../base/settings.ts";
import type { Peers } from "./peers.ts";
import type { Running } from "./services.ts";

export function infoText(
  settings: Settings,
  peers: Peers,
  running: ReadonlyMap<string, Running>,
): string {
  const lines = [
    `host ${settings.host}`,
    ...peers.lines(),
    ...[...running].map(([resource, { executor }]) =>
      `resource ${resource}: ${executor.summary()}`
    ),
  ];
  return `${lines.join("\n")}\n`;
}
