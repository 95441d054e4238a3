/**
 * Whom this host trusts: the file `<etc>/authorized_peers`.
 *
 *   ssh-ed25519 AAAA… host     one key per line, as `mars key show` prints it
 *   # comment                  and blank lines are ignored
 *
 * A key speaks for exactly one host, and a host has exactly one key; of two
 * lines that contradict each other the first counts. A line that cannot be used
 * is reported once and skipped. The file is local: it is never replicated.
 *
 * It is looked at again whenever it has changed, so a key that the command line
 * adds or removes counts at once in a running daemon. A file that others than
 * its owner may write is not believed at all.
 */
import { dirname, join } from "@std/path";
import { FormatError, MarsError, messageOf } from "../base/errors.ts";
import { trace } from "../base/trace.ts";
import {
  loadNodeCrypto,
  type NodeCrypto,
  parsePublicKeyLine,
  type PublicKey,
} from "./key.ts";

const PEERS_FILE = "authorized_peers";

/** A larger file is refused; that is about 6,000 keys. */
const PEERS_FILE_BYTES_MAX = 1024 * 1024;

/** Bits of a mode that let others than the owner write. */
const OTHERS_WRITE_MASK = 0o022;

/** Keys of peers. */
export class TrustStore {
  readonly #crypto: NodeCrypto;
  readonly #path: string;
  readonly #reported = new Set<string>();
  #version = "";
  #peers: PeerTable = emptyTable();

  private constructor(crypto: NodeCrypto, path: string) {
    this.#crypto = crypto;
    this.#path = path;
  }

  /** A missing file is an empty one. @throws MarsError */
  static async load(etcDir: string): Promise<TrustStore> {
    const crypto = await loadNodeCrypto();
    const store = new TrustStore(crypto, join(etcDir, PEERS_FILE));
    store.#reload();
    return store;
  }

  /** The host a key speaks for. */
  hostOf(keyHash: string): string | undefined {
    return this.#current().byHash.get(keyHash)?.host;
  }

  /** The key of a host. */
  keyOf(host: string): PublicKey | undefined {
    return this.#current().byHost.get(host);
  }

