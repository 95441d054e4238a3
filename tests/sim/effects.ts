/**
 * What commands do to the world, on a simulated host.
 */
import { ERRNO, MarsError, SyscallError } from "../../src/base/errors.ts";
import type { Effects } from "../../src/cli/effects.ts";
import type { FileShelf } from "../../src/cli/files.ts";
import { portableCrc32c } from "../../src/log/checksum.ts";
import { LogScanner } from "../../src/log/scanner.ts";
import { linkPath } from "../../src/tree/path.ts";
import { ROOT } from "./file_system.ts";
import type { SimHost } from "./host.ts";
import type { Life } from "./life.ts";

/** What is particular about one command. */
export interface CommandPlace {
  readonly life: Life;
  readonly trigger: (text: string) => void;
  readonly onInterrupt: Effects["onInterrupt"];
  readonly lock: Effects["lock"];
}

export function commandEffects(
  host: SimHost,
  { life, trigger, onInterrupt, lock }: CommandPlace,
): Effects {
  const { files, clock, name } = host;
  const { time } = host.options;
  const directoryOf = (resource: string): string => linkPath.resource(resource);
  const slowly = <T>(work: () => T): Promise<T> =>
    life.guard(async () => {
      await time.sleep(0.2);
      life.check();
      return work();
    });
  return {
    clock,
    sleep: (durationMs) => life.guard(() => time.sleep(durationMs)),
    look: () => {
      life.check();
      return host.look();
    },
    openTree: (lamport) => host.newTree(life, lamport),
    isDaemonRunning: () => host.isRunning,
    trigger: (text) => {
      life.check();
      trigger(text);
    },
    logs: {
      list: (resource) => slowly(() => files.listLogs(directoryOf(resource))),
      look: (resource) => {
        life.check();
        return files.listLogs(directoryOf(resource));
      },
      create: (resource, log) =>
        slowly(() => {
          files.makeDirectory(directoryOf(resource));
          return files.createLog(directoryOf(resource), log);
        }),
      delete: (resource, log) =>
        slowly(() => files.deleteLog(directoryOf(resource), log)),
      truncate: (resource, log, sizeBytes) =>
        slowly(() => files.truncateLog(directoryOf(resource), log, sizeBytes)),
      scanWrites: (resource, { log, fromBytes }, onWrite) =>
        slowly(() => {
          const bytes = files.logBytes(directoryOf(resource), log);
          return scanWrites(bytes, fromBytes, onWrite);
        }),
      changedAtMs: (resource, log) =>
        files.logChangedAtMs(directoryOf(resource), log),
    },
    machine: {
      realHost: () => name,
      root: () => "mount point",
      closeRoot: () => false,
      lookInto: () => undefined,
      saveLink: absent,
      removeDirectory: () => {},
      interfaceAddress: () => undefined,
      resolve: () => Promise.resolve(undefined),
      ssh: absent,
    },
    keys: {
      ownLine: absent,
      hosts: () => Promise.resolve(host.options.network.hosts()),
      trust: absent,
      forget: () => Promise.resolve(false),
      inviterOf: absent,
      redeem: absent,
    },
    files: shelf(host, life),
    run: () => Promise.resolve({ code: 0, output: "" }),
    environment: () => undefined,
    parentPid: () => 0,
    makeDirectory: (path) => {
      life.check();
      files.makeDirectory(path);
    },
    diskBytes: (path) => {
      const disk = files.disk(path);
      if (disk !== undefined) return disk.lengthBytes;
      throw new SyscallError("open disk", path, ERRNO.ENOENT);
    },
    onInterrupt,
    lock,
  };
}

/** Whether the log is intact to its end. */
function scanWrites(
  bytes: Uint8Array,
  startBytes: number,
  onWrite: (offsetBytes: number, lengthBytes: number) => void,
): boolean {
  const scanner = new LogScanner({
    crc: portableCrc32c,
    startBytes,
    deviceSizeBytes: undefined,
  });
  const all = {
    bytes,
    startBytes: 0,
    lengthBytes: bytes.length,
    endBytes: bytes.length,
  };
  for (;;) {
    switch (scanner.next()) {
      case "record":
        onWrite(scanner.offsetBytes, scanner.payloadLength);
        break;
      case "more":
        scanner.setWindow(all);
        break;
      case "end":
        return scanner.verdict.kind === "eof" &&
          scanner.verdict.restBytes === 0;
    }
  }
}

/** The files of the tree; there are no others. */
function shelf({ files }: SimHost, life: Life): FileShelf {
  const links = files.links(life);
  const inTree = (path: string): string | undefined =>
    path === ROOT
      ? ""
      : path.startsWith(`${ROOT}/`)
      ? path.slice(ROOT.length + 1)
      : undefined;
  return {
    list: (directory) => {
      const listing = links.list(inTree(directory) ?? "nowhere");
      const entry = (kind: "link" | "directory") => (name: string) => ({
        name,
        kind,
      });
      return [
        ...(listing?.links ?? []).map(entry("link")),
        ...(listing?.directories ?? []).map(entry("directory")),
      ];
    },
    read: () => undefined,
    readLink: (path) => {
      const value = links.value(inTree(path) ?? "nowhere");
      return typeof value === "string" ? value : undefined;
    },
    changedAtMs: () => undefined,
    write: absent,
    touch: () => {},
    remove: (path) => {
      links.remove(inTree(path) ?? "nowhere");
      return true;
    },
    removeAll: () => {},
  };
}

function absent(): never {
  throw new MarsError("There is no such thing in a simulation");
}
