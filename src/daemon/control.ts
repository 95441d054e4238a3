/**
 * The control directory: how others reach the daemon without talking to it.
 * That it exists says that a daemon runs.
 *
 *   version        one line
 *   lamport_clock  CURRENT_TIME=, lamport_now=, CALLS=
 *   info           what runs here, for people
 *   trouble        why the tree takes no links; only while that is so
 *   trigger        messages are written to it; see `triggers.ts`
 *
 * The trigger is a pipe that the daemon holds open, so that no message is lost
 * or overwritten and no writer waits. Messages may end with a newline; ours do,
 * others do not and may then grow together. What a message does:
 *
 *   look   the tree is read again here; peers are asked for news, or told to
 *          look; this host says that it lives, so that `time` moves at once
 *   push   a link goes to a trusted peer, with a stamp of now, and is merged
 *          there by the usual rules. If the peer is not connected, or an
 *          address is given that is not its known one, a line is made for it
 *   check  like a fetch into the tree itself
 *   fetch  into the tree: both hosts exchange what the other lacks, as after
 *          a connect; the clusters must be the same or one `(any)`
 *          into `probe-<name>`: all links of the peer are put below
 *          `probe-<name>/mars/`, whatever its cluster, then `got-<peer>`
 *          becomes "1"; files there stay what they are
 *   note   a text goes to the traces and to the system's log
 *
 * Peers are known by their keys only: an address alone reaches nobody. What
 * cannot be done is traced, and changes nothing.
 *
 * `lamport_clock` is written again every `LEASE_MS` and tells the clock as it
 * will be by then: so whoever reads it gets a stamp that is newer than all that
 * this host has seen. Two links of one lease that have one stamp are told apart
 * by the tree when it is read.
 *
 * The directory is removed when the daemon ends, by a guard if it was killed.
 *
 * Source: `/proc/sys/mars` of MARS.
 */
import { SyscallError } from "../base/errors.ts";
import type { LamportClock } from "../base/lamport.ts";
import { removeIfThere } from "../base/remove.ts";
import { controlPath, type Settings } from "../base/settings.ts";
import { type Clock, NS_PER_MS } from "../base/time.ts";
import { trace } from "../base/trace.ts";
import { cString, type Shim } from "../../ffi/shim.ts";
import { asMarsError } from "../tree/scan.ts";
import { formatStamp } from "../tree/values.ts";
import { Guard } from "./guard.ts";

export interface ControlOptions {
  readonly settings: Settings;
  readonly shim: Shim;
  readonly version: string;
  readonly clock: Clock;
  readonly lamport: LamportClock;
  /** Takes what was written to the trigger. */
  readonly onText: (text: string) => void;
}

/** The daemon's end of the control directory. */
export interface ControlDesk {
  /** What people see in the files of these names; what is empty has none. */
  tell(texts: { readonly info: string; readonly trouble: string }): void;
  /** Lets go of everything; the directory is gone then. */
  close(): Promise<void>;
}

/** Names in the control directory. */
const FILES = [
  "version",
  "lamport_clock",
  "info",
  "trouble",
  "trigger",
] as const;

// Ours. Whoever polls peers' time waits for so long in vain.
const LEASE_MS = 250;
/** What a pipe holds at most. */
const PIPE_BYTES = 65_536;
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

export class Control implements ControlDesk {
  readonly #options: ControlOptions;
  readonly #trigger: Deno.FsFile;
  readonly #reading: Promise<void>;
  readonly #guard: Guard;
  readonly #leaseTimer: ReturnType<typeof setInterval>;
  #isClosed = false;
  #calls = 0;
  #lastRefusal = "";
  readonly #told = { info: "", trouble: "" };

