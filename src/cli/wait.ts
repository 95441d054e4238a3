/**
 * Waiting for a state: wait-resource, wait-cluster.
 *
 *   is-X[-on|-off]      what this host actually does
 *   [todo-]X[-on|-off]  what it shall do
 *
 * X is one of the words of the table below; without `-on` or `-off` it is on.
 */
import { RefusedError, UsageError } from "../base/errors.ts";
import { NS_PER_MS } from "../base/time.ts";
import { type ResourceView, resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { resourcesOf } from "./arguments.ts";
import type { Command, Desk } from "./command.ts";

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
    name: "wait-cluster",
    usage: "[RES]",
    summary: "Wait until every other host was heard of, or is taken as dead",
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax: 1,
    run: (desk, _resource, [resource]) => waitCluster(desk, resource),
  },
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
  await desk.waitUntil(`for "${resource}"`, (snapshot) => {
    const view = resourceView(snapshot, resource, desk.host);
    return goal.isMet(view) ? [] : [`${goal.text} does not hold`];
  });
}

/** Dead is who was silent for half a window, or never heard of in that time. */
async function waitCluster(
  desk: Desk,
  resource: string | undefined,
): Promise<void> {
  const snapshot = desk.snapshot();
  const hosts = resource === undefined
    ? snapshot.hosts()
    : resourcesOf(resource, snapshot, desk.host)
      .flatMap((name) => snapshot.members(name));
  const peers = [...new Set(hosts)].filter((host) => host !== desk.host);
  const startNs = desk.nowNs();
  const patienceNs = BigInt(Math.round(desk.options.windowMs / 2)) * NS_PER_MS;
  const aliveNs = (now: Snapshot, host: string): bigint | undefined =>
    now.stampNs(linkPath.global(host, "time"));
  desk.trigger("3");
  await desk.waitUntil("for news of peers", (now) =>
    peers.filter((host) => {
      const lastNs = aliveNs(now, host) ?? startNs;
      return lastNs <= startNs && lastNs + patienceNs >= desk.nowNs();
    }).map((host) => `"${host}" was not heard of`));
  const now = desk.snapshot();
  const dead = peers.filter((host) => (aliveNs(now, host) ?? 0n) <= startNs);
  for (const host of dead) {
    desk.warn(`WARNING: "${host}" seems to be dead`);
  }
  desk.print(
    `${peers.length - dead.length}/${peers.length} peer(s) seem to be alive`,
  );
}
