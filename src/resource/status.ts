// Pure
/**
 * Status: what a host is, in the words of `view`.
 *
 *   disk          UpToDate, OutDated[FR], InConsistent, WriteBack[1.000 MiB], …
 *   replication   Replicating, Replaying, Syncing, PausedFetch, …
 *   flags         six characters: device, consistency, attach, sync, fetch,
 *                 replay; a capital means reached
 *   role          Primary, Secondary, NotYetPrimary, RemainsPrimary, …
 *
 * The first condition that holds names the state. Words and order are those of
 * MARS: monitoring depends on them.
 *
 * Source: `diskstate`, `replstate`, `flags` and `role` of `marsadm view`.
 */
import { ERRNO, errnoText } from "../base/errors.ts";
import { formatBytes } from "../base/figures.ts";
import type { Amounts } from "./amounts.ts";
import { holeBehind } from "./history.ts";
import type { LocalLog } from "./plan_types.ts";
import {
  isConsistent,
  type MemberState,
  type ResourceView,
  sameLog,
} from "./view.ts";

/** What the links do not say. */
export interface StatusFacts {
  readonly amounts: Amounts;
  readonly logs: readonly LocalLog[];
  readonly isDaemonRunning: boolean;
  /** Whether anything is where the disk should be. */
  readonly isDiskPresent: boolean;
  /** Whether a host was heard of within the liveness window. */
  readonly isRecent: (host: string) => boolean;
}

/** A state and what is written behind it, `OutDated` and `[FR]`. */
export interface DiskState {
  readonly state: string;
  readonly detail: string;
  /** Error of the disk, positive; 0 for none. */
  readonly errno: number;
}

export interface Status {
  readonly disk: DiskState;
  readonly replication: string;
  readonly flags: string;
  readonly role: string;
}

export function statusOf(view: ResourceView, facts: StatusFacts): Status {
  return {
    disk: diskState(view, facts),
    replication: replicationState(view, facts),
    flags: flagsOf(view, facts),
    role: roleOf(view),
  };
}

/** `DISK_ERROR=-5[EIO:Input/output_error] UpToDate` */
export function diskText(disk: DiskState): string {
  const error = disk.errno === 0
    ? ""
    : `DISK_ERROR=-${disk.errno}[${errnoWord(disk.errno)}] `;
  return `${error}${disk.state}${disk.detail}`;
}

function diskState(view: ResourceView, facts: StatusFacts): DiskState {
  const errno = view.own?.diskErrno ?? 0;
  const [state, detail = ""] = stateAndDetail(view, facts);
  return { state, detail, errno };
}

type StateAndDetail = readonly [state: string, detail?: string];

function stateAndDetail(
  view: ResourceView,
  facts: StatusFacts,
): StateAndDetail {
  const { own } = view;
  if (own === undefined) return ["NotJoined"];
  if (!facts.isDiskPresent) return ["NotPresent"];
  if (!own.desired.attach) return [own.isAttached ? "Detaching" : "Detached"];
  if (own.replayCode < 0) return damageState(own.replayCode);
  if (isOrphan(own, facts.logs)) return ["Orphan"];
  if (!own.isAttached) return ["NoAttach"];
  const isDesignated = view.designated === view.host;
  const writing: StateAndDetail = [
    own.isPrimary ? "WriteBack" : "Recovery",
    `[${formatBytes(facts.amounts.work.restBytes)}]`,
  ];
  if (!isClean(view, own)) return isDesignated ? writing : ["InConsistent"];
  const { work, fetch, replay } = facts.amounts;
  if (work.restBytes > 0) {
    if (isDesignated) return writing;
    const missing = `${fetch.restBytes > 0 ? "F" : ""}${
      replay.restBytes > 0 ? "R" : ""
    }`;
    return ["OutDated", missing === "" ? "" : `[${missing}]`];
  }
  if (hasPrimaryEmergency(view)) return ["EmergencyMode"];
  return isCutOff(view, own) ? ["OutDated", "[F]"] : ["UpToDate"];
}

