// Pure
/** What one round of the daemon knows of the host as a whole. */
import type { Snapshot } from "../tree/snapshot.ts";
import type { LeftDevice } from "./left_devices.ts";

/** What holds for the whole host in this round. */
export interface Round {
  readonly snapshot: () => Snapshot;
  readonly isRunning: boolean;
  readonly mayLead: (members: readonly string[]) => boolean;
  readonly emergencyLevel: number;
  readonly restPercent: number;
  /** Logs of a resource here, as a multiple of the mean of all. */
  readonly logShare: (resource: string) => number;
  readonly rotateBytes: number;
  /** How long a copy goes on before replay has its turn. */
  readonly flipIntervalS: number;
  /** Why no more disks may be copied at once; undefined if one may. */
  readonly obstacleToSync: (resource: string) => string | undefined;
  /** Devices of the kernel that nobody serves, and that are open. */
  readonly leftDevices: readonly LeftDevice[];
}
