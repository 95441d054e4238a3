/**
 * Tokens: how a host that nobody trusts yet joins with one word.
 *
 *   token    "mars1." and, in base64url, JSON with the inviter's host name,
 *            address and key fingerprint, and a secret of 256 bits
 *   stored   <etc>/tokens/<id>.json, mode 0600: a public key and an expiry
 *
 * The secret is the seed (through HKDF) of an Ed25519 key; the inviter keeps
 * the public half only, so neither the stored file nor anything on the line
 * lets anybody else join. The joiner signs
 *
 *   context, hash of the inviter's key, hash of its own key, its request
 *
 * after it has found the fingerprint of the token at the other end. So the
 * proof is worth nothing for another inviter, joiner or request.
 *
 * A token is good for one answer: its file is removed before anything else
 * happens, and of several that try at once one succeeds. Unknown, used and
 * expired tokens are told apart by nobody.
 */
import { FormatError, MarsError } from "../base/errors.ts";
import { type Clock, NS_PER_MS } from "../base/time.ts";
import { toHex } from "../base/bytes.ts";
import { type Identity, rawPublicKeyOf } from "./identity.ts";
import {
  bytesOfHex,
  concat,
  isHostName,
  loadNodeCrypto,
  type NodeCrypto,
  openPublicKey,
  parsePublicKeyLine,
  toPem,
} from "./key.ts";
import { decodeJsonObject, isJsonObject, type JsonObject } from "./rpc.ts";
import { TOKENS_MAX, TokenShelf } from "./token_shelf.ts";
import type { TrustStore } from "./trust.ts";

/** Where a host listens. `hostname` is a name or a numeric address. */
export interface PeerAddress {
  readonly hostname: string;
  readonly port: number;
}

