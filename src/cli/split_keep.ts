/**
 * split keep: the lost side of a split brain becomes a resource of its own.
 *
 *   1  check: this host has parted from the designated primary, and everything
 *      that it has of its side is on its disk
 *   2  all switches off; wait until disk and logs are let go
 *   3  the new resource, of this host alone, on the same disk, not attached
 *   4  leave the old one, as leave-resource does
 *   5  attach the disk for the new one
 *
 * No byte of the disk is touched: there is nothing but data on it. Between 3
 * and 4 both resources name the disk, so that it cannot be forgotten; the daemon
 * opens it for one of them only. A note in the new resource says where it comes
 * from: stopped anywhere and typed again it does the rest.
 */
import { MarsError } from "../base/errors.ts";
import { findSplits } from "../resource/parting.ts";
import { lasting, passing, type Reason, textsOf } from "../resource/reasons.ts";
import { SWITCH_LINKS } from "../resource/switch_stamps.ts";
import {
  isConsistent,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { checkName } from "./arguments.ts";
import { type Desk, type Phase, refuseIf } from "./command.ts";
import { gateOf } from "./gate.ts";
import { leavePhases } from "./leave.ts";
import { onlyCopies } from "./only_copies.ts";
import {
  attachLink,
  makeDirectories,
  type MemberWords,
  placeObstacles,
} from "./membership.ts";
import { createFirstLog, firstSequence, resourceLinks } from "./resource.ts";
import { roleReasons, stabilityObstacles } from "./standing.ts";
import { stillRunning } from "./running.ts";
import { attachWait } from "./switches.ts";

export function splitKeep(
  desk: Desk,
  resource: string,
  [kept = ""]: readonly string[],
): readonly Phase[] {
  checkName(resource, "resource");
  checkName(kept, "resource");
  let before: readonly LinkWrite[] = [];
  let isMade = false;
  const action = `keep what "${desk.host}" has of "${resource}"`;
  const gate = gateOf(desk, {
    action,
    isForceless: true,
    reasons: (snapshot) => keepReasons(desk, snapshot, resource, kept),
  });
  const isLeft = (): boolean => desk.view(resource).own === undefined;
  return [
    {
      title: "check that this side is lost, and complete here",
      act: async () => {
        isMade = isMadeFrom(desk, resource, kept);
        if (!isMade) await gate.act();
      },
      goal: "the disk to have all that this host wrote",
      until: async (snapshot) => {
        if (isMade) return [];
        const view = resourceView(snapshot, resource, desk.host);
        return [
          ...await gate.until(snapshot),
          ...replayObstacles(view),
          ...stabilityObstacles(desk, snapshot, view),
        ];
      },
    },
    {
      title: "let disk and logs go",
      goal: "disk and logs to be let go",
      act: () => {
        if (isLeft()) return;
        before = switches(desk, resource, "1").filter(({ path }) =>
          desk.snapshot().value(path) === "1"
        );
        desk.write(switches(desk, resource, "0"), "3");
      },
      until: (snapshot) => {
        if (!desk.isDaemonRunning()) return [];
        return stillRunning(desk, snapshot, { resource, links: SWITCH_LINKS });
      },
      undo: () => {
        if (isMade || before.length === 0) return;
        desk.write(before, "3");
        desk.warn(`WARNING: "${resource}" is switched on again`);
      },
    },
    {
      title: "make the new resource",
      act: async () => {
        if (isMade) return;
        const snapshot = desk.snapshot();
        const reasons = await keepReasons(desk, snapshot, resource, kept);
        refuseIf(action, textsOf(reasons), { ...desk.options, force: false });
        await make(desk, resource, kept);
        isMade = true;
      },
    },
    ...leavePhases(desk, resource).map(({ title, act }): Phase => ({
      title: `${title}: "${resource}"`,
      act: async () => {
        if (!isLeft()) await act?.();
      },
    })),
    {
      title: "attach the disk",
      act: () => {
        desk.write([attachLink(desk, kept)], "3");
        desk.print(
          `"${kept}" has the disk of "${resource}"; this host is primary`,
        );
      },
    },
    {
      title: "let the daemon attach it",
      ...attachWait(desk, kept),
    },
  ];
}

/** What is written first and last of the new resource. */
function isMadeFrom(desk: Desk, resource: string, kept: string): boolean {
  return isBegunFrom(desk, resource, kept) &&
    desk.snapshot().value(linkPath.maxnr(kept)) !== undefined;
}

function isBegunFrom(desk: Desk, resource: string, kept: string): boolean {
  return desk.snapshot().value(originPath(kept)) === originText(desk, resource);
}

/** Says of the new resource where it comes from. */
function originPath(kept: string): string {
  return linkPath.userspace(kept, "kept-from");
}

function originText(desk: Desk, resource: string): string {
  return `${resource} ${desk.host}`;
}

/** Why this side cannot become a resource of its own. */
async function keepReasons(
  desk: Desk,
  snapshot: Snapshot,
  resource: string,
  kept: string,
): Promise<Reason[]> {
  const view = resourceView(snapshot, resource, desk.host);
  const { own, host, sizeBytes } = view;
  if (own === undefined) return [lasting(`"${host}" has no disk for it`)];
  const isParted = findSplits(view).some(({ hosts }) => hosts.includes(host));
  const isTaken = snapshot.value(linkPath.size(kept)) !== undefined &&
    !isBegunFrom(desk, resource, kept);
  const isUsed = snapshot.resources().some((other) =>
    other !== kept && snapshot.value(linkPath.device(other, host)) === kept
  );
  return [
    ...roleReasons(view),
    ...[
      ...(isParted ? [] : ["it is on no lost side of a split brain"]),
      ...(sizeBytes === undefined ? ["its size is not known"] : []),
      ...(isConsistent(view, own)
        ? []
        : ["its disk is not the state of one position"]),
      ...(isTaken ? [`"${kept}" exists already; take another name`] : []),
      ...(isUsed ? [`a device "${kept}" is here already`] : []),
      ...placeObstacles(desk, snapshot),
    ].map(lasting),
    ...(await onlyCopies(desk, snapshot, resource, { isSideKept: true }))
      .map(passing),
  ];
}

/** What of the own logs is not on the disk yet. */
function replayObstacles({ own }: ResourceView): string[] {
  const restBytes = own?.replay?.dirtyBytes ?? 0;
  return restBytes === 0
    ? []
    : [`${restBytes} bytes of its log are not on the disk; is replay on?`];
}

async function make(
  desk: Desk,
  resource: string,
  kept: string,
): Promise<void> {
  const snapshot = desk.snapshot();
  const { own, sizeBytes } = desk.view(resource);
  if (own === undefined || sizeBytes === undefined) {
    throw new MarsError(`Cannot keep "${resource}": it went away meanwhile`);
  }
  const words: MemberWords = {
    resource: kept,
    disk: own.disk,
    device: kept,
    size: undefined,
  };
  const sequence = firstSequence(snapshot, kept);
  makeDirectories(desk, kept);
  desk.write([{ path: originPath(kept), value: originText(desk, resource) }]);
  for (const { log } of await desk.logs.list(kept)) {
    await desk.removeLog(kept, log);
  }
  if (!desk.options.dryRun) {
    await createFirstLog(desk, kept, { sequence, host: desk.host });
  }
  desk.write(resourceLinks(desk, words, { sizeBytes, sequence }));
  desk.flushTree();
}

function switches(
  desk: Desk,
  resource: string,
  value: "0" | "1",
): LinkWrite[] {
  return SWITCH_LINKS.map((link) => ({
    path: linkPath.todo(resource, desk.host, link),
    value,
  }));
}
