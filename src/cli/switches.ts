/**
 * The switches of a resource: rows, not functions.
 *
 *   switch    link           words of commands
 *   attach    attach         attach, detach; part of up, down
 *   fetch     connect        pause-, resume-fetch; disconnect, connect
 *   sync      sync           pause-, resume-sync
 *   replay    allow-replay   pause-, resume-replay, -apply
 *
 * `-local` is this host, as without; `-global` turns the switch on all hosts.
 *
 * What switches something off returns when nothing of that runs any more. With
 * `-global` hosts are waited for that were heard of lately.
 *
 * Switches are desired state: they stay as asked even if the daemon cannot do
 * it now, as when a disk cannot be opened; the command then fails and says why.
 * Only a detach that times out puts the switches back: what was taken away for
 * it was taken in vain.
 *
 * Source: `marsadm attach` and the others.
 */
import { errnoText, MarsError } from "../base/errors.ts";
import { MS_PER_S } from "../base/time.ts";
import { openObstacles } from "../resource/handover.ts";
import { lasting, passing } from "../resource/reasons.ts";
import { SWITCH_LINKS, type SwitchLink } from "../resource/switch_stamps.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { formatSwitch, NOBODY } from "../tree/values.ts";
import {
  type Command,
  type Desk,
  type Phase,
  refuseIf,
  type Wait,
} from "./command.ts";
import { gateOf } from "./gate.ts";
import { stillRunning } from "./running.ts";
import { isActingForAnother } from "./start_checks.ts";
import { runSystemd } from "./systemd_run.ts";
import { mayMoveUnits, wantLink } from "./units.ts";

// Ours. The daemon tries a disk again each second; one that is just let go by
// somebody else is no error yet.
const DISK_PATIENCE_MS = 3 * MS_PER_S;
// Ours. Transfers end within moments. Who has lost a primary, and pauses fetch
// to take over, must not be held up by a daemon that is stuck.
const STOP_MS = 30 * MS_PER_S;

const WORDS: Readonly<Record<SwitchLink, string>> = {
  attach: "attach",
  connect: "fetch",
  sync: "sync",
  "allow-replay": "replay",
};

/** Names of a pair of commands, without `-local` or `-global`. */
interface Pair {
  readonly link: SwitchLink;
  readonly off: readonly string[];
  readonly on: readonly string[];
}

const PAIRS: readonly Pair[] = [
  {
    link: "connect",
    off: ["pause-fetch", "disconnect"],
    on: ["resume-fetch", "connect"],
  },
  { link: "sync", off: ["pause-sync"], on: ["resume-sync"] },
  {
    link: "allow-replay",
    off: ["pause-replay", "pause-apply"],
    on: ["resume-replay", "resume-apply"],
  },
];

type Row = Pick<
  Command,
  "name" | "aliases" | "usage" | "summary" | "phases"
>;

const ROWS: readonly Row[] = [
  {
    name: "up",
    usage: "RES",
    summary: "Attach the disk; switch fetch, sync and replay on",
    phases: (desk, resource) => switchOn(desk, resource, SWITCH_LINKS),
  },
  {
    name: "down",
    usage: "RES",
    summary: "Switch replay, sync and fetch off; detach the disk",
    phases: (desk, resource) =>
      switchOff(desk, resource, SWITCH_LINKS.toReversed()),
  },
  {
    name: "attach",
    usage: "RES",
    summary: "Open the disk",
    phases: (desk, resource) => switchOn(desk, resource, ["attach"]),
  },
  {
    name: "detach",
    usage: "RES",
    summary: "Close the disk; refused while somebody has the device open",
    phases: (desk, resource) => switchOff(desk, resource, ["attach"]),
  },
  ...PAIRS.flatMap((pair) => [
    ...variants(pair, false),
    ...variants(pair, true),
  ]),
];

export const SWITCH_COMMANDS: readonly Command[] = ROWS.map((row) => ({
  ...row,
  subject: "resources",
  wordsMin: 0,
  wordsMax: 0,
}));

/** One or several: of this host, and of all hosts. */
function variants({ link, off, on }: Pair, isOn: boolean): Row[] {
  const names = isOn ? on : off;
  const [name = "", ...others] = names;
  const what = WORDS[link];
  const summary = isOn ? `Let ${what} go on` : `Stop ${what}`;
  const phases =
    (isGlobal: boolean) => (desk: Desk, resource: string): readonly Phase[] => [
      {
        title: `switch ${what} ${isOn ? "on" : "off"}`,
        act: () => turn(desk, resource, { link, isOn, isGlobal }),
        ...isOn ? {} : stopWait(desk, resource, { link, isGlobal }),
      },
    ];
  return [
    {
      name,
      aliases: [...others, ...names.map((word) => `${word}-local`)],
      usage: "RES",
      summary: `${summary} on this host`,
      phases: phases(false),
    },
    {
      name: `${name}-global`,
      aliases: others.map((word) => `${word}-global`),
      usage: "RES",
      summary: `${summary} on all hosts`,
      phases: phases(true),
    },
  ];
}

