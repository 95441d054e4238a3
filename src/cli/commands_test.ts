/** The table of commands keeps the promise to scripts of MARS. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../base/errors.ts";
import { commandOf, COMMANDS, PROGRAM_COMMANDS } from "./commands.ts";
import { OPTION_ROWS } from "./options.ts";

/** Every name that `marsadm` 2.9 has, but for old ones without effect. */
const PROMISED = `
create-cluster create-uuid join-cluster leave-cluster
merge-cluster merge-cluster-check merge-cluster-list split-cluster
lowlevel-ls-host-ips lowlevel-set-host-ip lowlevel-delete-host
wait-cluster wait-connect update-cluster
create-resource join-resource activate-guest deactivate-guest
leave-resource delete-resource resize
set-emergency-limit get-emergency-limit
attach detach up down primary secondary invalidate fake-sync set-replay
pause-fetch pause-fetch-local pause-fetch-global
resume-fetch resume-fetch-local resume-fetch-global
disconnect disconnect-local disconnect-global
connect connect-local connect-global
pause-sync pause-sync-local pause-sync-global
resume-sync resume-sync-local resume-sync-global
pause-replay pause-replay-local pause-replay-global
resume-replay resume-replay-local resume-replay-global
wait-umount wait-resource
log-rotate log-delete log-delete-one log-delete-all log-delete-all-replayed
log-purge-all err-purge-all link-purge-all cron
set-global-sync-limit-value get-global-sync-limit-value
set-sync-limit-value get-sync-limit-value
set-global-enabled-log-compressions set-global-enabled-net-compressions
set-global-disabled-log-digests set-global-disabled-net-digests
set-connect-pref-list get-connect-pref-list
set-link get-link delete-file cat
set-systemd-unit get-systemd-unit set-systemd-want get-systemd-want
systemd-trigger systemd-trigger-extern
view view-default view-replstate prettyprint-default
dump-macros dump-all-macros
`;

/** Of other tools and of old versions. */
const OLD = `
syncer check-resize get-gi show-gi outdate adjust hidden-commands
create-md dump-md dump new-current-uuid invalidate-remote
cstate dstate status role state mars-state show-state show show-errors show-info
`;

function namesIn(text: string): string[] {
  return text.trim().split(/\s+/);
}

function isKnown(name: string): boolean {
  try {
    return commandOf(name) !== undefined;
  } catch (error) {
    if (error instanceof UsageError) return false;
    throw error;
  }
}

for (const [title, text] of [["MARS", PROMISED], ["other tools", OLD]]) {
  Deno.test(`Every command of ${title} is in the table`, () => {
    const missing = namesIn(text ?? "").filter((name) => !isKnown(name));
    assertEquals(missing, []);
  });
}

Deno.test("No name stands for two commands", () => {
  const names = [
    ...COMMANDS.flatMap(({ name, aliases = [] }) => [name, ...aliases]),
    ...PROGRAM_COMMANDS.map(({ name }) => name.split(" ")[0] ?? ""),
  ];
  const own = PROGRAM_COMMANDS.map(({ name }) => name);
  const twice = names.filter((name, index) =>
    names.indexOf(name) !== index &&
    !own.some((known) => known.startsWith(`${name} `))
  );
  assertEquals(twice, []);
});

Deno.test("Every row does something, in one way", () => {
  const odd = COMMANDS.filter(({ run, phases }) =>
    (run === undefined) === (phases === undefined)
  );
  assertEquals(odd.map(({ name }) => name), []);
});

Deno.test("Counts of words agree with what the usage says", () => {
  const odd = COMMANDS.filter((row) => {
    const usage = row.usage.replace(/\[?--\S+\]?/g, " ");
    const takesResource = row.subject === "resources" ||
      row.subject === "name";
    if (!takesResource) return false;
    return !/^[A-Z]/.test(usage.trim());
  });
  assertEquals(odd.map(({ name, usage }) => `${name} ${usage}`), []);
});

Deno.test("Commands that only look take no locks", () => {
  const odd = COMMANDS.filter(({ isReading, whenBusy }) =>
    isReading === true && whenBusy !== undefined
  );
  assertEquals(odd.map(({ name }) => name), []);
});

Deno.test("An unknown name: those nearby, or the order of words", () => {
  const nearby = assertThrows(() => commandOf("primray"), UsageError);
  assertStringIncludes(nearby.message, "primary");
  const swapped = assertThrows(() => commandOf("r", "primary"), UsageError);
  assertStringIncludes(swapped.message, "mars primary r");
});

/** Sources of commands and of the program, without tests. */
async function sources(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const here = new URL("./", import.meta.url).pathname;
  for await (const { name } of Deno.readDir(here)) {
    if (!name.endsWith(".ts") || name.endsWith("_test.ts")) continue;
    found.set(name, await Deno.readTextFile(here + name));
  }
  found.set("main.ts", await Deno.readTextFile(`${here}../../main.ts`));
  return found;
}

/** Options whose field in `Options` or `Settings` has another name. */
const FIELDS: Readonly<Record<string, string>> = {
  "error-injection-phase": "failInPhase",
  "timeout": "timeoutMs",
  "window": "windowMs",
  "threshold": "thresholdBytes",
  "stuck-seconds": "stuckMs",
  "thresh-logfiles": "threshLogs",
  "thresh-logsize": "threshLogBytes",
  "autoclean": "autocleanDays",
  "ip-PEER": "peerIps",
  "token": "tokens",
  "ssh": "isWanted",
  "no-ssh": "isWanted",
  "ssh-port": "ssh",
  "ssh-opts": "ssh",
  "systemd-enable": "systemd",
};

Deno.test("Every option that help shows has an effect", async () => {
  const files = await sources();
  const text = [...files].filter(([name]) =>
    !["options.ts", "help_topics.ts"].includes(name)
  ).map(([, source]) => source).join("\n");
  const without = OPTION_ROWS.filter(({ isIgnored }) => isIgnored !== true)
    .map(({ name }) => name).filter((name) => {
      const camel = name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
      const field = FIELDS[name] ?? camel;
      const isAsked = new RegExp(`(?:text|texts|isOn)\\("${name}"\\)`);
      const isUsed = new RegExp(
        `\\.${field}\\b|\\b${field}\\b[,:]? .*=|^ +${field},$`,
        "m",
      );
      return !isAsked.test(text) && !isUsed.test(text);
    });
  assertEquals(without, []);
});
