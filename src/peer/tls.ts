/**
 * TLS as all lines use it: version 1.3, a certificate from both sides, a fixed
 * protocol name. `node:tls` is told to accept any certificate, because trust is
 * in keys and not in authorities; whoever takes a socket from here must look
 * its key up and check its proof (`handshake.ts`) before it reads anything.
 *
 * `Deno.listenTls` must not be used: it ignores client certificates silently.
 */
import type { TLSSocket } from "node:tls";
import { concat, decodeSpki, type NodeCrypto } from "./key.ts";
import type { Identity } from "./identity.ts";

/** `node:tls`, which quick commands do without and so load late. */
export type NodeTls = typeof import("node:tls");

/** Protocol names (ALPN). A peer without or with another one is refused. */
export const PROTOCOL = {
  line: "mars/1",
  join: "mars-join/1",
} as const;

export type Protocol = typeof PROTOCOL[keyof typeof PROTOCOL];

const VERSION = "TLSv1.3";

/** Length of each of the two values that make up a channel binding. */
const FINISHED_BYTES = 32;

/** What both ends ask of TLS. */
export interface TlsSettings {
  readonly key: string;
  readonly cert: string;
  readonly minVersion: "TLSv1.3";
  readonly maxVersion: "TLSv1.3";
  readonly ALPNProtocols: string[];
  readonly requestCert: true;
  readonly rejectUnauthorized: false;
}

/** Loads `node:tls`. */
export function loadNodeTls(): Promise<NodeTls> {
  return import("node:tls");
}

/** Options of both ends. */
export function tlsOptions(
  identity: Pick<Identity, "keyPem" | "certPem">,
  protocols: readonly Protocol[],
): TlsSettings {
  return {
    key: identity.keyPem,
    cert: identity.certPem,
    minVersion: VERSION,
    maxVersion: VERSION,
    ALPNProtocols: [...protocols],
    requestCert: true,
    rejectUnauthorized: false,
  };
}

/** The protocol both ends agreed on; undefined if it is none of ours. */
export function protocolOf(socket: TLSSocket): Protocol | undefined {
  if (socket.getProtocol() !== VERSION) return undefined;
  return Object.values(PROTOCOL).find((name) => name === socket.alpnProtocol);
}

/** The raw key in the peer's certificate; undefined without an Ed25519 key. */
export function certifiedKeyOf(
  crypto: NodeCrypto,
  socket: TLSSocket,
): Uint8Array | undefined {
  try {
    const { raw } = socket.getPeerCertificate();
    if (raw === undefined) return undefined;
    const spki = new crypto.X509Certificate(raw).publicKey
      .export({ type: "spki", format: "der" });
    return decodeSpki(new Uint8Array(spki));
  } catch {
    // Whatever is wrong with it: a certificate that cannot be read names nobody.
    return undefined;
  }
}

/**
 * 64 bytes that only the two ends of this connection know, the same at both.
 * Undefined if TLS does not yield it; then nobody can prove anything.
 */
export function channelBinding(
  socket: TLSSocket,
  role: "dialer" | "acceptor",
): Uint8Array | undefined {
  const own = socket.getFinished();
  const other = socket.getPeerFinished();
  if (own?.length !== FINISHED_BYTES) return undefined;
  if (other?.length !== FINISHED_BYTES) return undefined;
  return concat(role === "dialer" ? [own, other] : [other, own]);
}