/** Until nothing moves that was switched off; the switch stays off anyway. */
function stopWait(
  desk: Desk,
  resource: string,
  { link, isGlobal }: { link: SwitchLink; isGlobal: boolean },
): Wait {
  return {
    goal: `${WORDS[link]} to stop`,
    limitMs: STOP_MS,
    until: (snapshot) => {
      if (desk.options.force) return [];
      const { members } = resourceView(snapshot, resource, desk.host);
      const isElsewhere = isActingForAnother(desk, snapshot);
      const hosts = members.map(({ host }) => host).filter((host) => {
        const isMeant = isGlobal || host === desk.host;
        return host === desk.host && !isElsewhere
          ? desk.isDaemonRunning()
          : isMeant && desk.isRecent(snapshot, host);
      });
      return hosts.flatMap((host) =>
        stillRunning(desk, snapshot, { resource, host, links: [link] })
          .map((text) => isGlobal ? `"${host}": ${text}` : text)
      );
    },
  };
}

/** Turns one switch. @throws RefusedError */
function turn(
  desk: Desk,
  resource: string,
  { link, isOn, isGlobal }: {
    link: SwitchLink;
    isOn: boolean;
    isGlobal: boolean;
  },
): void {
  const view = desk.view(resource);
  const obstacles: string[] = [];
  if (!isGlobal) obstacles.push(...diskObstacles(view));
  if (link === "sync" && isOn) obstacles.push(...syncObstacles(view));
  const verb = isOn ? "resume" : "pause";
  refuseIf(`${verb} ${WORDS[link]} of "${resource}"`, obstacles, desk.options);
  const hosts = isGlobal ? view.members.map(({ host }) => host) : [desk.host];
  const links = switchLinks(view, hosts, [link], isOn);
  tellSwitched(desk, view, [link], isOn);
  desk.write(links);
}

/** Attaches, then turns the other switches on. */
function switchOn(
  desk: Desk,
  resource: string,
  links: readonly SwitchLink[],
): readonly Phase[] {
  let tolerated: string | undefined;
  const what = links.length > 1 ? "bring up" : "attach";
  return [
    {
      title: what,
      act: () => {
        const view = desk.view(resource);
        refuseIf(`${what} "${resource}"`, diskObstacles(view), desk.options);
        const [obstacle] = links.includes("sync") ? syncObstacles(view) : [];
        tolerated = desk.options.force ? undefined : obstacle;
        const wanted = links.filter((link) =>
          link !== "sync" || tolerated === undefined
        );
        tellSwitched(desk, view, wanted, true);
        desk.write(switchLinks(view, [desk.host], wanted, true));
      },
    },
    {
      title: "let the daemon attach it",
      ...attachWait(desk, resource),
    },
    {
      title: "say what was left out",
      act: () => {
        // As the original counts it: all else was done.
        if (tolerated === undefined) return;
        throw new MarsError(
          `Sync of "${resource}" stays as it is: ${tolerated}`,
        );
      },
    },
  ];
}

/** Waits until the disk is open. */
export function attachWait(
  desk: Desk,
  resource: string,
): Wait & Pick<Phase, "act"> {
  const goal = "the disk to be attached";
  return waitUnlessAlone(desk, goal, (snapshot, waitedMs) => {
    const { own } = resourceView(snapshot, resource, desk.host);
    const left = attachObstacles(own);
    const [error] = own?.diskErrno === 0 ? [] : left;
    if (error === undefined || waitedMs < DISK_PATIENCE_MS) return left;
    // Somebody must do something about it: waiting does not help.
    throw new MarsError(
      `Cannot attach "${resource}": ${error}; it stays switched on and is tried again`,
    );
  });
}

/** Turns the switches off, and waits until the disk is let go. */
function switchOff(
  desk: Desk,
  resource: string,
  links: readonly SwitchLink[],
): readonly Phase[] {
  let before: readonly LinkWrite[] = [];
  const what = links.length > 1 ? "take down" : "detach";
  const [unitsEnd, unitsTold] = unitPhases(desk, resource);
  const gate = gateOf(desk, {
    action: `${what} "${resource}"`,
    reasons: (snapshot) => {
      const view = resourceView(snapshot, resource, desk.host);
      return [
        ...diskObstacles(view).map(lasting),
        ...openObstacles(view.own).map(passing),
      ];
    },
  });
  return [
    unitsEnd,
    {
      title: "check that nobody has the device open",
      goal: "everybody to close the device",
      ...gate,
    },
    {
      title: what,
      act: () => {
        const view = desk.view(resource);
        before = links.filter((link) => isOn(view.own, link))
          .map((link) => ({
            path: linkPath.todo(resource, desk.host, link),
            value: formatSwitch(true),
          }));
        desk.write(switchLinks(view, [desk.host], links, false));
      },
      undo: () => {
        if (before.length === 0) return;
        desk.write(before);
        desk.warn(`WARNING: "${resource}" is switched on again`);
      },
    },
    {
      title: "let the daemon detach it",
      ...waitUnlessAlone(
        desk,
        "the disk to be detached",
        // Without the disk nothing else goes on, but for fetch.
        (snapshot) =>
          stillRunning(desk, snapshot, {
            resource,
            links: [...links, "attach", "sync", "allow-replay"],
          }),
      ),
    },
    unitsTold,
  ];
}

