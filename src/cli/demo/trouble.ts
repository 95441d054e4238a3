/** The middle steps: a handover, a cut cable, two dead hosts, their return. */
import { MarsError } from "../../base/errors.ts";
import { nextLog } from "../../resource/history.ts";
import {
  comparePositions,
  isConsistent,
  type Position,
} from "../../resource/view.ts";
import { linkPath } from "../../tree/path.ts";
import { compareContent, mustBeEqual, readDevice } from "./device.ts";
import type { DemoHost } from "./host.ts";
import type { Volume } from "./opening.ts";
import {
  bytesBetween,
  loggedBy,
  positionText,
  replayedBy,
} from "./positions.ts";
import { countText, quantile, sizeText, timeText } from "./screen_text.ts";
import { RESOURCE, type Stage } from "./stage.ts";
import { readView } from "./view_document.ts";
import type { Writer } from "./writer.ts";

/** Writes of which the times before and during a cut are compared. */
const QUIET_WRITES = 500;
const CUT_WRITES = 1_200;
/** Writes before the hosts die. */
const LAST_WRITES = 300;
/** Writes while the others come back. */
const RETURN_WRITES = 600;

/** @returns the writer, which goes on on beta */
export async function handOver(
  stage: Stage,
  { writer, volume }: { writer: Writer; volume: Volume },
): Promise<Writer> {
  const { screen, hosts: { alpha, beta } } = stage;
  screen.step(
    "Handover: beta becomes primary",
    "The application closes the device on alpha and opens it on beta.",
  );
  await writer.stop();
  const startedMs = performance.now();
  screen.answer(await stage.command(beta, "primary", RESOURCE));
  const awayMs = performance.now() - startedMs;
  const content = await readDevice(stage, beta);
  const found = compareContent(stage, content, { volume, which: "all" });
  mustBeEqual(found, "the device on beta");
  screen.proof(
    `${sizeText(found.bytes)} read back from beta's device: all ${
      countText(stage.ledger.acknowledgedCount)
    } writes that alpha acknowledged are there`,
  );
  const next = await stage.startWriter(beta);
  await next.firstReply();
  screen.proof(
    `The device was away for ${timeText(awayMs)}; ${alpha.name} follows now`,
  );
  return next;
}

/** More than a record of the writer; of the last one only a part may be here. */
const RECORD_BYTES = 8192;

export async function cutOff(stage: Stage, writer: Writer): Promise<void> {
  const { screen, network, hosts: { beta, gamma } } = stage;
  screen.step(
    "gamma is cut off, and catches up",
    "The relays drop all TCP connections from and to gamma and refuse new ones.",
  );
  const quiet = writer.count;
  await stage.untilWritten(writer, QUIET_WRITES);
  const before = writer.latenciesMs(quiet);
  const droppedCount = network.cut("gamma");
  screen.fact(`${droppedCount} connections dropped; beta is written to`);
  const cut = writer.count;
  // What had arrived before the cut is still being replayed, and told.
  await stage.untilWritten(writer, CUT_WRITES / 2);
  await stage.until({
    goal: "for gamma to have replayed what it has",
    isDone: () => {
      const dirtyBytes = stage.view(gamma).own?.replay?.dirtyBytes;
      return dirtyBytes !== undefined && dirtyBytes < RECORD_BYTES;
    },
  });
  const start = positionOf(stage, gamma);
  screen.answer(await stage.command(beta, "log-rotate", RESOURCE));
  await stage.untilWritten(writer, CUT_WRITES / 2);
  const during = writer.latenciesMs(cut);
  const now = positionOf(stage, gamma);
  if (comparePositions(start, now) !== 0) {
    throw new MarsError(
      `gamma was cut off at ${positionText(start)}, but is at ${
        positionText(now)
      }`,
    );
  }
  screen.proof(`gamma stands still at ${positionText(start)}`);
  screen.proof(
    `beta does not mind: half of its writes took less than ${
      timeText(quantile(during, 0.5))
    } (before: ${timeText(quantile(before, 0.5))}), 99 % less than ${
      timeText(quantile(during, 0.99))
    } (before: ${timeText(quantile(before, 0.99))})`,
  );
  network.heal("gamma");
  await catchUp(stage, start);
}

/** Until gamma, which was at `start`, is where beta is now. */
async function catchUp(stage: Stage, start: Position): Promise<void> {
  const { screen, hosts: { beta, gamma } } = stage;
  const seen = stage.view(beta);
  const target = loggedBy(seen, "beta") ?? start;
  const behindBytes = bytesBetween(seen, start, target);
  const restBytes = (): number =>
    bytesBetween(seen, positionOf(stage, gamma), target);
  const healedMs = await stage.until({
    goal: "for gamma to catch up",
    isDone: () => restBytes() === 0,
    fraction: () => 1 - restBytes() / Math.max(1, behindBytes),
    left: () =>
      `it is at ${positionText(positionOf(stage, gamma))}, beta was at ${
        positionText(target)
      }`,
  });
  screen.proof(
    `The cable is in again: ${timeText(healedMs)} later gamma has replayed ${
      sizeText(behindBytes)
    }, over a change of logs`,
  );
}

/** What `host` has on its disk, as it says. */
function positionOf(stage: Stage, host: DemoHost): Position {
  const position = replayedBy(stage.view(host), host.name);
  if (position === undefined) {
    throw new MarsError(`"${host.name}" tells no position`);
  }
  return position;
}

