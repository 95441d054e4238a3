/** Joining: how a host that nobody trusts asks the inviter of a token. */
import { MarsError } from "../base/errors.ts";
import {
  encodeFrameHead,
  type Frame,
  FRAME_KIND,
  STRANGER_LIMITS,
} from "./frame.ts";
import { encodeProof } from "./handshake.ts";
import type { Identity } from "./identity.ts";
import { publicKeyOf } from "./key.ts";
import { type Line, LINE_TIMING } from "./line.ts";
import { addressText, meet } from "./meeting.ts";
import {
  decodeJsonObject,
  EMPTY_BODY,
  isJsonObject,
  type JsonObject,
} from "./rpc.ts";
import { PROTOCOL } from "./tls.ts";
import { decodeToken, type PeerAddress, signJoin } from "./token.ts";

/** How long `join` waits for the inviter. */
const JOIN_TIMEOUT_MS = 30_000;

/** What came of joining. */
export interface Joined {
  /** The inviter. */
  readonly peer: string;
  /** Its key, to be trusted from now on. */
  readonly publicKeyLine: string;
  /** What the inviter's daemon answered. */
  readonly reply: JsonObject;
}

/**
 * Asks the inviter of a token to trust this host. The inviter learns the host's
 * name, key, `own.address` and `params`, these two as
 * `{ ...params, address: { hostname, port } }`.
 *
 * @throws MarsError, with the inviter's message if it refuses
 */
export async function join(
  options: {
    identity: Identity;
    token: string;
    /** Where the inviter is found, if not where the token says. */
    inviterAddress?: PeerAddress;
    own: { host: string; address: PeerAddress };
    params?: JsonObject;
    timeoutMs?: number;
    signal?: AbortSignal;
  },
): Promise<Joined> {
  const { identity, own } = options;
  const token = decodeToken(options.token);
  const address = options.inviterAddress ?? token.address;
  let inviterLine = "";
  const { crypto, line, encounter } = await meet({
    identity,
    address,
    protocol: PROTOCOL.join,
    refusal: "the token is unknown, used or expired",
    timeoutMs: options.timeoutMs ?? JOIN_TIMEOUT_MS,
    timing: LINE_TIMING,
    signal: options.signal,
    checkKey: (crypto, raw) => {
      const key = publicKeyOf(crypto, { raw, host: token.host });
      inviterLine = key.line;
      if (key.fingerprint === token.fingerprint) return;
      throw new MarsError(
        `Cannot join "${token.host}" at "${addressText(address)}": its ` +
          `key is ${key.fingerprint}, the token says ${token.fingerprint}`,
      );
    },
  });
  const { hostname, port } = own.address;
  const json = JSON.stringify({
    host: own.host,
    publicKeyLine: identity.publicKeyLine,
    params: { ...options.params, address: { hostname, port } },
  });
  const proof = await signJoin(token.secret, {
    inviterHash: encounter.peerHash,
    joinerHash: identity.keyHash,
    request: new TextEncoder().encode(json),
  });
  const answer = untilFrame(line);
  line.establish();
  line.send(encodeProof(crypto, encounter, ""), EMPTY_BODY);
  line.send(
    encodeFrameHead({
      kind: FRAME_KIND.join,
      id: 0,
      json,
      bodyBytes: proof.length,
    }, STRANGER_LIMITS),
    proof,
  );
  const frame = await answer;
  line.end(new MarsError("Line was closed by this host"));
  const { reply, message } = decodeJsonObject(frame.json);
  if (frame.kind === FRAME_KIND.join && isJsonObject(reply)) {
    return { peer: token.host, publicKeyLine: inviterLine, reply };
  }
  throw new MarsError(
    typeof message === "string" ? message : "Cannot join: no reason was given",
  );
}

function untilFrame(line: Line): Promise<Frame> {
  return new Promise((resolve, reject) => {
    line.onFrame = resolve;
    line.ended.then(reject);
  });
}
