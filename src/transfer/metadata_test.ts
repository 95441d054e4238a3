import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async/deadline";
import fc from "fast-check";
import { anyLink } from "../../tests/support/links.ts";
import {
  type Fault,
  MemoryLine,
  type MemoryLineOptions,
} from "../../tests/support/memory_line.ts";
import { ManualClock, MemoryTree } from "../../tests/support/memory_tree.ts";
import type { RpcHandlers } from "../peer/rpc.ts";
import { ownerOf } from "../tree/path.ts";
import type { Link } from "../tree/snapshot.ts";
import { LinkIntake } from "./intake.ts";
import { encodeLinks } from "./link_message.ts";
import { MetadataLink, type MetadataResult } from "./metadata.ts";
import { metadataHandlers } from "./metadata_service.ts";

const WAIT_MS = 20_000;
const DAY_NS = 86_400_000_000_000n;

type Taken = { readonly links: readonly Link[]; readonly from: string };

/** A host: its tree, what it took, and its lines to others. */
class Host {
  readonly name: string;
  readonly tree: MemoryTree;
  readonly intake: LinkIntake;
  readonly handlers: RpcHandlers;
  readonly taken: Taken[] = [];
  readonly links: MetadataLink[] = [];
  uuid: string | undefined = "cluster";

  constructor(name: string, clock: ManualClock, links: Iterable<Link> = []) {
    this.name = name;
    this.tree = new MemoryTree(clock, links);
    this.intake = new LinkIntake({
      tree: this.tree,
      host: name,
      lamport: this.tree.lamport,
      uuid: () => this.uuid,
      onTaken: (taken, from) => {
        this.taken.push({ links: taken, from });
        for (const link of this.links) {
          if (link.peer !== from) link.push(taken);
        }
      },
    });
    this.handlers = metadataHandlers(this.intake);
  }

  /** A local change, pushed to all peers. */
  write(path: string, value: string): Link[] {
    const written = this.tree.write([{ path, value }]);
    for (const link of this.links) link.push(written);
    return written;
  }

