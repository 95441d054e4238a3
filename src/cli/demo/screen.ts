/**
 * Screen: what the demo says.
 *
 *   3  Title of a step
 *        what it is about
 *      beta$ mars a command, as one would type it
 *      | what it answered
 *      ok   what was proved, with figures
 *
 * On a terminal a bar shows progress while something is waited for; it is
 * wiped away before the next line.
 */
import { bold, green } from "@std/fmt/colors";
import { barText } from "./screen_text.ts";

export interface ScreenOptions {
  readonly print: (line: string) => void;
  readonly isTerminal: boolean;
}

const BAR_WIDTH = 32;
const CLEAR_LINE = "\r\x1b[K";

export class Screen {
  readonly #options: ScreenOptions;
  readonly #startedAtMs = performance.now();
  #stepCount = 0;
  #proofCount = 0;
  #isBarThere = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  /** Facts that were proved so far. */
  get proofCount(): number {
    return this.#proofCount;
  }

  /** Milliseconds since the beginning. */
  get elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  step(title: string, text: string): void {
    this.#stepCount += 1;
    this.line("");
    this.line(this.#color(bold, `${this.#stepCount}  ${title}`));
    this.line(`     ${text}`);
  }

  command(host: string, words: readonly string[]): void {
    this.line(`   ${host}$ ${words.join(" ")}`);
  }

  answer(text: string): void {
    for (const line of text.split("\n")) {
      if (line !== "") this.line(`   | ${line}`);
    }
  }

  /** Something was proved. */
  proof(text: string): void {
    this.#proofCount += 1;
    this.line(`   ${this.#color(green, "ok")}   ${text}`);
  }

  /** Something worth knowing, neither good nor bad. */
  fact(text: string): void {
    this.line(`        ${text}`);
  }

  line(text: string): void {
    this.clearBar();
    this.#options.print(text);
  }

  /** @param fraction 0 to 1 */
  bar(fraction: number, label: string): void {
    if (!this.#options.isTerminal) return;
    this.#isBarThere = true;
    this.#draw(`${CLEAR_LINE}   ${barText(fraction, BAR_WIDTH)}  ${label}`);
  }

  clearBar(): void {
    if (!this.#isBarThere) return;
    this.#isBarThere = false;
    this.#draw(CLEAR_LINE);
  }

  #draw(text: string): void {
    Deno.stdout.writeSync(new TextEncoder().encode(text));
  }

  #color(paint: (text: string) => string, text: string): string {
    return this.#options.isTerminal ? paint(text) : text;
  }
}