  /** All trusted hosts, in the order of the file. */
  hosts(): readonly string[] {
    return [...this.#current().byHost.keys()];
  }

  /**
   * Trusts a key from now on; the file is durable on return. Adding what is
   * there already does nothing.
   *
   * @throws MarsError for a second key of a host, a second host of a key, or a
   * line that is no key
   */
  add(publicKeyLine: string): PublicKey {
    const key = parsePublicKeyLine(this.#crypto, publicKeyLine);
    const problem = contradiction(this.#reload(), key);
    if (problem !== undefined) {
      throw new MarsError(`Cannot trust key ${key.fingerprint}: ${problem}`);
    }
    if (this.#peers.byHash.has(key.hash)) return key;
    this.#append(key.line);
    // Somebody else may have added another key for this host in between; the
    // first line counts, and it may not be ours.
    if (this.#reload().byHost.get(key.host)?.hash === key.hash) return key;
    throw new MarsError(
      `Cannot trust key ${key.fingerprint}: another key for ` +
        `"${key.host}" was added at the same time`,
    );
  }

  /**
   * Trusts the key of `host` no longer. Comments and other lines stay.
   *
   * @returns false if there was none
   */
  remove(host: string): boolean {
    const table = this.#reload();
    if (!table.byHost.has(host)) return false;
    const kept = table.text.split("\n").filter((line) =>
      this.#parse(line)?.host !== host
    );
    const draft = `${this.#path}.${crypto.randomUUID()}.tmp`;
    try {
      Deno.writeTextFileSync(draft, kept.join("\n"), {
        createNew: true,
        mode: 0o600,
      });
      syncPath(draft);
      Deno.renameSync(draft, this.#path);
    } catch (error) {
      throw new MarsError(
        `Cannot write "${this.#path}": ${messageOf(error)}`,
        { cause: error },
      );
    }
    this.#reload();
    return true;
  }

  /** Like `#reload`, but a file that cannot be used means: trust nobody. */
  #current(): PeerTable {
    try {
      return this.#reload();
    } catch (error) {
      this.#report(messageOf(error));
      this.#version = "";
      this.#peers = emptyTable();
      return this.#peers;
    }
  }

  /** The table of the file as it is now. @throws MarsError */
  #reload(): PeerTable {
    try {
      const info = Deno.statSync(this.#path);
      const version = [info.mtime?.getTime(), info.size, info.ino].join(" ");
      if (version === this.#version) return this.#peers;
      if (((info.mode ?? 0) & OTHERS_WRITE_MASK) !== 0) {
        throw new MarsError(
          `others may write it; type: chmod go-w "${this.#path}"`,
        );
      }
      if (info.size > PEERS_FILE_BYTES_MAX) {
        throw new MarsError(`it has more than ${PEERS_FILE_BYTES_MAX} bytes`);
      }
      this.#peers = this.#tableOf(Deno.readTextFileSync(this.#path));
      this.#version = version;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw new MarsError(
          `Cannot read "${this.#path}": ${messageOf(error)}`,
          { cause: error },
        );
      }
      this.#version = "";
      this.#peers = emptyTable();
    }
    return this.#peers;
  }

  #tableOf(text: string): PeerTable {
    const table: PeerTable = { ...emptyTable(), text };
    text.split("\n").forEach((line, index) => {
      const key = this.#parse(line, index + 1);
      if (key === undefined) return;
      const problem = contradiction(table, key);
      if (problem !== undefined) {
        return this.#report(`line ${index + 1} is ignored: ${problem}`);
      }
      table.byHost.set(key.host, key);
      table.byHash.set(key.hash, key);
    });
    return table;
  }

  /** Undefined for comments, blank lines, and what is no key. */
  #parse(line: string, number?: number): PublicKey | undefined {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return undefined;
    try {
      return parsePublicKeyLine(this.#crypto, trimmed);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (number !== undefined) {
        this.#report(`line ${number} is ignored: ${error.message}`);
      }
      return undefined;
    }
  }

  #report(text: string): void {
    if (this.#reported.has(text)) return;
    this.#reported.add(text);
    trace.warn("peer", "List of trusted keys has a problem", {
      path: this.#path,
      problem: text,
    });
  }

  /** One write at the end, so that two writers never mix their lines. */
  #append(line: string): void {
    try {
      using file = Deno.openSync(this.#path, {
        read: true,
        append: true,
        create: true,
        mode: 0o644,
      });
      const text = this.#peers.text;
      const gap = text === "" || text.endsWith("\n") ? "" : "\n";
      const bytes = new TextEncoder().encode(`${gap}${line}\n`);
      const written = file.writeSync(bytes);
      if (written < bytes.length) throw new Error("the disk is full");
      file.syncSync();
      if (text === "") syncPath(dirname(this.#path));
    } catch (error) {
      throw new MarsError(
        `Cannot write "${this.#path}": ${messageOf(error)}`,
        { cause: error },
      );
    }
  }
}

interface PeerTable {
  readonly byHost: Map<string, PublicKey>;
  readonly byHash: Map<string, PublicKey>;
  readonly text: string;
}

function emptyTable(): PeerTable {
  return { byHost: new Map(), byHash: new Map(), text: "" };
}

/** Why a key does not fit to those that are there. */
function contradiction(table: PeerTable, key: PublicKey): string | undefined {
  const sameHost = table.byHost.get(key.host);
  if (sameHost !== undefined && sameHost.hash !== key.hash) {
    return `"${key.host}" has another key already, ${sameHost.fingerprint}`;
  }
  const sameKey = table.byHash.get(key.hash);
  if (sameKey !== undefined && sameKey.host !== key.host) {
    return `the key speaks for "${sameKey.host}" already, not "${key.host}"`;
  }
  return undefined;
}

function syncPath(path: string): void {
  using file = Deno.openSync(path, { read: true });
  file.syncSync();
}
