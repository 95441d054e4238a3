/**
 * What still runs of a resource though it is switched off, for whoever waits
 * until nothing moves any more.
 *
 * A daemon hears of a switch a moment after it was written, and may begin
 * something meanwhile. So first it must have seen the switch; what it says to
 * be running counts as it is then, see `resource/switch_stamps.ts`.
 */
import { hasSeenSwitches, type SwitchLink } from "../resource/switch_stamps.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { Desk } from "./command.ts";

/** What each switch lets run. */
const RUNNING: Readonly<
  Record<SwitchLink, (member: MemberState, view: ResourceView) => string[]>
> = {
  attach: ({ isAttached, isDeviceOn }) => [
    ...(isAttached ? ["the disk is open"] : []),
    ...(isDeviceOn ? ["the device is there"] : []),
  ],
  "allow-replay": ({ host, isReplaying }, { designated }) =>
    // Recovery of a primary asks no switch.
    isReplaying && host !== designated ? ["replay is running"] : [],
  sync: ({ isSyncing }) => isSyncing ? ["sync is running"] : [],
  connect: ({ isFetching }) => isFetching ? ["a fetch is running"] : [],
};

/** In the order in which it is told. */
const ORDER: readonly SwitchLink[] = [
  "attach",
  "allow-replay",
  "sync",
  "connect",
];

/**
 * What runs on `host` that `links` shall switch off, or that nobody knows yet.
 *
 * @param host this one if it is not given
 */
export function stillRunning(
  desk: Desk,
  snapshot: Snapshot,
  { resource, links, host = desk.host }: {
    readonly resource: string;
    readonly links: readonly SwitchLink[];
    readonly host?: string;
  },
): string[] {
  const isSeen = hasSeenSwitches(snapshot, { resource, host, links });
  // Links are read one by one: what runs must have been read behind that.
  const view = resourceView(
    isSeen ? desk.snapshot() : snapshot,
    resource,
    desk.host,
  );
  const member = view.members.find((each) => each.host === host);
  if (member === undefined) return [];
  const left = ORDER.filter((link) => links.includes(link))
    .flatMap((link) => RUNNING[link](member, view));
  return isSeen || left.length > 0
    ? left
    : ["the daemon has not seen the switch yet"];
}
