/**
 * Trees of any size: resources of ten hosts with a hundred logs each, as after
 * years of operation. No resource has a disk, so that nothing but metadata is
 * worked on.
 */
import { NS_PER_MS } from "../../src/base/time.ts";
import { versionText } from "../../src/resource/history.ts";
import { linkPath } from "../../src/tree/path.ts";
import { formatReplay, formatStamp } from "../../src/tree/values.ts";

const LOG_COUNT = 100;
const LOG_BYTES = 4096;
const SIZE_BYTES = 2 ** 30;

const SWITCHES = {
  attach: "0",
  connect: "1",
  sync: "1",
  "allow-replay": "1",
} as const;

/** Nobody else writes those of hosts that do not exist. */
const STATES = [
  ...["is-attached", "is-primary", "if-on", "open-count", "is-replaying"],
  ...["is-copying", "is-syncing", "has-emergency", "is-emergency"],
  ...["replay-code", "disk-error", "ops-replay_rate", "amount-replay_rate"],
  ...["ops-file_rate", "amount-file_rate", "ops-sync_rate"],
  ...["amount-sync_rate", "ops-if_rate", "amount-if_rate"],
] as const;

function resourceName(index: number): string {
  return `r${String(index).padStart(3, "0")}`;
}

/** Directories and links below `root`; returns the number of links. */
export function makeLargeTree(
  root: string,
  options: {
    readonly hosts: readonly string[];
    readonly resourceCount: number;
  },
): number {
  let count = 0;
  const put = (path: string, value: string): void => {
    Deno.symlinkSync(value, `${root}/${path}`);
    count++;
  };
  const texts = historyOf(options.hosts[0] ?? "");
  for (const host of options.hosts) {
    Deno.mkdirSync(`${root}/actual-${host}`, { recursive: true });
    // What a daemon lives for is never older than it.
    const time = `${root}/${linkPath.global(host, "time")}`;
    try {
      Deno.lstatSync(time);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      put(linkPath.global(host, "time"), formatStamp(nowNs()));
    }
  }
  for (let index = 0; index < options.resourceCount; index++) {
    const resource = resourceName(index);
    Deno.mkdirSync(`${root}/${linkPath.resource(resource)}`);
    put(linkPath.size(resource), String(SIZE_BYTES));
    put(linkPath.primary(resource), options.hosts[0] ?? "");
    put(linkPath.maxnr(resource), String(LOG_COUNT));
    for (const host of options.hosts) {
      for (const [path, value] of memberLinks(resource, host, options.hosts)) {
        put(path, value);
      }
      for (const [at, text] of texts.entries()) {
        put(linkPath.version(resource, at + 1, host), text);
      }
      const room = `${root}/${linkPath.resource(resource)}`;
      Deno.mkdirSync(`${room}/todo-${host}`);
      for (const [name, value] of Object.entries(SWITCHES)) {
        put(linkPath.todo(resource, host, name), value);
      }
      Deno.mkdirSync(`${room}/actual-${host}`);
      for (const name of STATES) {
        put(linkPath.actual(resource, host, name), "0");
      }
    }
  }
  return count;
}

function memberLinks(
  resource: string,
  host: string,
  hosts: readonly string[],
): [path: string, value: string][] {
  const position = formatReplay({
    log: { sequence: LOG_COUNT, host: hosts[0] ?? "" },
    startBytes: LOG_BYTES,
    dirtyBytes: 0,
  });
  return [
    [linkPath.data(resource, host), `/dev/no-such-disk/${resource}`],
    [linkPath.device(resource, host), resource],
    [linkPath.actsize(resource, host), String(SIZE_BYTES)],
    [linkPath.syncStatus(resource, host), String(SIZE_BYTES)],
    [linkPath.syncPos(resource, host), position],
    [linkPath.replay(resource, host), position],
  ];
}

/** Texts of the version links of all logs, of one author. */
function historyOf(host: string): string[] {
  const texts: string[] = [];
  for (let sequence = 1; sequence <= LOG_COUNT; sequence++) {
    const end = { log: { sequence, host }, bytes: LOG_BYTES };
    texts.push(versionText(end, texts.at(-1)));
  }
  return texts;
}

function nowNs(): bigint {
  return BigInt(Date.now()) * NS_PER_MS;
}