  private constructor(options: ControlOptions, trigger: Deno.FsFile) {
    this.#options = options;
    this.#trigger = trigger;
    this.#guard = Guard.start(options.settings, [
      ...FILES,
      ...FILES.map((name) => draftOf(name)),
    ]);
    this.#reading = this.#read();
    this.#tellTime();
    this.#leaseTimer = setInterval(() => this.#tellTime(), LEASE_MS);
  }

  /**
   * The caller has claimed the run directory: what a dead daemon left behind
   * is taken over.
   *
   * @throws MarsError
   */
  static open(options: ControlOptions): Control {
    const { settings, shim, version } = options;
    const path = controlPath(settings, "trigger");
    try {
      Deno.mkdirSync(settings.controlDir, {
        recursive: true,
        mode: DIRECTORY_MODE,
      });
      Deno.writeTextFileSync(
        controlPath(settings, "version"),
        `${version}\n`,
        { mode: FILE_MODE },
      );
      makePipe(path, shim);
      // To read and write: so it opens without a writer, and never ends.
      const trigger = Deno.openSync(path, { read: true, write: true });
      return new Control(options, trigger);
    } catch (error) {
      throw asMarsError("make control directory", settings.controlDir, error);
    }
  }

  tell(texts: { readonly info: string; readonly trouble: string }): void {
    for (const name of ["info", "trouble"] as const) {
      if (texts[name] === this.#told[name]) continue;
      this.#told[name] = texts[name];
      if (texts[name] !== "") this.#replace(name, texts[name]);
      else removeIfThere(controlPath(this.#options.settings, name));
    }
  }

  async close(): Promise<void> {
    const { settings } = this.#options;
    this.#isClosed = true;
    clearInterval(this.#leaseTimer);
    // Wakes the reader, which then sees that it is over.
    using writer = Deno.openSync(controlPath(settings, "trigger"), {
      read: true,
      write: true,
    });
    writer.writeSync(new TextEncoder().encode("\n"));
    await this.#reading;
    this.#trigger.close();
    for (const name of FILES) removeIfThere(controlPath(settings, name));
    await this.#guard.end();
    try {
      Deno.removeSync(settings.controlDir);
    } catch (error) {
      // A directory that was given may be a mount point, or not ours alone.
      trace.debug("control", "Directory stays", { error });
    }
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(PIPE_BYTES);
    const decoder = new TextDecoder();
    while (!this.#isClosed) {
      const count = await this.#trigger.read(buffer) ?? 0;
      if (this.#isClosed) return;
      this.#options.onText(decoder.decode(buffer.subarray(0, count)));
    }
  }

  #tellTime(): void {
    const { clock, lamport } = this.#options;
    this.#calls += 1;
    const realNs = clock.realNs();
    const leaseEndNs = realNs + BigInt(LEASE_MS) * NS_PER_MS;
    const lamportNs = lamport.now();
    const nowNs = lamportNs > leaseEndNs ? lamportNs : leaseEndNs;
    this.#replace(
      "lamport_clock",
      `CURRENT_TIME=${formatStamp(realNs)}\n` +
        `lamport_now=${formatStamp(nowNs)}\n` +
        `CALLS=${this.#calls}\n`,
    );
  }

  /** Readers must never see half a file. */
  #replace(name: (typeof FILES)[number], text: string): void {
    const { settings } = this.#options;
    const draft = `${settings.controlDir}/${draftOf(name)}`;
    try {
      Deno.writeTextFileSync(draft, text, { mode: FILE_MODE });
      Deno.renameSync(draft, controlPath(settings, name));
      this.#lastRefusal = "";
    } catch (error) {
      const refusal = String(asMarsError("write", draft, error));
      if (refusal === this.#lastRefusal) return;
      this.#lastRefusal = refusal;
      trace.error("control", "Cannot be written", { refusal });
    }
  }
}

function draftOf(name: string): string {
  return `.tmp-${name}`;
}

/** A pipe that is there already is kept: somebody may wait for its reader. */
function makePipe(path: string, shim: Shim): void {
  if (isPipe(path)) return;
  removeIfThere(path);
  const result = shim.mars_fifo_create(cString(path), FILE_MODE);
  if (result < 0) throw new SyscallError("make pipe", path, -result);
}

function isPipe(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFifo === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
