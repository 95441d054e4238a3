import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { MarsError } from "../base/errors.ts";
import { loadIdentity, makeIdentity } from "./identity.ts";
import { decodeSpki, hashOfRawKey, loadNodeCrypto } from "./key.ts";

async function withDirectory(
  use: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "mars-identity-" });
  try {
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(program, { args }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

async function isInstalled(program: string): Promise<boolean> {
  try {
    await run(program, "-V");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({
  name: "loadIdentity() and ssh-keygen agree about line and fingerprint",
  ignore: !await isInstalled("ssh-keygen"),
  fn: () =>
    withDirectory(async (dir) => {
      const identity = await loadIdentity(`${dir}/etc`, "alpha");
      await Deno.writeTextFile(`${dir}/key.pub`, identity.publicKeyLine);
      const found = await run("ssh-keygen", "-lf", `${dir}/key.pub`);
      assertEquals(found.trim(), `256 ${identity.fingerprint} alpha (ED25519)`);
    }),
});

Deno.test("loadIdentity() keeps the key and hides it from others", () =>
  withDirectory(async (dir) => {
    const first = await loadIdentity(`${dir}/etc`, "alpha");
    const second = await loadIdentity(`${dir}/etc`, "alpha");
    assertEquals(second, first);
    const { mode } = await Deno.stat(`${dir}/etc/host_key`);
    assertEquals((mode ?? 0) & 0o777, 0o600);
    const names = [...Deno.readDirSync(`${dir}/etc`)].map(({ name }) => name);
    assertEquals(names.sort(), ["host_cert.pem", "host_key"]);
  }));

Deno.test("loadIdentity() called twice at once yields one key", () =>
  withDirectory(async (dir) => {
    const identities = await Promise.all(
      Array.from({ length: 8 }, () => loadIdentity(`${dir}/etc`, "alpha")),
    );
    for (const identity of identities) assertEquals(identity, identities[0]);
    assertEquals(await loadIdentity(`${dir}/etc`, "alpha"), identities[0]);
    assertEquals([...Deno.readDirSync(`${dir}/etc`)].length, 2);
  }));

Deno.test("loadIdentity() makes the certificate anew for another name", () =>
  withDirectory(async (dir) => {
    const alpha = await loadIdentity(dir, "alpha");
    const beta = await loadIdentity(dir, "beta");
    assertEquals(beta.keyHash, alpha.keyHash);
    assertNotEquals(beta.certPem, alpha.certPem);
    assertEquals(await Deno.readTextFile(`${dir}/host_cert.pem`), beta.certPem);
  }));

Deno.test("loadIdentity() refuses a key that others may read", () =>
  withDirectory(async (dir) => {
    await loadIdentity(dir, "alpha");
    await Deno.chmod(`${dir}/host_key`, 0o640);
    await assertRejects(
      () => loadIdentity(dir, "alpha"),
      MarsError,
      "chmod 600",
    );
  }));

Deno.test("loadIdentity() refuses a damaged key and leaves it alone", () =>
  withDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/host_key`, "damaged", { mode: 0o600 });
    await assertRejects(
      () => loadIdentity(dir, "alpha"),
      MarsError,
      "Cannot read the host key",
    );
    assertEquals(await Deno.readTextFile(`${dir}/host_key`), "damaged");
  }));

Deno.test("loadIdentity() refuses a key of another algorithm", () =>
  withDirectory(async (dir) => {
    const crypto = await loadNodeCrypto();
    const { privateKey } = crypto.generateKeyPairSync("ec", {
      namedCurve: "P-256",
    });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await Deno.writeTextFile(`${dir}/host_key`, pem, { mode: 0o600 });
    await assertRejects(
      () => loadIdentity(dir, "alpha"),
      MarsError,
      "not an Ed25519 key",
    );
  }));

Deno.test("loadIdentity() refuses names that do not fit in a line", () =>
  withDirectory(async (dir) => {
    for (const host of ["", "a b", "a\nb", "-a", ".a", "a".repeat(64), "ä"]) {
      await assertRejects(
        () => loadIdentity(dir, host),
        MarsError,
        "host name",
      );
    }
    assertEquals([...Deno.readDirSync(dir)], []);
  }));

Deno.test("makeIdentity() makes a certificate that says key and host", async () => {
  const crypto = await loadNodeCrypto();
  for (const host of ["a", "alpha", "a".repeat(63)]) {
    const identity = await makeIdentity(host);
    const certificate = new crypto.X509Certificate(identity.certPem);
    assertMatch(certificate.subject, new RegExp(`CN=${host}$`));
    assert(certificate.verify(certificate.publicKey));
    const spki = certificate.publicKey.export({ type: "spki", format: "der" });
    const raw = decodeSpki(new Uint8Array(spki));
    assert(raw !== undefined);
    assertEquals(hashOfRawKey(crypto, raw), identity.keyHash);
  }
});

Deno.test({
  name: "makeIdentity() makes a certificate that OpenSSL verifies",
  ignore: !await isInstalled("openssl"),
  fn: () =>
    withDirectory(async (dir) => {
      const path = `${dir}/certificate.pem`;
      await Deno.writeTextFile(path, (await makeIdentity("alpha")).certPem);
      const found = await run("openssl", "verify", "-CAfile", path, path);
      assertEquals(found, `${path}: OK\n`);
    }),
});
