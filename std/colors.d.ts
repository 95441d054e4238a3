/** The part of `@std/fmt/colors` that our output uses. */
export function setColorEnabled(isEnabled: boolean): void;
export function bold(text: string): string;
export function dim(text: string): string;
export function red(text: string): string;
export function green(text: string): string;
export function yellow(text: string): string;
export function cyan(text: string): string;
