/**
 * Lines between hosts over real sockets: who gets in, who does not, and what
 * becomes of calls when a line is lost.
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { deadline } from "@std/async/deadline";
import { MarsError, TimeoutError } from "../../src/base/errors.ts";
import { sleep, systemClock } from "../../src/base/time.ts";
import {
  dial,
  type DialOptions,
  LINES_PER_PEER_MAX,
  PeerServer,
} from "../../src/peer/connection.ts";
import {
  encodeFrameHead,
  type Frame,
  FRAME_KIND,
  FrameDecoder,
  LINE_LIMITS,
} from "../../src/peer/frame.ts";
import { type Identity, loadIdentity } from "../../src/peer/identity.ts";
import { makeIdentity } from "../../src/peer/identity.ts";
import { join } from "../../src/peer/joining.ts";
import { concat, loadNodeCrypto } from "../../src/peer/key.ts";
import { LINE_TIMING, type LineTiming } from "../../src/peer/line.ts";
import {
  EMPTY_BODY,
  type JsonObject,
  type RpcCall,
  type RpcClient,
  type RpcReply,
} from "../../src/peer/rpc.ts";
import { TRAFFIC_CLASSES } from "../../src/peer/terms.ts";
import { testAgainstStrangers } from "../../src/peer/self_check.ts";
import { STRANGERS_MAX } from "../../src/peer/strangers.ts";
import { loadNodeTls, tlsOptions } from "../../src/peer/tls.ts";
import {
  createToken,
  decodeToken,
  encodeToken,
  JoinDesk,
} from "../../src/peer/token.ts";
import { TrustStore } from "../../src/peer/trust.ts";
import { type Mask, shakeHands } from "./hostile_tls.ts";

const DEADLINE_MS = 20_000;
const HOSTNAME = "127.0.0.1";

/** Quick enough for tests, and only where silence is what is tested. */
const HASTY: LineTiming = { handshakeMs: 300, pingMs: 20, silenceMs: 10_000 };

const tls = await loadNodeTls();
const crypto = await loadNodeCrypto();

/** alpha serves and trusts beta; beta trusts alpha. */
interface World {
  readonly dir: string;
  readonly alpha: Identity;
  readonly beta: Identity;
  readonly alphaTrust: TrustStore;
  readonly betaTrust: TrustStore;
  readonly server: PeerServer;
  /** Methods that handlers were called for. */
  readonly called: string[];
  /** Calls of "wait", answered by nobody. */
  readonly waiting: RpcCall[];
  readonly accepted: JsonObject[];
  /** Lines whose dialer answers calls. */
  readonly callable: RpcClient[];
}

