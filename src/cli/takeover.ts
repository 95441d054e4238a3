/**
 * Takeover: how this host becomes primary of one resource. The phases and their
 * rules are in `role.ts`.
 */
import { MarsError, RefusedError } from "../base/errors.ts";
import { NS_PER_S } from "../base/time.ts";
import {
  avoidSplit,
  consistencyGaps,
  numberGaps,
  openObstacles,
  preconditions,
} from "../resource/handover.ts";
import {
  type MemberState,
  type ResourceView,
  resourceView,
} from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import type { LinkWrite } from "../tree/store.ts";
import { NOBODY, TOMBSTONE } from "../tree/values.ts";
import { type Desk, type Phase, timeoutError } from "./command.ts";
import { deviceGaps } from "./device_gaps.ts";
import { type Gate, gateOf } from "./gate.ts";
import { ASK } from "./peers_alive.ts";
import { lasting, type Reason } from "../resource/reasons.ts";
import { SWITCH_LINKS } from "../resource/switch_stamps.ts";
import {
  checkRivals,
  claimLink,
  claimReasons,
  noClaimLink,
  signOf,
  unanswered,
} from "./rivals.ts";
import { stillRunning } from "./running.ts";
import { runSystemd } from "./systemd_run.ts";
import { mayMoveUnits, unitStatus, wantLink } from "./units.ts";

// Ours. Hosts whose trigger for systemd was lost hear of it again.
const TOUCH_MS = 2_000;
/** Prescribed by MARS: links that are older have come to rest. */
const QUIET_WINDOWS = 0.25;

const DEAF =
  "the daemon on this host does not answer: it is stopped, stuck, or cannot write the tree; see view, and its traces";

/** A write of a value hardly newer than the one that stands. */
export function weakWrite(
  snapshot: Snapshot,
  path: string,
  value: string,
): LinkWrite {
  const oldNs = snapshot.stampNs(path) ?? 0n;
  return { path, value, stampNs: (oldNs / NS_PER_S + 1n) * NS_PER_S };
}

export class Takeover {
  readonly #desk: Desk;
  readonly #resource: string;
  readonly #gate: Gate;
  /** Who was designated when the command began. */
  #before: string | undefined;
  /** Who was designated last. */
  #lastBefore: string | undefined;
  /** Who is to hand over; also if nobody is designated any more. */
  #old: string | undefined;
  /** This host is primary and has its device. */
  #isDone = false;
  /** There is something to be handed over. */
  #isPlanned = false;
  #hasUnits = false;
  #startedMs = 0;
  #startedNs = 0n;
  #hasClaimed = false;
  /** Somebody else takes over: the roles are theirs to decide. */
  #hasLost = false;
  /** From here on nothing is put back. */
  #isComplete = false;
  #touchedMs = 0;

