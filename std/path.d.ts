/** The part of `@std/path` that we use. */
export function basename(path: string, suffix?: string): string;
export function dirname(path: string): string;
export function fromFileUrl(url: string | URL): string;
export function isAbsolute(path: string): boolean;
export function join(first: string, ...rest: string[]): string;
export function resolve(...paths: string[]): string;
export function toFileUrl(path: string): URL;
