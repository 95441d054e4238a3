/** Terms of lines: what they are for, and what they keep to. */
import type { MarsError } from "../base/errors.ts";
import type { LineTiming } from "./line.ts";
import type { LinePace } from "./pace.ts";

/** What a line is for. */
export type TrafficClass = "meta" | "log" | "sync";

export const TRAFFIC_CLASSES: readonly TrafficClass[] = ["meta", "log", "sync"];

/** By its ports the socket of a line is found among all of this process. */
export interface SocketPorts {
  readonly own: number;
  readonly peer: number;
  /** Of this host; empty where a socket has none any more. */
  readonly address: string;
}

export interface OpenLine {
  readonly trafficClass: TrafficClass;
  readonly ports: SocketPorts;
  /** The timing is another one now. */
  readonly retime: (timing: LineTiming) => void;
  /** Ends the line at once. */
  readonly end: (reason: MarsError) => void;
}

/** Decides about the lines of this host; see `daemon/traffic.ts`. */
export interface LineTerms {
  /** Of a line that comes up now. */
  timing(): LineTiming;
  pace(peer: string, trafficClass: TrafficClass): LinePace;
  /** A line came up. What it gives back is called when that has ended. */
  opened(line: OpenLine): () => void;
}
