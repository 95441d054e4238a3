/** The text of `info` in the control directory: what runs here, for people. */
import type { Settings } from "../base/settings.ts";
import type { Peers } from "./peers.ts";
import type { Resources } from "./resources.ts";

export function infoText(
  settings: Settings,
  peers: Peers,
  resources: Resources,
): string {
  const lines = [
    `host ${settings.host}`,
    ...peers.lines(),
    ...resources.lines(),
  ];
  return `${lines.join("\n")}\n`;
}
