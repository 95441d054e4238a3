/**
 * verify: lets a secondary compare its disk with that of the primary.
 *
 * It asks and does not wait: a comparison may take days. `view` shows how far it
 * is, and message links what was found. A new request begins anew; to cancel one
 * takes it back. `repair` overwrites what differs with what the primary has.
 */
import { RefusedError } from "../base/errors.ts";
import type { ResourceView } from "../resource/view.ts";
import { formatRequest, verifyPaths } from "../resource/verify_links.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { checkName } from "./arguments.ts";
import type { Command, Desk } from "./command.ts";

export const VERIFY_COMMANDS: readonly Command[] = [
  {
    name: "verify",
    usage: "RES [HOST] [--repair] [--cancel]",
    summary: "Compare the disk of a secondary with that of the primary",
    details:
      "Both stay in use meanwhile. Without HOST, this host compares its own disk. It goes on after restarts, and waits while replay is switched off.",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 1,
    run: verify,
  },
];

function verify(
  desk: Desk,
  resource: string,
  [word]: readonly string[],
): void {
  const { repair: isRepair, cancel: isCancel } = desk.options;
  if (word !== undefined) checkName(word, "host");
  const host = word ?? desk.host;
  const view = desk.view(resource);
  const member = view.members.find((each) => each.host === host);
  if (member === undefined) {
    throw new RefusedError(`Cannot verify "${resource}" on "${host}"`, [
      `it has no disk for it; disks are on ${quoted(view.members)}`,
    ]);
  }
  const path = verifyPaths(resource, host).request;
  if (isCancel) {
    if (member.verifyRequest === undefined) {
      desk.print(`"${resource}": nothing is asked of "${host}"`);
      return;
    }
    desk.write([{ path, value: TOMBSTONE }]);
    desk.print(`"${resource}": verification on "${host}" is canceled`);
    return;
  }
  const left = obstacles(view, host);
  if (left.length > 0) {
    throw new RefusedError(`Cannot verify "${resource}" on "${host}"`, left);
  }
  const value = formatRequest({ stampNs: desk.nowNs(), isRepair });
  desk.write([{ path, value }]);
  desk.print(
    `"${resource}": "${host}" compares its disk with "${view.designated}"${
      isRepair ? " and repairs it" : ""
    }; see view`,
  );
}

function obstacles(view: ResourceView, host: string): string[] {
  const { designated, members } = view;
  if (designated === undefined) return ["no primary is designated"];
  if (designated !== host) return [];
  const others = members.filter((member) => member.host !== host);
  return [
    others.length === 0
      ? "it is primary, and there is no other disk"
      : `it is primary, the others are compared with it: name one of ${
        quoted(others)
      }`,
  ];
}

function quoted(members: ResourceView["members"]): string {
  return members.map(({ host }) => `"${host}"`).join(", ");
}