async function withWorld(
  use: (world: World) => Promise<void>,
  timing: LineTiming = LINE_TIMING,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "mars-link-" });
  const called: string[] = [];
  const waiting: RpcCall[] = [];
  const accepted: JsonObject[] = [];
  const callable: RpcClient[] = [];
  try {
    const alpha = await loadIdentity(`${dir}/alpha`, "alpha");
    const beta = await loadIdentity(`${dir}/beta`, "beta");
    const alphaTrust = await TrustStore.load(`${dir}/alpha`);
    const betaTrust = await TrustStore.load(`${dir}/beta`);
    alphaTrust.add(beta.publicKeyLine);
    betaTrust.add(alpha.publicKeyLine);
    const handlers = {
      echo: ({ peer, params, body }: RpcCall): Promise<RpcReply> => {
        called.push("echo");
        return Promise.resolve({ params: { peer, params }, body });
      },
      wait: (call: RpcCall): Promise<RpcReply> => {
        waiting.push(call);
        return new Promise(() => {});
      },
      bytes: ({ params }: RpcCall): Promise<RpcReply> => {
        const body = new Uint8Array(Number(params["count"]));
        return Promise.resolve({
          params,
          body: body.fill(Number(params["n"])),
        });
      },
    };
    const server = await PeerServer.start({
      identity: alpha,
      trust: alphaTrust,
      listen: { hostname: HOSTNAME, port: 0 },
      handlers: { meta: handlers, log: handlers, sync: handlers },
      features: ["one", "two"],
      join: await JoinDesk.open({
        etcDir: `${dir}/alpha`,
        identity: alpha,
        trust: alphaTrust,
        clock: systemClock,
        accept: ({ host, params }) => {
          accepted.push({ host, params });
          return { welcome: host };
        },
      }),
      clock: systemClock,
      timing,
      onCallable: (_trafficClass, rpc) => callable.push(rpc),
    });
    try {
      await use({
        dir,
        alpha,
        beta,
        alphaTrust,
        betaTrust,
        server,
        called,
        waiting,
        accepted,
        callable,
      });
    } finally {
      await server.close();
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function addressOf({ server }: World) {
  return { hostname: HOSTNAME, port: server.port };
}

function dialAlpha(
  world: World,
  options: Partial<
    Pick<DialOptions, "timing" | "timeoutMs" | "handlers" | "features">
  > = {},
): Promise<RpcClient> {
  return dial({
    identity: world.beta,
    trust: world.betaTrust,
    host: "alpha",
    address: addressOf(world),
    trafficClass: "meta",
    timeoutMs: DEADLINE_MS,
    ...options,
  });
}

async function close(client: RpcClient): Promise<void> {
  client.close();
  await client.closed;
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!holds()) {
    assert(performance.now() < endMs, "condition holds in time");
    await sleep(2);
  }
}

/** A server is well when a trusted host can still talk to it. */
async function assertServes(world: World): Promise<void> {
  const client = await dialAlpha(world);
  const body = new Uint8Array([1, 2, 3]);
  const reply = await client.call("echo", { a: 1 }, { body });
  assertEquals(reply.params, { peer: "beta", params: { a: 1 } });
  assertEquals(reply.body, body);
  await close(client);
}

/** What a stranger sends once it may: a call, as if it were let in. */
function callFrame(): Uint8Array {
  return encodeFrameHead({
    kind: FRAME_KIND.call,
    id: 1,
    json: '{"method":"echo","params":{}}',
    bodyBytes: 0,
  }, LINE_LIMITS);
}

/**
 * Connects by TLS with any options, sends a call, and waits for the end.
 *
 * @returns every byte that came back
 */
function knock(
  world: World,
  options: import("node:tls").ConnectionOptions,
): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const chunks: Uint8Array[] = [];
  const socket = tls.connect({
    host: HOSTNAME,
    port: world.server.port,
    servername: "",
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["mars/1"],
    ...options,
  });
  socket.on("secureConnect", () => socket.write(callFrame()));
  socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  socket.on("error", () => {});
  socket.on("close", () => resolve(concat(chunks)));
  return deadline(promise, DEADLINE_MS).finally(() => socket.destroy());
}

/** Sends raw bytes by TCP and waits until the server hangs up. */
async function sendRaw(world: World, bytes: Uint8Array): Promise<void> {
  using connection = await Deno.connect(addressOf(world));
  try {
    await connection.write(bytes);
    const room = new Uint8Array(4096);
    const readAll = async (): Promise<void> => {
      while (await connection.read(room) !== null);
    };
    await deadline(readAll(), DEADLINE_MS);
  } catch (error) {
    const isReset = error instanceof Deno.errors.ConnectionReset ||
      error instanceof Deno.errors.BrokenPipe;
    if (!isReset) throw error;
  }
}

Deno.test("dial() reaches the handlers of each traffic class", () =>
  withWorld(async (world) => {
    for (const trafficClass of TRAFFIC_CLASSES) {
      const client = await dial({
        identity: world.beta,
        trust: world.betaTrust,
        host: "alpha",
        address: addressOf(world),
        trafficClass,
        timeoutMs: DEADLINE_MS,
      });
      assertEquals(client.peer, "alpha");
      assertEquals([...client.features], ["one", "two"]);
      const { params } = await client.call("echo", { trafficClass });
      assertEquals(params, { peer: "beta", params: { trafficClass } });
      assertEquals(world.server.peers(), ["beta"]);
      await close(client);
    }
    await until(() => world.server.peers().length === 0);
  }));

Deno.test("PeerServer refuses a connection without a certificate", () =>
  withWorld(async (world) => {
    assertEquals((await knock(world, {})).length, 0);
    assertEquals(world.called, []);
    await assertServes(world);
  }));

