// Pure
/**
 * Reasons: why a command may not go on, and whether waiting may help.
 *
 *   lasting   stays until somebody does something about it
 *   passing   normally goes by itself within moments: what ends it may be over
 *             already, and the news on its way
 */

export interface Reason {
  readonly text: string;
  readonly kind: "lasting" | "passing";
}

export function lasting(text: string): Reason {
  return { text, kind: "lasting" };
}

export function passing(text: string): Reason {
  return { text, kind: "passing" };
}

export function textsOf(reasons: readonly Reason[]): string[] {
  return reasons.map(({ text }) => text);
}