/** What a token says. `secret` is secret. */
export interface Token {
  readonly host: string;
  readonly address: PeerAddress;
  /** "SHA256:…" of the inviter's key. */
  readonly fingerprint: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** What the inviter learns of a joiner that has proved its token. */
export interface JoinRequest {
  readonly host: string;
  readonly publicKeyLine: string;
  readonly params: JsonObject;
}

/** Supplied by the daemon. A MarsError refuses; the token is used up anyway. */
export type AcceptJoin = (
  request: JoinRequest,
) => JsonObject | Promise<JsonObject>;

/** Long enough to walk to the other machine. */
export const TOKEN_LIFETIME_MS = 600_000;

const TOKEN_PREFIX = "mars1.";
const TOKEN_CHARACTERS_MAX = 2048;
const SECRET_BYTES = 32;
const ID_BYTES = 16;
const SIGNATURE_BYTES = 64;

/** Length of what `signJoin` returns. */
const JOIN_PROOF_BYTES = ID_BYTES + SIGNATURE_BYTES;

const SEED_CONTEXT = "mars join seed 1";
const PROOF_CONTEXT = "mars join proof 1\0";
const PORT_MAX = 65535;
/** Prescribed by RFC 8410: PKCS #8 of an Ed25519 seed. */
const PKCS8_PREFIX = bytesOfHex("302e020100300506032b657004220420");

/**
 * Makes a token and stores what is needed to know it again.
 *
 * @throws MarsError if it cannot be stored, or TOKENS_MAX are open
 */
export async function createToken(
  options: {
    etcDir: string;
    identity: Identity;
    address: PeerAddress;
    lifetimeMs?: number;
    clock: Clock;
  },
): Promise<string> {
  const { identity, address, clock } = options;
  const lifetimeMs = options.lifetimeMs ?? TOKEN_LIFETIME_MS;
  const crypto = await loadNodeCrypto();
  const shelf = new TokenShelf(options.etcDir, clock);
  if (await shelf.openCount() >= TOKENS_MAX) {
    throw new MarsError(
      `Cannot make a token: ${TOKENS_MAX} are open; wait until one expires`,
    );
  }
  const secret = new Uint8Array(crypto.randomBytes(SECRET_BYTES));
  const key = deriveKey(crypto, secret);
  await shelf.put(key.id, {
    publicKey: key.raw,
    expiresNs: clock.realNs() + BigInt(Math.ceil(lifetimeMs)) * NS_PER_MS,
  });
  return encodeToken({
    host: identity.host,
    address,
    fingerprint: identity.fingerprint,
    secret,
  });
}

/** The word that an administrator carries over. */
export function encodeToken(token: Token): string {
  const json = JSON.stringify({
    host: token.host,
    hostname: token.address.hostname,
    port: token.address.port,
    fingerprint: token.fingerprint,
    secret: token.secret.toBase64({ alphabet: "base64url" }),
  });
  const bytes = new TextEncoder().encode(json);
  return TOKEN_PREFIX +
    bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Reads a token; surrounding white space is allowed. @throws FormatError */
export function decodeToken(text: string): Token {
  const trimmed = text.trim();
  if (
    !trimmed.startsWith(TOKEN_PREFIX) || trimmed.length > TOKEN_CHARACTERS_MAX
  ) {
    throw badToken(`expected "${TOKEN_PREFIX}…" from "mars token create"`);
  }
  try {
    const base64 = trimmed.slice(TOKEN_PREFIX.length);
    const bytes = Uint8Array.fromBase64(base64, { alphabet: "base64url" });
    return tokenOf(decodeJsonObject(bytes));
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw badToken("it is cut or damaged");
  }
}

/**
 * The joiner's proof for a request: JOIN_PROOF_BYTES bytes.
 *
 * @param request bytes exactly as they travel
 */
export async function signJoin(
  secret: Uint8Array,
  proven: { inviterHash: string; joinerHash: string; request: Uint8Array },
): Promise<Uint8Array> {
  const crypto = await loadNodeCrypto();
  const key = deriveKey(crypto, secret);
  const signature = crypto.sign(null, provenBytes(proven), key.privateKey);
  return concat([bytesOfHex(key.id), new Uint8Array(signature)]);
}

/** The inviter's end of joining. */
export class JoinDesk {
  readonly #crypto: NodeCrypto;
  readonly #shelf: TokenShelf;
  readonly #identity: Identity;
  readonly #trust: TrustStore;
  readonly #accept: AcceptJoin;

  private constructor(crypto: NodeCrypto, options: JoinDeskOptions) {
    this.#crypto = crypto;
    this.#shelf = new TokenShelf(options.etcDir, options.clock);
    this.#identity = options.identity;
    this.#trust = options.trust;
    this.#accept = options.accept;
  }

  static async open(options: JoinDeskOptions): Promise<JoinDesk> {
    return new JoinDesk(await loadNodeCrypto(), options);
  }

  /** Whether any token could be accepted now. */
  async hasTokens(): Promise<boolean> {
    return await this.#shelf.openCount() > 0;
  }

  /**
   * Judges one request and lets the joiner in.
   *
   * @param joinerHash hash of the key the joiner has proved to hold
   * @throws MarsError with a message fit for the joiner
   */
  async answer(
    request: { json: Uint8Array; proof: Uint8Array; joinerHash: string },
  ): Promise<JsonObject> {
    await this.#redeem(request);
    const { host, publicKeyLine, params } = decodeRequest(request.json);
    const key = parsePublicKeyLine(this.#crypto, publicKeyLine);
    if (key.host !== host || key.hash !== request.joinerHash) {
      throw new MarsError(
        `Cannot let "${host}" join: the key in its request is another one`,
      );
    }
    if (host === this.#identity.host) {
      throw new MarsError(
        `Cannot let "${host}" join: that is the name of the inviting host`,
      );
    }
    const wasTrusted = this.#trust.hostOf(key.hash) !== undefined;
    this.#trust.add(key.line);
    try {
      const reply = await this.#accept({
        host,
        publicKeyLine: key.line,
        params,
      });
      return { publicKeyLine: this.#identity.publicKeyLine, reply };
    } catch (error) {
      // Who was not let in is not trusted either.
      if (!wasTrusted) this.#trust.remove(host);
      throw error;
    }
  }

  /** Uses up the token behind a proof. @throws MarsError, always the same */
  async #redeem(
    request: { json: Uint8Array; proof: Uint8Array; joinerHash: string },
  ): Promise<void> {
    const refused = new MarsError(
      "Cannot join: the token is unknown, used or expired",
    );
    if (request.proof.length !== JOIN_PROOF_BYTES) throw refused;
    const id = toHex(request.proof.subarray(0, ID_BYTES));
    const stored = await this.#shelf.get(id);
    if (stored === undefined) throw refused;
    const publicKey = openPublicKey(this.#crypto, stored.publicKey);
    const isProved = this.#crypto.verify(
      null,
      provenBytes({
        inviterHash: this.#identity.keyHash,
        joinerHash: request.joinerHash,
        request: request.json,
      }),
      publicKey,
      request.proof.subarray(ID_BYTES),
    );
    if (!isProved || !await this.#shelf.take(id)) throw refused;
  }
}

export interface JoinDeskOptions {
  readonly etcDir: string;
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly clock: Clock;
  readonly accept: AcceptJoin;
}

interface TokenKey {
  /** ID_BYTES bytes in hexadecimal; names the token, and is not secret. */
  readonly id: string;
  /** Public, 32 bytes. */
  readonly raw: Uint8Array;
  readonly privateKey: import("node:crypto").KeyObject;
}

function deriveKey(crypto: NodeCrypto, secret: Uint8Array): TokenKey {
  const seed = new Uint8Array(
    crypto.hkdfSync("sha256", secret, "", SEED_CONTEXT, SECRET_BYTES),
  );
  const privateKey = crypto.createPrivateKey(
    toPem("PRIVATE KEY", concat([PKCS8_PREFIX, seed])),
  );
  const raw = rawPublicKeyOf(crypto, privateKey);
  const digest = crypto.createHash("sha256").update(raw).digest("hex");
  return { id: digest.slice(0, 2 * ID_BYTES), raw, privateKey };
}

function provenBytes(
  proven: { inviterHash: string; joinerHash: string; request: Uint8Array },
): Uint8Array {
  return concat([
    new TextEncoder().encode(PROOF_CONTEXT),
    bytesOfHex(proven.inviterHash),
    bytesOfHex(proven.joinerHash),
    proven.request,
  ]);
}

function decodeRequest(json: Uint8Array): JoinRequest {
  const { host, publicKeyLine, params } = decodeJsonObject(json);
  if (
    typeof host !== "string" || typeof publicKeyLine !== "string" ||
    !isJsonObject(params)
  ) {
    throw new FormatError(
      "Cannot read a request to join: host, key or params are missing",
    );
  }
  return { host, publicKeyLine, params };
}

function tokenOf(json: JsonObject): Token {
  const { host, hostname, port, fingerprint, secret } = json;
  if (
    typeof host !== "string" || !isHostName(host) ||
    typeof hostname !== "string" || hostname === "" ||
    typeof port !== "number" || !Number.isInteger(port) ||
    port < 1 || port > PORT_MAX ||
    typeof fingerprint !== "string" || !fingerprint.startsWith("SHA256:") ||
    typeof secret !== "string"
  ) {
    throw badToken("it is cut or damaged");
  }
  const bytes = Uint8Array.fromBase64(secret, { alphabet: "base64url" });
  if (bytes.length !== SECRET_BYTES) throw badToken("it is cut or damaged");
  return { host, address: { hostname, port }, fingerprint, secret: bytes };
}

function badToken(found: string): FormatError {
  return new FormatError(`Cannot read the token: ${found}`);
}