/** Units of systemd let go of the device here, if they are to run here. */
function unitPhases(desk: Desk, resource: string): readonly [Phase, Phase] {
  const { host } = desk;
  let isWanted = false;
  const end: Phase = {
    title: "let the units of systemd end",
    goal: "units of systemd to let go of the device",
    act: async () => {
      const snapshot = desk.snapshot();
      isWanted = snapshot.value(linkPath.systemdWant(resource)) === host &&
        await mayMoveUnits(desk, snapshot, resource);
      if (!isWanted) return;
      desk.write([wantLink(resource, NOBODY)], "3");
      await runSystemd(desk, [resource]);
    },
    undo: () => {
      if (isWanted) desk.write([wantLink(resource, host)], "3");
    },
    until: (snapshot) => {
      if (!isWanted || desk.options.force) return [];
      return openObstacles(resourceView(snapshot, resource, host).own);
    },
  };
  const tell: Phase = {
    title: "say what was stopped",
    act: () => {
      if (!isWanted) return;
      desk.warn(
        `WARNING: units of "${resource}" are stopped; when it is attached again, type set-systemd-want ${resource} ${host}`,
      );
    },
  };
  return [end, tell];
}

/** A wait for the daemon here; without one, or forced, there is none. */
function waitUnlessAlone(
  desk: Desk,
  goal: string,
  obstacles: (snapshot: Snapshot, waitedMs: number) => readonly string[],
): Wait & Pick<Phase, "act"> {
  const isWaiting = !desk.options.force && desk.isDaemonRunning();
  let startedMs = 0;
  return {
    act: () => {
      startedMs = desk.clock.monotonicMs();
      if (desk.options.force || isWaiting) return;
      desk.warn("WARNING: no daemon runs here; it will act when it starts");
    },
    goal,
    until: (snapshot) =>
      isWaiting
        ? obstacles(snapshot, desk.clock.monotonicMs() - startedMs)
        : [],
  };
}

/** Links of those switches; one that is on already is not written. */
function switchLinks(
  view: ResourceView,
  hosts: readonly string[],
  links: readonly SwitchLink[],
  on: boolean,
): LinkWrite[] {
  return hosts.flatMap((host) => {
    const member = view.members.find((each) => each.host === host);
    return links.filter((link) => !on || !isOn(member, link)).map((link) => ({
      path: linkPath.todo(view.resource, host, link),
      value: formatSwitch(on),
    }));
  });
}

function tellSwitched(
  desk: Desk,
  { resource, own }: ResourceView,
  links: readonly SwitchLink[],
  on: boolean,
): void {
  for (const link of links) {
    const already = isOn(own, link) ? "already " : "";
    const told = on ? `is ${already}activated` : "is off";
    desk.print(`"${resource}": ${WORDS[link]} ${told}`);
  }
}

function isOn(member: MemberState | undefined, link: SwitchLink): boolean {
  const { desired } = member ?? {};
  switch (link) {
    case "attach":
      return desired?.attach === true;
    case "connect":
      return desired?.fetch === true;
    case "sync":
      return desired?.sync === true;
    case "allow-replay":
      return desired?.replay === true;
  }
}

function diskObstacles(view: ResourceView): string[] {
  return view.own === undefined ? ["this host has no disk for it"] : [];
}

/** Why there is nothing to copy from. */
function syncObstacles(view: ResourceView): string[] {
  const { designated, host, members } = view;
  if (designated === undefined) return ["no primary is designated"];
  const source = members.find((member) => member.host === designated);
  return designated !== host && source?.hasEmergency === true
    ? [`the primary "${designated}" is in emergency mode`]
    : [];
}

/** Why the disk is not open. */
function attachObstacles(own: MemberState | undefined): string[] {
  if (own?.isAttached === true) return [];
  const { diskErrno = 0, disk } = own ?? {};
  return [
    diskErrno === 0
      ? "the disk is not open yet"
      : `cannot open "${disk}": ${errnoText(diskErrno)}`,
  ];
}
