import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FormatError, MarsError } from "../base/errors.ts";
import { makeIdentity } from "./identity.ts";
import { TrustStore } from "./trust.ts";

async function withStore(
  use: (store: TrustStore, dir: string, path: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "mars-trust-" });
  try {
    await use(await TrustStore.load(dir), dir, `${dir}/authorized_peers`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const alpha = await makeIdentity("alpha");
const beta = await makeIdentity("beta");
const otherAlpha = await makeIdentity("alpha");

/** The key of `line` under another name. */
function renamed(line: string, host: string): string {
  return [...line.split(" ").slice(0, 2), host].join(" ");
}

Deno.test("TrustStore knows hosts by key and keys by host", () =>
  withStore(async (store, dir) => {
    store.add(alpha.publicKeyLine);
    store.add(beta.publicKeyLine);
    const loaded = await TrustStore.load(dir);
    assertEquals(loaded.hostOf(alpha.keyHash), "alpha");
    assertEquals(loaded.keyOf("beta")?.hash, beta.keyHash);
    assertEquals(loaded.hosts(), ["alpha", "beta"]);
    assertEquals(loaded.hostOf(otherAlpha.keyHash), undefined);
    assertEquals(loaded.keyOf("gamma"), undefined);
  }));

Deno.test("TrustStore.add() adds a key once", () =>
  withStore(async (store, _dir, path) => {
    store.add(alpha.publicKeyLine);
    store.add(`  ${alpha.publicKeyLine}  `);
    assertEquals(await Deno.readTextFile(path), `${alpha.publicKeyLine}\n`);
  }));

Deno.test("TrustStore.add() refuses a second key for a host", () =>
  withStore(async (store, _dir, path) => {
    store.add(alpha.publicKeyLine);
    assertThrows(
      () => store.add(otherAlpha.publicKeyLine),
      MarsError,
      "another key already",
    );
    assertEquals(await Deno.readTextFile(path), `${alpha.publicKeyLine}\n`);
  }));

Deno.test("TrustStore.add() refuses a second host for a key", () =>
  withStore((store) => {
    store.add(alpha.publicKeyLine);
    assertThrows(
      () => store.add(renamed(alpha.publicKeyLine, "gamma")),
      MarsError,
      'speaks for "alpha" already',
    );
    assertEquals(store.keyOf("gamma"), undefined);
    return Promise.resolve();
  }));

Deno.test("TrustStore.add() refuses what is no key", () =>
  withStore((store) => {
    assertThrows(() => store.add("ssh-rsa AAAA alpha"), FormatError);
    return Promise.resolve();
  }));

Deno.test("TrustStore sees at once what another process adds", () =>
  withStore(async (store, dir) => {
    assertEquals(store.hostOf(alpha.keyHash), undefined);
    const other = await TrustStore.load(dir);
    other.add(alpha.publicKeyLine);
    assertEquals(store.hostOf(alpha.keyHash), "alpha");
    other.add(beta.publicKeyLine);
    assertEquals(store.hostOf(beta.keyHash), "beta");
    other.remove("alpha");
    assertEquals(store.hostOf(alpha.keyHash), undefined);
    assertEquals(store.hostOf(beta.keyHash), "beta");
  }));

Deno.test("TrustStore skips comments, blank and bad lines", () =>
  withStore(async (store, _dir, path) => {
    await Deno.writeTextFile(
      path,
      [
        "# peers",
        "",
        "ssh-rsa AAAA gamma",
        `  ${alpha.publicKeyLine}`,
        "nonsense",
        otherAlpha.publicKeyLine,
        renamed(alpha.publicKeyLine, "delta"),
        beta.publicKeyLine,
      ].join("\n"),
    );
    assertEquals(store.hosts(), ["alpha", "beta"]);
    assertEquals(store.hostOf(alpha.keyHash), "alpha");
    assertEquals(store.hostOf(otherAlpha.keyHash), undefined);
  }));

Deno.test("TrustStore.add() keeps what an editor left, last line included", () =>
  withStore(async (store, _dir, path) => {
    await Deno.writeTextFile(path, `# mine\n${alpha.publicKeyLine}`);
    store.add(beta.publicKeyLine);
    assertEquals(
      await Deno.readTextFile(path),
      `# mine\n${alpha.publicKeyLine}\n${beta.publicKeyLine}\n`,
    );
  }));

Deno.test("TrustStore.remove() keeps comments and other keys", () =>
  withStore(async (store, _dir, path) => {
    await Deno.writeTextFile(
      path,
      `# mine\n${alpha.publicKeyLine}\n${beta.publicKeyLine}\n`,
    );
    assert(store.remove("alpha"));
    assert(!store.remove("alpha"));
    assertEquals(
      await Deno.readTextFile(path),
      `# mine\n${beta.publicKeyLine}\n`,
    );
    store.add(otherAlpha.publicKeyLine);
    assertEquals(store.hostOf(otherAlpha.keyHash), "alpha");
  }));

Deno.test("TrustStore trusts nobody when others may write the file", () =>
  withStore(async (store, dir, path) => {
    store.add(alpha.publicKeyLine);
    await Deno.writeTextFile(path, `${alpha.publicKeyLine}\n\n`);
    await Deno.chmod(path, 0o666);
    assertEquals(store.hostOf(alpha.keyHash), undefined);
    await assertRejects(() => TrustStore.load(dir), MarsError, "chmod go-w");
    await Deno.chmod(path, 0o644);
    assertEquals(store.hostOf(alpha.keyHash), "alpha");
  }));

Deno.test("TrustStore trusts nobody when the file is gone", () =>
  withStore(async (store, _dir, path) => {
    store.add(alpha.publicKeyLine);
    await Deno.remove(path);
    assertEquals(store.hostOf(alpha.keyHash), undefined);
  }));

Deno.test("TrustStore refuses a file beyond its bound", () =>
  withStore(async (_store, dir, path) => {
    await Deno.writeTextFile(path, "#".repeat(1024 * 1024 + 1));
    await assertRejects(() => TrustStore.load(dir), MarsError, "bytes");
  }));