Deno.test("PeerServer refuses an unknown key", () =>
  withWorld(async (world) => {
    const stranger = await makeIdentity("beta");
    const { keyPem: key, certPem: cert } = stranger;
    assertEquals((await knock(world, { key, cert })).length, 0);
    assertEquals(world.called, []);
    await assertServes(world);
  }));

Deno.test("dial() says so when the acceptor does not trust the dialer", () =>
  withWorld(async (world) => {
    world.alphaTrust.remove("beta");
    const error = await assertRejects(() => dialAlpha(world), MarsError);
    assertStringIncludes(error.message, 'does it trust the key of "beta"');
  }));

Deno.test("dial() refuses another key than the one of the name", () =>
  withWorld(async (world) => {
    const gamma = await makeIdentity("gamma");
    world.betaTrust.add(gamma.publicKeyLine);
    const error = await assertRejects(() =>
      dial({
        identity: world.beta,
        trust: world.betaTrust,
        host: "gamma",
        address: addressOf(world),
        trafficClass: "meta",
        timeoutMs: DEADLINE_MS,
      }), MarsError);
    assertStringIncludes(error.message, world.alpha.fingerprint);
    assertStringIncludes(error.message, gamma.fingerprint);
    await until(() => world.server.strangerCount === 0);
    assertEquals(world.server.peers(), []);
    await assertServes(world);
  }));

Deno.test("dial() refuses a host without a trusted key", () =>
  withWorld(async (world) => {
    world.betaTrust.remove("alpha");
    await assertRejects(() => dialAlpha(world), MarsError, "not trusted here");
  }));

Deno.test("PeerServer refuses TLS 1.2", () =>
  withWorld(async (world) => {
    const { keyPem: key, certPem: cert } = world.beta;
    const bytes = await knock(world, {
      key,
      cert,
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.2",
    });
    assertEquals(bytes.length, 0);
    assertEquals(world.called, []);
    await assertServes(world);
  }));

Deno.test("PeerServer refuses a missing or another protocol name", () =>
  withWorld(async (world) => {
    const { keyPem: key, certPem: cert } = world.beta;
    for (const ALPNProtocols of [[], ["h2"], ["mars/2"]]) {
      const bytes = await knock(world, { key, cert, ALPNProtocols });
      assertEquals(bytes.length, 0);
    }
    assertEquals(world.called, []);
    await assertServes(world);
  }));

Deno.test("PeerServer refuses garbage", () =>
  withWorld(async (world) => {
    const random = globalThis.crypto.getRandomValues(new Uint8Array(5_000));
    const noise = [
      new TextEncoder().encode("GET / HTTP/1.1\r\nHost: alpha\r\n\r\n"),
      random,
      // A TLS record that promises a long handshake message, and then noise.
      concat([Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252), random]),
      callFrame(),
    ];
    for (const bytes of noise) await sendRaw(world, bytes);
    assertEquals(world.called, []);
    await assertServes(world);
  }));

Deno.test("PeerServer drops who is silent before or after TLS", () =>
  withWorld(async (world) => {
    await sendRaw(world, new Uint8Array(0));
    const { promise, resolve } = Promise.withResolvers<void>();
    const { minVersion, ...options } = tlsOptions(world.beta, ["mars/1"]);
    const socket = tls.connect({
      ...options,
      minVersion,
      host: HOSTNAME,
      port: world.server.port,
      servername: "",
    });
    socket.on("data", () => {});
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    await deadline(promise, DEADLINE_MS);
    assertEquals(world.server.peers(), []);
    await assertServes(world);
  }, HASTY));

Deno.test("PeerServer serves on while 1,000 connections stay half-open", () =>
  withWorld(async (world) => {
    const connections: Deno.Conn[] = [];
    let ended = 0;
    try {
      for (let count = 0; count < 1_000; count++) {
        const connection = await Deno.connect(addressOf(world));
        connections.push(connection);
        connection.read(new Uint8Array(1)).then(() => ended++, () => ended++);
        assert(world.server.strangerCount <= STRANGERS_MAX);
      }
      await until(() => ended >= 1_000 - STRANGERS_MAX);
      assert(world.server.strangerCount > 0);
      await assertServes(world);
    } finally {
      for (const connection of connections) connection.close();
    }
    await until(() => ended === 1_000);
    await until(() => world.server.strangerCount === 0);
  }));

