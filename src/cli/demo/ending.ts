/** The last step: everything comes to rest, and every byte is compared. */
import { MarsError } from "../../base/errors.ts";
import { compareContent, mustBeEqual } from "./device.ts";
import { checkFileSystem, compareFiles } from "./file_system.ts";
import type { DemoHost } from "./host.ts";
import type { Volume } from "./opening.ts";
import { isAtRest, positionText, replayedBy } from "./positions.ts";
import { countText, sizeText, tableLines, timeText } from "./screen_text.ts";
import { RESOURCE, type Stage } from "./stage.ts";
import type { Writer } from "./writer.ts";

const HEAD = [
  "host",
  "role",
  "at",
  "bytes compared",
  "differ",
  "fsck.ext4",
  "files the same",
] as const;

export async function compareAll(
  stage: Stage,
  { writer, volume }: { writer: Writer; volume: Volume },
): Promise<void> {
  const { screen, ledger } = stage;
  screen.step(
    "Rest, and the truth",
    "The application ends. Every disk is compared byte for byte with what " +
      "was acknowledged.",
  );
  await writer.stop();
  await stage.until({
    goal: "for all hosts to be at the same position",
    isDone: () => isAtRest(stage.all.map((host) => stage.view(host)), "gamma"),
    left: () =>
      stage.all.map((host) =>
        `${host.name} is at ${
          positionText(replayedBy(stage.view(host), host.name))
        }`
      ).join(", "),
  });
  const rows: (readonly string[])[] = [HEAD];
  for (const host of stage.all) rows.push(await examine(stage, host, volume));
  screen.line("");
  for (const line of tableLines(rows)) screen.line(`   ${line}`);
  screen.line("");
  screen.line(
    `   ${countText(ledger.acknowledgedCount)} writes were acknowledged; ${
      ledger.lostCount === 0
        ? "all of them"
        : `${countText(ledger.lostCount)} were given up with beta's branch, ` +
          "all others"
    } are on all three disks.`,
  );
  screen.line(
    `   ${screen.proofCount} facts proved in ${timeText(screen.elapsedMs)}.`,
  );
}

/** @returns a row of the table. @throws MarsError if anything is wrong */
async function examine(
  stage: Stage,
  host: DemoHost,
  volume: Volume,
): Promise<readonly string[]> {
  const content = Deno.readFileSync(host.diskPath);
  const found = compareContent(stage, content, { volume, which: "all" });
  mustBeEqual(found, `the disk of ${host.name}`);
  const view = stage.view(host);
  const files = await examineFiles(stage, host, volume);
  stage.screen.proof(
    `${host.name}: ${sizeText(found.bytes)} as acknowledged, block by block`,
  );
  return [
    host.name,
    view.designated === host.name ? "primary" : "secondary",
    positionText(replayedBy(view, host.name)),
    countText(found.bytes),
    countText(found.badCount),
    ...files,
  ];
}

async function examineFiles(
  stage: Stage,
  host: DemoHost,
  { files }: Volume,
): Promise<readonly [string, string]> {
  if (files === undefined) return ["(none)", "(none)"];
  const complaints = await checkFileSystem(host.diskPath);
  if (complaints !== undefined) {
    throw new MarsError(`fsck of ${host.name} complains: ${complaints}`);
  }
  const { goodCount, bad } = await compareFiles(host.diskPath, {
    source: files.source,
    room: `${stage.root}/${host.name}/files`,
  });
  if (bad.length > 0) {
    throw new MarsError(`Files of ${host.name} differ: ${bad.join(", ")}`);
  }
  return ["clean", countText(goodCount)];
}

/** How to play with the hosts, for `--keep`. */
export function handbook(stage: Stage, self: readonly string[]): string[] {
  const [alpha] = stage.all;
  const gamma = stage.hosts.gamma;
  return [
    "",
    "The cluster goes on until you press Ctrl-C here. In another shell:",
    "",
    `   alias mars='${self.join(" ")}'`,
    ...stage.all.map(({ name, envPath }) =>
      `   . ${envPath}    # this shell is ${name} now`
    ),
    "",
    `   mars view ${RESOURCE}`,
    `   mars view ${RESOURCE} --json`,
    `   mars primary ${RESOURCE}    # hands over to the host of this shell`,
    `   mars pause-replay ${RESOURCE}; mars resume-replay ${RESOURCE}`,
    `   ls -l ${alpha?.settings.marsDir}/resource-${RESOURCE}`,
    `   qemu-io -f raw 'nbd+unix:///${RESOURCE}?socket=${
      gamma.socketPath(RESOURCE)
    }'`,
    `   tail -f ${stage.root}/*/daemon.log`,
    "",
  ];
}
