import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FormatError, MarsError } from "../base/errors.ts";
import { type Clock, NS_PER_MS } from "../base/time.ts";
import { type Identity, loadIdentity, makeIdentity } from "./identity.ts";
import type { JsonObject } from "./rpc.ts";
import {
  type AcceptJoin,
  createToken,
  decodeToken,
  encodeToken,
  JoinDesk,
  signJoin,
} from "./token.ts";
import { TrustStore } from "./trust.ts";

const ADDRESS = { hostname: "192.0.2.1", port: 7777 };
const REFUSED = "Cannot join: the token is unknown, used or expired";

/** A clock that stands still until it is moved. */
class FixedClock implements Clock {
  nowMs = 1_700_000_000_000;
  realNs(): bigint {
    return BigInt(this.nowMs) * NS_PER_MS;
  }
  monotonicMs(): number {
    return this.nowMs;
  }
}

interface Inviter {
  readonly dir: string;
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly clock: FixedClock;
  readonly desk: JoinDesk;
}

async function withInviter(
  accept: AcceptJoin,
  use: (inviter: Inviter) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "mars-token-" });
  try {
    const identity = await loadIdentity(dir, "alpha");
    const trust = await TrustStore.load(dir);
    const clock = new FixedClock();
    const desk = await JoinDesk.open({
      etcDir: dir,
      identity,
      trust,
      clock,
      accept,
    });
    await use({ dir, identity, trust, clock, desk });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function invite({ dir, identity, clock }: Inviter): Promise<string> {
  return createToken({ etcDir: dir, identity, address: ADDRESS, clock });
}

/** What a joiner sends, changed by `change` before it is signed. */
function requestOf(
  token: string,
  joiner: Identity,
  change: JsonObject = {},
) {
  const { secret } = decodeToken(token);
  const json = new TextEncoder().encode(JSON.stringify({
    host: joiner.host,
    publicKeyLine: joiner.publicKeyLine,
    params: {},
    ...change,
  }));
  return (inviterHash: string) =>
    signJoin(secret, { inviterHash, joinerHash: joiner.keyHash, request: json })
      .then((proof) => ({ json, proof, joinerHash: joiner.keyHash }));
}

const beta = await makeIdentity("beta");

Deno.test("decodeToken() reads what encodeToken() writes", () => {
  const anyToken = fc.record({
    host: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
    address: fc.record({
      hostname: fc.string({ minLength: 1, maxLength: 60 }),
      port: fc.integer({ min: 1, max: 65535 }),
    }),
    fingerprint: fc.base64String().map((text) => `SHA256:${text}`),
    secret: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  });
  fc.assert(fc.property(anyToken, (token) => {
    assertEquals(decodeToken(` ${encodeToken(token)}\n`), token);
  }));
});

Deno.test("decodeToken() refuses cut, changed and other words", () => {
  const text = encodeToken({
    host: "alpha",
    address: ADDRESS,
    fingerprint: "SHA256:abc",
    secret: new Uint8Array(32),
  });
  assertThrows(() => decodeToken(text.slice(0, -5)), FormatError);
  assertThrows(
    () => decodeToken(text.replace("mars1.", "mars2.")),
    FormatError,
  );
  assertThrows(() => decodeToken(`mars1.${"A".repeat(4000)}`), FormatError);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (rest) => {
    assertThrows(() => decodeToken(`mars1.${rest}`), FormatError);
  }));
});

Deno.test("createToken() stores nothing that lets anybody join", () =>
  withInviter(() => ({}), async (inviter) => {
    const token = await invite(inviter);
    const { secret } = decodeToken(token);
    assert(secret.length * 8 >= 128);
    const directory = `${inviter.dir}/tokens`;
    const [file] = [...Deno.readDirSync(directory)];
    const stored = await Deno.readTextFile(`${directory}/${file?.name}`);
    const forms = [
      secret.toBase64(),
      secret.toBase64({ alphabet: "base64url" }),
      secret.toHex(),
    ];
    for (const form of forms) assert(!stored.includes(form));
    const { mode } = await Deno.stat(`${directory}/${file?.name}`);
    assertEquals((mode ?? 0) & 0o777, 0o600);
  }));

Deno.test("JoinDesk.answer() lets in who proves the token", () =>
  withInviter(({ host }) => ({ welcome: host }), async (inviter) => {
    const { desk, identity, trust } = inviter;
    const request = requestOf(await invite(inviter), beta);
    const reply = await desk.answer(await request(identity.keyHash));
    assertEquals(reply, {
      publicKeyLine: identity.publicKeyLine,
      reply: { welcome: "beta" },
    });
    assertEquals(trust.hostOf(beta.keyHash), "beta");
    assertEquals(await desk.hasTokens(), false);
  }));

