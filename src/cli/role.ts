/**
 * primary and secondary: who may write.
 *
 *   primary            1  check, see `gate.ts`; refuse with every obstacle;
 *   (planned)             the old primary must answer, or all if nobody is
 *                         designated
 *                      2  wait until a copy that is complete is consistent;
 *                         --force: until fetch has stopped
 *                      3  units of systemd let go of the device over there
 *                      4  wait until nothing of the old primary is missing here
 *                      5  designate nobody; the old primary writes back and
 *                         ends; its last bytes come here
 *                      6  designate this host
 *                      7  wait for its device
 *                      8  all switches on
 *                      9  units of systemd begin to use the device here
 *   primary --force    the same without 3, 4 and 5
 *   secondary          1, 3, 5
 *
 * When a planned handover gives up or is interrupted before the device is
 * there, the old primary is designated again: a handover that fails changes
 * nothing.
 *
 * Only one of two hosts that take over at once may get through:
 *   (1) "Nobody" is written with a stamp hardly newer than the old value, and
 *       so is the old primary when it is put back: a host that was designated
 *       elsewhere meanwhile wins against both. Nobody but the host that was
 *       found in the beginning is taken the role from.
 *   (2) Whoever takes over says so to all members before, and goes on when all
 *       have answered. Of two that do, the one that was first by its stamp
 *       goes on; the other refuses, and leaves the roles as they are.
 *
 * Source: phases of `marsadm primary`; that it puts back what it took, and rule
 * (2), are ours.
 */
import { passing } from "../resource/reasons.ts";
import { resourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import { NOBODY } from "../tree/values.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { Command, Desk, Phase } from "./command.ts";
import { gateOf } from "./gate.ts";
import { rehearsePrimary, rehearseSecondary } from "./rehearse.ts";
import { Takeover, weakWrite } from "./takeover.ts";
import { openObstacles } from "../resource/handover.ts";
import { runSystemd } from "./systemd_run.ts";
import { mayMoveUnits, wantLink } from "./units.ts";

export const ROLE_COMMANDS: readonly Command[] = [
  {
    name: "primary",
    usage: "RES [--force] [--ignore-sync] [--check]",
    summary: "Make this host primary; hand over, or --force after a loss",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    phases: (desk, resource) => new Takeover(desk, resource).phases(),
    rehearse: rehearsePrimary,
  },
  {
    name: "secondary",
    usage: "RES [--check]",
    summary: "Leave the primary role; nobody is primary then",
    subject: "resources",
    wordsMin: 0,
    wordsMax: 0,
    phases: secondary,
    rehearse: rehearseSecondary,
  },
];

function secondary(desk: Desk, resource: string): readonly Phase[] {
  let old: string | undefined;
  let isWanted = false;
  const path = linkPath.primary(resource);
  const openAt = (snapshot: Snapshot): string[] => {
    const { members } = resourceView(snapshot, resource, desk.host);
    return openObstacles(members.find(({ host }) => host === old));
  };
  const gate = gateOf(desk, {
    action: `make "${resource}" secondary`,
    reasons: (snapshot) => {
      old = resourceView(snapshot, resource, desk.host).designated;
      return isWanted ? [] : openAt(snapshot).map(passing);
    },
  });
  return [
    {
      title: "check that the primary may leave",
      goal: "everybody to close the device",
      act: async () => {
        const snapshot = desk.snapshot();
        // With force there is no check.
        old = resourceView(snapshot, resource, desk.host).designated;
        isWanted = await mayMoveUnits(desk, snapshot, resource);
        await gate.act();
      },
      until: gate.until,
    },
    {
      title: "let the units of systemd end",
      goal: "units of systemd to let go of the device",
      act: async () => {
        if (!isWanted) return;
        desk.write([wantLink(resource, NOBODY)], "3");
        if (old === desk.host) await runSystemd(desk, [resource]);
      },
      undo: () => {
        if (!isWanted || old === undefined) return;
        desk.write([wantLink(resource, old)], "3");
      },
      until: (snapshot) => {
        return !isWanted || desk.options.force ? [] : openAt(snapshot);
      },
    },
    {
      title: "end the primary role",
      goal: "the primary to end",
      act: () => {
        const snapshot = desk.snapshot();
        // Whoever was designated meanwhile is not meant.
        if (old === undefined || snapshot.value(path) !== old) return;
        desk.write([weakWrite(snapshot, path, NOBODY)], "2");
        if (desk.isDaemonRunning()) return;
        desk.warn("WARNING: no daemon runs here; nobody knows when it ends");
      },
      undo: () => {
        const snapshot = desk.snapshot();
        if (old === undefined || snapshot.value(path) !== NOBODY) return;
        desk.write([weakWrite(snapshot, path, old)], "2");
        desk.warn(`WARNING: "${old}" is designated primary again`);
      },
      until: (snapshot) => {
        if (!desk.isDaemonRunning()) return [];
        const { members } = resourceView(snapshot, resource, desk.host);
        return members.filter(({ host, isPrimary, isDeviceOn }) =>
          (isPrimary || isDeviceOn) &&
          (host === desk.host || desk.isRecent(snapshot, host))
        ).flatMap((member) => [
          `"${member.host}" is still primary`,
          ...openObstacles(member),
        ]);
      },
    },
    {
      title: "tell",
      act: () => {
        const { designated } = desk.view(resource);
        const isDry = desk.options.dryRun;
        desk.print(
          designated === undefined || isDry
            ? `"${resource}": nobody is primary`
            : `"${resource}": "${designated}" was designated primary meanwhile`,
        );
      },
    },
  ];
}
