import { assert, assertEquals } from "@std/assert";
import { FRAME_KIND, FrameDecoder, STRANGER_LIMITS } from "./frame.ts";
import { encodeProof, type Encounter, isProof } from "./handshake.ts";
import { makeIdentity } from "./identity.ts";
import { loadNodeCrypto, parsePublicKeyLine } from "./key.ts";

const crypto = await loadNodeCrypto();
const alpha = await makeIdentity("alpha");
const beta = await makeIdentity("beta");
const gamma = await makeIdentity("gamma");
const binding = new Uint8Array(64).fill(1);

/** One end as it sees the other. */
function end(
  role: Encounter["role"],
  identity: typeof alpha,
  peer: typeof alpha,
): Encounter {
  return {
    role,
    identity,
    peerRaw: parsePublicKeyLine(crypto, peer.publicKeyLine).raw,
    peerHash: peer.keyHash,
    binding,
  };
}

const dialer = end("dialer", beta, alpha);
const acceptor = end("acceptor", alpha, beta);

/** Whether `to` believes what `from` sends. */
function isBelieved(from: Encounter, to: Encounter, json = ""): boolean {
  const verdicts: boolean[] = [];
  new FrameDecoder(STRANGER_LIMITS).push(
    encodeProof(crypto, from, json),
    (frame) => verdicts.push(isProof(crypto, to, frame)),
  );
  assertEquals(verdicts.length, 1);
  return verdicts[0] ?? false;
}

Deno.test("isProof() believes both ends of one connection", () => {
  assert(isBelieved(dialer, acceptor, '{"trafficClass":"meta"}'));
  assert(isBelieved(acceptor, dialer));
});

Deno.test("isProof() refuses a proof of another connection", () => {
  const elsewhere = { ...dialer, binding: new Uint8Array(64).fill(2) };
  assert(!isBelieved(elsewhere, acceptor));
});

Deno.test("isProof() refuses a proof by another key", () => {
  assert(!isBelieved({ ...dialer, identity: gamma }, acceptor));
});

Deno.test("isProof() refuses a proof meant for another acceptor", () => {
  assert(!isBelieved(end("dialer", beta, gamma), acceptor));
});

Deno.test("isProof() refuses its own proof sent back", () => {
  const mirror = end("acceptor", alpha, alpha);
  assert(!isBelieved(mirror, mirror));
});

Deno.test("isProof() refuses changed JSON, other kinds and sizes", () => {
  new FrameDecoder(STRANGER_LIMITS).push(
    encodeProof(crypto, dialer, '{"trafficClass":"meta"}'),
    (frame) => {
      assert(isProof(crypto, acceptor, frame));
      const bad = [
        { ...frame, json: new TextEncoder().encode('{"trafficClass":"log"}') },
        { ...frame, kind: FRAME_KIND.call },
        { ...frame, body: frame.body.subarray(1) },
        { ...frame, body: new Uint8Array(64) },
        { ...frame, body: new Uint8Array(0) },
      ];
      for (const changed of bad) assert(!isProof(crypto, acceptor, changed));
    },
  );
});
