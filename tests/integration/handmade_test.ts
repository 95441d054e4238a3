/**
 * Real daemons and links made by hand: what `ln -s` says is done, like what a
 * command says. Also trees that a crash, an older daemon or a stranger left.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { command } from "../support/programs.ts";
import { connect, copied, resourceOf } from "../support/replicas.ts";

const MIB = 1024 * 1024;

/** Makes a link as `ln -sfn` does; with a stamp of the past if `ageS`. */
function link(host: Host, path: string, value: string, ageS = 0): void {
  const onDisk = `${host.marsDir}/${path}`;
  const draft = `${onDisk}.draft`.replace(/([^/]+)$/, ".$1");
  Deno.mkdirSync(onDisk.slice(0, onDisk.lastIndexOf("/")), { recursive: true });
  Deno.symlinkSync(value, draft);
  if (ageS > 0) {
    const seconds = Math.floor(Date.now() / 1000) - ageS;
    command("touch", "-h", "-d", `@${seconds}`, draft);
  }
  Deno.renameSync(draft, onDisk);
}

/** Paths of links below a directory of the tree that contain `word`. */
function paths(host: Host, directory: string, word: string): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(`${host.marsDir}/${directory}`)) {
    const path = `${directory}/${entry.name}`;
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory) found.push(...paths(host, path, word));
    else if (entry.isSymlink && path.includes(word)) found.push(path);
  }
  return found;
}

function trigger(host: Host): void {
  Deno.writeTextFileSync(`${host.directory}/run/control/trigger`, "1\n");
}

/** Waits until the daemon has made some more rounds. */
async function rounds(host: Host): Promise<void> {
  for (let index = 0; index < 2; index++) {
    const before = host.link(`actual-${host.name}/time`);
    trigger(host);
    await host.waitLink(
      `actual-${host.name}/time`,
      (value) => value !== before,
    );
  }
}

async function sizeOf(host: Host, device: string): Promise<number> {
  const client = await connect(host, device);
  const { sizeBytes } = client;
  await client.disconnect();
  return sizeBytes;
}

Deno.test("A resource that was left by hand stays left", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await resourceOf([alpha, beta], MIB);
  link(beta, "resource-r/todo-beta/attach", "0");
  // The rate of the copy is told last.
  for (const name of ["is-attached", "amount-sync_rate"]) {
    await beta.waitLink(
      `resource-r/actual-beta/${name}`,
      (value) => value === "0",
    );
  }
  const own = paths(beta, "resource-r", "-beta");
  assert(own.length > 20, own.join());
  for (const path of own) link(beta, path, ".deleted");
  await rounds(beta);
  await rounds(alpha);
  for (const host of [alpha, beta]) {
    const back = paths(host, "resource-r", "-beta")
      .filter((path) => host.link(path) !== ".deleted");
    assertEquals(back, [], host.name);
  }
  await waitFor(
    "nothing to run",
    () =>
      !Deno.readTextFileSync(`${beta.directory}/run/control/info`)
        .includes("resource r"),
  );
});

Deno.test("A guest says that nothing runs there", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await resourceOf([alpha], MIB);
  await beta.waitLink("resource-r/size", (value) => value === String(MIB));
  link(beta, "resource-r/device-beta", "r");
  for (const name of ["is-attached", "is-primary", "is-syncing", "if-on"]) {
    const path = `resource-r/actual-beta/${name}`;
    assertEquals(await beta.waitLink(path, () => true), "0");
  }
  await alpha.waitLink(
    "actual-alpha/msg-needed-connection-with-beta",
    (value) => value.endsWith(" CONNECTED"),
  );
});

Deno.test("A device grows while it is open, and does not shrink", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  await resourceOf([alpha, beta], MIB);
  await waitFor("the device", async () => await sizeOf(alpha, "r") === MIB);
  const client = await connect(alpha);

  Deno.truncateSync(alpha.disk, 2 * MIB);
  Deno.truncateSync(beta.disk, 2 * MIB);
  await waitFor("both to notice", () => {
    for (const host of [alpha, beta]) trigger(host);
    return alpha.link("resource-r/actsize-beta") === String(2 * MIB) &&
      alpha.link("resource-r/actsize-alpha") === String(2 * MIB);
  });
  link(alpha, "resource-r/size", String(2 * MIB));
  await waitFor("the size", async () => await sizeOf(alpha, "r") === 2 * MIB);
  const data = new Uint8Array(4096).fill(7);
  await client.write(2 * MIB - 4096, data);
  await client.disconnect();
  for (const name of ["alpha", "beta"]) {
    await copied(alpha, 2 * MIB, name);
  }
  await waitFor("the data on beta", () => {
    const disk = Deno.readFileSync(beta.disk);
    return disk.subarray(-4096).every((byte) => byte === 7);
  });

  link(alpha, "resource-r/size", String(MIB));
  await alpha.waitLink(
    "resource-r/actual-alpha/msg-err-size-smaller",
    (value) => value.includes("cannot shrink"),
  );
  assertEquals(await sizeOf(alpha, "r"), 2 * MIB);
});

Deno.test("A limit of copies at the same time is obeyed", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  const names = ["r1", "r2", "r3"];
  for (const host of [alpha, beta]) {
    for (const name of names) {
      using file = Deno.openSync(`${host.disk}-${name}`, {
        create: true,
        write: true,
      });
      file.truncateSync(16 * MIB);
    }
  }
  for (const name of names) {
    await alpha.must("create-resource", name, `${alpha.disk}-${name}`);
  }
  link(beta, "defaults-beta/sync-limit", "1");
  await Promise.all(
    names.map((name) =>
      beta.must("join-resource", name, `${beta.disk}-${name}`)
    ),
  );
  let most = 0;
  await waitFor("all copies", () => {
    const isOn = names.filter((name) =>
      beta.link(`resource-${name}/actual-beta/is-syncing`) === "1"
    );
    most = Math.max(most, isOn.length);
    return names.every((name) =>
      beta.link(`resource-${name}/syncstatus-beta`) === String(16 * MIB)
    );
  });
  assert(most <= 1, `${most} at once`);
});