/** @returns the writer, which goes on on gamma */
export async function failOver(
  stage: Stage,
  { writer, volume }: { writer: Writer; volume: Volume },
): Promise<Writer> {
  const { screen, ledger, hosts: { alpha, beta, gamma } } = stage;
  screen.step(
    "alpha and beta die; gamma takes over",
    "kill -9 in the middle of writing. What gamma has is the past of beta; " +
      "how far back, it cannot know.",
  );
  await stage.untilWritten(writer, LAST_WRITES);
  screen.command("", ["kill", "-9", `${alpha.pid}`, `${beta.pid}`]);
  await Promise.all([alpha.killDaemon(), beta.killDaemon()]);
  await writer.ended;
  const startedMs = performance.now();
  await stage.command(gamma, "pause-fetch", RESOURCE);
  screen.answer(await stage.command(gamma, "primary", RESOURCE, "--force"));
  const awayMs = performance.now() - startedMs;
  const content = await readDevice(stage, gamma);
  const found = compareContent(stage, content, { volume, which: "prefix" });
  mustBeEqual(found, "the device on gamma");
  const lostCount = ledger.loseAfter(found.lastSequence);
  screen.proof(
    `${sizeText(found.bytes)} read from gamma: exactly the state after write ${
      countText(found.lastSequence)
    } of ${countText(ledger.lastSequence)}, no block older or newer`,
  );
  screen.fact(
    lostCount === 0
      ? "Nothing that beta acknowledged is missing: this time"
      : `${countText(lostCount)} newer writes had been acknowledged by beta ` +
        "alone: asynchronous means that",
  );
  const next = await stage.startWriter(gamma);
  await next.firstReply();
  screen.proof(
    `gamma serves the device ${
      timeText(awayMs)
    } after the first command was typed`,
  );
  return next;
}

export async function comeBack(
  stage: Stage,
  { writer, volume }: { writer: Writer; volume: Volume },
): Promise<void> {
  const { screen, hosts: { alpha, beta, gamma } } = stage;
  screen.step(
    "alpha and beta come back",
    "Each compares its history with that of gamma. Nothing is decided for you.",
  );
  for (const host of [alpha, beta]) host.startDaemon();
  await stage.untilWritten(writer, RETURN_WRITES);
  await stage.until({
    goal: "for alpha and beta to follow or to object",
    isDone: () =>
      [alpha, beta].every((host) =>
        isFollowing(stage, host) || isSplit(stage, host)
      ),
    left: () =>
      [alpha, beta].map((host) =>
        `${host.name} is at ${positionText(positionOf(stage, host))}`
      ).join(", "),
  });
  const text = await stage.command(gamma, "view", RESOURCE, "--json");
  const { splits, errors } = readView(text, RESOURCE);
  for (const { hosts, amountBytes } of splits) {
    screen.answer(
      `split brain between ${hosts.join(" and ")}: logs of ${
        amountBytes.map(countText).join(" and ")
      } bytes since the last log they share`,
    );
  }
  for (const error of errors) screen.answer(error);
  const parted = [alpha, beta].filter((host) => isSplit(stage, host));
  if (parted.length === 0) {
    screen.proof("No split: gamma had all of it, so alpha and beta follow");
    return;
  }
  for (const host of [alpha, beta].filter((each) => !parted.includes(each))) {
    screen.proof(`${host.name} had nothing that gamma lacks, and follows`);
  }
  for (const host of parted) examineBranch(stage, host, volume);
  screen.fact("Which side shall lose is for you to say: it is not gamma here");
  for (const host of parted) await giveUp(stage, host);
}

/** A daemon that was killed has recovered: what is on its disk? */
function examineBranch(stage: Stage, host: DemoHost, volume: Volume): void {
  const { screen, ledger } = stage;
  const content = Deno.readFileSync(host.diskPath);
  const found = compareContent(stage, content, { volume, which: "abandoned" });
  mustBeEqual(found, `the disk of ${host.name}`);
  const last = countText(found.lastSequence);
  if (host !== stage.hosts.beta) {
    screen.proof(
      `${host.name} is in split brain; its disk: exactly the state after write ${last}`,
    );
    return;
  }
  if (found.lastSequence < ledger.lastLostSequence) {
    throw new MarsError(
      `beta has acknowledged write ${ledger.lastLostSequence}, but its disk ends with ${last}`,
    );
  }
  screen.proof(
    `beta is in split brain; kill -9 cost it nothing: its disk holds all it ` +
      `acknowledged, up to write ${last}`,
  );
}

/** Throws away what only `host` has and copies what differs from gamma. */
async function giveUp(stage: Stage, host: DemoHost): Promise<void> {
  const startedMs = performance.now();
  stage.screen.answer(await stage.command(host, "invalidate", RESOURCE));
  await stage.until({
    goal: `for ${host.name} to be consistent again`,
    isDone: () => {
      const view = stage.view(host);
      return view.own !== undefined && isConsistent(view, view.own) &&
        isFollowing(stage, host);
    },
    fraction: () => {
      const { own, sizeBytes } = stage.view(host);
      return (own?.syncedBytes ?? 0) / (sizeBytes ?? 1);
    },
    left: () => `it is at ${positionText(positionOf(stage, host))}`,
  });
  stage.screen.proof(
    `${host.name} gave up its branch and follows gamma after ${
      timeText(performance.now() - startedMs)
    }`,
  );
}

function isFollowing(stage: Stage, host: DemoHost): boolean {
  return replayedBy(stage.view(host), host.name)?.log.host === "gamma";
}

/**
 * Whether the daemon of `host` says so, and has replayed what it has: messages
 * stay for some seconds after their cause is gone.
 */
function isSplit(stage: Stage, host: DemoHost): boolean {
  const message = host.snapshot().value(
    linkPath.actual(RESOURCE, host.name, "msg-err-splitbrain-detected"),
  );
  const view = stage.view(host);
  return message !== undefined && message !== "OK" &&
    view.own?.replay?.dirtyBytes === 0 &&
    nextLog(view, positionOf(stage, host)).kind === "split";
}
