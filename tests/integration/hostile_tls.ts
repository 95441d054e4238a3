/**
 * A TLS 1.3 client that does what no TLS library lets one do: it shows a
 * certificate and signs with another key.
 *
 * Just enough of RFC 8446 to come through a handshake with a server that asks
 * for a certificate: X25519, AES-128-GCM with SHA-256, Ed25519, no resumption.
 * It believes whatever the server shows.
 */
import { concat, type NodeCrypto } from "../../src/peer/key.ts";

type Bytes = Uint8Array<ArrayBuffer>;

// Prescribed by RFC 8446, section 4, B.1 and B.3.
const RECORD = { alert: 21, handshake: 22, data: 23 } as const;
const MESSAGE = {
  clientHello: 1,
  certificateRequest: 13,
  certificate: 11,
  certificateVerify: 15,
  finished: 20,
} as const;
const EXTENSION = {
  groups: 10,
  signatures: 13,
  protocols: 16,
  versions: 43,
  keyShare: 51,
} as const;
const X25519 = 0x001d;
const ED25519 = 0x0807;
const AES_128_GCM_SHA256 = 0x1301;
const HASH_BYTES = 32;

/** A certificate of another form than any library would make. */
export interface Mask {
  readonly certificateDer: Uint8Array;
  /** Signs what a holder of the certificate's key would sign. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

/** What came back after the handshake, and how it ended. */
export interface Outcome {
  /** Application data, in all. */
  readonly data: Uint8Array;
}

/**
 * Shakes hands, then sends `payload` and reads until the server hangs up.
 */
export async function shakeHands(
  crypto: NodeCrypto,
  options: { port: number; protocol: string; mask: Mask; payload: Uint8Array },
): Promise<Outcome> {
  using connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: options.port,
  });
  const client = new Client(crypto, connection);
  return await client.run(options);
}

interface Keys {
  readonly key: Bytes;
  readonly iv: Bytes;
  sequence: number;
}

class Client {
  readonly #crypto: NodeCrypto;
  readonly #connection: Deno.Conn;
  #received: Bytes = new Uint8Array(0);
  #transcript: Bytes = new Uint8Array(0);

  constructor(crypto: NodeCrypto, connection: Deno.Conn) {
    this.#crypto = crypto;
    this.#connection = connection;
  }

  async run(
    options: { protocol: string; mask: Mask; payload: Uint8Array },
  ): Promise<Outcome> {
    const pair = this.#crypto.generateKeyPairSync("x25519");
    const share = new Uint8Array(
      pair.publicKey.export({ type: "spki", format: "der" }),
    ).slice(-32);
    const hello = message(
      MESSAGE.clientHello,
      clientHello(this.#random(32), share, options.protocol),
    );
    this.#note(hello);
    await this.#write(record(RECORD.handshake, hello));

    const serverHello = await this.#readPlainHandshake();
    this.#note(serverHello);
    const secrets = this.#handshakeSecrets(pair.privateKey, serverHello);
    const context = await this.#readServerFlight(secrets.server);
    const master = this.#masterSecret(secrets.handshake);
    const serverData = this.#keys(this.#derive(master, "s ap traffic"));
    const clientData = this.#keys(this.#derive(master, "c ap traffic"));

    const own = this.#keys(secrets.client);
    await this.#sendCertificate(own, context, options.mask);
    const finished = this.#finished(secrets.client);
    this.#note(finished);
    await this.#write(this.#seal(own, RECORD.handshake, finished));
    await this.#write(this.#seal(clientData, RECORD.data, options.payload));
    return { data: await this.#readData(serverData) };
  }

  async #sendCertificate(
    keys: Keys,
    context: Uint8Array,
    mask: Mask,
  ): Promise<void> {
    const entry = concat([
      withLength(3, mask.certificateDer),
      new Uint8Array(2),
    ]);
    const certificate = message(
      MESSAGE.certificate,
      concat([withLength(1, context), withLength(3, entry)]),
    );
    this.#note(certificate);
    const signature = mask.sign(concat([
      new Uint8Array(64).fill(0x20),
      new TextEncoder().encode("TLS 1.3, client CertificateVerify\0"),
      this.#hash(this.#transcript),
    ]));
    const verify = message(
      MESSAGE.certificateVerify,
      concat([uint(2, ED25519), withLength(2, signature)]),
    );
    this.#note(verify);
    await this.#write(
      this.#seal(keys, RECORD.handshake, concat([certificate, verify])),
    );
  }

