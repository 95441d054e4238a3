/**
 * The certificate that carries a host key through TLS.
 *
 * Nobody checks what it says except for its key, so it is the smallest one that
 * TLS libraries read: X.509 version 3, self-signed with Ed25519, no extensions,
 * valid for as long as the format can express. It follows from key and host
 * alone, byte for byte.
 *
 *   Certificate  SEQUENCE { TBS, algorithm, BIT STRING signature of TBS }
 *   TBS          SEQUENCE { [0] version, serial, algorithm, issuer, validity,
 *                subject, SPKI }
 *
 * Sources: RFC 5280 sections 4.1 and 4.1.2, RFC 8410.
 */
import { assert } from "../base/assert.ts";
import { bytesOfHex, concat, encodeSpki, toPem } from "./key.ts";

// Prescribed by X.690: tags of DER.
const TAG = {
  bitString: 0x03,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

// Prescribed by RFC 5280 and RFC 8410, encoded.
const VERSION_3 = bytesOfHex("a003020102");
const SERIAL_1 = bytesOfHex("020101");
const ED25519 = bytesOfHex("300506032b6570");
const COMMON_NAME = bytesOfHex("0603550403");
const NOT_BEFORE = "200101000000Z";
/** "No well-defined expiration date", RFC 5280 section 4.1.2.5. */
const NOT_AFTER = "99991231235959Z";

/**
 * The certificate as PEM.
 *
 * @param key 32 bytes; `sign` signs with the private half, 64 bytes
 */
export function makeCertificate(
  key: { raw: Uint8Array; host: string },
  sign: (bytes: Uint8Array) => Uint8Array,
): string {
  const name = der(TAG.sequence, [
    der(TAG.set, [
      der(TAG.sequence, [COMMON_NAME, text(TAG.utf8String, key.host)]),
    ]),
  ]);
  const validity = der(TAG.sequence, [
    text(TAG.utcTime, NOT_BEFORE),
    text(TAG.generalizedTime, NOT_AFTER),
  ]);
  const toBeSigned = der(TAG.sequence, [
    VERSION_3,
    SERIAL_1,
    ED25519,
    name,
    validity,
    name,
    encodeSpki(key.raw),
  ]);
  const noUnusedBits = new Uint8Array(1);
  const certificate = der(TAG.sequence, [
    toBeSigned,
    ED25519,
    der(TAG.bitString, [noUnusedBits, sign(toBeSigned)]),
  ]);
  return toPem("CERTIFICATE", certificate);
}

/** One element: tag, length in its shortest form, contents. */
function der(
  tag: number,
  contents: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const bytes = concat(contents);
  assert(bytes.length < 0x1_0000, "an element of DER fits two length bytes");
  const length = bytes.length < 0x80
    ? [bytes.length]
    : bytes.length < 0x100
    ? [0x81, bytes.length]
    : [0x82, bytes.length >> 8, bytes.length & 0xff];
  return concat([Uint8Array.from([tag, ...length]), bytes]);
}

function text(tag: number, value: string): Uint8Array<ArrayBuffer> {
  return der(tag, [new TextEncoder().encode(value)]);
}