  value(path: string): string | undefined {
    return this.tree.snapshot().value(path);
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** One line from a host to another. */
class Dial {
  readonly line: MemoryLine;
  readonly link: MetadataLink;
  readonly #exchanged: Promise<void>;
  readonly #host: Host;

  constructor(
    from: Host,
    to: Host,
    options: Partial<MemoryLineOptions> = {},
  ) {
    let isExchanged = (): void => {};
    this.#exchanged = new Promise((resolve) => isExchanged = resolve);
    this.#host = from;
    this.line = new MemoryLine({
      from: from.name,
      peer: to.name,
      handlers: to.handlers,
      ...options,
    });
    this.link = MetadataLink.start({
      intake: from.intake,
      rpc: this.line,
      onExchanged: isExchanged,
    });
    from.links.push(this.link);
  }

  /** Both have what the other had; or the line is lost. */
  async settled(): Promise<void> {
    await deadline(
      Promise.race([this.#exchanged, this.link.finished]),
      WAIT_MS,
    );
    await this.line.idle();
  }

  async end(): Promise<MetadataResult> {
    const result = await deadline(this.link.finished, WAIT_MS);
    this.#host.links.splice(this.#host.links.indexOf(this.link), 1);
    this.line.close();
    await this.line.idle();
    return result;
  }

  async stop(): Promise<void> {
    void this.link.stop();
    await this.end();
  }
}

/** Everything that both hosts may know of, as text. */
function contents(host: Host, others: readonly string[]): string[] {
  return [...host.tree.snapshot().all()]
    // Stale knowledge about a host that it never corrects stays where it is.
    .filter((link) => !others.includes(ownerOf(link.path) ?? ""))
    // A tombstone is not created where there was nothing.
    .filter((link) => link.value !== ".deleted")
    .map(({ path, value, stampNs }) => `${path} ${value} ${stampNs}`)
    .sort();
}

const anyTree = fc.uniqueArray(anyLink, { selector: (link) => link.path });

Deno.test("MetadataLink makes two trees equal", async () => {
  await fc.assert(fc.asyncProperty(anyTree, anyTree, async (left, right) => {
    const clock = new ManualClock();
    const alpha = new Host("alpha", clock, left);
    const beta = new Host("beta", clock, right);
    const dial = new Dial(alpha, beta);
    await dial.settled();
    await dial.stop();
    const names = ["alpha", "beta"];
    assertEquals(contents(alpha, names), contents(beta, names));
  }));
});

Deno.test("MetadataLink needs one round when nothing differs", async () => {
  const links = [{ path: "uuid", value: "cluster", stampNs: 5n }];
  const clock = new ManualClock();
  const dial = new Dial(
    new Host("alpha", clock, links),
    new Host("beta", clock, links),
  );
  await dial.settled();
  await dial.stop();
  assertEquals(dial.line.calls, ["meta.digests", "meta.done"]);
});

Deno.test("MetadataLink finds one difference in a large tree in three rounds", async () => {
  const many = manyLinks(
    4_000,
    (index) => `resource-x${index % 40}/todo-h${index % 100}/note-${index}`,
  );
  const clock = new ManualClock();
  const alpha = new Host("alpha", clock, many);
  const beta = new Host("beta", clock, many);
  const [changed] = alpha.tree.write([
    { path: "resource-x7/todo-h7/note-7", value: "changed" },
  ]);
  const dial = new Dial(alpha, beta);
  await dial.settled();
  await dial.stop();
  assertEquals(beta.tree.snapshot().get("resource-x7/todo-h7/note-7"), changed);
  assertEquals(dial.line.calls, [
    "meta.digests",
    "meta.digests",
    "meta.exchange",
    "meta.done",
  ]);
});

Deno.test("MetadataLink exchanges once where both hosts dial", async () => {
  const clock = new ManualClock();
  const links = manyLinks(1_000, (index) => `userspace/note-${index}`);
  const alpha = new Host("alpha", clock, links);
  const beta = new Host("beta", clock);
  const dials = [new Dial(beta, alpha), new Dial(alpha, beta)];
  for (const dial of dials) await dial.settled();
  for (const dial of dials) await dial.stop();
  assertEquals(dials.map(({ line }) => line.calls), [
    [],
    [
      "meta.digests",
      "meta.digests",
      "meta.exchange",
      "meta.done",
    ],
  ]);
  assertEquals(contents(alpha, []), contents(beta, []));
});

function manyLinks(count: number, path: (index: number) => string): Link[] {
  return Array.from({ length: count }, (_, index) => ({
    path: path(index),
    value: `value ${index}`,
    stampNs: BigInt(index + 1),
  }));
}

Deno.test("MetadataLink exchanges large trees in bounded messages", async () => {
  const one = manyLinks(4_700, (index) => `userspace/left-${index}`);
  const wide = manyLinks(1_300, (index) => `resource-x${index}/size`)
    .map((link) => ({ ...link, value: "4096" }));
  const other = manyLinks(4_600, (index) => `userspace/right-${index}`);
  const others = manyLinks(1_200, (index) => `resource-y${index}/size`)
    .map((link) => ({ ...link, value: "4096" }));
  const clock = new ManualClock();
  const alpha = new Host("alpha", clock, [...one, ...wide]);
  const beta = new Host("beta", clock, [...other, ...others]);
  const dial = new Dial(alpha, beta);
  await dial.settled();
  await dial.stop();
  assertEquals(alpha.tree.snapshot().size, 11_800);
  assertEquals(contents(alpha, []), contents(beta, []));
  for (const { links } of [...alpha.taken, ...beta.taken]) {
    assert(links.length <= 2_000);
  }
});

Deno.test("MetadataLink converges under lost, doubled and crossing messages", async () => {
  type Step =
    | { kind: "write"; host: number; path: string; value: string }
    | { kind: "dial"; from: number; to: number; faults: Fault[] };
  const anyHost = fc.nat(2);
  const anyStep: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      kind: fc.constant("write" as const),
      host: anyHost,
      path: fc.constantFrom("uuid", "ips/ip-a", "resource-x/todo-a/note"),
      value: fc.constantFrom("1.1.1.1", "2.2.2.2", ".deleted"),
    }),
    fc.record({
      kind: fc.constant("dial" as const),
      from: anyHost,
      to: anyHost,
      faults: fc.array(
        fc.constantFrom<Fault>("none", "cut", "cutReply", "duplicate"),
        { maxLength: 6 },
      ),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 20 }), async (steps) => {
      const clock = new ManualClock();
      const hosts = ["alpha", "beta", "gamma"].map((name) =>
        new Host(name, clock)
      );
      const dials: Dial[] = [];
      for (const step of steps) {
        clock.nowNs += 1n;
        if (step.kind === "write") {
          hosts[step.host]?.write(step.path, step.value);
          continue;
        }
        const [from, to] = [hosts[step.from], hosts[step.to]];
        if (from === undefined || to === undefined || from === to) continue;
        dials.push(
          new Dial(from, to, {
            fault: (index) => step.faults[index] ?? "none",
            delay: (index) =>
              index % 2 === 0 ? Promise.resolve() : turns(index),
          }),
        );
      }
      for (const dial of dials) await dial.stop();
      // Then the lines of a chain come up and stay.
      const [alpha, beta, gamma] = hosts;
      assert(alpha !== undefined && beta !== undefined && gamma !== undefined);
      const last: Dial[] = [];
      for (const [from, to] of [[0, 1], [1, 0], [1, 2], [2, 1]]) {
        const [source, target] = [hosts[from ?? 0], hosts[to ?? 0]];
        assert(source !== undefined && target !== undefined);
        last.push(new Dial(source, target));
      }
      for (const dial of last) await dial.settled();
      await idle(last);
      for (const dial of last) await dial.stop();
      assertEquals(contents(alpha, []), contents(beta, []));
      assertEquals(contents(gamma, []), contents(beta, []));
    }),
    { numRuns: 60 },
  );
});

