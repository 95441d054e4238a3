// Pure
/** Which known words somebody may have meant. */

/** Suggestions in a message. */
const SHOWN_MAX = 3;

/** Of two words of which this share of the letters differs nobody is meant. */
const DIFFERENT_SHARE = 0.5;

/** `; nearest: a, b`, the nearest first; empty if none is near. */
export function nearestText(word: string, known: Iterable<string>): string {
  const found = nearest(word, known);
  return found.length === 0 ? "" : `; nearest: ${found.join(", ")}`;
}

/** The known words that are spelled most alike, the nearest first. */
function nearest(word: string, known: Iterable<string>): string[] {
  const limit = Math.ceil(word.length * DIFFERENT_SHARE);
  return [...known]
    .map((other) => ({
      other,
      // `fetch` may mean `pause-fetch`.
      distance: other.split(/[- ]/).includes(word)
        ? 1
        : distanceOf(word, other),
    }))
    .filter(({ distance }) => distance < limit)
    .sort((left, right) => left.distance - right.distance)
    .slice(0, SHOWN_MAX)
    .map(({ other }) => other);
}

/** Edits from one word to the other (Levenshtein). */
function distanceOf(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [at, letter] of [...left].entries()) {
    const next = [at + 1];
    for (const [index, other] of [...right].entries()) {
      next.push(Math.min(
        (next[index] ?? 0) + 1,
        (row[index + 1] ?? 0) + 1,
        (row[index] ?? 0) + (letter === other ? 0 : 1),
      ));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
