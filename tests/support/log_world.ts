/** Trees with logs and their version links. */
import { assertRejects } from "@std/assert";
import { ERRNO, SyscallError } from "../../src/base/errors.ts";
import { versionText } from "../../src/resource/history.ts";
import { clusterLinks, TreeWorld } from "./tree_world.ts";

/** Older than everything that counts as recent. */
export const OLD_S = 600;
export const LOGS = [1, 2, 3, 4].map((at) => `log-00000000${at}-alpha`);

/** Four logs; alpha is at log 4 and beta at `betaAt`; all is old. */
export function fourLogs(betaAt: number): TreeWorld {
  const world = new TreeWorld();
  world.link({
    ...clusterLinks(),
    "actual-alpha/marsadm-version": "2.9",
    "resource-r/maxnr": "4",
    "resource-r/replay-alpha": "log-000000004-alpha,100,0",
    "resource-r/replay-beta": `log-00000000${betaAt}-alpha,100,0`,
  }, OLD_S);
  for (const sequence of [1, 2, 3, 4]) {
    world.log(sequence, "alpha", 100, OLD_S);
    for (const host of ["alpha", "beta", "gone"]) {
      world.link({
        [`resource-r/version-00000000${sequence}-${host}`]: versionText(
          { log: { sequence, host: "alpha" }, bytes: 100 },
          undefined,
        ),
      }, OLD_S);
    }
  }
  return world;
}

/** A command where the file system cannot be flushed, which it says. */
export async function failsToFlush(
  world: TreeWorld,
  ...words: string[]
): Promise<void> {
  await assertRejects(
    () =>
      world.runWith((shim) => ({
        ...shim,
        mars_filesystem_flush: () => -ERRNO.EIO,
      }), words),
    SyscallError,
    "Cannot flush",
  );
}

/** A version link: log by its author, and the one before it. */
export function version(
  [sequence, host]: readonly [number, string],
  before?: readonly [number, string],
): string {
  const step = (at: number, author: string): string =>
    `${"0".repeat(31)}${at % 10},log-${
      String(at).padStart(9, "0")
    }-${author},100`;
  const previous = before === undefined ? "" : step(...before);
  return `${step(sequence, host)}:${previous}`;
}
