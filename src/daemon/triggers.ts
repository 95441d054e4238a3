// Pure
/**
 * Triggers: what may be written to the trigger, as messages.
 *
 *   1                                look at the tree here
 *   2                                the same, and tell peers to look
 *   3 … 7                            the same, and ask peers for news
 *   8 and more                       the same, as if nothing were known
 *   t <mask>                         1 here, 2 ask peers, 4 and 8 tell peers,
 *                                    16 as if nothing were known
 *   p <peer> <value> <path>          give a peer one link
 *   P <peer> <ip> <value> <path>     the same at an address of its own
 *   c <peer> <ip> <path>             exchange links if the peer lacks the path
 *   f <peer> <ip> <directory>        fetch all links into a directory of the
 *                                    tree, `probe-…`, or exchange, "/"
 *   l <text>, L <text>               trace a text
 *
 * Arguments contain no blanks. One write is one message, but a pipe has no
 * borders: messages without newline that come close together arrive as one
 * text, `3p beta 1 /mars/x8`. It is cut where every part is a message. Numbers
 * may grow together, then more is looked at than was asked for, which never
 * harms. A path may end in the next message; then the longest path counts that
 * is known here, because commands write a link before they push it. If that
 * leaves a doubt, nothing is pushed, and everybody looks at the tree instead.
 *
 * Source: control directory of MARS.
 */

/** Bits of what to look at. */
export const LOOK = { here: 1, ask: 2, tell: 4, tellAll: 8, full: 16 } as const;

const LOOK_AND_TELL = LOOK.here | LOOK.tell;
const LOOK_EVERYWHERE = LOOK_AND_TELL | LOOK.ask | LOOK.tellAll;
const LOOK_FULLY = LOOK_EVERYWHERE | LOOK.full;

export type Trigger =
  | { readonly kind: "look"; readonly mask: number }
  | {
    readonly kind: "push";
    readonly peer: string;
    /** As in the message; undefined for the one that the tree names. */
    readonly address: string | undefined;
    readonly value: string;
    /** Relative to the tree, as all paths here. */
    readonly path: string;
  }
  | {
    readonly kind: "check";
    readonly peer: string;
    readonly address: string;
    readonly path: string;
  }
  | {
    readonly kind: "fetch";
    readonly peer: string;
    readonly address: string;
    /** Empty for the tree itself. */
    readonly directory: string;
  }
  | { readonly kind: "note"; readonly text: string };

/** What only the caller knows about paths. */
export interface Places {
  /** The path relative to the tree; undefined if it is none of a link. */
  readonly linkOf: (text: string) => string | undefined;
  /** The same of a directory that may be fetched into; empty for the tree. */
  readonly directoryOf: (text: string) => string | undefined;
  /** Whether there is something at a relative path. */
  readonly isKnown: (path: string) => boolean;
}

// Ours. A longer write is not kept together by the pipe.
const TEXT_CHARACTERS_MAX = 4096;

/** All messages in `text`, in order. Nothing is thrown. */
export function parseTriggers(text: string, places: Places): Trigger[] {
  const triggers: Trigger[] = [];
  const pieces = text.split("\n");
  for (const [index, piece] of pieces.entries()) {
    if (piece === "") continue;
    if (piece.length > TEXT_CHARACTERS_MAX) {
      triggers.push({ kind: "look", mask: LOOK_AND_TELL });
      continue;
    }
    // Our own commands put newlines on both sides.
    const isFramed = index > 0 && index < pieces.length - 1;
    triggers.push(...new Piece(piece, isFramed, places).parse());
  }
  return triggers;
}

/** How often the words of a message repeat before the last one. */
const WORDS_BEFORE: Readonly<Record<string, number>> = {
  p: 2,
  P: 3,
  c: 2,
  f: 2,
};

/** A way to read the text from some place on. */
type Reading = readonly Trigger[] | undefined;

class Piece {
  readonly #text: string;
  readonly #isFramed: boolean;
  readonly #places: Places;
  /** Readings by the place where they begin. */
  readonly #readings = new Map<number, Reading>();

