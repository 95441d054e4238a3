/**
 * systemd as our supervisor: what it is told, and how often.
 *
 *   READY=1     peers may connect
 *   MAINPID=    this process takes the place of the one that was started
 *   WATCHDOG=1  the loop of events turns, a few times per WATCHDOG_USEC
 *   STOPPING=1  told to end, and nobody takes over
 *
 * A notice that cannot be sent is traced once: nothing of ours depends on it.
 *
 * Source: sd_notify(3), sd_watchdog_enabled(3).
 */
import { errnoText } from "../base/errors.ts";
import { trace } from "../base/trace.ts";
import { cString, type Shim } from "../../ffi/shim.ts";

/** Of one interval of the watchdog. */
const PINGS = 3;
const US_PER_MS = 1_000;

export class Supervisor implements Disposable {
  readonly #shim: Shim;
  readonly #path: string;
  readonly #fd: number;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #hasFailed = false;

  /** Undefined unless somebody supervises. @param environment of the process */
  static of(
    shim: Shim,
    environment: (name: string) => string | undefined,
  ): Supervisor | undefined {
    const path = environment("NOTIFY_SOCKET") ?? "";
    if (!/^[/@]./.test(path)) return undefined;
    const intervalUs = Number(environment("WATCHDOG_USEC") ?? 0);
    return new Supervisor(shim, path, intervalUs / US_PER_MS);
  }

  private constructor(shim: Shim, path: string, watchdogMs: number) {
    this.#shim = shim;
    this.#path = path;
    this.#fd = shim.mars_datagram_create();
    if (watchdogMs > 0) {
      const ping = (): void => this.tell("WATCHDOG=1");
      this.#timer = setInterval(ping, watchdogMs / PINGS);
    }
  }

  /** Sends assignments, one per line. */
  tell(...assignments: readonly string[]): void {
    const bytes = new TextEncoder().encode(assignments.join("\n"));
    const result = this.#fd < 0 ? this.#fd : this.#shim.mars_datagram_send(
      this.#fd,
      cString(this.#path),
      bytes,
      bytes.length,
    );
    if (result >= 0 || this.#hasFailed) return;
    this.#hasFailed = true;
    trace.warn("daemon", "Cannot notify the supervisor", {
      socket: this.#path,
      reason: errnoText(result),
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#fd >= 0) this.#shim.mars_file_close(this.#fd);
  }
}
