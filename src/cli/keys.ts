/** `mars key …` and `mars token create`. */
import { assert } from "../base/assert.ts";
import { MarsError, UsageError } from "../base/errors.ts";
import { PORT, type Settings } from "../base/settings.ts";
import { systemClock } from "../base/time.ts";
import { loadIdentity } from "../peer/identity.ts";
import { createToken, TOKEN_LIFETIME_MS } from "../peer/token.ts";
import { TrustStore } from "../peer/trust.ts";
import { linkPath } from "../tree/path.ts";
import { ReadOnlyTree } from "../tree/store.ts";
import { isHostAddress, parseHostAddress } from "../tree/values.ts";

/** Prints the line for `authorized_peers` of other hosts, and its fingerprint. */
export async function keyShow(
  settings: Settings,
  print: (line: string) => void,
): Promise<void> {
  const identity = await loadIdentity(settings.etcDir, settings.host);
  print(identity.publicKeyLine);
  print(identity.fingerprint);
}

/** Prints whom this host trusts: name and fingerprint. */
export async function keyList(
  settings: Settings,
  print: (line: string) => void,
): Promise<void> {
  const trust = await TrustStore.load(settings.etcDir);
  for (const host of trust.hosts()) {
    print(`${host} ${trust.keyOf(host)?.fingerprint ?? ""}`);
  }
}

/**
 * Trusts keys from now on.
 *
 * @param words lines of `mars key show`, each as one word or as three
 * @throws MarsError, UsageError
 */
export async function keyTrust(
  settings: Settings,
  words: readonly string[],
  print: (line: string) => void,
): Promise<void> {
  const lines = words.join(" ").split(/\s+(?=ssh-ed25519 )/)
    .filter((line) => line.trim() !== "");
  if (lines.length === 0) {
    throw new UsageError(
      "Usage: mars key trust 'ssh-ed25519 AAAA… HOST', as mars key show prints it there",
    );
  }
  const trust = await TrustStore.load(settings.etcDir);
  for (const line of lines) {
    const { host, fingerprint } = trust.add(line);
    print(`Trusting "${host}", key ${fingerprint}`);
  }
}

/** Trusts a host no longer; its lines end. @throws MarsError, UsageError */
export async function keyForget(
  settings: Settings,
  host: string | undefined,
  print: (line: string) => void,
): Promise<void> {
  if (host === undefined) throw new UsageError("Usage: mars key forget HOST");
  const trust = await TrustStore.load(settings.etcDir);
  if (!trust.remove(host)) {
    throw new UsageError(
      `No key of "${host}" here; there are: ${trust.hosts().join(", ")}`,
    );
  }
  print(`Not trusting "${host}" any more`);
}

/**
 * Prints a token.
 *
 * @param ip where the joiner finds this host; from the tree if undefined
 * @throws MarsError, UsageError
 */
export async function tokenCreate(
  settings: Settings,
  ip: string | undefined,
  print: (line: string) => void,
): Promise<void> {
  const { etcDir, host, marsDir } = settings;
  const snapshot = ReadOnlyTree.read(marsDir);
  if (snapshot.value(linkPath.uuid) === undefined) {
    throw new MarsError(
      "Cannot make a token: this host belongs to no cluster; type create-cluster",
    );
  }
  const text = ip ?? snapshot.value(linkPath.ip(host)) ?? "";
  if (!isHostAddress(text)) {
    throw new UsageError(
      `Cannot make a token for address "${text}": type --ip=ADDRESS or --ip=ADDRESS:PORT`,
    );
  }
  const address = parseHostAddress(text);
  assert(address !== undefined, "address was checked");
  const token = await createToken({
    etcDir,
    identity: await loadIdentity(etcDir, host),
    address: {
      hostname: address.address,
      port: address.port ?? (settings.port || PORT),
    },
    lifetimeMs: TOKEN_LIFETIME_MS,
    clock: systemClock,
  });
  print(token);
}
