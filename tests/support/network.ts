/**
 * A network of its own for real hosts: each host lives in a network namespace,
 * and a router in the middle makes the lines as bad as a test wants them.
 *
 *     alpha 10.77.1.2 ── 10.77.1.1 ┐
 *      beta 10.77.2.2 ── 10.77.2.1 ┤ router
 *     gamma 10.77.3.2 ── 10.77.3.1 ┘
 *
 * Packets are dropped silently, as a far network does it: nobody is told.
 * Needs root and iproute2.
 */
import { assert } from "@std/assert";
import { MarsError } from "../../src/base/errors.ts";
import { waitFor } from "./deadline.ts";
import { command } from "./programs.ts";

const ROUTER = "router";
const FAR_DEVICE = "far";
const FAR_TABLE = "77";
/** Few and large packets: what is far goes through a program of ours. */
const FAR_MTU_BYTES = 9000;

/** Why no network can be made here; undefined if one can. */
export function networkTrouble(): string | undefined {
  if (Deno.uid() !== 0) return "network namespaces need root";
  try {
    const probe = new Network([]);
    try {
      probe.check();
    } finally {
      probe.removeNamespaces();
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Says once why tests are skipped. @param trouble undefined if they run */
export function reportSkipped(what: string, trouble: string | undefined): void {
  if (trouble === undefined) return;
  const line = `${what}: skipped, because ${trouble}\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
}

let made = 0;

export class Network {
  readonly #prefix: string;
  readonly #names: readonly string[];
  readonly #namespaces: string[] = [];
  #far: Deno.ChildProcess | undefined;

  /** @param names of the hosts */
  constructor(names: readonly string[]) {
    this.#prefix = `mars-${Deno.pid}-${made++}`;
    this.#names = names;
    try {
      this.#addNamespace(ROUTER);
      this.#inside(ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1");
      // Packets come back from the far device with addresses of others.
      for (const device of ["all", "default"]) {
        const name = `net.ipv4.conf.${device}.rp_filter=0`;
        this.#inside(ROUTER, "sysctl", "-qw", name);
      }
      for (const [index, name] of names.entries()) this.#addHost(name, index);
    } catch (error) {
      this.removeNamespaces();
      throw error;
    }
  }

  /** Where a host listens. */
  addressOf(name: string): string {
    return this.#address(name, 2);
  }

  /** The words before a program that runs on a host. */
  wordsInside(name: string): string[] {
    return ["ip", "netns", "exec", `${this.#prefix}-${name}`];
  }

  /** Nothing that `from` sends reaches `to`; the other way stays open. */
  swallow(from: string, to: string): void {
    this.#rule("add", from, to);
  }

  pass(from: string, to: string): void {
    this.#rule("del", from, to);
  }

  /** Neither hears the other any more. */
  part(one: string, other: string): void {
    this.swallow(one, other);
    this.swallow(other, one);
  }

  join(one: string, other: string): void {
    this.pass(one, other);
    this.pass(other, one);
  }

  /** Limits what a host sends and what it receives; undefined means no limit. */
  limit(name: string, bitsPerSecond: number | undefined): void {
    for (const [namespace, device] of this.#ends(name)) {
      const words = ["tc", "qdisc"];
      if (bitsPerSecond === undefined) {
        this.#inside(namespace, ...words, "del", "dev", device, "root");
        continue;
      }
      const rate = `${Math.max(8_000, Math.floor(bitsPerSecond))}bit`;
      const shape = ["tbf", "rate", rate, "burst", "32kb", "latency", "100ms"];
      const where = ["replace", "dev", device, "root"];
      this.#inside(namespace, ...words, ...where, ...shape);
    }
  }

  /** Another address for a host; the old one is gone. */
  move(name: string, lastNumber: number): string {
    const device = deviceOf(name);
    const from = `${this.addressOf(name)}/24`;
    const to = this.#address(name, lastNumber);
    this.#inside(name, "ip", "address", "del", from, "dev", device);
    this.#inside(name, "ip", "address", "add", `${to}/24`, "dev", device);
    const router = this.#address(name, 1);
    const route = ["replace", "default", "via", router];
    this.#inside(name, "ip", "route", ...route);
    return to;
  }

  /**
   * From now on all packets between hosts take so long one way, so many of a
   * hundred are lost, and so many cut the connection they belong to.
   */
  async beFar(
    delayMs: number,
    lossPercent: number,
    cutPercent = 0,
  ): Promise<void> {
    assert(
      this.#far === undefined,
      "The hosts are far from each other already",
    );
    const [program = "", ...words] = this.wordsInside(ROUTER);
    const url = new URL("./far_line.ts", import.meta.url);
    const far = new Deno.Command(program, {
      args: [
        ...words,
        Deno.execPath(),
        "run",
        "--allow-all",
        decodeURIComponent(url.pathname),
        FAR_DEVICE,
        String(delayMs),
        String(lossPercent),
        String(cutPercent),
      ],
      stdin: "null",
      stdout: "null",
    }).spawn();
    this.#far = far;
    let hasEnded = false;
    far.status.then(() => hasEnded = true);
    await waitFor("the far device", () => {
      if (hasEnded) throw new MarsError("The far line has ended");
      try {
        this.#inside(ROUTER, "ip", "link", "set", FAR_DEVICE, "up");
        return true;
      } catch {
        return false;
      }
    });
    const mtu = ["mtu", String(FAR_MTU_BYTES)];
    this.#inside(ROUTER, "ip", "link", "set", FAR_DEVICE, ...mtu);
    const route = ["add", "default", "dev", FAR_DEVICE, "table", FAR_TABLE];
    this.#inside(ROUTER, "ip", "route", ...route);
    for (const name of this.#names) {
      const rule = ["iif", deviceOf(name), "lookup", FAR_TABLE];
      this.#inside(ROUTER, "ip", "rule", "add", "pref", "200", ...rule);
    }
  }

  /** The namespaces of this kernel can be used. */
  check(): void {
    this.#inside(ROUTER, "ip", "rule", "add", "pref", "9", "blackhole");
    const shape = ["tbf", "rate", "1mbit", "burst", "32kb", "latency", "50ms"];
    const where = ["replace", "dev", "lo", "root"];
    this.#inside(ROUTER, "tc", "qdisc", ...where, ...shape);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#far?.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended already.
    }
    await this.#far?.status;
    this.removeNamespaces();
  }

  /** Takes everything away; the hosts have ended. */
  removeNamespaces(): void {
    for (const namespace of this.#namespaces) {
      command("ip", "netns", "del", namespace);
    }
  }

  #addNamespace(name: string): void {
    const namespace = `${this.#prefix}-${name}`;
    command("ip", "netns", "add", namespace);
    this.#namespaces.push(namespace);
    this.#inside(name, "ip", "link", "set", "lo", "up");
  }

  #addHost(name: string, index: number): void {
    assert(index < 200, "Too many hosts for the addresses of a network");
    this.#addNamespace(name);
    const device = deviceOf(name);
    const peer = ["peer", "name", device, "netns", `${this.#prefix}-${name}`];
    const link = ["ip", "link", "add", device, "type", "veth", ...peer];
    this.#inside(ROUTER, ...link);
    for (const [namespace, last] of [[ROUTER, 1], [name, 2]] as const) {
      const address = `${this.#address(name, last)}/24`;
      this.#inside(namespace, "ip", "address", "add", address, "dev", device);
      const state = ["mtu", String(FAR_MTU_BYTES), "up"];
      this.#inside(namespace, "ip", "link", "set", device, ...state);
    }
    const router = this.#address(name, 1);
    this.#inside(name, "ip", "route", "add", "default", "via", router);
  }

  #rule(verb: "add" | "del", from: string, to: string): void {
    const network = this.#address(to, 0);
    const match = ["iif", deviceOf(from), "to", `${network}/24`];
    const rule = ["ip", "rule", verb, "pref", "100", ...match, "blackhole"];
    this.#inside(ROUTER, ...rule);
  }

  #ends(name: string): readonly (readonly [string, string])[] {
    return [[ROUTER, deviceOf(name)], [name, deviceOf(name)]];
  }

  #address(name: string, last: number): string {
    const index = this.#names.indexOf(name);
    assert(index >= 0, `No host ${name} in this network`);
    return `10.77.${index + 1}.${last}`;
  }

  #inside(name: string, ...words: string[]): void {
    const [program = "", ...rest] = [...this.wordsInside(name), ...words];
    command(program, ...rest);
  }
}

/** Names of devices may have 15 bytes. */
function deviceOf(name: string): string {
  return `v-${name.slice(0, 12)}`;
}