  /** Up to and with Finished; returns the context of the request. */
  async #readServerFlight(secret: Bytes): Promise<Uint8Array> {
    const keys = this.#keys(secret);
    let pending: Bytes = new Uint8Array(0);
    let context = new Uint8Array(0);
    while (true) {
      const opened = await this.#readSealed(keys);
      if (opened === undefined) throw new Error("Server hung up early");
      if (opened.type !== RECORD.handshake) throw new Error("Server alerted");
      pending = concat([pending, opened.content]);
      while (pending.length >= 4) {
        const end = 4 + readUint(pending, 1, 3);
        if (pending.length < end) break;
        const whole = pending.slice(0, end);
        pending = pending.slice(end);
        this.#note(whole);
        if (whole[0] === MESSAGE.certificateRequest) {
          context = whole.slice(5, 5 + (whole[4] ?? 0));
        }
        if (whole[0] === MESSAGE.finished) return context;
      }
    }
  }

  /** Application data until the end, whatever ends it. */
  async #readData(keys: Keys): Promise<Bytes> {
    let data: Bytes = new Uint8Array(0);
    try {
      while (true) {
        const opened = await this.#readSealed(keys);
        if (opened === undefined || opened.type === RECORD.alert) return data;
        if (opened.type === RECORD.data) data = concat([data, opened.content]);
      }
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return data;
      throw error;
    }
  }

  async #readPlainHandshake(): Promise<Bytes> {
    const { type, content } = await this.#readRecord() ?? {};
    if (type !== RECORD.handshake || content === undefined) {
      throw new Error("Server did not answer");
    }
    return content;
  }

  async #readSealed(
    keys: Keys,
  ): Promise<{ type: number; content: Bytes } | undefined> {
    while (true) {
      const sealed = await this.#readRecord();
      if (sealed === undefined) return undefined;
      // A change of cipher spec, for old middle boxes.
      if (sealed.type === 20) continue;
      if (sealed.type === RECORD.alert) return sealed;
      const decipher = this.#crypto.createDecipheriv(
        "aes-128-gcm",
        keys.key,
        nonce(keys),
      );
      decipher.setAAD(sealed.header);
      decipher.setAuthTag(sealed.content.slice(-16));
      const plain = concat([
        decipher.update(sealed.content.slice(0, -16)),
        decipher.final(),
      ]);
      const end = plain.findLastIndex((byte) => byte !== 0);
      return { type: plain[end] ?? 0, content: plain.slice(0, end) };
    }
  }

  #seal(keys: Keys, type: number, content: Uint8Array): Bytes {
    const header = concat([
      Uint8Array.of(RECORD.data, 3, 3),
      uint(2, content.length + 1 + 16),
    ]);
    const cipher = this.#crypto.createCipheriv(
      "aes-128-gcm",
      keys.key,
      nonce(keys),
    );
    cipher.setAAD(header);
    const sealed = cipher.update(concat([content, Uint8Array.of(type)]));
    return concat([header, sealed, cipher.final(), cipher.getAuthTag()]);
  }

  async #readRecord(): Promise<
    { type: number; header: Bytes; content: Bytes } | undefined
  > {
    if (!await this.#fill(5)) return undefined;
    const end = 5 + readUint(this.#received, 3, 2);
    if (!await this.#fill(end)) return undefined;
    const header = this.#received.slice(0, 5);
    const content = this.#received.slice(5, end);
    this.#received = this.#received.slice(end);
    return { type: header[0] ?? 0, header, content };
  }

  async #fill(bytes: number): Promise<boolean> {
    const room = new Uint8Array(16_384);
    while (this.#received.length < bytes) {
      const count = await this.#connection.read(room);
      if (count === null) return false;
      this.#received = concat([this.#received, room.subarray(0, count)]);
    }
    return true;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    try {
      while (rest.length > 0) {
        rest = rest.subarray(await this.#connection.write(rest));
      }
    } catch (error) {
      // It has thrown us out already; what it said is still to be read.
      const isOut = error instanceof Deno.errors.BrokenPipe ||
        error instanceof Deno.errors.ConnectionReset;
      if (!isOut) throw error;
    }
  }

  #handshakeSecrets(
    privateKey: import("node:crypto").KeyObject,
    serverHello: Uint8Array,
  ): { handshake: Bytes; client: Bytes; server: Bytes } {
    const publicKey = this.#crypto.createPublicKey({
      key: {
        kty: "OKP",
        crv: "X25519",
        x: serverShare(serverHello).toBase64({
          alphabet: "base64url",
          omitPadding: true,
        }),
      },
      format: "jwk",
    });
    const shared = this.#crypto.diffieHellman({ privateKey, publicKey });
    const zero = new Uint8Array(HASH_BYTES);
    const early = this.#hmac(zero, zero);
    const salt = this.#expand(
      early,
      "derived",
      this.#hash(new Uint8Array(0)),
      HASH_BYTES,
    );
    const handshake = this.#hmac(salt, new Uint8Array(shared));
    return {
      handshake,
      client: this.#derive(handshake, "c hs traffic"),
      server: this.#derive(handshake, "s hs traffic"),
    };
  }

  #masterSecret(handshake: Bytes): Bytes {
    const salt = this.#expand(
      handshake,
      "derived",
      this.#hash(new Uint8Array(0)),
      HASH_BYTES,
    );
    return this.#hmac(salt, new Uint8Array(HASH_BYTES));
  }

  #finished(secret: Bytes): Bytes {
    const key = this.#expand(secret, "finished", new Uint8Array(0), HASH_BYTES);
    return message(
      MESSAGE.finished,
      this.#hmac(key, this.#hash(this.#transcript)),
    );
  }

  #keys(secret: Bytes): Keys {
    const none = new Uint8Array(0);
    return {
      key: this.#expand(secret, "key", none, 16),
      iv: this.#expand(secret, "iv", none, 12),
      sequence: 0,
    };
  }

  #derive(secret: Bytes, label: string): Bytes {
    return this.#expand(
      secret,
      label,
      this.#hash(this.#transcript),
      HASH_BYTES,
    );
  }

  /** HKDF-Expand-Label; one block is enough for all we ask. */
  #expand(
    secret: Uint8Array,
    label: string,
    context: Uint8Array,
    bytes: number,
  ): Bytes {
    const info = concat([
      uint(2, bytes),
      withLength(1, new TextEncoder().encode(`tls13 ${label}`)),
      withLength(1, context),
      Uint8Array.of(1),
    ]);
    return this.#hmac(secret, info).slice(0, bytes);
  }

  #hmac(key: Uint8Array, bytes: Uint8Array): Bytes {
    const hmac = this.#crypto.createHmac("sha256", key);
    return new Uint8Array(hmac.update(bytes).digest());
  }

  #hash(bytes: Uint8Array): Bytes {
    const hash = this.#crypto.createHash("sha256");
    return new Uint8Array(hash.update(bytes).digest());
  }

  #random(bytes: number): Bytes {
    return new Uint8Array(this.#crypto.randomBytes(bytes));
  }

  #note(bytes: Uint8Array): void {
    this.#transcript = concat([this.#transcript, bytes]);
  }
}

