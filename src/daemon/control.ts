/**
 * The control directory: how commands reach the daemon without talking to it.
 *
 *   version        one line
 *   lamport_clock  CURRENT_TIME=, lamport_now=, CALLS=; rewritten each round
 *   trigger        whatever is written means: look again
 *
 * Files that a dead daemon left behind are taken over by the next one.
 *
 * Source: `/proc/sys/mars` of MARS.
 */
import { dirname } from "@std/path";
import { controlPath, type Settings } from "../base/settings.ts";
import { formatStamp } from "../tree/values.ts";

export class Control {
  readonly #settings: Settings;
  #calls = 0;

  /** The caller has claimed the run directory. */
  constructor(settings: Settings, version: string) {
    this.#settings = settings;
    Deno.mkdirSync(controlPath(settings, ""), { recursive: true, mode: 0o700 });
    Deno.mkdirSync(`${settings.runDir}/nbd`, { recursive: true, mode: 0o700 });
    Deno.writeTextFileSync(controlPath(settings, "version"), `${version}\n`);
    Deno.writeTextFileSync(controlPath(settings, "trigger"), "");
  }

  /** Tells both clocks to whoever reads the file. */
  tellTime(time: { realNs: bigint; lamportNs: bigint }): void {
    this.#calls += 1;
    // Readers must never see half a file.
    const path = controlPath(this.#settings, "lamport_clock");
    const draft = `${dirname(path)}/.tmp-lamport_clock`;
    Deno.writeTextFileSync(
      draft,
      `CURRENT_TIME=${formatStamp(time.realNs)}\n` +
        `lamport_now=${formatStamp(time.lamportNs)}\n` +
        `CALLS=${this.#calls}\n`,
    );
    Deno.renameSync(draft, path);
  }

  /** Calls back whenever something was written to the trigger. */
  async watch(callback: () => void, signal: AbortSignal): Promise<void> {
    const watcher = Deno.watchFs(controlPath(this.#settings, "trigger"));
    const close = (): void => watcher.close();
    signal.addEventListener("abort", close, { once: true });
    if (signal.aborted) close();
    for await (const event of watcher) {
      if (event.kind === "modify") callback();
    }
  }

  /** The directory's existence says that a daemon runs. */
  remove(): void {
    Deno.removeSync(controlPath(this.#settings, ""), { recursive: true });
  }
}