/** What a host has written, and what it had when it gave a sign. */
class Writer {
  readonly host: Host;
  readonly #written = new Map<string, number>();
  readonly #atSign: ReadonlyMap<string, number>[] = [];

  constructor(host: Host) {
    this.host = host;
  }

  write(name: string): void {
    const path = `${name}-of-${this.host.name}`;
    const count = (this.#written.get(path) ?? 0) + 1;
    this.#written.set(path, count);
    this.host.write(path, String(count));
  }

  sign(): void {
    const count = this.#atSign.push(new Map(this.#written));
    this.host.write(this.#signPath, `${count}.000000000`);
  }

  /** What `reader` lacks although it has seen the sign that came later. */
  missingAt(reader: Host): string[] {
    const sign = Number(reader.value(this.#signPath) ?? 0);
    return [...this.#atSign[sign - 1] ?? []]
      .filter(([path, count]) => Number(reader.value(path) ?? 0) < count)
      .map(([path, count]) => `${reader.name}: ${path} ${count}`);
  }

  get #signPath(): string {
    return `actual-${this.host.name}/time`;
  }
}

Deno.test("MetadataLink gives no sign of life before all that is older", async () => {
  const anyHost = fc.nat(2);
  const anyStep = fc.oneof(
    fc.record({
      kind: fc.constant("write" as const),
      host: anyHost,
      // Before and behind the signs in the order of an exchange.
      name: fc.constantFrom("actual-x/note", "userspace/note"),
    }),
    fc.record({ kind: fc.constant("sign" as const), host: anyHost }),
    fc.record({
      kind: fc.constant("dial" as const),
      from: anyHost,
      to: anyHost,
      faults: fc.array(
        fc.constantFrom<Fault>("none", "none", "cut", "cutReply", "duplicate"),
        { maxLength: 8 },
      ),
    }),
    fc.record({ kind: fc.constant("wait" as const), count: fc.nat(60) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 30 }), async (steps) => {
      const clock = new ManualClock();
      const writers = ["alpha", "beta", "gamma"].map((name) =>
        new Writer(new Host(name, clock))
      );
      const missing: string[] = [];
      const look = (): void => {
        for (const writer of writers) {
          for (const { host } of writers) {
            missing.push(...writer.missingAt(host));
          }
        }
      };
      const dials: Dial[] = [];
      for (const step of steps) {
        clock.nowNs += 1n;
        switch (step.kind) {
          case "write":
            writers[step.host]?.write(step.name);
            break;
          case "sign":
            writers[step.host]?.sign();
            break;
          case "dial": {
            const [from, to] = [writers[step.from], writers[step.to]];
            if (from === undefined || to === undefined || from === to) break;
            dials.push(
              new Dial(from.host, to.host, {
                fault: (index) => step.faults[index] ?? "none",
                delay: (index) => turns(7 * index % 11),
              }),
            );
            break;
          }
          case "wait":
            for (let left = step.count; left > 0; left--) {
              await turns(1);
              look();
            }
        }
      }
      for (const dial of dials) await dial.stop();
      assertEquals(missing, []);
    }),
    {
      numRuns: 300,
      examples: [[[
        { kind: "write", host: 2, name: "actual-x/note" },
        { kind: "dial", from: 2, to: 0, faults: [] },
        { kind: "sign", host: 2 },
        { kind: "wait", count: 1 },
      ]]],
    },
  );
});

Deno.test("MetadataLink takes no sign of life from an exchange", async () => {
  const clock = new ManualClock();
  const alpha = new Host("alpha", clock);
  const beta = new Host("beta", clock);
  for (const host of [alpha, beta]) {
    host.write(`ips/ip-${host.name}`, "10.0.0.1");
    host.write(`actual-${host.name}/time`, "1.000000000");
  }
  const dial = new Dial(beta, alpha);
  await dial.settled();
  await idle([dial]);
  // Only beta can push.
  assertEquals(alpha.value("actual-beta/time"), "1.000000000");
  assertEquals(beta.value("actual-alpha/time"), undefined);
  assertEquals(beta.value("ips/ip-alpha"), "10.0.0.1");
  await dial.stop();
});

/** No line has anything to do, and none makes another busy. */
async function idle(dials: readonly Dial[]): Promise<void> {
  let before = -1;
  for (;;) {
    for (const dial of dials) await dial.line.idle();
    const count = dials.reduce((sum, { line }) => sum + line.calls.length, 0);
    if (count === before) return;
    before = count;
    await turns(100);
  }
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await Promise.resolve();
}

Deno.test("MetadataLink pushes a change at once and others pass it on", async () => {
  const clock = new ManualClock();
  const [alpha, beta, gamma] = ["alpha", "beta", "gamma"]
    .map((name) => new Host(name, clock));
  assert(alpha !== undefined && beta !== undefined && gamma !== undefined);
  const dials = [new Dial(alpha, beta), new Dial(beta, gamma)];
  for (const dial of dials) await dial.settled();
  const [written] = alpha.write("resource-x/primary", "alpha");
  for (const dial of dials) await dial.line.idle();
  assertEquals(gamma.tree.snapshot().get("resource-x/primary"), written);
  assertEquals(gamma.taken.at(-1)?.from, "beta");
  for (const dial of dials) await dial.stop();
});

Deno.test("MetadataLink.push() sends one message at a time", async () => {
  const clock = new ManualClock();
  const alpha = new Host("alpha", clock);
  const beta = new Host("beta", clock);
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => release = resolve);
  const dial = new Dial(alpha, beta, {
    delay: (index) => index === 2 ? gate : Promise.resolve(),
  });
  await dial.settled();
  for (let count = 0; count < 100; count++) {
    alpha.write("userspace/note", `value ${count}`);
    alpha.write(`userspace/note-${count}`, "x");
  }
  release();
  await dial.line.idle();
  await dial.line.idle();
  assertEquals(beta.value("userspace/note"), "value 99");
  assertEquals(beta.value("userspace/note-99"), "x");
  assertEquals(dial.line.calls, [
    "meta.digests",
    "meta.done",
    "meta.push",
    "meta.push",
  ]);
  await dial.stop();
});

Deno.test("MetadataLink.push() learns that the peer knows better", async () => {
  const clock = new ManualClock();
  const alpha = new Host("alpha", clock);
  const beta = new Host("beta", clock);
  const dial = new Dial(alpha, beta);
  await dial.settled();
  // Beta was told by somebody else, and its own message to alpha got lost.
  const note = { path: "userspace/note", value: "new" };
  const [newer] = beta.tree.write([{ ...note, stampNs: clock.nowNs + 5n }]);
  dial.link.push([{ ...note, value: "old", stampNs: 5n }]);
  await idle([dial]);
  assertEquals(alpha.tree.snapshot().get("userspace/note"), newer);
  assertEquals(dial.line.calls, ["meta.digests", "meta.done", "meta.push"]);
  await dial.stop();
});

Deno.test("MetadataLink.push() keeps local links at home", async () => {
  const clock = new ManualClock();
  const alpha = new Host("alpha", clock);
  const dial = new Dial(alpha, new Host("beta", clock));
  await dial.settled();
  alpha.write("cache-alpha/invalid", "1");
  alpha.write("resource-x/local-alpha/note", "1");
  // Beta knows best what beta does.
  alpha.write("actual-beta/alive", "1");
  await dial.line.idle();
  await dial.stop();
  assertEquals(dial.line.calls, ["meta.digests", "meta.done"]);
});

Deno.test("MetadataLink moves both clocks past the other", async () => {
  const [fast, slow] = [new ManualClock(), new ManualClock()];
  fast.nowNs += DAY_NS;
  const alpha = new Host("alpha", slow);
  const beta = new Host("beta", fast);
  const dial = new Dial(alpha, beta);
  await dial.settled();
  await dial.stop();
  assert(alpha.tree.lamport.next() > fast.nowNs);
});

Deno.test("MetadataLink is refused by a host of another cluster", async () => {
  const cases: [string | undefined, string | undefined, boolean][] = [
    ["one", "one", true],
    ["one", "two", false],
    ["(any)", "two", true],
    ["one", "(any)", true],
    [undefined, "two", false],
    ["one", undefined, false],
    [undefined, undefined, false],
  ];
  for (const [left, right, isGood] of cases) {
    const clock = new ManualClock();
    const links = [{ path: "userspace/note", value: "x", stampNs: 1n }];
    const alpha = new Host("alpha", clock, links);
    const beta = new Host("beta", clock);
    alpha.uuid = left;
    beta.uuid = right;
    const dial = new Dial(alpha, beta);
    await dial.settled();
    assertEquals(beta.value("userspace/note"), isGood ? "x" : undefined);
    if (isGood) await dial.stop();
    else {
      const result = await dial.end();
      assert(result.kind === "lost");
      assertStringIncludes(result.message, "different clusters");
    }
  }
});

Deno.test("MetadataLink is refused if the clock of a host is far ahead", async () => {
  for (const days of [29n, 30n, 31n]) {
    const [now, ahead] = [new ManualClock(), new ManualClock()];
    ahead.nowNs += days * DAY_NS;
    const dial = new Dial(new Host("alpha", ahead), new Host("beta", now));
    await dial.settled();
    if (days < 30n) await dial.stop();
    else {
      const result = await dial.end();
      assert(result.kind === "lost");
      assertStringIncludes(result.message, 'clock of "alpha"');
    }
  }
});

Deno.test("metadataHandlers() refuse illegal links and take the others", async () => {
  const clock = new ManualClock();
  const beta = new Host("beta", clock, [
    { path: "actual-beta/alive", value: "1", stampNs: 3n },
  ]);
  const good = { path: "userspace/good", value: "x", stampNs: 7n };
  const bad = [
    { ...good, path: "../etc/passwd" },
    { ...good, path: "/etc/passwd" },
    { ...good, path: "userspace/../../x" },
    { ...good, path: "userspace/.hidden" },
    { ...good, path: "" },
    { ...good, path: "a/b/c/d" },
    { ...good, path: "cache-beta/x" },
    { ...good, path: `userspace/${"x".repeat(300)}` },
    { ...good, path: "userspace/empty", value: "" },
    { ...good, path: "userspace/long", value: "x".repeat(1024) },
    { ...good, path: "resource-x/size", value: "many" },
    { ...good, path: "userspace/future", stampNs: clock.nowNs + 30n * DAY_NS },
  ];
  const own = { path: "actual-beta/alive", value: "0", stampNs: 9n };
  const line = new MemoryLine({
    from: "alpha",
    peer: "beta",
    handlers: beta.handlers,
  });
  const greeting = { uuid: "cluster", stamp: "1.000000000" };
  await line.call("meta.push", greeting, {
    body: encodeLinks([...bad, own, good]),
  });
  assertEquals(beta.taken, [{ links: [good], from: "alpha" }]);
  assertEquals(beta.value("actual-beta/alive"), "1");
  assertEquals(beta.tree.snapshot().size, 2);
  assertEquals(beta.intake.refusedCount("alpha"), bad.length);
  // Whatever it writes next stands against what others believe.
  assert(beta.tree.lamport.next() > own.stampNs);
});

Deno.test("metadataHandlers() refuse malformed messages", async () => {
  const beta = new Host("beta", new ManualClock());
  const line = new MemoryLine({
    from: "alpha",
    peer: "beta",
    handlers: beta.handlers,
  });
  const greeting = { uuid: "cluster", stamp: "1.000000000" };
  const list = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => `userspace-${index}`);
  const bad: [string, Record<string, string | number | string[]>][] = [
    ["meta.push", {}],
    ["meta.push", { uuid: "cluster" }],
    ["meta.push", { ...greeting, stamp: "yesterday" }],
    ["meta.push", { ...greeting, uuid: 5 }],
    ["meta.digests", greeting],
    ["meta.digests", { ...greeting, from: "", digests: list(3) }],
    ["meta.digests", { ...greeting, from: "", digests: list(2_000) }],
    ["meta.digests", { ...greeting, from: 0, digests: [] }],
    ["meta.exchange", { ...greeting, from: "" }],
    ["meta.exchange", { ...greeting, from: "", directories: list(501) }],
  ];
  for (const [method, params] of bad) {
    const refusal = await line.call(method, params)
      .then(() => "answered", (error: Error) => error.message);
    assertStringIncludes(refusal, "Cannot", `${method} ${params}`);
  }
  assertEquals(beta.tree.snapshot().size, 0);
});

Deno.test("LinkIntake does not bring back what was deleted meanwhile", () => {
  const beta = new Host("beta", new ManualClock());
  const link = (stampNs: bigint, value: string): Link => ({
    path: "userspace/note",
    value,
    stampNs,
  });
  beta.intake.take("alpha", [link(5n, ".deleted")]);
  beta.intake.take("gamma", [link(4n, "late")]);
  assertEquals(beta.tree.snapshot().size, 0);
  beta.intake.take("gamma", [link(6n, "new")]);
  assertEquals(beta.value("userspace/note"), "new");
});

Deno.test("MetadataLink tells a peer what was deleted while it was away", async () => {
  const clock = new ManualClock();
  const note = { path: "userspace/note", value: "x", stampNs: 4n };
  const alpha = new Host("alpha", clock);
  const beta = new Host("beta", clock, [note]);
  alpha.intake.take("gamma", [{ ...note, value: ".deleted", stampNs: 5n }]);
  const dial = new Dial(alpha, beta);
  await dial.settled();
  await idle([dial]);
  assertEquals(beta.value("userspace/note"), undefined);
  assertEquals(alpha.value("userspace/note"), undefined);
  await dial.stop();
});

Deno.test("MetadataLink ends when the peer goes in circles", async () => {
  for (const until of ["", "zzz"]) {
    const clock = new ManualClock();
    const alpha = new Host("alpha", clock, [
      { path: "userspace/a", value: "x", stampNs: 1n },
    ]);
    let count = 0;
    const dial = new Dial(alpha, new Host("beta", clock), {
      onReply: ({ params, body }) => {
        count++;
        return { params: { ...params, until }, body };
      },
    });
    await dial.settled();
    assertEquals((await dial.end()).kind, "lost");
    assert(count < 10);
  }
});

Deno.test("LinkIntake tells what was taken before the disk was full", async () => {
  const clock = new ManualClock();
  const alpha = new Host(
    "alpha",
    clock,
    manyLinks(9, (i) => `userspace/n-${i}`),
  );
  const beta = new Host("beta", clock);
  beta.tree.roomCount = 4;
  const dial = new Dial(alpha, beta);
  await dial.settled();
  const result = await dial.end();
  assert(result.kind === "lost");
  assertStringIncludes(result.message, "ENOSPC");
  assertEquals(beta.taken.flatMap((taken) => taken.links).length, 4);
});

Deno.test("MetadataLink.refresh() finds what a push has not told", async () => {
  const clock = new ManualClock();
  const [alpha, beta] = [new Host("alpha", clock), new Host("beta", clock)];
  const dial = new Dial(alpha, beta);
  await dial.settled();
  beta.tree.write([{ path: "userspace/note", value: "1" }]);
  dial.link.refresh();
  await deadline(until(() => alpha.value("userspace/note") === "1"), WAIT_MS);
  await dial.stop();
});

Deno.test("MetadataLink.look() asks the peer to look at its tree", async () => {
  const clock = new ManualClock();
  const [alpha, beta] = [new Host("alpha", clock), new Host("beta", clock)];
  let lookCount = 0;
  const dial = new Dial(alpha, beta, {
    handlers: metadataHandlers(beta.intake, { look: () => lookCount++ }),
  });
  await dial.settled();
  dial.link.look();
  await deadline(until(() => lookCount === 1), WAIT_MS);
  await dial.stop();
  dial.link.look();
  assertEquals(lookCount, 1);
});

Deno.test("MetadataLink.compareAgain() exchanges once more, also during an exchange", async () => {
  const clock = new ManualClock();
  const [alpha, beta] = [new Host("alpha", clock), new Host("beta", clock)];
  const methods: string[] = [];
  const dial = new Dial(alpha, beta, {
    fault: (_index, method) => {
      methods.push(method);
      return "none";
    },
  });
  // What is going on may have passed what has changed.
  dial.link.compareAgain();
  const countOf = (): number =>
    methods.filter((method) => method === "meta.done").length;
  await deadline(until(() => countOf() === 2), WAIT_MS);
  await dial.line.idle();
  dial.link.compareAgain();
  await deadline(until(() => countOf() === 3), WAIT_MS);
  await dial.stop();
});
