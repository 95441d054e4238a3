/**
 * Vows: positions that could not be written into the tree.
 *
 * A primary whose log has failed may serve its device without one only when it
 * is durable that the old log is never replayed again (`resource/emergency.ts`).
 * If the file system of the tree takes no links any more, that is written beside
 * the host's key, on another file system as a rule:
 *
 *   <etc dir>/past-log/<resource>   log-000000002-alpha log-000000013-alpha
 *
 * "What I wrote up to the first log is on the disk, and more than that; I go on
 * in the second." It counts as the replay link would, until that one is written;
 * a position that somebody else has given to this host meanwhile, or a copy that
 * begins anew, makes it void. If it cannot be written either, clients wait.
 */
import { MarsError } from "../base/errors.ts";
import { logFileName, type LogName, parseLogFileName } from "../base/names.ts";
import { removeIfThere } from "../base/remove.ts";
import { trace } from "../base/trace.ts";
import { replaceFile, syncDirectory } from "../peer/files.ts";
import { holeVersions } from "../resource/emergency.ts";
import { versionOf, versionText } from "../resource/history.ts";
import {
  type LinkValue,
  type LocalLog,
  localLog,
  type Plan,
  type WorkerState,
} from "../resource/plan_types.ts";
import type { ResourceView } from "../resource/view.ts";
import { linkPath } from "../tree/path.ts";
import { asMarsError } from "../tree/scan.ts";
import { parseReplay } from "../tree/values.ts";

/** Where the words of vows are kept, by resource. All may throw a MarsError. */
export interface VowShelf {
  readonly read: (resource: string) => string | undefined;
  /** Durable when it returns. */
  readonly write: (resource: string, text: string) => Promise<void>;
  readonly remove: (resource: string) => Promise<void>;
}

/** In files below the directory of the host's key. */
export function systemVows(etcDir: string): VowShelf {
  const directory = `${etcDir}/past-log`;
  const pathOf = (resource: string): string => `${directory}/${resource}`;
  const guarded = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      throw asMarsError("keep", directory, error);
    }
  };
  return {
    read: (resource) => {
      try {
        return Deno.readTextFileSync(pathOf(resource));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw asMarsError("read", pathOf(resource), error);
      }
    },
    write: (resource, text) =>
      guarded(() => replaceFile(pathOf(resource), text, 0o600)),
    remove: (resource) =>
      guarded(async () => {
        removeIfThere(pathOf(resource));
        await syncDirectory(directory);
      }),
  };
}

interface Vow {
  /** The last log that was written. */
  readonly from: LogName;
  readonly to: LogName;
}

/** The vow of one resource. */
export class ResourceVow {
  readonly #resource: string;
  readonly #shelf: VowShelf | undefined;
  #vow: Vow | undefined;
  #isRead = false;

  constructor(resource: string, shelf: VowShelf | undefined) {
    this.#resource = resource;
    this.#shelf = shelf;
  }

  /** Whether the position is durable although the tree may lack it. */
  get isKept(): boolean {
    return this.#vow !== undefined;
  }

