import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ManualClock, MemoryTree } from "../../tests/support/memory_tree.ts";
import type { TrafficClass } from "../peer/terms.ts";
import type { SocketOptions } from "./sockets.ts";
import { Traffic } from "./traffic.ts";

class World {
  readonly clock = new ManualClock();
  readonly tree = new MemoryTree(this.clock);
  readonly marks: (SocketOptions & { own: number })[] = [];
  readonly silences: string[] = [];
  readonly ends: string[] = [];
  readonly traffic = new Traffic({
    host: "alpha",
    clock: this.clock,
    setOptions: ({ own }, options) => this.marks.push({ ...options, own }),
  });

  open(
    trafficClass: TrafficClass,
    own: number,
    address = "10.0.0.1",
  ): () => void {
    return this.traffic.opened({
      trafficClass,
      ports: { own, peer: 2, address },
      retime: ({ silenceMs }) => this.silences.push(`${own}: ${silenceMs}`),
      end: ({ message }) => this.ends.push(`${own}: ${message}`),
    });
  }

  set(links: Readonly<Record<string, string>>): void {
    this.tree.write(
      Object.entries(links).map(([path, value]) => ({ path, value })),
    );
    this.traffic.update(this.tree.snapshot());
  }

  pass(ms: number): void {
    this.clock.nowNs += BigInt(ms) * 1_000_000n;
  }
}

Deno.test("Traffic limits a host as a whole and to one peer", () => {
  const world = new World();
  const beta = world.traffic.pace("beta", "log").sending;
  const gamma = world.traffic.pace("gamma", "log").sending;
  world.set({
    "defaults-alpha/send-limit-log": "100k",
    "defaults-alpha/send-limit-log-beta": "10k",
    "defaults-beta/send-limit-log": "2k",
  });
  beta.pass(10_000);
  assertEquals(beta.waitMs(), 1_000);
  assertEquals(gamma.waitMs(), 100);
  assertEquals(beta.pieceBytes(), 1_000);
  const { receiving } = world.traffic.pace("beta", "log");
  receiving.pass(1e9);
  assertEquals(receiving.waitMs(), 0);
  const meta = world.traffic.pace("beta", "meta").sending;
  meta.pass(1e9);
  assertEquals(meta.waitMs(), 0);
});

Deno.test("Traffic obeys what is set for all hosts, unless one has its own", () => {
  const world = new World();
  const { receiving } = world.traffic.pace("beta", "sync");
  world.set({ "defaults/receive-limit-sync": "10k" });
  receiving.pass(10_000);
  assertEquals(receiving.waitMs(), 1_000);
  world.set({ "defaults-alpha/receive-limit-sync": "0" });
  assertEquals(receiving.waitMs(), 0);
});

Deno.test("Traffic goes by time of day", () => {
  const world = new World();
  const { sending } = world.traffic.pace("beta", "log");
  const now = new Date(Number(world.clock.nowNs / 1_000_000n));
  const hours = now.getHours();
  const two = (count: number): string => String(count % 24).padStart(2, "0");
  const nowText = `${two(hours)}:00-${two(hours + 1)}:00`;
  world.set({ "defaults-alpha/send-limit-log": `${nowText}=10k` });
  sending.pass(10_000);
  assertEquals(sending.waitMs(), 1_000);
  world.pass(3_600_000);
  world.traffic.update(world.tree.snapshot());
  sending.pass(1e9);
  assertEquals(sending.waitMs(), 0);
});

Deno.test("Traffic says which setting it cannot read, and limits nothing", () => {
  const world = new World();
  const { sending } = world.traffic.pace("beta", "log");
  world.set({
    "defaults-alpha/send-limit-log": "fast",
    "defaults-alpha/ip-tos-log": "gold",
    "defaults-alpha/line-timeout": "0",
  });
  sending.pass(1e9);
  assertEquals(sending.waitMs(), 0);
  assertEquals(world.traffic.obstacles.length, 3);
  assertStringIncludes(
    world.traffic.obstacles[0]?.text ?? "",
    'Setting "send-limit-log" is not obeyed: cannot read "fast"',
  );
  world.set({
    "defaults-alpha/send-limit-log": "1M",
    "defaults-alpha/ip-tos-log": "af13",
    "defaults-alpha/line-timeout": "30",
  });
  assertEquals(world.traffic.obstacles, []);
  assertEquals(world.traffic.timing().silenceMs, 30_000);
  assertEquals(world.traffic.timing().pingMs, 10_000);
});

