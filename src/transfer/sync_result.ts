// Pure
/** What a copy tells on its way, and how it ends. */
import type { ReplayValue } from "../tree/values.ts";

/** What is known about a running copy. */
export type SyncProgress = {
  /** Everything before this position is durable and as the peer had it. */
  readonly syncedBytes: number;
  /** What of it was found equal, was made zero, and was fetched. */
  readonly equalBytes: number;
  readonly zeroedBytes: number;
  readonly copiedBytes: number;
  /**
   * Nothing of what the peer logged behind this position was on its disk when
   * the last block was read; undefined if it does not tell.
   */
  readonly readUpTo: ReplayValue | undefined;
};

/**
 * "complete"  everything up to `sizeBytes` is durable here
 * "stopped"   `stop()` was called
 * "lost"      the line was lost, or the peer refused
 * "failed"    the own disk failed, or is too small
 */
export type SyncResult =
  | { readonly kind: "complete" | "stopped" }
  | { readonly kind: "lost"; readonly message: string }
  | {
    readonly kind: "failed";
    readonly errno: number;
    readonly message: string;
  };