Deno.test("JoinDesk.answer() takes a token once, however many come at once", () =>
  withInviter(() => ({}), async (inviter) => {
    const { desk, identity } = inviter;
    const request = requestOf(await invite(inviter), beta);
    const proof = await request(identity.keyHash);
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => desk.answer(proof)),
    );
    const refused = results.filter(({ status }) => status === "rejected");
    assertEquals(refused.length, 4);
    await assertRejects(() => desk.answer(proof), MarsError, REFUSED);
  }));

Deno.test("JoinDesk.answer() refuses an expired token and forgets it", () =>
  withInviter(() => ({}), async (inviter) => {
    const { desk, identity, clock, trust, dir } = inviter;
    const request = requestOf(await invite(inviter), beta);
    clock.nowMs += 599_999;
    assertEquals(await desk.hasTokens(), true);
    clock.nowMs += 1;
    const proof = await request(identity.keyHash);
    await assertRejects(() => desk.answer(proof), MarsError, REFUSED);
    assertEquals(trust.hosts(), []);
    assertEquals([...Deno.readDirSync(`${dir}/tokens`)], []);
  }));

Deno.test("JoinDesk.answer() refuses an unknown token like a used one", () =>
  withInviter(() => ({}), async (inviter) => {
    const { desk, identity } = inviter;
    await invite(inviter);
    const forged = encodeToken({
      host: "alpha",
      address: ADDRESS,
      fingerprint: identity.fingerprint,
      secret: crypto.getRandomValues(new Uint8Array(32)),
    });
    const request = requestOf(forged, beta);
    const proof = await request(identity.keyHash);
    await assertRejects(() => desk.answer(proof), MarsError, REFUSED);
    assertEquals(await desk.hasTokens(), true);
  }));

Deno.test("JoinDesk.answer() refuses a proof for another key or request", () =>
  withInviter(() => ({}), async (inviter) => {
    const { desk, identity, trust } = inviter;
    const gamma = await makeIdentity("gamma");
    const request = requestOf(await invite(inviter), beta);
    const good = await request(identity.keyHash);
    const changed = new TextEncoder().encode(
      new TextDecoder().decode(good.json).replace("beta", "theta"),
    );
    const bad = [
      { ...good, joinerHash: gamma.keyHash },
      { ...good, json: changed },
      { ...good, proof: good.proof.subarray(1) },
      { ...good, proof: new Uint8Array(80) },
      { ...good, proof: new Uint8Array(0) },
      await request(gamma.keyHash),
    ];
    for (const proof of bad) {
      await assertRejects(() => desk.answer(proof), MarsError, REFUSED);
    }
    assertEquals(trust.hosts(), []);
    // Nothing of this has used the token up.
    await desk.answer(good);
    assertEquals(trust.hosts(), ["beta"]);
  }));

Deno.test("JoinDesk.answer() refuses a request with another key inside", () =>
  withInviter(() => ({}), async (inviter) => {
    const { desk, identity, trust } = inviter;
    const gamma = await makeIdentity("beta");
    const request = requestOf(await invite(inviter), beta, {
      publicKeyLine: gamma.publicKeyLine,
    });
    const proof = await request(identity.keyHash);
    await assertRejects(() => desk.answer(proof), MarsError, "another one");
    assertEquals(trust.hosts(), []);
  }));

Deno.test("JoinDesk.answer() refuses the inviter's own name", () =>
  withInviter(() => ({}), async (inviter) => {
    const { desk, identity, trust } = inviter;
    const twin = await makeIdentity("alpha");
    const request = requestOf(await invite(inviter), twin);
    const proof = await request(identity.keyHash);
    await assertRejects(() => desk.answer(proof), MarsError, "inviting host");
    assertEquals(trust.hosts(), []);
  }));

Deno.test("JoinDesk.answer() refuses a second key for a trusted host", () =>
  withInviter(() => ({}), async (inviter) => {
    const { desk, identity, trust } = inviter;
    trust.add((await makeIdentity("beta")).publicKeyLine);
    const request = requestOf(await invite(inviter), beta);
    const proof = await request(identity.keyHash);
    await assertRejects(() => desk.answer(proof), MarsError, "another key");
    assertEquals(trust.hostOf(beta.keyHash), undefined);
  }));

Deno.test("JoinDesk.answer() does not trust whom the daemon refuses", () =>
  withInviter(() => {
    throw new MarsError("Cannot let it join: the cluster is full");
  }, async (inviter) => {
    const { desk, identity, trust } = inviter;
    const request = requestOf(await invite(inviter), beta);
    const proof = await request(identity.keyHash);
    await assertRejects(() => desk.answer(proof), MarsError, "is full");
    assertEquals(trust.hosts(), []);
    await assertRejects(() => desk.answer(proof), MarsError, REFUSED);
  }));

Deno.test("createToken() refuses too many open tokens until some expire", () =>
  withInviter(() => ({}), async (inviter) => {
    for (let count = 0; count < 64; count++) await invite(inviter);
    await assertRejects(() => invite(inviter), MarsError, "64 are open");
    inviter.clock.nowMs += 600_000;
    await invite(inviter);
  }));
