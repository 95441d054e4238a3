/**
 * view: what resources do on this host, and what keeps them.
 *
 * It only looks: no daemon, no shim and no network are needed.
 */
import { green, red, yellow } from "@std/fmt/colors";
import { nbdSocketPath } from "../base/settings.ts";
import { NS_PER_MS } from "../base/time.ts";
import { listLogs } from "../log/files.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { resourcesOf } from "./arguments.ts";
import type { Command, Desk } from "./command.ts";
import {
  obstaclesIn,
  type Report,
  type ReportedObstacle,
  reportOf,
} from "./report.ts";
import { documentOf } from "./view_json.ts";
import {
  headerLine,
  type Mood,
  obstacleLines,
  resourceLines,
  splitLines,
  type TextOptions,
} from "./view_text.ts";

export const VIEW_COMMANDS: readonly Command[] = [
  {
    name: "view",
    usage: "[RES|LIST|all] [--json] [--verbose]",
    summary: "Show what resources do here, and what keeps them",
    // Its own, because one tree is read for all of them.
    subject: "none",
    isReading: true,
    wordsMin: 0,
    wordsMax: 1,
    run: (desk, _resource, [subject = "all"]) => view(desk, subject),
  },
];

async function view(desk: Desk, subject: string): Promise<void> {
  const snapshot = desk.look();
  const isDaemonRunning = desk.isDaemonRunning();
  const resources = resourcesOf(subject, snapshot, desk);
  const reports: Report[] = [];
  for (const resource of resources) {
    reports.push(await report(desk, snapshot, resource, isDaemonRunning));
  }
  const obstacles = obstaclesIn(snapshot, `actual-${desk.host}`, desk.host)
    .filter(({ text }) => !text.includes("CONNECTED"));
  if (desk.options.json) {
    const { host } = desk;
    const cluster = snapshot.value(linkPath.uuid);
    const nowNs = desk.nowNs();
    const about = { host, cluster, isDaemonRunning, nowNs, obstacles };
    desk.print(JSON.stringify(documentOf(about, reports), undefined, 2));
    return;
  }
  if (resources.length === 0) {
    desk.warn(`WARNING: "${desk.host}" takes part in no resource`);
  }
  printText(desk, reports, {
    isList: subject === "all" || subject.includes(","),
    obstacles,
  });
}

function printText(
  desk: Desk,
  reports: readonly Report[],
  { isList, obstacles }: {
    isList: boolean;
    obstacles: readonly ReportedObstacle[];
  },
): void {
  const { windowMs, color } = desk.options;
  const verbose = desk.options.verbose > 0;
  const paint = color ? paintWord : (word: string): string => word;
  const options: TextOptions = { verbose, windowMs, paint, formatTime };
  for (const each of reports) {
    splitLines(each).forEach((line) => desk.warn(line));
    if (isList) desk.print(headerLine(each));
    resourceLines(each, options).forEach((line) => desk.print(line));
  }
  if (isList) {
    obstacleLines(obstacles, options).forEach((line) => desk.print(line));
  }
}

async function report(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
  isDaemonRunning: boolean,
): Promise<Report> {
  const { host, settings } = desk;
  // First the links, so that a race can only show too little as deletable.
  for (const member of snapshot.members(resource)) {
    snapshot.value(linkPath.replay(resource, member));
  }
  const files = await listLogs(desk.resourcePath(resource));
  const device = snapshot.value(linkPath.device(resource, host));
  const disk = snapshot.value(linkPath.data(resource, host));
  const socket = device && nbdSocketPath(settings, device);
  return reportOf(snapshot, resource, {
    host,
    nowNs: desk.nowNs(),
    windowMs: desk.options.windowMs,
    isDaemonRunning,
    logs: files.map(({ log, sizeBytes }) => ({ log, bytes: sizeBytes })),
    isDiskPresent: disk !== undefined && isThere(disk),
    nbdSocket: socket !== undefined && isThere(socket) ? socket : undefined,
  });
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isMissing) return false;
    // Something is there that this user, or this command, must not see: a
    // command that only looks has no right to devices.
    const isForbidden = error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.NotCapable;
    if (isForbidden) return true;
    throw error;
  }
}

const COLOURS: Readonly<Record<Mood, (word: string) => string>> = {
  good: green,
  changing: yellow,
  bad: red,
};

function paintWord(word: string, mood: Mood): string {
  return COLOURS[mood](word);
}

/** `2026-11-22 12:49:30`, local time. */
function formatTime(ns: bigint): string {
  const date = new Date(Number(ns / NS_PER_MS));
  const two = (count: number): string => String(count).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${
    two(date.getDate())
  } ${two(date.getHours())}:${two(date.getMinutes())}:${
    two(date.getSeconds())
  }`;
}