  /** `told`, with the position that counts. @throws MarsError */
  counting(told: ResourceView): ResourceView {
    this.#read();
    const { own } = told;
    if (own === undefined || !this.#isInForce(told)) return told;
    const to = this.#vow?.to;
    if (to === undefined) return told;
    const counting = {
      ...own,
      replay: { log: to, startBytes: 0, dirtyBytes: 0 },
    };
    return {
      ...told,
      own: counting,
      members: told.members.map((member) =>
        member.host === told.host ? counting : member
      ),
    };
  }

  /**
   * `planned`, and the versions around the hole, which a crash may have taken:
   * without them the log behind it would look like one side of a split brain.
   * They come before the position, which makes the vow void.
   */
  completing(
    told: ResourceView,
    logs: readonly LocalLog[],
    planned: Plan,
  ): Plan {
    const vow = this.#vow;
    if (vow === undefined || !this.#isInForce(told)) return planned;
    const { from, to } = vow;
    const versions = [
      ...endOf(told, from, localLog(logs, from)?.bytes ?? 0),
      ...holeVersions(told, to),
    ];
    const paths = versions.map(({ path }) => path);
    // Emergency mode has them all, in the order that it needs.
    const position = linkPath.replay(told.resource, told.host);
    const hasAll = planned.publish[0]?.path === position &&
      planned.publish.some(({ path }) => path === paths.at(-1));
    if (planned.bypass !== "off" && hasAll) return planned;
    const others = planned.publish.filter(({ path }) => !paths.includes(path));
    return { ...planned, publish: [...versions, ...others] };
  }

  /** @param isDurable whether the links of `next` are in the tree, for good */
  async settle(
    isDurable: boolean,
    told: ResourceView,
    next: Plan,
    worker: WorkerState | undefined,
  ): Promise<void> {
    if (isDurable) await this.fulfil(told);
    else await this.make(next, told, worker);
  }

  /** The tree has the position, durably, or it does not matter any more. */
  async fulfil(told: ResourceView): Promise<void> {
    if (this.#vow === undefined || told.own?.replay === undefined) return;
    if (this.#isInForce(told)) return;
    await this.#shelf?.remove(this.#resource);
    this.#vow = undefined;
    trace.info("vows", "Position is in the tree again", {
      resource: this.#resource,
    });
  }

  /**
   * The links of `next` could not be written, or made durable: if the worker
   * has done without its log, says elsewhere where this host goes on.
   */
  async make(
    next: Plan,
    told: ResourceView,
    worker: WorkerState | undefined,
  ): Promise<void> {
    const isReady = worker !== undefined && worker.bypass === READY;
    if (this.#shelf === undefined || this.#vow !== undefined || !isReady) {
      return;
    }
    const from = { sequence: worker.logSequence, host: told.host };
    const path = linkPath.replay(told.resource, told.host);
    const planned = next.publish.find((link) => link.path === path)?.value;
    const to = next.bypass === "serve"
      ? told.own?.replay?.log
      : parseReplay(planned ?? "")?.log;
    if (to === undefined || to.sequence <= from.sequence) return;
    await this.#shelf.write(
      this.#resource,
      `${logFileName(from)} ${logFileName(to)}\n`,
    );
    this.#vow = { from, to };
    trace.warn("vows", "The tree takes no links: position kept elsewhere", {
      resource: this.#resource,
      log: logFileName(to),
    });
  }

  #isInForce({ host, own }: ResourceView): boolean {
    const vow = this.#vow;
    if (vow === undefined || own?.replay === undefined) return false;
    const { log } = own.replay;
    return log.host === host && log.sequence <= vow.from.sequence &&
      (own.syncedBytes ?? 0) > 0;
  }

  #read(): void {
    if (this.#isRead) return;
    const text = this.#shelf?.read(this.#resource);
    if (text !== undefined) this.#vow = vowIn(text, this.#resource);
    this.#isRead = true;
  }
}

/** How far others may have come in a log that was left, if that is untold. */
function endOf(told: ResourceView, log: LogName, bytes: number): LinkValue[] {
  const { resource, host } = told;
  const known = versionOf(told, log.sequence, host)?.value.self;
  if (known !== undefined && known.endBytes >= bytes) return [];
  const before = versionOf(told, log.sequence - 1, host)?.text;
  const path = linkPath.version(resource, log.sequence, host);
  return [{ path, value: versionText({ log, bytes }, before) }];
}

/** Prescribed by the mailbox: everything is on the disk, it waits to serve. */
const READY = 1;

function vowIn(text: string, resource: string): Vow {
  const [from, to] = text.trim().split(" ").map(parseLogFileName);
  if (from !== undefined && to !== undefined) return { from, to };
  throw new MarsError(
    `Cannot tell where "${resource}" goes on: "past-log/${resource}" beside the key of this host is garbage; look, then remove it`,
  );
}