/** DER of an identity's certificate. */
function certificateOf(identity: Identity): Uint8Array {
  return Uint8Array.fromBase64(
    identity.certPem.replaceAll(/-----[^-]+-----|\n/g, ""),
  );
}

/** The same certificate as X.509 version 1: without its version field. */
function asVersion1(der: Uint8Array): Uint8Array {
  const [outer] = elements(der);
  const [signed, ...rest] = elements(outer?.content ?? der);
  const [, ...fields] = elements(signed?.content ?? der);
  return sequence([
    sequence(fields.map(({ whole }) => whole)),
    ...rest.map(({ whole }) => whole),
  ]);
}

/** Elements of DER, of less than 256 bytes each. */
function elements(
  der: Uint8Array,
): { whole: Uint8Array; content: Uint8Array }[] {
  const found: { whole: Uint8Array; content: Uint8Array }[] = [];
  for (let at = 0; at < der.length;) {
    const isLong = der[at + 1] === 0x81;
    const start = at + (isLong ? 3 : 2);
    const end = start + (der[start - 1] ?? 0);
    found.push({
      whole: der.subarray(at, end),
      content: der.subarray(start, end),
    });
    at = end;
  }
  return found;
}

function sequence(parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [0x30, length] : [0x30, 0x81, length];
  return concat([Uint8Array.from(head), content]);
}

function signerOf({ keyPem }: Identity): Mask["sign"] {
  return (bytes) => new Uint8Array(crypto.sign(null, bytes, keyPem));
}

/** Frames in what a server sent. */
function framesOf(data: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  new FrameDecoder(LINE_LIMITS).push(data, (frame) => frames.push(frame));
  return frames;
}

Deno.test("PeerServer refuses who shows a certificate without its key", () =>
  withWorld(async (world) => {
    const thief = await makeIdentity("thief");
    const genuine = certificateOf(world.beta);
    const version1 = asVersion1(genuine);
    // A well-formed proof, but by the thief's key.
    const proof = concat([
      encodeFrameHead({
        kind: FRAME_KIND.proof,
        id: 0,
        json: '{"trafficClass":"meta"}',
        bodyBytes: 64,
      }, LINE_LIMITS),
      signerOf(thief)(new Uint8Array(100)),
    ]);
    const masks = [
      { certificateDer: genuine, sign: signerOf(thief) },
      { certificateDer: genuine, sign: () => new Uint8Array(64) },
      { certificateDer: version1, sign: signerOf(thief) },
      { certificateDer: version1, sign: () => new Uint8Array(0) },
      { certificateDer: version1.subarray(1), sign: signerOf(thief) },
    ];
    const payloads = [callFrame(), concat([proof, callFrame()])];
    for (const mask of masks) {
      for (const payload of payloads) {
        const { data } = await deadline(
          shakeHands(crypto, {
            port: world.server.port,
            protocol: "mars/1",
            mask,
            payload,
          }),
          DEADLINE_MS,
        );
        // At most the server's own proof; never an answer.
        const kinds = framesOf(data).map(({ kind }) => kind);
        assert(kinds.every((kind) => kind === FRAME_KIND.proof));
        assert(kinds.length <= 1);
      }
    }
    assertEquals(world.called, []);
    assertEquals(world.server.peers(), []);
    await assertServes(world);
  }));

Deno.test("PeerServer proves itself to who shows a certificate and its key", () =>
  withWorld(async (world) => {
    // So that the test above does not pass because its client is broken.
    const { data } = await deadline(
      shakeHands(crypto, {
        port: world.server.port,
        protocol: "mars/1",
        mask: {
          certificateDer: certificateOf(world.beta),
          sign: signerOf(world.beta),
        },
        payload: callFrame(),
      }),
      DEADLINE_MS,
    );
    assertEquals(framesOf(data).map(({ kind }) => kind), [FRAME_KIND.proof]);
    assertEquals(world.called, []);
  }));