  constructor(text: string, isFramed: boolean, places: Places) {
    this.#text = text;
    this.#isFramed = isFramed;
    this.#places = places;
  }

  parse(): readonly Trigger[] {
    return this.#at(0) ?? [{ kind: "look", mask: LOOK_AND_TELL }];
  }

  #at(start: number): Reading {
    if (start === this.#text.length) return [];
    if (!this.#readings.has(start)) {
      this.#readings.set(start, this.#read(start));
    }
    return this.#readings.get(start);
  }

  #read(start: number): Reading {
    const digits = this.#match(/\d+/y, start);
    if (digits !== undefined) {
      return this.#then(start + digits.length, {
        kind: "look",
        mask: maskOfNumber(digits),
      });
    }
    const letter = this.#text[start] ?? "";
    if (this.#text[start + 1] !== " ") return undefined;
    switch (letter) {
      case "t":
        return this.#readMask(start + 2);
      case "l":
      case "L":
        return [{ kind: "note", text: this.#text.slice(start + 2) }];
      default:
        return this.#readWords(letter, start + 2);
    }
  }

  #readMask(start: number): Reading {
    const digits = this.#match(/\d+/y, start);
    if (digits === undefined) return undefined;
    // Two messages may have grown together.
    const isSure = this.#isFramed || digits.length === 1;
    const mask = isSure ? Number(digits) & LOOK_FULLY : LOOK_FULLY;
    return this.#then(start + digits.length, { kind: "look", mask });
  }

  #readWords(letter: string, start: number): Reading {
    const count = WORDS_BEFORE[letter];
    if (count === undefined) return undefined;
    const words: string[] = [];
    let at = start;
    for (let index = 0; index < count; index++) {
      const word = this.#match(/[^ ]+/y, at);
      if (word === undefined || this.#text[at + word.length] !== " ") {
        return undefined;
      }
      words.push(word);
      at += word.length + 1;
    }
    return this.#readLast(letter, words, at);
  }

  /** The last word ends where the rest can be read; see the head. */
  #readLast(letter: string, words: readonly string[], start: number): Reading {
    const { isKnown, linkOf, directoryOf } = this.#places;
    const longest = this.#match(/[^ ]+/y, start) ?? "";
    const readings: Trigger[][] = [];
    for (let length = longest.length; length > 0; length--) {
      const last = longest.slice(0, length);
      const path = letter === "f" ? directoryOf(last) : linkOf(last);
      const rest = this.#at(start + length);
      if (path === undefined || rest === undefined) continue;
      const reading = [messageOf(letter, words, path), ...rest];
      if (isKnown(path)) return reading;
      if (length === longest.length && this.#isFramed) return reading;
      readings.push(reading);
    }
    const [first, second] = readings;
    return second === undefined
      ? first
      : [{ kind: "look", mask: LOOK_EVERYWHERE }];
  }

  #then(next: number, trigger: Trigger): Reading {
    const rest = this.#at(next);
    return rest === undefined ? undefined : [trigger, ...rest];
  }

  #match(expression: RegExp, start: number): string | undefined {
    expression.lastIndex = start;
    return expression.exec(this.#text)?.[0];
  }
}

function maskOfNumber(digits: string): number {
  const number = Number(digits);
  if (number <= 1) return LOOK.here;
  if (number === 2) return LOOK_AND_TELL;
  return number < 8 ? LOOK_EVERYWHERE : LOOK_FULLY;
}

function messageOf(
  letter: string,
  words: readonly string[],
  path: string,
): Trigger {
  const [peer = "", second = "", third = ""] = words;
  switch (letter) {
    case "p":
      return { kind: "push", peer, address: undefined, value: second, path };
    case "P":
      return { kind: "push", peer, address: second, value: third, path };
    case "c":
      return { kind: "check", peer, address: second, path };
    default:
      return { kind: "fetch", peer, address: second, directory: path };
  }
}
