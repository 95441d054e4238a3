/** `@std/async/deadline`: rejects when the promise takes longer. */
export function deadline<T>(
  promise: Promise<T>,
  timeoutMs: number,
  options?: { signal?: AbortSignal },
): Promise<T>;