Deno.test("dial() refuses an acceptor that does not prove its key", () =>
  withWorld(async (world) => {
    // Genuine by TLS, but its first frame is no proof.
    const heard: Uint8Array[] = [];
    const fake = tls.createServer(
      tlsOptions(world.alpha, ["mars/1"]),
      (socket) => {
        socket.on("error", () => {});
        socket.on("data", (chunk: Uint8Array) => heard.push(chunk));
        const head = { kind: FRAME_KIND.proof, id: 0, json: "", bodyBytes: 64 };
        socket.write(encodeFrameHead(head, LINE_LIMITS));
        socket.write(new Uint8Array(64));
      },
    );
    await new Promise<void>((resolve) =>
      fake.listen(0, HOSTNAME, () => resolve())
    );
    const address = fake.address();
    assert(typeof address === "object" && address !== null);
    await assertRejects(
      () =>
        dial({
          identity: world.beta,
          trust: world.betaTrust,
          host: "alpha",
          address: { hostname: HOSTNAME, port: address.port },
          trafficClass: "meta",
          timeoutMs: DEADLINE_MS,
        }),
      MarsError,
      "does not hold the key",
    );
    assertEquals(heard, []);
    await new Promise<void>((resolve) => fake.close(() => resolve()));
  }));

Deno.test("testAgainstStrangers() notices a server that lets anybody in", async () => {
  const alpha = await makeIdentity("alpha");
  const open = tls.createServer(tlsOptions(alpha, ["mars/1"]), (socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.write("welcome"));
  });
  await new Promise<void>((resolve) =>
    open.listen(0, HOSTNAME, () => resolve())
  );
  const address = open.address();
  assert(typeof address === "object" && address !== null);
  await assertRejects(
    () => testAgainstStrangers({ hostname: HOSTNAME, port: address.port }),
    MarsError,
    "without a certificate was let in",
  );
  await new Promise<void>((resolve) => open.close(() => resolve()));
});

Deno.test("PeerServer.start() names an address that is in use", () =>
  withWorld(async (world) => {
    await assertRejects(
      () =>
        PeerServer.start({
          identity: world.alpha,
          trust: world.alphaTrust,
          listen: addressOf(world),
          handlers: { meta: {}, log: {}, sync: {} },
          join: undefined,
          clock: systemClock,
        }),
      MarsError,
      "Cannot listen on",
    );
    await assertServes(world);
  }));

Deno.test("dial() authenticates anew each time", () =>
  withWorld(async (world) => {
    for (let count = 0; count < 3; count++) await assertServes(world);
    world.alphaTrust.remove("beta");
    await assertRejects(() => dialAlpha(world), MarsError);
    world.alphaTrust.add(world.beta.publicKeyLine);
    await assertServes(world);
  }));

Deno.test("A line ends when its key is trusted no more, at either end", () =>
  withWorld(async (world) => {
    const first = await dialAlpha(world, { timing: HASTY });
    await first.call("echo", {});
    world.alphaTrust.remove("beta");
    await deadline(first.closed, DEADLINE_MS);
    world.alphaTrust.add(world.beta.publicKeyLine);

    const second = await dialAlpha(world, { timing: HASTY });
    await second.call("echo", {});
    world.betaTrust.remove("alpha");
    await deadline(second.closed, DEADLINE_MS);
  }, HASTY));

Deno.test("A lost line rejects all its calls and aborts their handlers", () =>
  withWorld(async (world) => {
    const client = await dialAlpha(world);
    const outcomes = Promise.allSettled(
      Array.from({ length: 100 }, () => client.call("wait", {})),
    );
    await until(() => world.waiting.length === 64);
    await world.server.close();
    for (const outcome of await deadline(outcomes, DEADLINE_MS)) {
      assert(outcome.status === "rejected");
      assert(outcome.reason instanceof MarsError);
    }
    await deadline(client.closed, DEADLINE_MS);
    assert(world.waiting.every(({ signal }) => signal.aborted));
    await assertRejects(() => client.call("echo", {}), MarsError);
  }));

Deno.test("RpcClient.close() aborts what the acceptor does for it", () =>
  withWorld(async (world) => {
    const client = await dialAlpha(world);
    const rejected = assertRejects(
      () => client.call("wait", {}),
      MarsError,
      "closed by this host",
    );
    await until(() => world.waiting.length === 1);
    client.close();
    await rejected;
    await until(() => world.waiting[0]?.signal.aborted ?? false);
    await until(() => world.server.peers().length === 0);
  }));