/** Whether a hole of the emergency mode lies between here and the newest log. */
function isCutOff(view: ResourceView, own: MemberState): boolean {
  const { replay } = own;
  return replay !== undefined &&
    holeBehind(view, replay.log.sequence, view.designated) !== undefined;
}

const DAMAGE_STATES: Readonly<Record<number, string>> = {
  [-ERRNO.ERESTART]: "IncompleteLog",
  [-ERRNO.EBADRQC]: "UnInitializedLogRecord",
};

function damageState(code: number): StateAndDetail {
  const state = DAMAGE_STATES[code] ?? "DefectiveLog";
  return [state, `[${code}=${errnoWord(-code)}]`];
}

/** `EIO:Input/output_error` */
function errnoWord(errno: number): string {
  return errnoText(errno).replace(/ \((.*)\)$/, ":$1").replaceAll(" ", "_");
}

/** Whether replay could not even begin: its log is not here. */
function isOrphan(own: MemberState, logs: readonly LocalLog[]): boolean {
  const { replay } = own;
  if (own.isPrimary || replay === undefined) return false;
  const file = logs.find(({ log }) => sameLog(log, replay.log));
  return file === undefined || file.bytes < replay.startBytes;
}

/** Consistent, and for a primary also written back. */
function isClean(view: ResourceView, own: MemberState): boolean {
  const isWriting = view.designated === view.host && own.isPrimary &&
    (own.replay?.dirtyBytes ?? 0) > 0;
  return isConsistent(view, own) && !isWriting;
}

function hasPrimaryEmergency(view: ResourceView): boolean {
  return view.members.some((member) =>
    member.host === view.designated && member.hasEmergency
  );
}

function replicationState(view: ResourceView, facts: StatusFacts): string {
  const { own, designated } = view;
  if (!facts.isDaemonRunning) return "ModuleNotLoaded";
  if (!facts.isRecent(view.host)) return "UnResponsive";
  if (own === undefined) return "NotJoined";
  if (!own.desired.attach) return "NotStarted";
  if (designated === view.host) {
    if (own.hasEmergency) return "EmergencyMode";
    return own.isPrimary ? "Replicating" : "NotYetPrimary";
  }
  if (facts.amounts.sync.restBytes > 0) {
    return own.desired.sync ? "Syncing" : "PausedSync";
  }
  if (!own.desired.fetch) return "PausedFetch";
  if (!own.desired.replay) return "PausedReplay";
  if (designated === undefined) return "NoPrimaryDesignated";
  if (!facts.isRecent(designated)) return "PrimaryUnreachable";
  return isOrphan(own, facts.logs) ? "Orphan" : "Replaying";
}

/** Flags of a host that is no member. */
const NO_FLAGS = "------";

function flagsOf(view: ResourceView, facts: StatusFacts): string {
  const { own } = view;
  if (own === undefined) return NO_FLAGS;
  const { sync, fetch, replay } = facts.amounts;
  const reached = (letter: string, restBytes: number, on: boolean): string => {
    if (restBytes === 0) return letter.toUpperCase();
    return on ? letter : "-";
  };
  const device = own.isDeviceOn ? "D" : facts.isDiskPresent ? "d" : "-";
  const isChanging = own.desired.attach !== own.isAttached;
  const attach = isChanging ? "a" : own.isAttached ? "A" : "-";
  return device + (isClean(view, own) ? "C" : "c") + attach +
    reached("s", sync.restBytes, own.desired.sync) +
    reached("f", isCutOff(view, own) ? 1 : fetch.restBytes, own.desired.fetch) +
    reached("r", replay.restBytes, own.desired.replay);
}

function roleOf(view: ResourceView): string {
  const { own } = view;
  if (own === undefined) return "None";
  const isDesignated = view.designated === view.host;
  if (!own.isPrimary) return isDesignated ? "NotYetPrimary" : "Secondary";
  if (!isDesignated) return "RemainsPrimary";
  const claims = view.members.filter((member) => member.isPrimary).length;
  return claims > 1 ? "ForcedPrimary" : "Primary";
}
