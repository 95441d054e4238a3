/** The switches of a resource on this host: rows, not functions. */
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { type Command, type Desk, refuseIf } from "./command.ts";

/** One switch: command, link and value. */
interface Switch {
  readonly command: string;
  readonly links: readonly string[];
  readonly on: boolean;
  readonly summary: string;
}

const ALL = ["attach", "connect", "sync", "allow-replay"];

const SWITCHES: readonly Switch[] = [
  {
    command: "up",
    links: ALL,
    on: true,
    summary: "Attach the disk; switch fetch, sync and replay on",
  },
  {
    command: "down",
    links: [...ALL].reverse(),
    on: false,
    summary: "Switch replay, sync and fetch off; detach the disk",
  },
  {
    command: "attach",
    links: ["attach"],
    on: true,
    summary: "Open the disk",
  },
  {
    command: "detach",
    links: ["attach"],
    on: false,
    summary: "Close the disk",
  },
  ...pair("fetch", "connect"),
  ...pair("sync", "sync"),
  ...pair("replay", "allow-replay"),
];

function pair(word: string, link: string): Switch[] {
  return [
    {
      command: `pause-${word}`,
      links: [link],
      on: false,
      summary: `Stop ${word} on this host`,
    },
    {
      command: `resume-${word}`,
      links: [link],
      on: true,
      summary: `Let ${word} go on`,
    },
  ];
}

export const SWITCH_COMMANDS: readonly Command[] = SWITCHES.map((row) => ({
  name: row.command,
  usage: "RES",
  summary: row.summary,
  subject: "resources",
  wordsMin: 0,
  wordsMax: 0,
  run: (desk, resource) => turn(desk, resource, row),
}));

async function turn(
  desk: Desk,
  resource: string,
  row: Switch,
): Promise<void> {
  const view = desk.view(resource);
  const isAttach = row.links.includes("attach");
  const obstacles: string[] = [];
  if (view.own === undefined) obstacles.push("this host is no member");
  if (isAttach && !row.on && (view.own?.openCount ?? 0) > 0) {
    obstacles.push(`the device is open ${view.own?.openCount} times`);
  }
  refuseIf(`${row.command} "${resource}"`, obstacles, desk.options);
  desk.write(row.links.map((link) => ({
    path: linkPath.todo(resource, desk.host, link),
    value: row.on ? "1" : "0",
  })));
  if (!isAttach || desk.options.force) return;
  if (!desk.isDaemonRunning()) {
    desk.warn("WARNING: no daemon runs here; it will act when it starts");
    return;
  }
  const goal = `for "${resource}" to be ${row.on ? "attached" : "detached"}`;
  await desk.waitUntil(
    goal,
    (snapshot) => attachObstacles(snapshot, resource, desk.host, row.on),
  );
}

function attachObstacles(
  snapshot: Snapshot,
  resource: string,
  host: string,
  on: boolean,
): string[] {
  const own = resourceView(snapshot, resource, host).own;
  if (on) {
    if (own?.isAttached === true) return [];
    return [
      own?.diskErrno ? `disk error ${own.diskErrno}` : "the disk is not open",
    ];
  }
  const left: string[] = [];
  if (own?.isAttached === true) left.push("the disk is open");
  if (own?.isDeviceOn === true) left.push("the device is there");
  if (own?.isReplaying === true) left.push("replay is running");
  if (own?.isSyncing === true) left.push("sync is running");
  return left;
}
