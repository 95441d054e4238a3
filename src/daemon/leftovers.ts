/** Leftovers: what is not true any more, and only this host can take back. */
import type { Failures } from "./failures.ts";
import { takeBackClaims } from "./left_claims.ts";
import { LeftLinks } from "./left_links.ts";
import type { TakeBackDesk } from "./take_back.ts";

export class Leftovers {
  readonly #desk: TakeBackDesk;
  readonly #failures: Failures;
  readonly #links = new LeftLinks();

  constructor(desk: TakeBackDesk, failures: Failures) {
    this.#desk = desk;
    this.#failures = failures;
  }

  /** Looks for them, every few seconds. Never fails for anything foreseen. */
  look(nowMs: number): void {
    this.#failures.try("claims", () => takeBackClaims(this.#desk));
    this.#failures.try(
      "left links",
      () => this.#links.takeBack(this.#desk, nowMs),
    );
  }
}
