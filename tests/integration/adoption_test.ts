/**
 * A tree that the original has left behind: a primary that crashed, and a peer
 * whose host is away. Our daemon goes on where it stopped, `view` shows it, and
 * what belongs to older versions stays as it is.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";

const SIZE = 16 * 1024 * 1024;
const ZERO = "0".repeat(32);
// A stream of three records; see vectors/expected.json.
const LOG = new URL("../vectors/v14-stream3-small.bin", import.meta.url);
const LOG_BYTES = 1788;
const RECORD_BYTES = 596;
const LOG_1_BYTES = 4180;

function digest(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

/** `path -> value`, one a line, as the original leaves them. */
function links(disk: string, version: readonly string[]): string {
  return `
uuid -> alpha_1795351445.000000000
ips/ip-alpha -> 127.0.0.1
ips/ip-beta -> 127.0.0.1:1
ips/ip-gamma -> .deleted
defaults-alpha/sync-limit -> 0
defaults-alpha/sync-pref-list -> (none)
defaults/enabled-log-compressions -> 0x00000000
todo-global/delete-000000007-beta -> /mars/resource-r/log-000000000-alpha
todo-global/deleted-gamma -> .deleted
todo-global/systemd-global-trigger -> alpha
alive-alpha -> 1
alive-beta -> 1
tree-alpha -> 0.1
tree-beta -> 0.1
emergency-beta -> 0
cache-alpha/invalid -> 1
actual-alpha/time -> 1795351500.000000001
actual-alpha/alive -> 1
actual-alpha/tree -> 0.1
actual-alpha/features -> 4,5,0x071f0000
actual-alpha/buildtag -> 0.1astable177(alpha)
actual-alpha/marsadm-version -> 2.9
actual-alpha/compat-alivelinks -> 0
actual-beta/time -> 1795351500.000000002
actual-beta/alive -> 1
actual-beta/tree -> 0.1
actual-beta/features -> 4,5,0x071f0000
actual-beta/marsadm-version -> 2.9
actual-beta/usable -> 4,5,0x071f0000
resource-r/size -> ${SIZE}
resource-r/primary -> alpha
resource-r/maxnr -> 2
resource-r/data-alpha -> ${disk}
resource-r/data-beta -> /dev/vg/r
resource-r/device-alpha -> r
resource-r/device-beta -> (none)
resource-r/connect-alpha -> beta,gamma
resource-r/connect-beta -> alpha
resource-r/actsize-alpha -> ${SIZE}
resource-r/actsize-beta -> ${SIZE}
resource-r/skip-check-alpha -> 000000001
resource-r/skip-check-beta -> 1 joined
resource-r/syncstatus-alpha -> ${SIZE}
resource-r/syncstatus-beta -> ${SIZE}
resource-r/syncpos-beta -> log-000000001-alpha,0,0
resource-r/syncfrom-beta -> alpha
resource-r/verifystatus-beta -> 0,0
resource-r/userspace/last-primary -> alpha
resource-r/todo-alpha/attach -> 1
resource-r/todo-alpha/connect -> 1
resource-r/todo-alpha/sync -> 1
resource-r/todo-alpha/allow-replay -> 1
resource-r/todo-alpha/emergency-limit -> 0
resource-r/todo-alpha/exports -> beta+gamma
resource-r/todo-beta/attach -> 1
resource-r/todo-beta/connect -> 1
resource-r/todo-beta/sync -> 1
resource-r/todo-beta/allow-replay -> 1
resource-r/todo-beta/deleted-gamma -> .deleted
resource-r/actual-alpha/device-alpha -> 1
resource-r/actual-alpha/is-attached -> 1
resource-r/actual-alpha/is-primary -> 1
resource-r/actual-alpha/if-on -> 1
resource-r/actual-alpha/open-count -> 1
resource-r/actual-alpha/replay-code -> 0,0,0x00
resource-r/actual-alpha/prosumer-on -> 0
resource-r/actual-alpha/msg-inf-fetch -> OK
resource-r/actual-alpha/msg-err-space-low -> 1795351445.1 1795351445.2 EMERGENCY
resource-r/actual-beta/is-attached -> 1
resource-r/actual-beta/is-primary -> 0
resource-r/actual-beta/is-replaying -> 1
resource-r/actual-beta/replay-code -> -85,3,0x5a
resource-r/actual-beta/open-count -> 0
resource-r/version-000000000-alpha -> ${ZERO},log-000000000-alpha,0:
resource-r/version-000000001-alpha -> ${version[1]}
resource-r/version-000000002-alpha -> ${version[2]}
resource-r/version-000000001-beta -> ${version[1]}
resource-r/replay-alpha -> log-000000002-alpha,${RECORD_BYTES},${
    2 * RECORD_BYTES
  }
resource-r/replay-beta -> log-000000001-alpha,${LOG_1_BYTES},0
resource-r/log-000000000-alpha -> .deleted
resource-r/_direct-001-alpha -> r
`;
}

