/** The first steps: a cluster, a resource with a file system, two secondaries. */
import { MarsError } from "../../base/errors.ts";
import { isThere } from "../../base/remove.ts";
import { isConsistent, type ResourceView } from "../../resource/view.ts";
import { linkPath } from "../../tree/path.ts";
import {
  collectFiles,
  type FileTree,
  hasTools,
  makeFileSystem,
} from "./file_system.ts";
import type { DemoHost } from "./host.ts";
import { NbdClient } from "./nbd_client.ts";
import { BLOCK_BYTES, fillBlock } from "./pattern.ts";
import { countText, sizeText, timeText } from "./screen_text.ts";
import {
  DISK_BYTES,
  FILE_SYSTEM_BYTES,
  HOST_NAMES,
  RESOURCE,
  type Stage,
} from "./stage.ts";
import type { Writer } from "./writer.ts";

/** What was put at the beginning of the device. */
export interface Volume {
  /** Bytes that must be there. */
  readonly content: Uint8Array;
  /** The files in it; undefined if it is no file system. */
  readonly files: (FileTree & { readonly source: string }) | undefined;
}

/** Ours. Large requests, as a file system makes them. */
const CHUNK_BYTES = 256 * 1024;
/** Requests in flight while the image is put in. */
const CHUNKS_IN_FLIGHT = 8;
/** Writes before others join, so that there is a history. */
const FIRST_WRITES = 300;

export async function formCluster(stage: Stage): Promise<void> {
  const { screen, network, hosts } = stage;
  const { alpha, beta, gamma } = hosts;
  screen.step(
    "Three hosts form a cluster",
    "Each has its own directories, key and daemon; they talk TLS on loopback.",
  );
  for (const host of stage.all) host.startDaemon();
  await stage.until({
    goal: "for three daemons to start",
    isDone: () => stage.all.every(isReady),
    fraction: () => stage.all.filter(isReady).length / 3,
    left: () => "a control directory is missing",
  });
  const at = (host: DemoHost): string => `--ip=${network.addressOf(host.name)}`;
  screen.answer(await stage.command(alpha, "create-cluster", at(alpha)));
  screen.fact("Trust is between two hosts, as with ssh: a token for each pair");
  const forBeta = await stage.command(alpha, "token", "create");
  const toAlpha = `--token=${forBeta}`;
  screen.answer(await stage.command(beta, "join-cluster", toAlpha, at(beta)));
  const [fromAlpha, fromBeta] = [
    await stage.command(alpha, "token", "create"),
    await stage.command(beta, "token", "create"),
  ];
  screen.answer(
    await stage.command(
      gamma,
      "join-cluster",
      `--token=${fromAlpha}`,
      `--token=${fromBeta}`,
      at(gamma),
    ),
  );
  const waitedMs = await stage.until({
    goal: "for every host to hear of every other one",
    isDone: () => pairsHeard(stage) === 9,
    fraction: () => pairsHeard(stage) / 9,
    left: () => `${pairsHeard(stage)} of 9 pairs`,
  });
  screen.proof(
    `alpha, beta and gamma hear each other ${timeText(waitedMs)} later`,
  );
}

/** Pairs of hosts of which the first knows a sign of life of the second. */
function pairsHeard(stage: Stage): number {
  return stage.all.reduce((sum, host) => {
    const snapshot = host.snapshot();
    const known = HOST_NAMES.filter((other) =>
      snapshot.value(linkPath.global(other, "time")) !== undefined
    );
    return sum + known.length;
  }, 0);
}

/** @returns what is on the device now */
export async function createResource(stage: Stage): Promise<Volume> {
  const { screen, hosts: { alpha } } = stage;
  screen.step(
    "A resource with a real file system",
    `alpha gets a device of ${sizeText(DISK_BYTES)}; what is written to it ` +
      "goes to a log first.",
  );
  makeDisk(alpha);
  screen.answer(
    await stage.command(alpha, "create-resource", RESOURCE, alpha.diskPath),
  );
  await stage.until({
    goal: "for the device",
    isDone: () => stage.view(alpha).own?.isDeviceOn === true,
    left: () => "the device is not there",
  });
  const volume = await makeVolume(stage);
  const startedMs = performance.now();
  const writtenBytes = await putIn(stage, volume.content);
  const elapsedMs = performance.now() - startedMs;
  const what = volume.files === undefined
    ? "generated data"
    : `ext4 with ${countText(volume.files.fileCount)} files, ${
      sizeText(volume.files.totalBytes)
    },`;
  screen.proof(
    `${what} is in: ${sizeText(writtenBytes)} written and flushed in ${
      timeText(elapsedMs)
    }`,
  );
  return volume;
}

