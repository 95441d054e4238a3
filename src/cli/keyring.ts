/**
 * Keys as commands see them: the own one, those that are trusted, and how two
 * hosts that have only a token in common come to trust each other.
 *
 * Part of `Effects`; everything slow is loaded when it is used.
 */
import type { Settings } from "../base/settings.ts";
import type { PeerAddress } from "../peer/token.ts";

/** What an inviter said to somebody who proved its token. */
export interface Welcome {
  /** The inviter. */
  readonly peer: string;
  /** Its key, not trusted yet. */
  readonly keyLine: string;
  readonly reply: { readonly [key: string]: unknown };
}

export interface Keyring {
  /** "ssh-ed25519 AAAA… host"; made on first use. @throws MarsError */
  readonly ownLine: () => Promise<string>;
  /** Hosts whose keys are trusted. @throws MarsError */
  readonly hosts: () => Promise<readonly string[]>;
  /** Trusts a key from now on; the host it speaks for. @throws MarsError */
  readonly trust: (line: string) => Promise<string>;
  /** Trusts a host no longer; whether it was trusted. @throws MarsError */
  readonly forget: (host: string) => Promise<boolean>;
  /** The host that made a token. @throws FormatError */
  readonly inviterOf: (token: string) => Promise<string>;
  /** Lets the maker of a token trust this host. @throws MarsError */
  readonly redeem: (
    token: string,
    own: {
      readonly address: PeerAddress;
      /** Where the maker is found, if not where the token says. */
      readonly inviterAddress: PeerAddress | undefined;
      readonly params: { readonly [key: string]: string };
    },
  ) => Promise<Welcome>;
}

export function systemKeyring(settings: Settings): Keyring {
  const { etcDir, host } = settings;
  const identity = async () => {
    const { loadIdentity } = await import("../peer/identity.ts");
    return await loadIdentity(etcDir, host);
  };
  const store = async () => {
    const { TrustStore } = await import("../peer/trust.ts");
    return await TrustStore.load(etcDir);
  };
  return {
    ownLine: async () => (await identity()).publicKeyLine,
    hosts: async () => (await store()).hosts(),
    trust: async (line) => (await store()).add(line).host,
    forget: async (host) => (await store()).remove(host),
    inviterOf: async (token) => {
      const { decodeToken } = await import("../peer/token.ts");
      return decodeToken(token).host;
    },
    redeem: async (token, own) => {
      const { join } = await import("../peer/joining.ts");
      const { peer, publicKeyLine, reply } = await join({
        identity: await identity(),
        token,
        ...(own.inviterAddress === undefined
          ? {}
          : { inviterAddress: own.inviterAddress }),
        own: { host, address: own.address },
        params: own.params,
      });
      return { peer, keyLine: publicKeyLine, reply };
    },
  };
}
