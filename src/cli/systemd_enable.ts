/**
 * Whether a command may start and stop units: `--systemd-enable`.
 *
 * Without the option it may not where somebody else does: called by systemd
 * itself, it would wait for what waits for it, and a cluster manager starts and
 * stops what it manages.
 *
 * Source: `--systemd-enable` of `marsadm`; which processes count as cluster
 * managers is ours.
 */
import { MarsError } from "../base/errors.ts";
import type { Desk } from "./command.ts";

/** Set for what we start: what calls us from there must not do it again. */
export const RECURSION_MARK = "SYSTEMD_RECURSIVE_CALL";

const MANAGERS =
  /^(?:pacemaker|corosync|lrmd|crmd|heartbeat|rgmanager|clurgmgrd|cman|ccsd|pcsd|keepalived|vcs|hashadow$)/;
const INIT = 1;

/** Undefined if it may; or why not. */
export async function systemdObstacle(desk: Desk): Promise<string | undefined> {
  const { systemd } = desk.options;
  const { environment } = desk.effects;
  if ((environment(RECURSION_MARK) ?? "") !== "") {
    return "this command was started by a unit that mars starts";
  }
  if (systemd === true) return undefined;
  if (systemd === false) return "--systemd-enable=0";
  const ancestors = await ancestorsOf(desk);
  if (ancestors === "init") return "systemd itself has called this command";
  const manager = ancestors.find((name) => MANAGERS.test(name));
  return manager && `"${manager}" has called this command`;
}

/** Names of processes, the parent first, without process 1. */
async function ancestorsOf(desk: Desk): Promise<readonly string[] | "init"> {
  const parent = desk.effects.parentPid();
  if (parent === INIT) return "init";
  const processes = new Map<number, { parent: number; name: string }>();
  for (const line of (await listProcesses(desk)).split("\n")) {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    if (match === null) continue;
    processes.set(Number(match[1]), {
      parent: Number(match[2]),
      name: match[3] ?? "",
    });
  }
  const names: string[] = [];
  let at = processes.get(parent);
  // Processes end while they are listed: there may be a ring.
  while (at !== undefined && names.length < processes.size) {
    names.push(at.name);
    at = processes.get(at.parent);
  }
  return names;
}

async function listProcesses(desk: Desk): Promise<string> {
  try {
    const { output } = await desk.effects.run("ps", [
      "-e",
      "-o",
      "pid=,ppid=,comm=",
    ]);
    return output;
  } catch (error) {
    // Nobody can be found who objects.
    if (error instanceof MarsError) return "";
    throw error;
  }
}
