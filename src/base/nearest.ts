// Pure
/** Which known words somebody may have meant. */

/** Suggestions in a message. */
const SHOWN_MAX = 3;

/** The known words that are spelled most alike, the nearest first. */
export function nearest(word: string, known: Iterable<string>): string[] {
  return [...known]
    .map((other) => ({ other, distance: distanceOf(word, other) }))
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