Deno.test("Traffic marks lines, again when the mark changes, not after the end", () => {
  const world = new World();
  const ended = world.open("sync", 1);
  world.open("meta", 3);
  world.set({});
  assertEquals(world.marks.map(({ own, tos }) => [own, tos]), [
    [1, 4],
    [3, 64],
  ]);
  world.marks.length = 0;
  world.set({ "defaults-alpha/ip-tos-sync": "cs1" });
  assertEquals(world.marks.map(({ own, tos }) => [own, tos]), [[1, 32]]);
  world.marks.length = 0;
  ended();
  world.set({ "defaults-alpha/ip-tos-sync": "cs0" });
  assertEquals(world.marks, []);
});

Deno.test("Traffic tells lines that are up of another timeout, once", () => {
  const world = new World();
  const ended = world.open("log", 1);
  world.open("meta", 3);
  world.set({});
  assertEquals(world.silences, []);
  world.marks.length = 0;
  world.set({ "defaults/line-timeout": "30" });
  world.set({ "defaults-alpha/line-timeout": "30" });
  assertEquals(world.silences, ["1: 30000", "3: 30000"]);
  assertEquals(
    world.marks.map(({ own, unansweredMs }) => [own, unansweredMs]),
    [
      [1, 30_000],
      [3, 30_000],
    ],
  );
  ended();
  world.set({ "defaults-alpha/line-timeout": "?" });
  assertEquals(world.silences.slice(2), ["3: 10000"]);
});

Deno.test("Traffic tells what moves and what may, and forgets who has left", () => {
  const world = new World();
  const pace = world.traffic.pace("beta", "log");
  world.set({
    "ips/ip-beta": "10.0.0.2",
    "defaults-alpha/send-limit-log": "10M",
  });
  pace.sending.pass(3 * 1024 * 1024);
  pace.receiving.pass(1024 * 1024);
  world.pass(2_000);
  const path = "actual-alpha/traffic-beta";
  assertEquals(world.traffic.links(world.tree.snapshot()), [
    { path, value: "log 1536/10240 512/-" },
  ]);
  world.set({ [path]: "log 1536/10240 512/-", "ips/ip-beta": ".deleted" });
  assertEquals(world.traffic.links(world.tree.snapshot()), [
    { path, value: ".deleted" },
  ]);
  assertEquals(world.traffic.links(world.tree.snapshot()), []);
});

Deno.test("Traffic says nothing of lines that were never used or limited", () => {
  const world = new World();
  world.set({ "ips/ip-beta": "10.0.0.2" });
  world.traffic.pace("beta", "log");
  world.pass(2_000);
  assert(world.traffic.links(world.tree.snapshot()).length === 0);
});

Deno.test("Traffic ends lines whose address this host has no more", () => {
  const world = new World();
  world.open("log", 1, "10.0.0.1");
  world.open("log", 2, "10.0.0.2");
  // Some addresses belong to nobody's interface, and work.
  world.open("log", 3, "127.0.0.9");
  world.traffic.lookAtAddresses(new Set(["10.0.0.1", "10.0.0.2"]));
  assertEquals(world.ends, []);
  world.traffic.lookAtAddresses(new Set(["10.0.0.2", "10.0.0.7"]));
  assertEquals(world.ends, [
    '1: Line was lost: this host has "10.0.0.1" no more',
  ]);
  world.traffic.lookAtAddresses(undefined);
  assertEquals(world.ends.length, 2, "Its network cannot be seen any more");
});
