/**
 * Turns: which of two hosts begins to exchange.
 *
 * Every host dials every peer, so both lines come up at about the same time,
 * and an exchange on either of them is one for both sides. The host whose name
 * comes first begins. The other one waits until that is done, and then finds
 * nothing to do; or until nothing was heard of it for a while.
 */

// Ours. The other line may come up a little later, or never.
const PATIENCE_MS = 300;
// Ours. A message that is merged on a slow disk takes less.
const SILENCE_MS = 1_000;

type Turn = {
  /** Counts messages of an exchange. */
  messageCount: number;
  doneCount: number;
  doneAtMs: number;
  wake: () => void;
};

export class Turns {
  readonly #turns = new Map<string, Turn>();

  /** A message of an exchange that the peer leads. */
  heard(peer: string): void {
    const turn = this.#of(peer);
    turn.messageCount++;
    turn.wake();
  }

  /** The peer has led an exchange to its end. */
  done(peer: string): void {
    const turn = this.#of(peer);
    turn.doneCount++;
    turn.doneAtMs = performance.now();
    turn.wake();
  }

  /** Waits while the peer leads an exchange; not for one that never comes. */
  async wait(peer: string, signal: AbortSignal): Promise<void> {
    const turn = this.#of(peer);
    // Its line was faster.
    if (performance.now() < turn.doneAtMs + PATIENCE_MS) return;
    const { doneCount } = turn;
    let silenceMs = PATIENCE_MS;
    let before: number;
    do {
      before = turn.messageCount;
      await silence(turn, silenceMs, signal);
      silenceMs = SILENCE_MS;
      const isOver = signal.aborted || turn.doneCount > doneCount;
      if (isOver) return;
    } while (turn.messageCount > before);
  }

  #of(peer: string): Turn {
    let turn = this.#turns.get(peer);
    if (turn === undefined) {
      turn = {
        messageCount: 0,
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
