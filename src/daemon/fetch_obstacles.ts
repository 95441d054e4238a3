// Pure
/**
 * Why a log does not come: what each of its sources said last.
 *
 * While a source has no more than this host, better ones are asked again and
 * again. What they answered stands until something has come: else the message
 * would change with each of those tries.
 */
import { logFileName, type LogName } from "../base/names.ts";
import type { FetchResult } from "../transfer/fetch.ts";

interface Obstacle {
  readonly text: string;
  /** The source has answered: trying again is not news. */
  readonly isAnswer: boolean;
}

export class FetchObstacles {
  /** By source, or by "" if there is no line. */
  readonly #obstacles = new Map<string, Obstacle>();

  /** For an administrator; empty when all is well. */
  get text(): string {
    // In one order, so that tries in turn are not news.
    return [...this.#obstacles.values()].map(({ text }) => text).sort()
      .join("; ");
  }

  /** No source can be asked. */
  disconnected(sources: readonly string[]): void {
    const names = sources.map((host) => `"${host}"`).join(", ");
    const text = `No connection to ${names}`;
    this.#obstacles.set("", { text, isAnswer: false });
  }

  /** A source is asked. */
  connected(): void {
    this.#obstacles.delete("");
  }

  /** A fetch ended; returns whether that is news. */
  ended(source: string, { kind }: FetchResult, text: string): boolean {
    const isNews = this.#obstacles.get(source)?.text !== text;
    const isAnswer = kind === "missing" || kind === "shorter";
    this.#obstacles.set(source, { text, isAnswer });
    return isNews;
  }

  /** `source` has no more than this host; `better` ones will be asked again. */
  waits(source: string, better: readonly string[]): void {
    for (const [host, { isAnswer }] of this.#obstacles) {
      const stands = isAnswer && host !== source && better.includes(host);
      if (!stands) this.#obstacles.delete(host);
    }
  }

  /** Something has come, or nothing is wanted. */
  clear(): void {
    this.#obstacles.clear();
  }
}

/** Why a fetch ended, for an administrator; empty when all is well. */
export function fetchText(
  log: LogName,
  source: string,
  result: FetchResult,
): string {
  const subject = `Fetch of "${logFileName(log)}" from "${source}"`;
  switch (result.kind) {
    case "complete":
    case "stopped":
    case "torn":
      return "";
    case "missing":
      return `${subject}: it does not have it`;
    case "shorter":
      return `${subject}: it has ${result.remoteBytes} bytes, ${result.localBytes} are here`;
    case "damaged":
      return `Log "${logFileName(log)}" on "${source}": ${result.message}`;
    case "lost":
    case "failed":
      return `${subject}: ${result.message}`;
  }
}
