// Pure
/**
 * Verification: whether this host shall compare its disk now, and with whom.
 *
 * The links are in `verify_links.ts`. How extents are compared while both sides
 * go on writing is the business of `transfer/verify.ts`; what is decided here is
 * that there is a primary to compare with, and a replay that goes on and may be
 * held.
 *
 * What was found out about a disk ends when the disk is copied anew, and so does
 * what was asked and is done.
 */
import { NS_PER_S } from "../base/time.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { blocked, type Plan, type PlanFacts } from "./plan_types.ts";
import { verifyPaths, type VerifyState } from "./verify_links.ts";
import {
  isConsistent,
  isSynced,
  type MemberState,
  type ResourceView,
} from "./view.ts";

/** Keys of messages. */
const WAITING_KEY = "inf-verify";
const DIFFERS_KEY = "err-verify";

/** `decided`, and what is to be verified. */
export function withVerify(
  view: ResourceView,
  facts: PlanFacts,
  decided: Plan,
): Plan {
  const { own } = view;
  const state = own?.verifyState;
  if (own !== undefined && own.replay !== undefined && !isSynced(view, own)) {
    return forgotten(view, decided);
  }
  const told = state === undefined ? decided : differing(state, decided);
  const request = own?.verifyRequest;
  if (request === undefined || !facts.isRunning) return told;
  const isSame = state?.requestNs === request.stampNs;
  if (isSame && state.phase === "done") return told;
  const obstacle = obstacleTo(view, decided);
  if (obstacle !== undefined) {
    return blocked(told, WAITING_KEY, `Verification waits: ${obstacle}`);
  }
  const source = view.designated ?? "";
  // What was compared with another primary would have to be told apart.
  const isSameRun = isSame && state.source === source &&
    state.doneBytes <= decided.sizeBytes;
  const begin: VerifyState = {
    requestNs: request.stampNs,
    phase: "running",
    source,
    sinceNs: 0n,
    doneBytes: 0,
    sizeBytes: decided.sizeBytes,
    differingBytes: 0,
    repairedBytes: 0,
  };
  return {
    ...told,
    verify: {
      isRepair: request.isRepair,
      state: isSameRun ? { ...state, sizeBytes: decided.sizeBytes } : begin,
    },
  };
}

/** The disk is copied anew: what was known of it does not hold any more. */
function forgotten(view: ResourceView, decided: Plan): Plan {
  const { own, resource, host } = view;
  const paths = verifyPaths(resource, host);
  const isDone = own?.verifyState?.phase === "done" &&
    own.verifyState.requestNs === own.verifyRequest?.stampNs;
  const known = [
    // It was obeyed; nobody has asked for the disk that comes now.
    ...(isDone ? [paths.request] : []),
    ...(own?.verifyState === undefined ? [] : [paths.state, paths.differs]),
    ...(own?.verifiedNs === undefined ? [] : [paths.verified]),
  ];
  const gone = known.map((path) => ({ path, value: TOMBSTONE }));
  const told = { ...decided, publish: [...decided.publish, ...gone] };
  return own?.verifyRequest === undefined || isDone ? told : blocked(
    told,
    WAITING_KEY,
    "Verification waits: the copy is not complete",
  );
}

/** Differences are told until the next run begins. */
function differing(state: VerifyState, decided: Plan): Plan {
  const leftBytes = state.differingBytes - state.repairedBytes;
  if (leftBytes <= 0) return decided;
  return blocked(
    decided,
    DIFFERS_KEY,
    `${leftBytes} bytes of the disk differ from "${state.source}"; type mars verify --repair`,
  );
}

/** Why nothing can be compared now. */
function obstacleTo(view: ResourceView, decided: Plan): string | undefined {
  const { own, host, designated } = view;
  if (own === undefined || !own.desired.attach) return "the disk is detached";
  if (designated === host) return "this host is primary";
  const source = view.members.find((member) => member.host === designated);
  if (source === undefined) return "no primary is designated";
  if (!source.isPrimary) return `"${source.host}" does not lead yet`;
  if (source.hasEmergency) return `"${source.host}" is in emergency mode`;
  if (!isConsistent(view, own)) return "the copy is not complete";
  if (!own.desired.fetch) return "fetch is switched off";
  if (!own.desired.replay) return "replay is switched off";
  if (decided.role !== "replay") return "replay does not run";
  const isSplit = decided.obstacles.some(({ key }) =>
    key === "err-splitbrain-detected"
  );
  if (isSplit) return "there is a split brain";
  return undefined;
}

/** What a host says about its verification, for people; undefined: nothing. */
export function verifySummary(
  member: MemberState,
  nowNs: bigint,
): VerifySummary | undefined {
  const state = member.verifyState;
  if (state === undefined) return undefined;
  const isWanted = member.verifyRequest?.stampNs === state.requestNs;
  const elapsedS = Number((nowNs - state.sinceNs) / NS_PER_S);
  const bytesPerSecond = elapsedS > 0
    ? Math.round(state.doneBytes / elapsedS)
    : 0;
  return {
    state,
    phase: state.phase === "done" ? "done" : isWanted ? "running" : "canceled",
    bytesPerSecond,
    remainS: bytesPerSecond > 0
      ? Math.ceil((state.sizeBytes - state.doneBytes) / bytesPerSecond)
      : undefined,
  };
}

export interface VerifySummary {
  readonly state: VerifyState;
  readonly phase: "running" | "done" | "canceled";
  /** On average since it began. */
  readonly bytesPerSecond: number;
  /** Undefined while nothing is known. */
  readonly remainS: number | undefined;
}
