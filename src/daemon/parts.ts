/**
 * Everything of a daemon that has effects: `start.ts` has those of a machine, a
 * simulation has its own.
 */
import type { LamportClock } from "../base/lamport.ts";
import type { Clock } from "../base/time.ts";
import type { Dataplane, WorkerSubject } from "../dataplane/handle.ts";
import type { Crc32c } from "../log/checksum.ts";
import type { LogDirectory } from "../log/files.ts";
import type { JsonObject, RpcClient, RpcHandlers } from "../peer/rpc.ts";
import type { LineTerms, SocketPorts, TrafficClass } from "../peer/terms.ts";
import type { JoinRequest } from "../peer/token.ts";
import type { FileOpener } from "../transfer/file.ts";
import type { LinkDisk } from "../tree/link_files.ts";
import type { Link, Snapshot } from "../tree/snapshot.ts";
import type { LinkTree } from "../tree/store.ts";
import type { TreeSight } from "../tree/watch.ts";
import type { ControlDesk } from "./control.ts";
import type { LeftDevice } from "./left_devices.ts";
import type { HeapUse } from "./info.ts";
import type { ReadStretch } from "./log_records.ts";
import type { Network } from "./peer_lines.ts";
import type { SocketOptions } from "./sockets.ts";
import type { Space } from "./space.ts";
import type { VowShelf } from "./vows.ts";

/** What a daemon works with. */
export interface DaemonParts {
  readonly clock: Clock;
  readonly lamport: LamportClock;
  /** It has been read. */
  readonly tree: LinkTree;
  /** Of the tree; without one, the tree is polled. */
  readonly watch?: TreeSight | undefined;
  /** Where the tree lies, for what is no part of it. */
  readonly disk: LinkDisk;
  /** Opens the control directory: takes what is written to the trigger. */
  readonly openControl: (onText: (text: string) => void) => ControlDesk;
  /** As it is now; undefined where nothing is known of it. */
  readonly networkState?: () => NetworkState;
  /** Keeps commands out. @throws RefusedError if one works on the resource */
  readonly lock: (resource: string) => Disposable;
  /** What the engine of this thread holds. */
  readonly heap?: () => HeapUse;
  /** Puts a text into the system's log. */
  readonly note: (text: string) => Promise<void>;
  /** Lets systemd look, if links concern it. */
  readonly tellSystemd: (links: readonly Link[]) => void;
  /** Whether an earlier daemon has left a device of this name to its users. */
  readonly isLeftOpen?: (device: string) => boolean;
  /** Who has a device open, in words; thoroughly is slow. */
  readonly usersOf?: (device: string, isThorough: boolean) => string;
  /** Looks after devices of earlier daemons; gives back what is left. */
  readonly leftDevices?: (snapshot: Snapshot) => readonly LeftDevice[];
  /** Of records and answers; undefined: they are not verified on receipt. */
  readonly crc?: Crc32c;
  /** Logs and disks, for peers. */
  readonly files: FileOpener;
  readonly logDirectory: (path: string) => LogDirectory;
  readonly readStretch: ReadStretch;
  /** Of the file system that holds the tree. @throws MarsError */
  readonly space: () => Space;
  /** Positions that the tree could not take; without them clients wait. */
  readonly vows?: VowShelf | undefined;
  /** Whether the file system of the tree has gone, for the time being. */
  readonly isTreeGone?: () => boolean;
  readonly startWorker: (subject: WorkerSubject) => Dataplane;
  readonly network: Network;
  /** Of the socket of a line; undefined where lines have none. */
  readonly setSocketOptions?: (
    ports: SocketPorts,
    options: SocketOptions,
  ) => void;
  /** Lets peers in, from now on. @throws MarsError */
  readonly serve: (services: PeerServices) => Promise<PeerDoor>;
}

/** What the network of this machine looks like. */
export interface NetworkState {
  /** Changes when routes or addresses do. */
  readonly text: string;
  readonly addresses: ReadonlySet<string>;
}

/** What peers and those who want to be ones may ask for. */
export interface PeerServices {
  readonly handlers: Readonly<Record<TrafficClass, RpcHandlers>>;
  readonly terms: LineTerms;
  /** A peer has dialed that can be called on its line, too. */
  readonly onCallable: (trafficClass: TrafficClass, rpc: RpcClient) => void;
  /** A host has proved a token: what it is told. @throws MarsError */
  readonly welcome: (request: JoinRequest) => JsonObject;
}

export interface PeerDoor {
  readonly port: number;
  close(): Promise<void>;
}
