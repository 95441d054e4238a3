/** Leftovers: what is not true any more, and only this host can take back. */
import type { Obstacle } from "../resource/plan_types.ts";
import type { Failures } from "./failures.ts";
import { takeBackClaims } from "./left_claims.ts";
import { LeftLinks } from "./left_links.ts";
import { LeftLogs, type LeftLogsDesk } from "./left_logs.ts";
import type { TakeBackDesk } from "./take_back.ts";

export class Leftovers {
  readonly #desk: TakeBackDesk & LeftLogsDesk;
  readonly #failures: Failures;
  readonly #links = new LeftLinks();
  readonly #logs = new LeftLogs();

  constructor(desk: TakeBackDesk & LeftLogsDesk, failures: Failures) {
    this.#desk = desk;
    this.#failures = failures;
  }

  /** What only the administrator may take back. */
  get obstacles(): readonly Obstacle[] {
    return this.#logs.obstacles;
  }

  /** Looks for them, every few seconds. Never fails for anything foreseen. */
  async look(nowMs: number): Promise<void> {
    this.#failures.try("claims", () => takeBackClaims(this.#desk));
    this.#failures.try(
      "left links",
      () => this.#links.takeBack(this.#desk, nowMs),
    );
    await this.#failures.guard("left logs", () => this.#logs.look(this.#desk));
  }
}
