/**
 * Who this host is: its Ed25519 key and the certificate around it.
 *
 *   <etc>/host_key       private key, PKCS #8 in PEM, mode 0600
 *   <etc>/host_cert.pem  certificate, follows from key and host name
 *
 * The key is made on first use. It appears under its name complete and durable
 * or not at all, and never twice: whoever comes second uses what is there.
 */
import { join } from "@std/path";
import { FormatError, MarsError, messageOf } from "../base/errors.ts";
import { makeCertificate } from "./certificate.ts";
import {
  decodeSpki,
  isHostName,
  loadNodeCrypto,
  type NodeCrypto,
  publicKeyOf,
} from "./key.ts";
import { createFileOnce, replaceFile } from "./files.ts";

/** The key of this host. `keyPem` is secret. */
export interface Identity {
  readonly host: string;
  /** "ssh-ed25519 AAAA… host" */
  readonly publicKeyLine: string;
  /** "SHA256:…", as `ssh-keygen -lf` prints it */
  readonly fingerprint: string;
  /** Hexadecimal SHA-256 of the public key's SPKI. */
  readonly keyHash: string;
  readonly keyPem: string;
  readonly certPem: string;
}

const KEY_FILE = "host_key";
const CERTIFICATE_FILE = "host_cert.pem";

/** Bits of a mode that let others than the owner at a file. */
const OTHERS_MASK = 0o077;

/**
 * The identity of `host`; makes key and certificate on first use.
 *
 * @throws MarsError if the key cannot be read or made, or others may read it
 */
export async function loadIdentity(
  etcDir: string,
  host: string,
): Promise<Identity> {
  if (!isHostName(host)) {
    throw new MarsError(
      `Cannot use host name "${host}": expected letters, digits, "-", "." ` +
        `and "_", at most 63`,
    );
  }
  const crypto = await loadNodeCrypto();
  const keyPem = await loadOrMakeKey(crypto, join(etcDir, KEY_FILE));
  const identity = identityOf(crypto, { keyPem, host });
  await storeCertificate(join(etcDir, CERTIFICATE_FILE), identity.certPem);
  return identity;
}

/** A key of this moment that is stored nowhere. */
export async function makeIdentity(host: string): Promise<Identity> {
  const crypto = await loadNodeCrypto();
  return identityOf(crypto, { keyPem: makeKeyPem(crypto), host });
}

/** The raw public key, 32 bytes, of a private one. @throws FormatError */
export function rawPublicKeyOf(
  crypto: NodeCrypto,
  privateKey: string | import("node:crypto").KeyObject,
): Uint8Array {
  const spki = crypto.createPublicKey(privateKey)
    .export({ type: "spki", format: "der" });
  const raw = decodeSpki(new Uint8Array(spki));
  if (raw === undefined) throw new FormatError("It is not an Ed25519 key");
  return raw;
}

function identityOf(
  crypto: NodeCrypto,
  key: { keyPem: string; host: string },
): Identity {
  const privateKey = crypto.createPrivateKey(key.keyPem);
  const raw = rawPublicKeyOf(crypto, privateKey);
  const publicKey = publicKeyOf(crypto, { raw, host: key.host });
  const certPem = makeCertificate(
    { raw, host: key.host },
    (bytes) => new Uint8Array(crypto.sign(null, bytes, privateKey)),
  );
  return {
    host: key.host,
    publicKeyLine: publicKey.line,
    fingerprint: publicKey.fingerprint,
    keyHash: publicKey.hash,
    keyPem: key.keyPem,
    certPem,
  };
}

async function loadOrMakeKey(
  crypto: NodeCrypto,
  path: string,
): Promise<string> {
  const existing = await readKey(crypto, path);
  if (existing !== undefined) return existing;
  try {
    await createFileOnce(path, makeKeyPem(crypto));
  } catch (error) {
    throw new MarsError(
      `Cannot make the host key "${path}": ${messageOf(error)}`,
      { cause: error },
    );
  }
  const made = await readKey(crypto, path);
  if (made !== undefined) return made;
  throw new MarsError(`Cannot read the host key "${path}": it disappeared`);
}

/** Undefined if there is none. */
async function readKey(
  crypto: NodeCrypto,
  path: string,
): Promise<string | undefined> {
  try {
    const { mode } = await Deno.stat(path);
    if (mode !== null && (mode & OTHERS_MASK) !== 0) {
      throw new MarsError(
        `its mode lets others read it; type: chmod 600 "${path}"`,
      );
    }
    const keyPem = await Deno.readTextFile(path);
    rawPublicKeyOf(crypto, keyPem);
    return keyPem;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new MarsError(
      `Cannot read the host key "${path}": ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function makeKeyPem(crypto: NodeCrypto): string {
  const { privateKey } = crypto.generateKeyPairSync("ed25519");
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Also after the host or the key was changed by hand. */
async function storeCertificate(path: string, pem: string): Promise<void> {
  try {
    if (await Deno.readTextFile(path) === pem) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new MarsError(
        `Cannot read the certificate "${path}": ${messageOf(error)}`,
        { cause: error },
      );
    }
  }
  try {
    await replaceFile(path, pem, 0o644);
  } catch (error) {
    throw new MarsError(
      `Cannot write the certificate "${path}": ${messageOf(error)}`,
      { cause: error },
    );
  }
}