Deno.test("A link with an old stamp counts everywhere if it was made by hand", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  const path = "userspace/note";
  link(alpha, path, "first");
  await beta.waitLink(path, (value) => value === "first");
  link(alpha, path, "second", 3600);
  await beta.waitLink(path, (value) => value === "second");
  assertEquals(alpha.link(path), "second");
});

Deno.test("A host of another cluster is told from ours, and nothing is merged", async () => {
  await using hosts = new Hosts();
  const [alpha] = await hosts.cluster("alpha");
  const [omega] = await hosts.cluster("omega");
  assert(alpha !== undefined && omega !== undefined);
  for (const [host, other] of [[alpha, omega], [omega, alpha]] as const) {
    Deno.writeTextFileSync(
      `${host.directory}/etc/authorized_peers`,
      await other.must("key", "show"),
      { mode: 0o600 },
    );
  }
  link(omega, "userspace/note", "far");
  link(alpha, "ips/ip-omega", `127.0.0.1:${omega.port}`);
  await alpha.waitLink(
    "actual-alpha/msg-needed-connection-with-omega",
    (value) => value.includes("NOT connected") && value.includes("clusters"),
  );
  assertEquals(alpha.link("userspace/note"), undefined);
  assertEquals(omega.link("ips/ip-alpha"), undefined);
});

Deno.test("A daemon works on what a crash or a stranger has left", async () => {
  await using hosts = new Hosts();
  const [alpha] = await hosts.cluster("alpha");
  assert(alpha !== undefined);
  await resourceOf([alpha], MIB);
  await alpha.waitLink(
    "resource-r/actual-alpha/if-on",
    (value) => value === "1",
  );
  await alpha.end("SIGKILL");

  const actual = `${alpha.marsDir}/resource-r/actual-alpha`;
  // Unfinished, historic, foreign, garbage, and of another kind.
  Deno.symlinkSync("x", `${alpha.marsDir}/.tmp.1.uuid`);
  Deno.symlinkSync("x", `${actual}/.tmp-is-attached`);
  Deno.writeTextFileSync(`${alpha.marsDir}/.deleted-something`, "");
  Deno.symlinkSync("1", `${alpha.marsDir}/alive-alpha`);
  Deno.symlinkSync("garbage", `${alpha.marsDir}/resource-r/replay-beta`);
  Deno.mkdirSync(`${alpha.marsDir}/resource-broken`);
  Deno.symlinkSync("\u0007", `${alpha.marsDir}/resource-broken/size`);
  Deno.writeTextFileSync(`${alpha.marsDir}/core`, "");
  Deno.removeSync(`${actual}/is-attached`);
  Deno.writeTextFileSync(`${actual}/is-attached`, "a file");
  Deno.removeSync(`${actual}/open-count`);
  Deno.mkdirSync(`${actual}/open-count/in-the-way`, { recursive: true });
  Deno.removeSync(`${alpha.marsDir}/actual-alpha`, { recursive: true });
  const log = `${alpha.marsDir}/resource-r/log-000000001-alpha`;
  Deno.writeFileSync(log, new Uint8Array(5000).fill(0xa5), { append: true });

  alpha.start();
  await waitFor(
    "a link in place of the file",
    () => Deno.lstatSync(`${actual}/is-attached`).isSymlink,
  );
  await alpha.waitLink(
    "resource-r/actual-alpha/is-attached",
    (value) => value === "1",
  );
  const sizeBytes = await waitFor(
    "the device",
    () => sizeOf(alpha, "r").catch(() => undefined),
  );
  assertEquals(sizeBytes, MIB);
  assertEquals(alpha.link("actual-alpha/tree"), "0.1");
  assertStringIncludes(alpha.traces(), "open-count");
});

Deno.test("A daemon refuses a tree that it does not know", async () => {
  await using hosts = new Hosts();
  const alpha = hosts.add("alpha");
  link(alpha, "actual-beta/tree", "0.2");
  const { code, stderr } = await alpha.run("daemon", "--reserve=0");
  assertEquals(code, 1);
  assertStringIncludes(stderr, `"beta" has a tree of version "0.2"`);
  const full = await alpha.run("daemon", "--reserve=1P");
  assertEquals(full.code, 1);
});

function hasIpv6(): boolean {
  try {
    using _listener = Deno.listen({ hostname: "::1", port: 0 });
    return true;
  } catch {
    return false; // Switched off here.
  }
}

Deno.test({
  name: "Hosts find each other over IPv6",
  ignore: !hasIpv6(),
  fn: async () => {
    await using hosts = new Hosts();
    const [alpha, beta] = [hosts.add("alpha"), hosts.add("beta")];
    for (const host of [alpha, beta]) {
      host.start("--listen=::1");
      await waitFor("it", () => host.traces().includes("daemon: Started"));
    }
    const at = (host: Host): string => `--ip=[::1]:${host.port}`;
    await alpha.must("create-cluster", at(alpha));
    const token = /mars1\.\S+/.exec(
      await alpha.must("token", "create", at(alpha)),
    )?.[0];
    await beta.must("join-cluster", at(beta), `--token=${token}`);
    assertEquals(alpha.link("ips/ip-beta"), `[::1]:${beta.port}`);
    for (const [host, other] of [[alpha, beta], [beta, alpha]] as const) {
      await host.waitLink(
        `actual-${other.name}/alive`,
        (alive) => alive === "1",
      );
    }
  },
});
