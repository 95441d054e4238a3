/**
 * A reload: the program is started anew and takes over, see `running.ts`. A
 * successor that fails is told, and nothing has changed.
 */
import { messageOf } from "../base/errors.ts";
import { trace } from "../base/trace.ts";
import type { Supervisor } from "./supervisor.ts";

export interface SuccessorOptions {
  /** Program and words that start this daemon, to take over. */
  readonly command: readonly string[];
  readonly supervisor: Supervisor;
  readonly beforeStart: () => void;
}

export class Successor implements Disposable {
  readonly #options: SuccessorOptions;
  #isComing = false;
  readonly #onSignal = (): void => this.#start();

  /** At SIGHUP, which a supervisor sends. */
  constructor(options: SuccessorOptions) {
    this.#options = options;
    Deno.addSignalListener("SIGHUP", this.#onSignal);
  }

  /** Whether somebody else will be the daemon. */
  get isComing(): boolean {
    return this.#isComing;
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGHUP", this.#onSignal);
  }

  #start(): void {
    if (this.#isComing) return;
    const [program = "", ...args] = this.#options.command;
    this.#options.beforeStart();
    try {
      const child = new Deno.Command(program, { args, stdin: "null" }).spawn();
      this.#isComing = true;
      trace.info("daemon", "Successor is started", { pid: child.pid });
      // It lives on when this process has ended.
      child.unref();
      child.status.then(({ code }) =>
        this.#failed(`it ended with code ${code}`)
      );
    } catch (error) {
      this.#failed(messageOf(error));
    }
  }

  #failed(reason: string): void {
    this.#isComing = false;
    trace.error("daemon", "Successor does not take over", { reason });
    this.#options.supervisor.tell(
      `MAINPID=${Deno.pid}`,
      "READY=1",
      `STATUS=Reload failed: ${reason}`,
    );
  }
}