  constructor(desk: Desk, resource: string) {
    this.#desk = desk;
    this.#resource = resource;
    this.#gate = gateOf(desk, {
      action: `make this host primary of "${resource}"`,
      // Force changes what is checked, not whether.
      isForceless: true,
      reasons: (snapshot) => this.#reasons(snapshot),
    });
  }

  phases(): readonly Phase[] {
    const desk = this.#desk;
    const resource = this.#resource;
    const { force } = desk.options;
    const act = (does: () => void) => (): void => {
      if (!this.#isDone) does();
    };
    const until = (
      isAsked: () => boolean,
      obstacles: (view: ResourceView, snapshot: Snapshot) => string[],
    ) =>
    (snapshot: Snapshot): readonly string[] =>
      this.#isDone || !isAsked()
        ? []
        : obstacles(this.#view(snapshot), snapshot);
    const planned = (): boolean => this.#isPlanned;
    return [
      {
        title: "check, and hear of the old primary",
        goal: "an answer",
        act: () => this.#check(),
        until: async (snapshot) =>
          this.#isDone ? [] : [
            ...await this.#gate.until(snapshot),
            ...this.#isPlanned
              ? this.#silence(this.#view(snapshot), snapshot)
              : [],
          ],
      },
      {
        title: force ? "let fetch end" : "let the copy become consistent",
        goal: force ? "fetch to end" : "a consistent disk",
        forks: true,
        act: act(() => this.#warnOfUse()),
        until: until(
          () => force || this.#isPlanned,
          (view, snapshot) =>
            force
              ? stillRunning(desk, snapshot, { resource, links: ["connect"] })
              : consistencyGaps(view),
        ),
      },
      {
        title: "let the units of systemd end",
        goal: "units of systemd to let go of the device",
        act: act(() => {
          this.#begin();
          if (this.#hasUnits) this.#want();
        }),
        undo: act(() => this.#unwant()),
        until: until(
          () => this.#isPlanned && this.#hasUnits,
          (view, snapshot) => this.#unitsLeft(view, snapshot),
        ),
      },
      {
        title: "fetch and replay all that the old primary has",
        goal: "all that the old primary has",
        until: until(
          planned,
          (view, snapshot) => [
            ...this.#gaps(view, snapshot, true),
            ...numberGaps(view, this.#old),
          ],
        ),
      },
      {
        title: "let the old primary end",
        goal: "the old primary to end",
        act: act(() => this.#take()),
        undo: act(() => this.#giveBack()),
        until: until(planned, (view, snapshot) => [
          ...this.#oldLeft(view),
          ...unanswered(this.#desk, snapshot, view, {
            needed: this.#needed(view),
            waitedMs: this.#waitedMs(),
          }),
          ...this.#gaps(view, snapshot, false),
        ]),
      },
      {
        title: "designate this host",
        act: act(() => this.#designate()),
      },
      {
        title: "let the device come",
        goal: "the device",
        act: act(() => this.#begin()),
        until: until(
          () => true,
          (view, snapshot) =>
            deviceGaps(this.#desk, snapshot, view, {
              isPlanned: this.#isPlanned,
              sinceNs: this.#startedNs,
              waitedMs: this.#waitedMs(),
            }),
        ),
      },
      {
        title: "switch everything on",
        act: act(() => this.#complete()),
      },
      {
        title: "start the units of systemd",
        act: () => this.#startUnits(),
      },
    ];
  }

  #view(snapshot: Snapshot): ResourceView {
    return resourceView(snapshot, this.#resource, this.#desk.host);
  }

  #begin(): void {
    this.#startedMs = this.#desk.clock.monotonicMs();
    this.#startedNs = this.#desk.nowNs();
  }

  #waitedMs(): number {
    return this.#desk.clock.monotonicMs() - this.#startedMs;
  }

  // ---- before anything is taken ------------------------------------------

  async #check(): Promise<void> {
    const desk = this.#desk;
    const snapshot = desk.snapshot();
    const { designated, own } = this.#view(snapshot);
    if (
      designated === desk.host && own?.isPrimary === true && own.isDeviceOn
    ) {
      this.#isDone = true;
      desk.print(`"${this.#resource}": this host is primary already`);
      return;
    }
    this.#hasUnits = await mayMoveUnits(desk, snapshot, this.#resource);
    this.#begin();
    await this.#gate.act();
    if (this.#isPlanned) desk.trigger(ASK.everybody);
  }

  /** Why not; notes who has the role at this moment. */
  #reasons(snapshot: Snapshot): Reason[] {
    const desk = this.#desk;
    const { force, ignoreSync } = desk.options;
    const view = this.#view(snapshot);
    const { designated } = view;
    this.#before = designated;
    this.#lastBefore = snapshot.value(
      linkPath.userspace(this.#resource, "last-primary"),
    );
    this.#old = designated ?? this.#lastBefore;
    this.#isPlanned = !force && designated !== desk.host;
    const reasons = preconditions(view, {
      isForced: force,
      ignoreSync,
      oldPrimary: this.#old,
      isRecent: (member) => desk.isRecent(snapshot, member),
      hasUnits: this.#hasUnits,
    });
    if (!desk.isDaemonRunning()) {
      reasons.push(lasting("no daemon runs here; start it"));
    }
    if (this.#isPlanned) {
      reasons.push(...claimReasons(desk, snapshot, view, this.#startedNs));
    }
    return reasons;
  }

  /** Force takes it from whoever uses it. */
  #warnOfUse(): void {
    const { options, host } = this.#desk;
    const old = memberOf(this.#view(this.#desk.snapshot()), this.#old);
    if (!options.force || old?.host === host) return;
    for (const obstacle of openObstacles(old)) {
      this.#desk.warn(`WARNING: ${obstacle}`);
    }
  }

  /**
   * Who must answer, however long it takes: the primary that hands over. Where
   * nobody is designated any member may have been since, which only that one
   * may know.
   */
  #needed(view: ResourceView): string[] {
    return view.members.map(({ host }) => host).filter((host) =>
      host !== view.host && (this.#before ?? host) === host
    );
  }

  /** A primary that does not answer cannot hand over. */
  #silence(view: ResourceView, snapshot: Snapshot): string[] {
    const silent = this.#needed(view)
      .filter((host) => signOf(snapshot, host) <= this.#startedNs)
      .map((host) =>
        host === this.#before || memberOf(view, host)?.isPrimary === true
          ? `"${host}" does not answer; after a loss type pause-fetch and primary --force`
          : `"${host}" does not answer and may have become primary; after a loss type pause-fetch and primary --force`
      );
    if (silent.length === 0) return [];
    // Whoever hears nothing cannot tell who is silent.
    const isDeaf = signOf(snapshot, view.host) <= this.#startedNs;
    const left = isDeaf ? [DEAF] : silent;
    const waitedMs = this.#waitedMs();
    if (waitedMs < this.#desk.options.windowMs / 2) return left;
    throw timeoutError(waitedMs, "an answer", left);
  }

  #want(): void {
    const links: LinkWrite[] = [wantLink(this.#resource, this.#desk.host)];
    const old = this.#old;
    if (old !== undefined && old !== this.#desk.host) {
      // What it says of the last stop is not about this one.
      const path = unitStatus(this.#resource, "stop", old);
      if (this.#desk.snapshot().value(path) !== undefined) {
        links.push({ path, value: TOMBSTONE });
      }
    }
    this.#desk.write(links, "3");
  }

  /** Compensation: units shall run where they ran. */
  #unwant(): void {
    if (!this.#hasUnits || this.#old === undefined) return;
    if (this.#desk.options.force || this.#isComplete) return;
    this.#desk.write([wantLink(this.#resource, this.#old)], "3");
  }

  #unitsLeft(view: ResourceView, snapshot: Snapshot): string[] {
    const old = memberOf(view, this.#old);
    if (old === undefined || old.host === this.#desk.host) return [];
    const left = openObstacles(old);
    if (left.length === 0) return [];
    const status = snapshot.value(
      unitStatus(this.#resource, "stop", old.host),
    );
    if (status !== undefined && status !== "0") {
      throw new RefusedError(`Cannot hand over "${this.#resource}"`, [
        `systemd could not stop its units on "${old.host}": status ${status}`,
        ...left,
      ]);
    }
    const waitedMs = this.#waitedMs();
    if (waitedMs >= this.#touchedMs + TOUCH_MS) {
      this.#touchedMs = waitedMs;
      const want = wantLink(this.#resource, this.#desk.host);
      this.#desk.write([want], "3");
    }
    return left;
  }

  // ---- from the old primary to nobody ------------------------------------

  /** What would be lost. @throws RefusedError if it stays so */
  #gaps(view: ResourceView, snapshot: Snapshot, isBefore: boolean): string[] {
    const desk = this.#desk;
    const avoidance = avoidSplit(view, {
      oldPrimary: this.#old,
      isBefore,
      isQuiet: (path) =>
        !desk.isRecentStamp(snapshot.stampNs(path), QUIET_WINDOWS),
    });
    switch (avoidance.kind) {
      case "safe":
        return [];
      case "wait":
        return [...avoidance.gaps];
      case "heal":
        desk.warn(
          `WARNING: "${this.#resource}": version links of this host were wrong; corrected`,
        );
        desk.write(avoidance.links);
        return ["version links were corrected"];
      case "never":
        throw new RefusedError(`Cannot hand over "${this.#resource}"`, [
          avoidance.obstacle,
        ]);
    }
  }

  #take(): void {
    if (!this.#isPlanned) return;
    const desk = this.#desk;
    const snapshot = desk.snapshot();
    const primary = linkPath.primary(this.#resource);
    const { designated } = this.#view(snapshot);
    // Only what was found in the beginning may be taken: a weak stamp is
    // stronger than the decision of another host that is behind it.
    if (designated !== undefined && designated !== this.#before) {
      this.#hasLost = true;
      throw new RefusedError(`Cannot take over "${this.#resource}"`, [
        `"${designated}" was designated meanwhile`,
      ]);
    }
    this.#hasClaimed = true;
    const links = [claimLink(this.#resource, desk.host)];
    if (designated !== undefined) {
      links.push(weakWrite(snapshot, primary, NOBODY));
    }
    desk.write(links, "2");
    desk.trigger(ASK.everybody);
    this.#begin();
  }

  #oldLeft(view: ResourceView): string[] {
    const old = memberOf(view, this.#old);
    return old !== undefined && old.host !== view.host && old.isPrimary
      ? [`"${old.host}" is still primary`, ...openObstacles(old)]
      : [];
  }

  /** Designates the old primary again, unless somebody decided otherwise. */
  #giveBack(): void {
    if (this.#isComplete) return;
    const desk = this.#desk;
    const snapshot = desk.snapshot();
    const path = linkPath.primary(this.#resource);
    const { own } = this.#view(snapshot);
    const current = snapshot.value(path);
    const isOurs = current === NOBODY || current === desk.host;
    const links: LinkWrite[] = [];
    if (this.#hasClaimed) links.push(noClaimLink(this.#resource, desk.host));
    // With the device there, somebody may write to it already.
    const isReverted = this.#isPlanned && !this.#hasLost && isOurs &&
      own?.isPrimary !== true;
    const value = this.#before ?? NOBODY;
    if (isReverted && current !== value) {
      links.push(weakWrite(snapshot, path, value));
      desk.warn(`WARNING: "${value}" is designated primary again`);
    }
    const last = linkPath.userspace(this.#resource, "last-primary");
    if (isReverted && current === desk.host && this.#old !== undefined) {
      links.push({ path: last, value: this.#old });
    }
    desk.write(links, "2");
  }

  // ---- from nobody to this host ------------------------------------------

  #designate(): void {
    const desk = this.#desk;
    const resource = this.#resource;
    const snapshot = desk.snapshot();
    const path = linkPath.primary(resource);
    if (this.#isPlanned && !desk.options.dryRun) {
      this.#hasLost = true;
      const last = snapshot.value(
        linkPath.userspace(resource, "last-primary"),
      );
      const other = last === this.#lastBefore ? undefined : last;
      checkRivals(desk, snapshot, this.#view(snapshot), other);
      this.#hasLost = false;
    }
    const last = linkPath.userspace(resource, "last-primary");
    const links: LinkWrite[] = [];
    if (snapshot.value(path) !== desk.host) {
      links.push({ path, value: desk.host });
    }
    if (this.#old !== undefined && this.#old !== desk.host) {
      links.push({
        path: linkPath.userspace(resource, "prev-primary"),
        value: this.#old,
      });
    }
    if (snapshot.value(last) !== desk.host) {
      links.push({ path: last, value: desk.host });
    }
    desk.write(links, "2");
  }

  #complete(): void {
    const desk = this.#desk;
    const { own } = this.#view(desk.snapshot());
    const { attach, fetch, sync, replay } = own?.desired ?? {};
    const isOn = [attach, fetch, sync, replay];
    const links: LinkWrite[] = SWITCH_LINKS
      .filter((_link, index) => isOn[index] !== true)
      .map((link) => ({
        path: linkPath.todo(this.#resource, desk.host, link),
        value: "1",
      }));
    if (this.#hasClaimed) links.push(noClaimLink(this.#resource, desk.host));
    desk.write(links);
    this.#isComplete = true;
    desk.print(`"${this.#resource}": this host is primary`);
  }

  /** @throws MarsError if they do not start; this host stays primary */
  async #startUnits(): Promise<void> {
    if (this.#isDone || !this.#hasUnits) return;
    const desk = this.#desk;
    await runSystemd(desk, [this.#resource]);
    const path = unitStatus(this.#resource, "start", desk.host);
    const status = desk.snapshot().value(path) ?? "0";
    if (status === "0") return;
    throw new MarsError(
      `This host is primary of "${this.#resource}", but its unit could not be started: status ${status}`,
    );
  }
}

function memberOf(
  view: ResourceView,
  host: string | undefined,
): MemberState | undefined {
  return view.members.find((member) => member.host === host);
}
