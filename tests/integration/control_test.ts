/**
 * The control directory of real daemons: what is written to the trigger, by a
 * shell as the original's tool does it, and who removes what when.
 */
import { assert, assertEquals } from "@std/assert";
import { isThere } from "../../src/base/remove.ts";
import { parseStamp } from "../../src/tree/values.ts";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { command } from "../support/programs.ts";

function controlPath(host: Host, name: string): string {
  return `${host.directory}/run/control/${name}`;
}

/** Writes messages without newline, one by one, as fast as a shell can. */
function trigger(host: Host, ...messages: string[]): void {
  const writes = messages.map((message) =>
    `echo -n '${message}' > '${controlPath(host, "trigger")}'`
  );
  command("sh", "-c", writes.join("; "));
}

/** Lets two hosts of different clusters trust each other. */
async function introduce(left: Host, right: Host): Promise<void> {
  for (const [host, other] of [[left, right], [right, left]] as const) {
    Deno.writeTextFileSync(
      `${host.directory}/etc/authorized_peers`,
      await other.must("key", "show"),
      { append: true, mode: 0o600 },
    );
  }
}

/** Waits until each of them has its line to the other one. */
async function connected(...hosts: Host[]): Promise<void> {
  for (const host of hosts) {
    await waitFor("a line", () => host.traces().includes("peers: Connected"));
  }
}

function addressOf(host: Host): string {
  return `127.0.0.1:${host.port}`;
}

Deno.test("Messages to the trigger reach peers, also grown together", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await connected(alpha, beta);

  // Commands write a link before they push it.
  Deno.mkdirSync(`${alpha.marsDir}/userspace`, { recursive: true });
  for (const name of ["first", "second"]) {
    Deno.symlinkSync("local", `${alpha.marsDir}/userspace/${name}`);
  }
  trigger(
    alpha,
    "1",
    "p beta hello /mars/userspace/first",
    `P beta ${addressOf(beta)} again ${alpha.marsDir}/userspace/second`,
    "3",
    "l a note",
  );
  await beta.waitLink("userspace/first", (value) => value === "hello");
  await beta.waitLink("userspace/second", (value) => value === "again");
  await waitFor("a note", () => alpha.traces().includes("trigger: a note"));

  // What states what beta does is beta's alone.
  const before = beta.link("actual-beta/tree");
  trigger(alpha, "p beta 9.9 /mars/actual-beta/tree");
  await waitFor("a refusal", () => beta.traces().includes("what this host"));
  assertEquals(beta.link("actual-beta/tree"), before);

  trigger(alpha, "p gamma hello /mars/userspace/third");
  await waitFor(
    "a word on trust",
    () => alpha.traces().includes("its key is not trusted here"),
  );
  await waitFor("the state of the line", () => {
    const info = Deno.readTextFileSync(controlPath(alpha, "info"));
    return info.includes("peer beta: connected");
  });
});

Deno.test("A look at everything finds a stamp that was changed in place", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await connected(alpha, beta);
  const path = "userspace/note";
  trigger(alpha, "p beta old /mars/userspace/note");
  trigger(alpha, "3");
  await beta.waitLink(path, (value) => value === "old");
  await alpha.waitLink(path, (value) => value === "old");
  const seconds = Math.floor(Date.now() / 1000) + 3600;
  command("touch", "-h", "-d", `@${seconds}`, `${beta.marsDir}/${path}`);
  trigger(beta, "8");
  await waitFor("the stamp", () => {
    const { mtime } = Deno.lstatSync(`${alpha.marsDir}/${path}`);
    return mtime?.getTime() === seconds * 1000;
  });
});

Deno.test("A probe brings the tree of another cluster, and merges nothing", async () => {
  await using hosts = new Hosts();
  const [alpha] = await hosts.cluster("alpha");
  const [omega] = await hosts.cluster("omega");
  assert(alpha !== undefined && omega !== undefined);
  await introduce(alpha, omega);
  Deno.mkdirSync(`${omega.marsDir}/userspace`, { recursive: true });
  Deno.symlinkSync("far", `${omega.marsDir}/userspace/note`);
  trigger(omega, "1");
  const probe = "probe-alpha/mars";

  await waitFor("the note", () => {
    trigger(alpha, `f omega ${addressOf(omega)} /mars/probe-alpha`, "2");
    return alpha.link(`${probe}/userspace/note`) === "far";
  });
  await alpha.waitLink("probe-alpha/got-omega", (value) => value === "1");
  assertEquals(alpha.link(`${probe}/uuid`), omega.link("uuid"));
  assertEquals(
    alpha.link(`${probe}/ips/ip-omega`),
    omega.link("ips/ip-omega"),
  );
  assertEquals(alpha.link("userspace/note"), undefined);

  trigger(alpha, `f omega ${addressOf(omega)} /`);
  await waitFor(
    "a refusal",
    () => alpha.traces().includes("they belong to different clusters"),
  );
  assertEquals(alpha.link("userspace/note"), undefined);
});

Deno.test("The Lamport clock is fresh and ahead of every link", async () => {
  await using hosts = new Hosts();
  const [alpha] = await hosts.cluster("alpha");
  assert(alpha !== undefined);
  const read = (): bigint => {
    const text = Deno.readTextFileSync(controlPath(alpha, "lamport_clock"));
    const stamp = /^lamport_now=(.*)$/m.exec(text)?.[1] ?? "";
    return parseStamp(stamp) ?? 0n;
  };
  const startMs = Date.now();
  await waitFor(
    "a stamp of now",
    () => read() >= BigInt(startMs) * 1_000_000n,
  );
  const told = parseStamp(alpha.link("actual-alpha/time") ?? "") ?? 0n;
  assert(read() > told);
});

Deno.test("The control directory goes with the daemon, whatever way it ends", async () => {
  await using hosts = new Hosts();
  const [alpha] = await hosts.cluster("alpha");
  assert(alpha !== undefined);
  await alpha.end("SIGKILL");
  await waitFor("the guard", () => !isThere(controlPath(alpha, "")));
  alpha.start();
  await waitFor("a new one", () => isThere(controlPath(alpha, "info")));
  trigger(alpha, "l it is back");
  await waitFor("a note", () => alpha.traces().includes("it is back"));
  await alpha.end("SIGTERM");
  assert(!isThere(controlPath(alpha, "")));
});