Deno.test("A line carries many calls of all sizes at once", () =>
  withWorld(async (world) => {
    const client = await dialAlpha(world);
    const counts = [0, 1, 100, 16_383, 16_384, 65_536, 1_048_576, 4_000_000];
    const calls = Array.from({ length: 80 }, async (_, n) => {
      const count = counts[n % counts.length] ?? 0;
      const { params, body } = await client.call("bytes", { n, count });
      assertEquals(params, { n, count });
      assertEquals(body.length, count);
      assert(body.every((byte) => byte === n));
    });
    await deadline(Promise.all(calls), DEADLINE_MS);
    const body = globalThis.crypto.getRandomValues(new Uint8Array(60_000));
    assertEquals((await client.call("echo", {}, { body })).body, body);
    await close(client);
  }));

Deno.test("A line goes on after a call or reply that is too large", () =>
  withWorld(async (world) => {
    const client = await dialAlpha(world);
    const count = LINE_LIMITS.payloadBytes + 1;
    await assertRejects(
      () => client.call("bytes", { n: 1, count }),
      MarsError,
      "at most",
    );
    await assertRejects(
      () => client.call("echo", {}, { body: new Uint8Array(count) }),
      MarsError,
      "at most",
    );
    assertEquals((await client.call("echo", {})).body, EMPTY_BODY);
    await close(client);
  }));

Deno.test("PeerServer ends the oldest of too many lines of a peer", () =>
  withWorld(async (world) => {
    const clients: RpcClient[] = [];
    for (let count = 0; count <= LINES_PER_PEER_MAX; count++) {
      const client = await dialAlpha(world);
      await client.call("echo", {});
      clients.push(client);
    }
    const [oldest, ...others] = clients;
    await deadline(oldest?.closed ?? Promise.reject(), DEADLINE_MS);
    for (const client of others) {
      await client.call("echo", {});
      await close(client);
    }
  }));

Deno.test("dial() gives up on who accepts and says nothing", async () => {
  await withWorld(async (world) => {
    using listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
    const accepted = listener.accept();
    await assertRejects(
      () =>
        dial({
          identity: world.beta,
          trust: world.betaTrust,
          host: "alpha",
          address: { hostname: HOSTNAME, port: listener.addr.port },
          trafficClass: "meta",
          timeoutMs: 200,
        }),
      TimeoutError,
      "no answer in 200 ms",
    );
    (await accepted).close();
  });
});

Deno.test("dial() can be canceled and finds nobody at a closed port", () =>
  withWorld(async (world) => {
    const options = {
      identity: world.beta,
      trust: world.betaTrust,
      host: "alpha",
      trafficClass: "meta",
      timeoutMs: DEADLINE_MS,
    } as const;
    using listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
    const accepted = listener.accept();
    const cancel = new AbortController();
    const address = { hostname: HOSTNAME, port: listener.addr.port };
    const rejected = assertRejects(
      () => dial({ ...options, address, signal: cancel.signal }),
      MarsError,
      "canceled",
    );
    const connection = await accepted;
    cancel.abort();
    await rejected;
    connection.close();
    await world.server.close();
    await assertRejects(
      () => dial({ ...options, address: { hostname: HOSTNAME, port: 1 } }),
      MarsError,
      "Cannot connect",
    );
  }));

/** A token of alpha's, and gamma that wants to use it. */
async function invite(world: World, lifetimeMs = 60_000) {
  const token = await createToken({
    etcDir: `${world.dir}/alpha`,
    identity: world.alpha,
    address: addressOf(world),
    lifetimeMs,
    clock: systemClock,
  });
  const gamma = await loadIdentity(`${world.dir}/gamma`, "gamma");
  const own = { host: "gamma", address: { hostname: "192.0.2.3", port: 7777 } };
  return { token, gamma, own };
}

Deno.test("join() makes both ends trust each other", () =>
  withWorld(async (world) => {
    const { token, gamma, own } = await invite(world);
    const joined = await join({ identity: gamma, token, own });
    assertEquals(joined, {
      peer: "alpha",
      publicKeyLine: world.alpha.publicKeyLine,
      reply: { welcome: "gamma" },
    });
    assertEquals(world.accepted, [
      { host: "gamma", params: { address: own.address } },
    ]);
    const gammaTrust = await TrustStore.load(`${world.dir}/gamma`);
    gammaTrust.add(joined.publicKeyLine);
    const client = await dial({
      identity: gamma,
      trust: gammaTrust,
      host: joined.peer,
      address: addressOf(world),
      trafficClass: "meta",
      timeoutMs: DEADLINE_MS,
    });
    await client.call("echo", {});
    await close(client);
  }));

