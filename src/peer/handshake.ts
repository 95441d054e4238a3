/**
 * Proofs: that each end holds the private key of its certificate.
 *
 *   dialer                                   acceptor
 *     TLS, certificates                   ↔
 *                                            knows the key? else: ends
 *     knows the key, of the right host?
 *     checks                              ←  proof { features }
 *     proof { trafficClass, features }    →  checks
 *     calls                               →
 *
 * A proof is an Ed25519 signature over
 *
 *   context and role, channel binding, hash of the signer's key, hash of the
 *   other's key, the JSON of the frame
 *
 * TLS has a proof of its own, and it is not enough: told to accept any
 * certificate, `node:tls` of Deno 2.9.6 does not check the signature under one
 * that its TLS library cannot read, one of X.509 version 1 for instance. So
 * whoever knows a public key could pass for its owner. We check with means of
 * our own, and the channel binding ties the proof to this connection: nobody in
 * the middle can pass it on. `tests/integration/link_test.ts` tries it.
 */
import { assert } from "../base/assert.ts";
import type { TLSSocket } from "node:tls";
import {
  encodeFrameHead,
  type Frame,
  FRAME_KIND,
  STRANGER_LIMITS,
} from "./frame.ts";
import type { Identity } from "./identity.ts";
import {
  bytesOfHex,
  concat,
  hashOfRawKey,
  type NodeCrypto,
  openPublicKey,
} from "./key.ts";
import { channelBinding } from "./tls.ts";

export type Role = "dialer" | "acceptor";

const CONTEXT = {
  dialer: "mars proof 1 dialer\0",
  acceptor: "mars proof 1 acceptor\0",
} as const;

/** What both ends know after TLS, before anything was proved. */
export interface Encounter {
  readonly role: Role;
  readonly identity: Identity;
  /** Raw key in the peer's certificate. */
  readonly peerRaw: Uint8Array;
  readonly peerHash: string;
  readonly binding: Uint8Array;
}

/** Undefined if TLS does not tell enough. */
export function encounterOf(
  crypto: NodeCrypto,
  socket: TLSSocket,
  own: { role: Role; identity: Identity; peerRaw: Uint8Array },
): Encounter | undefined {
  const binding = channelBinding(socket, own.role);
  if (binding === undefined) return undefined;
  const peerHash = hashOfRawKey(crypto, own.peerRaw);
  return { ...own, peerHash, binding };
}

/** The frame that proves this end, in one piece. */
export function encodeProof(
  crypto: NodeCrypto,
  encounter: Encounter,
  json: string,
): Uint8Array {
  const { role, identity, peerHash, binding } = encounter;
  const signature = crypto.sign(
    null,
    provenBytes({
      role,
      binding,
      signerHash: identity.keyHash,
      otherHash: peerHash,
      json: new TextEncoder().encode(json),
    }),
    identity.keyPem,
  );
  const head = encodeFrameHead({
    kind: FRAME_KIND.proof,
    id: 0,
    json,
    bodyBytes: signature.length,
  }, STRANGER_LIMITS);
  return concat([head, signature]);
}

/** Whether a frame proves the other end. */
export function isProof(
  crypto: NodeCrypto,
  encounter: Encounter,
  frame: Frame,
): boolean {
  if (frame.kind !== FRAME_KIND.proof) return false;
  const { role, identity, peerRaw, peerHash, binding } = encounter;
  return crypto.verify(
    null,
    provenBytes({
      role: role === "dialer" ? "acceptor" : "dialer",
      binding,
      signerHash: peerHash,
      otherHash: identity.keyHash,
      json: frame.json,
    }),
    openPublicKey(crypto, peerRaw),
    frame.body,
  );
}

function provenBytes(
  proven: {
    role: Role;
    binding: Uint8Array;
    signerHash: string;
    otherHash: string;
    json: Uint8Array;
  },
): Uint8Array {
  const signer = bytesOfHex(proven.signerHash);
  const other = bytesOfHex(proven.otherHash);
  // Every part but the last has a fixed length, so no two sets of parts give
  // the same bytes.
  assert(signer.length === 32, "hash of the signer has 32 bytes");
  assert(other.length === 32, "hash of the other has 32 bytes");
  assert(proven.binding.length === 64, "channel binding has 64 bytes");
  return concat([
    new TextEncoder().encode(CONTEXT[proven.role]),
    proven.binding,
    signer,
    other,
    proven.json,
  ]);
}
