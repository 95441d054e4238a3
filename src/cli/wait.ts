/**
 * Waiting: for a state of a resource, for peers, for users of a device.
 *
 *   is-X[-on|-off]      what this host actually does
 *   [todo-]X[-on|-off]  what it shall do
 *
 * X is one of the words of the table below; without `-on` or `-off` it is on.
 */
import { RefusedError, UsageError } from "../base/errors.ts";
import { openText } from "../resource/handover.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import type { Command, Desk, Phase } from "./command.ts";
import { ASK, peerPhases } from "./peers_alive.ts";

const PEER_WAITS = [
  {
    name: "wait-cluster",
    summary: "Wait until every other host was heard of, or is taken as dead",
    message: ASK.everybody,
  },
  {
    name: "wait-connect",
    summary: "The same, as other tools call it",
    message: ASK.everybody,
  },
  {
    name: "update-cluster",
    summary: "The same, and fetch all links of every host anew",
    message: ASK.fully,
  },
];

export const WAIT_COMMANDS: readonly Command[] = [
  {
    name: "wait-resource",
    usage: "RES [is-|todo-]CONDITION[-on|-off]",
    summary:
      "Wait for attach, fetch, sync, replay, primary, secondary or device",
    subject: "resources",
    isReading: true,
    wordsMin: 1,
    wordsMax: 1,
    run: (desk, resource, [condition = ""]) =>
      waitResource(desk, resource, condition),
  },
  {
    name: "wait-umount",
    usage: "RES",
    summary: "Wait until nobody has the device open on any host",
    subject: "resources",
    isReading: true,
    wordsMin: 0,
    wordsMax: 0,
    phases: waitUmount,
  },
  ...PEER_WAITS.map(({ name, summary, message }): Command => ({
    name,
    usage: "[RES]",
    summary,
    details:
      "Prints how many are alive, and names the dead; they are no error. With --force only those are waited for that were heard of lately.",
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax: 1,
    phases: (desk, _resource, [resource]) =>
      peerPhases(desk, resource, message),
  })),
];

interface Condition {
  /** The first one is what messages use. */
  readonly words: readonly string[];
  readonly actual: (view: ResourceView) => boolean;
  /** Undefined where there is no switch. */
  readonly desired: ((view: ResourceView) => boolean) | undefined;
}

const CONDITIONS: readonly Condition[] = [
  {
    words: ["attach", "attached"],
    actual: ({ own }) => own?.isAttached === true,
    desired: ({ own }) => own?.desired.attach === true,
  },
  {
    words: ["fetch", "copy", "copying", "connect"],
    actual: ({ own }) => own?.isFetching === true,
    desired: ({ own }) => own?.desired.fetch === true,
  },
  {
    words: ["sync", "syncing"],
    actual: ({ own }) => own?.isSyncing === true,
    desired: ({ own }) => own?.desired.sync === true,
  },
  {
    words: ["replay", "replaying", "allow-replay"],
    actual: ({ own }) => own?.isReplaying === true,
    desired: ({ own }) => own?.desired.replay === true,
  },
  {
    words: ["primary"],
    actual: ({ own }) => own?.isPrimary === true,
    desired: ({ designated, host }) => designated === host,
  },
  {
    words: ["secondary"],
    actual: ({ own }) => own?.isPrimary === false,
    desired: ({ designated, host }) => designated !== host,
  },
  {
    words: ["device"],
    actual: ({ own }) => own?.isDeviceOn === true,
    desired: undefined,
  },
];

/** A condition as it was typed. */
interface Goal {
  readonly text: string;
  readonly isMet: (view: ResourceView) => boolean;
}

/** @throws UsageError for a word that is no condition */
export function parseGoal(text: string): Goal {
  const match = /^(?:(is|todo)-)?([a-z-]+?)(?:-(on|off))?$/.exec(text);
  const [, prefix, word = "", onOff = "on"] = match ?? [];
  const row = CONDITIONS.find(({ words }) => words.includes(word));
  // Without a prefix the switch is meant, where there is one.
  const kind = prefix ?? (row?.desired === undefined ? "is" : "todo");
  const test = kind === "is" ? row?.actual : row?.desired;
  if (row === undefined || test === undefined) {
    const names = CONDITIONS.map(({ words }) => words[0]).join(", ");
    throw new UsageError(
      `Cannot wait for "${text}": expected is-X, is-X-on, is-X-off, or todo- instead of is-, where X is one of ${names}`,
    );
  }
  return {
    text: `${kind}-${row.words[0]}-${onOff}`,
    isMet: (view) => test(view) === (onOff === "on"),
  };
}

async function waitResource(
  desk: Desk,
  resource: string,
  condition: string,
): Promise<void> {
  const goal = parseGoal(condition);
  if (desk.view(resource).own === undefined) {
    throw new RefusedError(`Cannot wait for "${goal.text}"`, [
      `this host is no member of "${resource}"`,
    ]);
  }
  await desk.waitUntil({
    goal: `${goal.text} of "${resource}"`,
    until: (snapshot) => {
      const view = resourceView(snapshot, resource, desk.host);
      return goal.isMet(view) ? [] : ["it does not hold"];
    },
  });
}

/** Who is dead has nothing open; its links are as old as it is dead. */
function waitUmount(desk: Desk, resource: string): readonly Phase[] {
  return [{
    title: "wait until the device is not in use",
    goal: "everybody to close the device",
    until: (snapshot) =>
      resourceView(snapshot, resource, desk.host).members
        .filter(({ host, openCount }) =>
          openCount > 0 && (host === desk.host || desk.isRecent(snapshot, host))
        )
        .map((member) => openText(member, ` on "${member.host}"`)),
  }];
}