Deno.test("join() is refused for a used and for an expired token alike", () =>
  withWorld(async (world) => {
    const used = await invite(world);
    await join({ identity: used.gamma, token: used.token, own: used.own });
    const open = await invite(world);
    const expired = await invite(world, 0);
    for (const { token } of [used, expired]) {
      const delta = await makeIdentity("delta");
      const own = { ...open.own, host: "delta" };
      await assertRejects(
        () => join({ identity: delta, token, own }),
        MarsError,
        "the token is unknown, used or expired",
      );
      assertEquals(world.alphaTrust.hosts(), ["beta", "gamma"]);
    }
    assertEquals(world.accepted.length, 1);
    await assertServes(world);
  }));

Deno.test("join() is refused when no token is open", () =>
  withWorld(async (world) => {
    const { token, gamma, own } = await invite(world, 0);
    await assertRejects(
      () => join({ identity: gamma, token, own }),
      MarsError,
      "the token is unknown, used or expired",
    );
    assertEquals(world.alphaTrust.hosts(), ["beta"]);
    await assertServes(world);
  }));

Deno.test("join() sends nothing to another inviter than the token's", () =>
  withWorld(async (world) => {
    const { token, gamma, own } = await invite(world);
    const other = await makeIdentity("alpha");
    const changed = encodeToken({
      ...decodeToken(token),
      fingerprint: other.fingerprint,
    });
    await assertRejects(
      () => join({ identity: gamma, token: changed, own }),
      MarsError,
      other.fingerprint,
    );
    assertEquals(world.alphaTrust.hosts(), ["beta"]);
    await join({ identity: gamma, token, own });
  }));

Deno.test("PeerServer takes no calls from who may only join", () =>
  withWorld(async (world) => {
    await invite(world);
    const stranger = await makeIdentity("gamma");
    const { keyPem: key, certPem: cert } = stranger;
    const bytes = await knock(world, {
      key,
      cert,
      ALPNProtocols: ["mars-join/1"],
    });
    // The inviter proves itself to anybody, and that is all.
    assertEquals(framesOf(bytes).map(({ kind }) => kind), [FRAME_KIND.proof]);
    assertEquals(world.called, []);
    await assertServes(world);
  }));

Deno.test("A dialer that answers calls is called on its own line", async () => {
  await withWorld(async (world) => {
    const asked: JsonObject[] = [];
    const client = await dialAlpha(world, {
      handlers: {
        ask: ({ peer, params, body }) => {
          asked.push(params);
          return Promise.resolve({ params: { peer }, body });
        },
      },
      features: ["three"],
    });
    await until(() => world.callable.length === 1);
    const [back] = world.callable;
    assert(back !== undefined);
    assertEquals(back.peer, "beta");
    assertEquals([...back.features], ["three"]);
    // Both ends hand out the same ids.
    const body = new Uint8Array(300_000).fill(7);
    const [there, here] = await Promise.all([
      Promise.all([1, 2, 3].map((n) => client.call("echo", { n }, { body }))),
      Promise.all([4, 5, 6].map((n) => back.call("ask", { n }, { body }))),
    ]);
    assertEquals(there.map(({ params }) => params["params"]), [
      { n: 1 },
      { n: 2 },
      { n: 3 },
    ]);
    assertEquals(here.map(({ params }) => params["peer"]), [
      "alpha",
      "alpha",
      "alpha",
    ]);
    assert(here.every((reply) => reply.body.length === body.length));
    assertEquals(asked, [{ n: 4 }, { n: 5 }, { n: 6 }]);
    await close(client);
    await back.closed;
    await assertRejects(() => back.call("ask", {}), MarsError);
  });
});

Deno.test("A dialer that does not say that it answers is not called", async () => {
  await withWorld(async (world) => {
    const client = await dialAlpha(world);
    await client.call("echo", {});
    assertEquals(world.callable, []);
    await close(client);
  });
});
