/**
 * Public keys: their forms and names.
 *
 * A host has one Ed25519 key. The same 32 bytes appear as
 *
 *   line         "ssh-ed25519 AAAA… host", one line of OpenSSH; its last word
 *                is the one host the key speaks for
 *   fingerprint  "SHA256:…" over the blob inside that line, as `ssh-keygen -l`
 *   SPKI         44 bytes of DER, as certificates carry it
 *   hash         hexadecimal SHA-256 of the SPKI; by it keys are compared
 *
 * Sources: RFC 8709 (OpenSSH form), RFC 8410 (SPKI), RFC 4648.
 */
import { FormatError } from "../base/errors.ts";
import { equalBytes, viewOf } from "../base/bytes.ts";

/** `node:crypto`, which quick commands do without and so load late. */
export type NodeCrypto = typeof import("node:crypto");

/** A key and the host it speaks for. */
export interface PublicKey {
  readonly host: string;
  /** 32 bytes. */
  readonly raw: Uint8Array;
  readonly line: string;
  readonly fingerprint: string;
  readonly hash: string;
}

// Prescribed by OpenSSH and X.509.
const ALGORITHM = "ssh-ed25519";
const RAW_BYTES = 32;
const PEM_LINE_CHARACTERS = 64;
const SPKI_PREFIX = bytesOfHex("302a300506032b6570032100");

/** Longest line read as a key; ours have about 150 characters. */
const LINE_CHARACTERS_MAX = 1024;

/** As long as a DNS label; the first character is no "-" and no ".". */
const HOST_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$/;

/** Loads `node:crypto`. */
export function loadNodeCrypto(): Promise<NodeCrypto> {
  return import("node:crypto");
}

/** Whether `host` may stand in a key's line. */
export function isHostName(host: string): boolean {
  return HOST_PATTERN.test(host);
}

/** All forms of a key of 32 bytes. @throws FormatError for a bad host name */
export function publicKeyOf(
  crypto: NodeCrypto,
  key: { raw: Uint8Array; host: string },
): PublicKey {
  if (!isHostName(key.host)) {
    throw new FormatError(`Cannot name a key: "${key.host}" is no host name`);
  }
  const blob = encodeBlob(key.raw);
  const digest = crypto.createHash("sha256").update(blob).digest("base64");
  return {
    host: key.host,
    raw: key.raw,
    line: `${ALGORITHM} ${blob.toBase64()} ${key.host}`,
    fingerprint: `SHA256:${digest.replace(/=+$/, "")}`,
    hash: hashOfRawKey(crypto, key.raw),
  };
}

/** Reads "ssh-ed25519 AAAA… host". @throws FormatError */
export function parsePublicKeyLine(
  crypto: NodeCrypto,
  line: string,
): PublicKey {
  if (line.length > LINE_CHARACTERS_MAX) {
    throw new FormatError(
      `Cannot read a key: more than ${LINE_CHARACTERS_MAX} characters`,
    );
  }
  const words = line.trim().split(/[ \t]+/);
  const [algorithm, base64, host] = words;
  if (words.length !== 3 || base64 === undefined || host === undefined) {
    throw new FormatError(
      `Cannot read a key: expected "${ALGORITHM} AAAA… host"`,
    );
  }
  if (algorithm !== ALGORITHM) {
    throw new FormatError(
      `Cannot read a key: expected "${ALGORITHM}", found "${algorithm}"`,
    );
  }
  return publicKeyOf(crypto, { raw: decodeBlob(base64), host });
}

/** The hash by which keys are compared. */
export function hashOfRawKey(crypto: NodeCrypto, raw: Uint8Array): string {
  return crypto.createHash("sha256").update(encodeSpki(raw)).digest("hex");
}

/** 44 bytes of DER. */
export function encodeSpki(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat([SPKI_PREFIX, raw]);
}

/** The 32 bytes of an Ed25519 key; undefined for anything else. */
export function decodeSpki(spki: Uint8Array): Uint8Array | undefined {
  if (spki.length !== SPKI_PREFIX.length + RAW_BYTES) return undefined;
  const prefix = spki.subarray(0, SPKI_PREFIX.length);
  if (!equalBytes(prefix, SPKI_PREFIX)) return undefined;
  return spki.slice(SPKI_PREFIX.length);
}

/** The key as `node:crypto` wants it. */
export function openPublicKey(
  crypto: NodeCrypto,
  raw: Uint8Array,
): import("node:crypto").KeyObject {
  return crypto.createPublicKey(toPem("PUBLIC KEY", encodeSpki(raw)));
}

/** DER in the armor of PEM. */
export function toPem(label: string, bytes: Uint8Array): string {
  const base64 = bytes.toBase64();
  const lines = [`-----BEGIN ${label}-----`];
  for (let at = 0; at < base64.length; at += PEM_LINE_CHARACTERS) {
    lines.push(base64.slice(at, at + PEM_LINE_CHARACTERS));
  }
  lines.push(`-----END ${label}-----`, "");
  return lines.join("\n");
}

/** All parts one behind the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Bytes of an even number of hexadecimal digits. */
export function bytesOfHex(digits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(digits);
}

/** Two strings, each behind its length: the algorithm and the key. */
function encodeBlob(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat([
    sshString(new TextEncoder().encode(ALGORITHM)),
    sshString(raw),
  ]);
}

function decodeBlob(base64: string): Uint8Array {
  let blob: Uint8Array;
  try {
    blob = Uint8Array.fromBase64(base64);
  } catch {
    throw new FormatError("Cannot read a key: it is not base64");
  }
  const raw = blob.slice(-RAW_BYTES);
  if (!equalBytes(blob, encodeBlob(raw))) {
    throw new FormatError("Cannot read a key: it is not an Ed25519 key");
  }
  return raw;
}

function sshString(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = new Uint8Array(4);
  viewOf(length).setUint32(0, bytes.length);
  return concat([length, bytes]);
}