function clientHello(
  random: Uint8Array,
  share: Uint8Array,
  protocol: string,
): Bytes {
  const extension = (type: number, body: Uint8Array): Bytes =>
    concat([uint(2, type), withLength(2, body)]);
  const name = withLength(1, new TextEncoder().encode(protocol));
  const entry = concat([uint(2, X25519), withLength(2, share)]);
  return concat([
    uint(2, 0x0303),
    random,
    withLength(1, new Uint8Array(0)),
    withLength(2, uint(2, AES_128_GCM_SHA256)),
    withLength(1, new Uint8Array(1)),
    withLength(
      2,
      concat([
        extension(EXTENSION.versions, withLength(1, uint(2, 0x0304))),
        extension(EXTENSION.groups, withLength(2, uint(2, X25519))),
        extension(EXTENSION.signatures, withLength(2, uint(2, ED25519))),
        extension(EXTENSION.keyShare, withLength(2, entry)),
        extension(EXTENSION.protocols, withLength(2, name)),
      ]),
    ),
  ]);
}

/** The 32 bytes of the server's X25519 key. */
function serverShare(serverHello: Uint8Array): Bytes {
  // Header, version, random; then the echoed session id, cipher, compression.
  let at = 4 + 2 + 32;
  at += 1 + (serverHello[at] ?? 0) + 2 + 1 + 2;
  while (at < serverHello.length) {
    const type = readUint(serverHello, at, 2);
    const bytes = readUint(serverHello, at + 2, 2);
    if (type === EXTENSION.keyShare) {
      return new Uint8Array(serverHello.slice(at + 8, at + 8 + 32));
    }
    at += 4 + bytes;
  }
  throw new Error("Server sent no key");
}

function nonce(keys: Keys): Bytes {
  const bytes = keys.iv.slice();
  // Fewer than 256 records travel on any key of ours.
  bytes[11] = (bytes[11] ?? 0) ^ keys.sequence++;
  return bytes;
}

function message(type: number, body: Uint8Array): Bytes {
  return concat([Uint8Array.of(type), withLength(3, body)]);
}

function record(type: number, content: Uint8Array): Bytes {
  return concat([Uint8Array.of(type, 3, 1), withLength(2, content)]);
}

function withLength(lengthBytes: number, body: Uint8Array): Bytes {
  return concat([uint(lengthBytes, body.length), body]);
}

function uint(bytes: number, value: number): Bytes {
  return Uint8Array.from(
    { length: bytes },
    (_, index) => (value >> (8 * (bytes - 1 - index))) & 0xff,
  );
}

function readUint(bytes: Uint8Array, at: number, length: number): number {
  return bytes.subarray(at, at + length)
    .reduce((value, byte) => value * 256 + byte, 0);
}
