/**
 * Where an inviter keeps what it needs to know of open tokens:
 * `<etc>/tokens/<id>.json`, mode 0600.
 *
 *   { "publicKey": raw Ed25519 key in base64, "expires": nanoseconds as text }
 *
 * The file is the token's only state: it exists until the token is used or has
 * expired. Expired ones are removed whenever the shelf is looked at.
 */
import { join } from "@std/path";
import { FormatError, MarsError, messageOf } from "../base/errors.ts";
import type { Clock } from "../base/time.ts";
import { createFileOnce, syncDirectory } from "./files.ts";
import { decodeJsonObject } from "./rpc.ts";

/** Tokens that may be open at a time; one more is refused. */
export const TOKENS_MAX = 64;

/** What is known of an open token. */
export interface StoredToken {
  /** Raw, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly expiresNs: bigint;
}

const DIRECTORY = "tokens";
const SUFFIX = ".json";
const ID_PATTERN = /^[0-9a-f]{32}$/;
const FILE_BYTES_MAX = 4096;

/** The open tokens of a host. */
export class TokenShelf {
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(etcDir: string, clock: Clock) {
    this.#directory = join(etcDir, DIRECTORY);
    this.#clock = clock;
  }

  /** Makes a token known; durable on return. @throws MarsError */
  async put(id: string, token: StoredToken): Promise<void> {
    const json = JSON.stringify({
      publicKey: token.publicKey.toBase64(),
      expires: token.expiresNs.toString(),
    });
    try {
      await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await createFileOnce(this.#pathOf(id), json);
    } catch (error) {
      throw new MarsError(
        `Cannot store a token in "${this.#directory}": ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  /** An open token; undefined for an unknown, used or expired one. */
  async get(id: string): Promise<StoredToken | undefined> {
    if (!ID_PATTERN.test(id)) return undefined;
    const token = await this.#read(id);
    if (token === undefined) return undefined;
    if (token.expiresNs > this.#clock.realNs()) return token;
    await this.take(id);
    return undefined;
  }

  /** Uses a token up; of several callers exactly one gets true. */
  async take(id: string): Promise<boolean> {
    try {
      await Deno.remove(this.#pathOf(id));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
    await syncDirectory(this.#directory);
    return true;
  }

  /** How many tokens are open. */
  async openCount(): Promise<number> {
    let count = 0;
    for (const id of await this.#ids()) {
      if (await this.get(id) !== undefined) count++;
    }
    return count;
  }

  async #ids(): Promise<readonly string[]> {
    const ids: string[] = [];
    try {
      for await (const { name } of Deno.readDir(this.#directory)) {
        if (name.endsWith(SUFFIX)) ids.push(name.slice(0, -SUFFIX.length));
      }
    } catch (error) {
      // Never was a token here.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return ids;
  }

  async #read(id: string): Promise<StoredToken | undefined> {
    let bytes: Uint8Array;
    try {
      bytes = await Deno.readFile(this.#pathOf(id));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    try {
      return decodeStored(bytes);
    } catch {
      // Damaged by hand: as good as unknown, and nobody can repair it.
      return undefined;
    }
  }

  #pathOf(id: string): string {
    return join(this.#directory, `${id}${SUFFIX}`);
  }
}

function decodeStored(bytes: Uint8Array): StoredToken {
  if (bytes.length > FILE_BYTES_MAX) throw new FormatError("Token is too long");
  const { publicKey, expires } = decodeJsonObject(bytes);
  if (typeof publicKey !== "string" || typeof expires !== "string") {
    throw new FormatError("Token has no key or no expiry");
  }
  const raw = Uint8Array.fromBase64(publicKey);
  if (raw.length !== 32) throw new FormatError("Token has no Ed25519 key");
  return { publicKey: raw, expiresNs: BigInt(expires) };
}