function makeDisk(host: DemoHost): void {
  using file = Deno.openSync(host.diskPath, { createNew: true, write: true });
  file.truncateSync(DISK_BYTES);
}

async function makeVolume(stage: Stage): Promise<Volume> {
  if (!await hasTools()) {
    stage.screen.fact(
      "mkfs.ext4 is not installed (package e2fsprogs): generated data instead",
    );
    return { content: generated(), files: undefined };
  }
  const source = `${stage.root}/files`;
  const image = `${stage.root}/image`;
  const files = collectFiles(source);
  await makeFileSystem(image, { source, sizeBytes: FILE_SYSTEM_BYTES });
  stage.screen.fact(
    "mkfs.ext4 made a file system with files of this machine; it goes in " +
      `through NBD`,
  );
  const content = Deno.readFileSync(image);
  return { content, files: { ...files, source } };
}

/** Incompressible, and different in every block. */
function generated(): Uint8Array {
  const content = new Uint8Array(FILE_SYSTEM_BYTES);
  for (let at = 0; at < content.length / 4; at += BLOCK_BYTES) {
    const block = content.subarray(at, at + BLOCK_BYTES);
    fillBlock(block, { sequence: 1, blockIndex: at / BLOCK_BYTES });
  }
  return content;
}

/** Writes what is not zero. @returns bytes written */
async function putIn(stage: Stage, content: Uint8Array): Promise<number> {
  const client = await NbdClient.connect(
    stage.hosts.alpha.socketPath(RESOURCE),
    RESOURCE,
  );
  if (client.sizeBytes !== DISK_BYTES) {
    throw new MarsError(`The device has ${client.sizeBytes} bytes`);
  }
  let writtenBytes = 0;
  let nextBytes = 0;
  const lane = async (): Promise<void> => {
    while (nextBytes < content.length) {
      const at = nextBytes;
      nextBytes += CHUNK_BYTES;
      const chunk = content.subarray(at, at + CHUNK_BYTES);
      if (chunk.every((byte) => byte === 0)) continue;
      await client.write(at, chunk);
      writtenBytes += chunk.length;
      stage.screen.bar(at / content.length, "writing the file system");
    }
  };
  await Promise.all(Array.from({ length: CHUNKS_IN_FLIGHT }, lane));
  await client.flush();
  await client.disconnect();
  stage.screen.clearBar();
  return writtenBytes;
}

/** @returns the writer, which is at work on alpha */
export async function joinSecondaries(stage: Stage): Promise<Writer> {
  const { screen, hosts: { alpha, beta, gamma } } = stage;
  screen.step(
    "Two secondaries, while alpha is written to",
    "An application begins to write to varied places and remembers every " +
      "acknowledged write.",
  );
  const writer = await stage.startWriter(alpha);
  await stage.untilWritten(writer, FIRST_WRITES);
  const from = writer.count;
  const startedMs = performance.now();
  for (const host of [beta, gamma]) {
    makeDisk(host);
    const words = ["join-resource", RESOURCE, host.diskPath];
    screen.answer(await stage.command(host, ...words));
  }
  await stage.until({
    goal: "for both copies to be complete and consistent",
    isDone: () => [beta, gamma].every((host) => isComplete(stage.view(host))),
    fraction: () =>
      [beta, gamma].reduce(
        (sum, host) => sum + (stage.view(host).own?.syncedBytes ?? 0),
        0,
      ) / (2 * DISK_BYTES),
    left: () =>
      [beta, gamma].map((host) =>
        `${host.name} has ${stage.view(host).own?.syncedBytes ?? 0} bytes`
      ).join(", "),
  });
  screen.proof(
    `beta and gamma have copied ${sizeText(2 * DISK_BYTES)} in ${
      timeText(performance.now() - startedMs)
    }, while ${countText(writer.count - from)} writes were acknowledged`,
  );
  return writer;
}

function isComplete(view: ResourceView): boolean {
  return view.own !== undefined && isConsistent(view, view.own);
}

function isReady({ settings }: DemoHost): boolean {
  return isThere(`${settings.runDir}/control/lamport_clock`);
}
