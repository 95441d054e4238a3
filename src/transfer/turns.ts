/**
 * Turns: which of two hosts begins to exchange.
 *
 * Every host dials every peer, so both lines come up at about the same time,
 * and an exchange on either of them is one for both sides. The host whose name
 * comes first begins. The other one waits until that is done, or until nothing
 * was heard of it for a while.
 */

// Ours. The other line may come up a little later, or never.
const PATIENCE_MS = 300;
// Ours. A message that is merged on a slow disk takes less.
const SILENCE_MS = 1_000;

type Turn = {
  /** Counts messages of an exchange. */
  messageCount: number;
  beginCount: number;
  doneCount: number;
  doneAtMs: number;
  wake: () => void;
};

export class Turns {
  readonly #turns = new Map<string, Turn>();

  /** A message of an exchange that the peer leads; perhaps the first one. */
  heard(peer: string, isFirst: boolean): void {
    const turn = this.#of(peer);
    turn.messageCount++;
    if (isFirst) turn.beginCount++;
    turn.wake();
  }

  /** The peer has led an exchange to its end. */
  done(peer: string): void {
    const turn = this.#of(peer);
    turn.doneCount++;
    turn.doneAtMs = performance.now();
    turn.wake();
  }

  /**
   * Waits while the peer leads an exchange; not for one that never comes.
   *
   * @returns whether it led one from beginning to end meanwhile: then nothing
   * is left to exchange but what changed since the call
   */
  async wait(peer: string, signal: AbortSignal): Promise<boolean> {
    const turn = this.#of(peer);
    // Its line was faster.
    if (performance.now() < turn.doneAtMs + PATIENCE_MS) return false;
    const { beginCount, doneCount } = turn;
    let silenceMs = PATIENCE_MS;
    let before: number;
    do {
      before = turn.messageCount;
      await silence(turn, silenceMs, signal);
      silenceMs = SILENCE_MS;
      if (signal.aborted) return false;
      if (turn.doneCount > doneCount) return turn.beginCount > beginCount;
    } while (turn.messageCount > before);
    return false;
  }

  #of(peer: string): Turn {
    let turn = this.#turns.get(peer);
    if (turn === undefined) {
      turn = {
        messageCount: 0,
        beginCount: 0,
        doneCount: 0,
        doneAtMs: -Infinity,
        wake: () => {},
      };
      this.#turns.set(peer, turn);
    }
    return turn;
  }
}

/** Ends after a while, or early if something is heard. */
async function silence(
  turn: Turn,
  forMs: number,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      turn.wake = () => {};
      resolve();
    };
    const timer = setTimeout(end, forMs);
    signal.addEventListener("abort", end, { once: true });
    turn.wake = end;
  });
}