/** Files and directories that nobody here knows. */
const FILES = [
  "5.total.log",
  "3.error.status",
  ".deleted-primary",
  "lost+found/x",
  "userspace/systemd-trigger",
  "cache-alpha/total-peers.cache",
  "backups-1795000000/ips-backup/x",
  "resource-r/systemd-trigger",
  "resource-r/.deleted-version-000000000-beta",
  "resource-r/logstatus-alpha.status",
];

function adopt(host: Host, text: string): void {
  for (const line of text.trim().split("\n")) {
    const [path = "", value = ""] = line.split(" -> ");
    const onDisk = `${host.marsDir}/${path}`;
    Deno.mkdirSync(onDisk.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.symlinkSync(value, onDisk);
  }
  for (const path of FILES) {
    const onDisk = `${host.marsDir}/${path}`;
    Deno.mkdirSync(onDisk.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(onDisk, "1795351445.000000001\n");
  }
  Deno.symlinkSync("alpha", `${host.marsDir}/resource-r/.tmp.4711.primary`);
  Deno.symlinkSync("0", `${host.marsDir}/resource-r/.tmp-size`);
}

Deno.test("A tree that the original left is worked on", async () => {
  await using hosts = new Hosts();
  const alpha = hosts.add("alpha");
  const first = `log-000000001-alpha,${LOG_1_BYTES}`;
  const version1 = `${digest(`1,alpha,${LOG_1_BYTES}:`)},${first}:`;
  const version2 = `${digest(`2,alpha,${LOG_BYTES}:${version1}`)},` +
    `log-000000002-alpha,${LOG_BYTES}:${version1.slice(0, -1)}`;
  const before = links(alpha.makeDisk(SIZE), ["", version1, version2]);
  adopt(alpha, before);
  const log = Deno.readFileSync(LOG);
  assertEquals(log.length, LOG_BYTES);
  Deno.writeFileSync(
    `${alpha.marsDir}/resource-r/log-000000002-alpha`,
    log,
  );
  // Before anything runs, and without a link that only we write.
  assertStringIncludes(await alpha.must("view", "r"), "ModuleNotLoaded");

  alpha.start();
  await alpha.waitLink(
    "resource-r/replay-alpha",
    (value) => value === "log-000000003-alpha,0,0",
  );
  for (const name of ["is-primary", "if-on", "is-attached"]) {
    const path = `resource-r/actual-alpha/${name}`;
    await alpha.waitLink(path, (value) => value === "1");
  }
  assertEquals(alpha.link("resource-r/actual-alpha/open-count"), "0");

  // Recovery has applied the rest of the log: one record that is no write, and
  // one at 12288. The first one, at 8192, was on the disk already.
  assertEquals(writtenSectors(Deno.readFileSync(alpha.disk)), [12288]);

  // The chain goes on where it was.
  assertEquals(alpha.link("resource-r/version-000000002-alpha"), version2);
  const version3 = `${digest(`3,alpha,0:${version2}`)},` +
    `log-000000003-alpha,0:${version2.split(":")[0]}`;
  await alpha.waitLink(
    "resource-r/version-000000003-alpha",
    (value) => value === version3,
  );
  assertEquals(alpha.link("resource-r/maxnr"), "3");

  // An error of the past is over, and says so.
  await alpha.waitLink(
    "resource-r/actual-alpha/msg-err-space-low",
    (value) => value === "OK",
  );

  const shown = await waitFor("the view", async () => {
    const text = await alpha.must("view", "all");
    return text.includes("Replicating") ? text : undefined;
  });
  assertStringIncludes(shown, "r [2/2] UpToDate Replicating DCASFR Primary");
  assert(!shown.includes("SPLIT BRAIN"), shown);
  await alpha.must("view", "r", "--json");

  // Nobody has touched what was not ours.
  const own = /^(actual-alpha|resource-r\/(actual-alpha|replay-alpha|maxnr))/;
  for (const line of before.trim().split("\n")) {
    const [path = "", value = ""] = line.split(" -> ");
    if (own.test(path)) continue;
    assertEquals(alpha.link(path), value, path);
  }
  for (const path of FILES) {
    assert(Deno.lstatSync(`${alpha.marsDir}/${path}`).isFile, path);
  }
  for (const name of ["device-alpha", "prosumer-on"]) {
    assert(alpha.link(`resource-r/actual-alpha/${name}`) !== undefined, name);
  }
});

/** Offsets of sectors that are not zero. */
function writtenSectors(disk: Uint8Array): number[] {
  const sectors: number[] = [];
  for (let at = 0; at < disk.length; at += 512) {
    if (disk.subarray(at, at + 512).some((byte) => byte !== 0)) {
      sectors.push(at);
    }
  }
  return sectors;
}
