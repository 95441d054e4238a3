// Pure
/**
 * Left logs: files of resources that this host takes no part in any more.
 *
 * A host that another one made leave while it was away finds out when it comes
 * back. Its links go by themselves (`left_links.ts`); its logs stay, because what
 * it wrote last may be nowhere else. They take space of all other resources, and
 * no command that cleans up looks at them. So it is said what is there, and what
 * to type; nothing is deleted here.
 *
 *   the resource has members   `leave-resource` deletes them, and refuses while
 *                              somebody may need one that nobody else has
 *   it was deleted             no command knows it; they are plain files
 */
import { formatBytes, formatCount } from "../base/figures.ts";
import type { LogDirectory, LogFile } from "../log/files.ts";
import { takesPart } from "../resource/left_links.ts";
import type { Obstacle } from "../resource/plan_types.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";

/** Key of the message. */
export const LEFT_LOGS_KEY = "wrn-logs-left";

export interface LeftLogsDesk {
  readonly host: string;
  readonly marsDir: string;
  readonly snapshot: () => Snapshot;
  /** Whether newer decisions of these hosts must have arrived. */
  readonly hasHeard: (members: readonly string[]) => boolean;
  /** Whether something of it runs here. */
  readonly isRunning: (resource: string) => boolean;
  readonly logDirectory: (path: string) => Pick<LogDirectory, "list">;
}

export class LeftLogs {
  #obstacles: readonly Obstacle[] = [];
  /** Resources of which there were some when it was looked last. */
  #before: ReadonlySet<string> = new Set();

  /** One for each resource that was left with logs here. */
  get obstacles(): readonly Obstacle[] {
    return this.#obstacles;
  }

  /**
   * Looks, every few seconds. What is found for the first time may belong to a
   * command that is about to make this host a member, and is not told yet.
   *
   * @throws SyscallError
   */
  async look(desk: LeftLogsDesk): Promise<void> {
    const snapshot = desk.snapshot();
    const found = new Set<string>();
    const obstacles: Obstacle[] = [];
    for (const resource of snapshot.resources()) {
      if (takesPart(snapshot, resource, desk.host)) continue;
      if (desk.isRunning(resource)) continue;
      if (!desk.hasHeard(snapshot.members(resource))) continue;
      const path = `${desk.marsDir}/${linkPath.resource(resource)}`;
      const files = await desk.logDirectory(path).list();
      if (files.length === 0) continue;
      found.add(resource);
      if (!this.#before.has(resource)) continue;
      const text = textOf(desk, { snapshot, resource, files });
      obstacles.push({ key: LEFT_LOGS_KEY, text });
    }
    this.#before = found;
    this.#obstacles = obstacles;
  }
}

function textOf(
  { marsDir }: LeftLogsDesk,
  { snapshot, resource, files }: {
    readonly snapshot: Snapshot;
    readonly resource: string;
    readonly files: readonly LogFile[];
  },
): string {
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const isDeleted = snapshot.value(linkPath.size(resource)) === undefined;
  const [fact, advice] = isDeleted
    ? ["it was deleted", `rm ${marsDir}/${linkPath.resource(resource)}/log-*`]
    : [
      "this host is no member any more",
      `mars leave-resource ${resource}`,
    ];
  return `"${resource}": ${fact}; ${formatCount(files.length, "log")} of it ` +
    `(${formatBytes(bytes)}) stayed here; to free the space type: ${advice}`;
}
