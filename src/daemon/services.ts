/**
 * Services: what this host answers to peers.
 *
 *   meta class   links, see `transfer/metadata.ts` and `listing.ts`
 *   log class    log.read        durable bytes of a log
 *   sync class   disk.digests    digests of the disk of a resource
 *                disk.read       blocks of it
 *                disk.position   end of everything that may be on that disk
 *
 * A peer names a resource and never a path. Only members of a resource may
 * read its logs and its disk.
 */
import { MarsError, RefusedError } from "../base/errors.ts";
import type { Crc32c } from "../log/checksum.ts";
import type { LogName } from "../base/names.ts";
import type { Actual } from "../dataplane/mailbox.ts";
import type { TrafficClass } from "../peer/terms.ts";
import {
  EMPTY_BODY,
  type RpcCall,
  type RpcHandlers,
  type RpcReply,
} from "../peer/rpc.ts";
import { logHandlers } from "../transfer/log_service.ts";
import type { LogEnd } from "../transfer/log_read.ts";
import type { FileOpener } from "../transfer/file.ts";
import type { LinkIntake } from "../transfer/intake.ts";
import { listingHandlers } from "../transfer/listing.ts";
import { metadataHandlers, type Wishes } from "../transfer/metadata_service.ts";
import { diskHandlers, type SourceDisk } from "../transfer/disk_service.ts";
import { linkPath } from "../tree/path.ts";
import type { Snapshot } from "../tree/snapshot.ts";
import { formatReplay } from "../tree/values.ts";
import type { Executor } from "./executor.ts";
import { packingsIn } from "./features.ts";
import type { ResourceLogs } from "./logs.ts";

export const POSITION_METHOD = "disk.position";

/** What runs here for one resource. */
export interface Running {
  readonly executor: Executor;
  readonly logs: ResourceLogs;
}

export interface ServiceOptions {
  readonly host: string;
  readonly files: FileOpener;
  readonly snapshot: () => Snapshot;
  readonly running: (resource: string) => Running | undefined;
  /** Undefined: answers carry no checksum. */
  readonly crc?: Crc32c | undefined;
}

/** Handlers of all classes. */
export function peerServices(
  options: ServiceOptions,
  intake: LinkIntake,
  wishes: Wishes,
): Record<TrafficClass, RpcHandlers> {
  return {
    meta: { ...metadataHandlers(intake, wishes), ...listingHandlers(intake) },
    log: logServices(options),
    sync: diskServices(options),
  };
}

function logServices(options: ServiceOptions): RpcHandlers {
  const logsOf = (resource: string): ResourceLogs | undefined =>
    options.running(resource)?.logs;
  const handlers = logHandlers({
    files: options.files,
    crc: options.crc,
    packings: () => packingsIn(options.snapshot()),
    source: {
      durableEnd: (resource: string, log: LogName): LogEnd | undefined =>
        logsOf(resource)?.durableEnd(log),
      onGrowth: (resource, log, callback) =>
        logsOf(resource)?.onGrowth(log, callback) ?? (() => {}),
      logPath: (resource, log) => {
        const path = logsOf(resource)?.path(log);
        if (path === undefined) throw notHere(resource);
        return path;
      },
    },
  });
  return onlyMembers(options, handlers);
}

function diskServices(options: ServiceOptions): RpcHandlers {
  const handlers = diskHandlers({
    open: (resource: string): Promise<SourceDisk> =>
      openDisk(options, resource),
  });
  return onlyMembers(options, {
    ...handlers,
    [POSITION_METHOD]: (call) =>
      Promise.resolve().then(() => position(options, call)),
  });
}

/** The disk of a resource that logs here; others may be changed by replay. */
async function openDisk(
  options: ServiceOptions,
  resource: string,
): Promise<SourceDisk> {
  const { host, files } = options;
  const path = options.snapshot().value(linkPath.data(resource, host));
  if (path === undefined) throw notHere(resource);
  const log = (sequence: number): LogName => ({ sequence, host });
  logging(options, resource);
  const file = await files.open(path, "read");
  return {
    sizeBytes: file.sizeBytes(),
    read: (target, offsetBytes) => file.read(target, offsetBytes),
    nextData: (offsetBytes) => file.nextData(offsetBytes),
    digest: (extent, blockBytes, seed) => file.digest(extent, blockBytes, seed),
    position: (end) => {
      const actual = logging(options, resource);
      return end === "from"
        ? positionText(
          log(actual.writtenBackSequence),
          actual.writtenBackBytes,
        )
        : positionText(log(actual.logSequence), actual.durableBytes);
    },
    close: () => file.close(),
  };
}

/** The worker, which logs. @throws MarsError */
function logging(options: ServiceOptions, resource: string): Actual {
  const actual = options.running(resource)?.executor.actual();
  if (actual === undefined) throw notHere(resource);
  const { host } = options;
  if (actual.role !== "log") {
    throw new MarsError(`Cannot copy "${resource}": "${host}" is not primary`);
  }
  // Without a log nothing could repair what is read while it is written.
  if (!isLogged(actual)) {
    throw new MarsError(`Cannot copy "${resource}": "${host}" is in emergency`);
  }
  return actual;
}

function positionText(log: LogName, bytes: number): string {
  return formatReplay({ log, startBytes: bytes, dirtyBytes: 0 });
}

/**
 * Everything that may be on the disk lies before this position: writeback
 * takes only what is durable in the log.
 */
function position(options: ServiceOptions, call: RpcCall): RpcReply {
  const resource = resourceOf(call);
  const { logSequence: sequence, durableBytes } = logging(options, resource);
  const text = positionText({ sequence, host: options.host }, durableBytes);
  return { params: { position: text }, body: EMPTY_BODY };
}

/** Whether everything that comes to the disk is in the log. */
function isLogged(actual: Actual): boolean {
  return actual.bypass === 0 && actual.logErrno === 0;
}

function onlyMembers(
  options: ServiceOptions,
  handlers: RpcHandlers,
): RpcHandlers {
  const guarded: Record<string, RpcHandlers[string]> = {};
  for (const [method, handler] of Object.entries(handlers)) {
    guarded[method] = (call) => {
      const resource = resourceOf(call);
      if (!options.snapshot().members(resource).includes(call.peer)) {
        throw new RefusedError(`Cannot serve "${resource}"`, [
          `"${call.peer}" is no member`,
        ]);
      }
      return handler(call);
    };
  }
  return guarded;
}

function resourceOf(call: RpcCall): string {
  const resource = call.params["resource"];
  if (typeof resource === "string") return resource;
  throw new MarsError("Cannot serve: no resource named");
}

function notHere(resource: string): MarsError {
  return new MarsError(`Cannot serve "${resource}": it is not here`);
}
