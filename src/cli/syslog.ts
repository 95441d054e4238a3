/**
 * Syslog: what acting commands said, and what became of them.
 *
 * One process of the logger per command takes a line when the command begins,
 * every line that it prints or warns of, and a line when it ends. The system
 * log never fails a command: without logger there is no record.
 *
 * Lines are made of words of the command, never of options: a token must not
 * reach the log.
 *
 * Source: `--logger` of `marsadm`.
 */
import type { Voice } from "./command.ts";
import type { LineSink, Programs } from "./programs.ts";

/** Prescribed by MARS. */
const LOGGER = "/usr/bin/logger";

/** The record of one command. */
export class SystemLog implements AsyncDisposable {
  readonly #sink: LineSink | undefined;

  /** `logger` as given by the option; undefined: the usual one. */
  constructor(programs: Programs | undefined, logger: string | undefined) {
    const path = logger ?? LOGGER;
    this.#sink = path === "" ? undefined : programs?.feed({
      path,
      args: ["-t", `mars[${Deno.pid}]`, "-p", "daemon.notice"],
    });
  }

  /** Lines, whatever else they contain. */
  note(text: string): void {
    for (const line of text.split("\n")) {
      if (line !== "") this.#sink?.write(line.replace(CONTROL, "?"));
    }
  }

  /** Speaks as `voice` does, and notes it. */
  recorded(voice: Voice): Voice {
    return {
      print: (line) => {
        voice.print(line);
        this.note(line);
      },
      warn: (line) => {
        voice.warn(line);
        this.note(line);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink?.end();
  }
}

// Escape sequences must not reach whoever reads the log on a terminal.
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;
