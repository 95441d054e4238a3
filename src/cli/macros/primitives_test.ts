/** Every macro that scripts may know exists, and none falls over garbage. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  evaluate,
  type Links,
  MacroWorld,
} from "../../../tests/support/macro_world.ts";
import { TimeoutError } from "../../base/errors.ts";
import { PRIMITIVES } from "./primitives.ts";
import { MacroError } from "./run.ts";
import { TEXTS } from "./texts.ts";

/** `{a,b}c` is ac and bc. */
function expanded(pattern: string): string[] {
  const match = /^(.*?)\{([^{}]*)\}(.*)$/.exec(pattern);
  if (match === null) return [pattern];
  const [, before = "", choices = "", after = ""] = match;
  return choices.split(",").flatMap((choice) =>
    expanded(`${before}${choice}${after}`)
  );
}

/** Names of the original. */
const NAMES = `
let append set dump-vars + - * / % & | ^ << >> min max < > <= >= == !=
lt gt le ge eq ne match =~ subst toupper tolower length sprintf
and && or || not ! ~
if unless elsif elseif elsunless while until for foreach get-glob foreach-glob
protect eval eval-down tmp include call callstack abort return stop-eval next
last warn die sleep timeout human-numbers human-seconds progress errno-text
readlink setlink
{all,the}-{,pretty-}{,global-}{,err-,wrn-,inf-}msg{,-count}
get-log-status get-resource-{fat,err,wrn}{,-count}
is-{attach,sync,fetch,replay,primary,emergency,secondary} does
nr-{attach,sync,fetch,replay,primary,emergency,secondary}
todo-{attach,sync,fetch,replay,primary,secondary} todo
get-primary actual-primary is-member is-guest is-module-loaded is-alive
is-orphan is-consistent is-almost-consistent is-split-brain
replay-code disk-error get-disk disk-present get-device
device-{present,opened,nrflying,error,completion-stamp,completion-age}
device-{ops-rate,amount-rate,rate,size}
known-device-{mounted,mountpoint,fstype,mountflags}
{,count-}{my,all}-{resources,members,guests}
{,count-}{cluster,resource,guest,configured}-peers
disk-size resource-size resource-possible-size
deletable-size occupied-size writeback-rest
{sync,fetch,replay,work}-{size,pos,rest,reached,percent,permille,vector}
{sync,fetch,replay,work}-{almost,threshold}-reached
{sync,fetch,replay,work}-{rate,remain,ops-rate,amount-rate}
replay-basenr {replay,fetch,work}-{lognr,logcount} summary-vector
{alive,fetch,replay,work}-{timestamp,age,lag} time real-time
rest-space total-space uuid tree tree-version features-version
{potential,implemented,usable}-{features,digests,compressions}
used-{log,net}-{digest,compression}
enabled-{log,net}-compressions disabled-{log,net}-digests
global-sync-limit-value systemd-unit
wait-{is,todo}-{attach,sync,fetch,replay,primary,secondary}-{on,off}
wait wait-cluster
default default-{header,resource,global,footer} device-info device-stats
diskstate outdated-flags replstate flags todo-role role primarynode commstate
syncinfo sync-line replinfo fetch-line replay-line resource-errors comminfo
state cstate dstate status 1and1 diskstate-1and1 replstate-1and1 flags-1and1
role-1and1 primarynode-1and1 outdated-flags-1and1 syncinfo-1and1
replinfo-1and1 {sync,fetch,replay}-line-1and1 resource-errors-1and1
`;

Deno.test("Every macro of the original is there", () => {
  const missing = NAMES.split(/\s+/).filter((name) => name !== "")
    .flatMap((name) => /[a-z]\{|\{[a-z,]/.test(name) ? expanded(name) : [name])
    .filter((name) => !PRIMITIVES.has(name) && !TEXTS.has(name));
  assertEquals(missing, []);
});

/** Names in backquotes, with and without arguments behind them. */
function documentedNames(text: string): Set<string> {
  const names = [...text.matchAll(/`([^`\n]+)`/g)].flatMap(
    ([, quoted = ""]) => {
      const isPattern =
        /^(?:[-\w]*\{[-\w,]*,[-\w,]*\})+[-\w]*(?:\{|$)/.test(quoted) ||
        /^[-\w]*\{,/.test(quoted);
      return isPattern
        ? expanded(quoted)
        : [quoted.replace(/^([^{]+)\{.*$/, "$1")];
    },
  );
  return new Set(names);
}

Deno.test("docs/macros.md names every macro", async () => {
  const url = new URL("../../../docs/macros.md", import.meta.url);
  const documented = documentedNames(await Deno.readTextFile(url));
  const unspeakable = ["{}", "|", "||"];
  const missing = [...PRIMITIVES.keys(), ...TEXTS.keys()].filter((name) =>
    !documented.has(name) && !unspeakable.includes(name)
  );
  assertEquals(missing, []);
});

Deno.test("No macro is both a text and a primitive", () => {
  assertEquals([...TEXTS.keys()].filter((name) => PRIMITIVES.has(name)), []);
});

/** Two members and a guest, in split brain, with everything that there is. */
const LINKS: Links = {
  "uuid": "hosta_1.000000000",
  "defaults/enabled-log-compressions": "0x03000000",
  "defaults-hosta/sync-limit": "3",
  "resource-res1/size": "16777216",
  "resource-res1/primary": "hostb",
  "resource-res1/systemd-start-unit": "a.service",
  "resource-res1/device-hostc": "res1",
  ...Object.fromEntries(
    ["hosta", "hostb"].flatMap((host, index) => [
      [`ips/ip-${host}`, `10.0.0.${index}`],
      [`actual-${host}/time`, "1.000000000"],
      [`actual-${host}/usable`, "4,5,0x071f0000"],
      [`actual-${host}/used-log-digest`, "262144"],
      [`actual-${host}/msg-wrn-x`, "1.000000000 1.000000000 text"],
      ...Object.entries({
        [`data-${host}`]: "/dev/disk",
        [`device-${host}`]: "res1",
        [`actsize-${host}`]: "33554432",
        [`syncstatus-${host}`]: "8388608",
        [`syncpos-${host}`]: "log-000000001-hosta,5,0",
        [`replay-${host}`]: `log-000000002-${host},4096,512`,
        [`version-000000002-${host}`]: `${
          "a".repeat(32)
        },log-000000002-${host},8192:${
          "b".repeat(32)
        },log-000000001-hosta,4096`,
        [`todo-${host}/attach`]: "1",
        [`todo-${host}/connect`]: "1",
        [`todo-${host}/sync`]: "1",
        [`todo-${host}/allow-replay`]: "1",
        [`actual-${host}/is-attached`]: "1",
        [`actual-${host}/is-primary`]: String(index),
        [`actual-${host}/if-on`]: "1",
        [`actual-${host}/open-count`]: "1",
        [`actual-${host}/if-flying`]: "2",
        [`actual-${host}/if-state`]: "-5",
        [`actual-${host}/if-completion-stamp`]: "1.000000000",
        [`actual-${host}/has-emergency`]: "0",
        [`actual-${host}/replay-code`]: "-74,-10101,0x00",
        [`actual-${host}/disk-error`]: "-5",
        [`actual-${host}/amount-replay_rate`]: "100",
        [`actual-${host}/ops-if_rate`]: "100",
        [`actual-${host}/msg-err-x`]: "1.000000000 1.000000000 text",
      }).map(([name, value]) => [`resource-res1/${name}`, value]),
    ]),
  ),
};

/** Macros that stop evaluation, or change the world. */
const SPECIAL = new Set([
  ..."die next last abort return stop-eval setlink include call".split(" "),
]);

/** Evaluates, and takes only foreseen errors. */
function attempt(text: string, world: MacroWorld): string | undefined {
  try {
    return evaluate(text, world, { timeout: "1", verbose: "2" });
  } catch (error) {
    const isForeseen = error instanceof MacroError ||
      error instanceof TimeoutError;
    if (!isForeseen) throw error;
    return undefined;
  }
}

for (const links of [LINKS, {}]) {
  const size = Object.keys(links).length;
  Deno.test(`Every macro says something about ${size} links`, () => {
    for (const name of [...PRIMITIVES.keys(), ...TEXTS.keys()]) {
      if (name === "{}") continue;
      const world = new MacroWorld(links);
      const text = attempt(`%${name}{}`, world);
      const mayFail = SPECIAL.has(name) ||
        /^wait|^until$|^[/%]$|^does$|let$|append|^set$|readlink|foreach$|foreach-glob$|for$/
          .test(name);
      assertEquals(text !== undefined || mayFail, true, name);
      assertEquals(/undefined|NaN|\[object/.test(text ?? ""), false, name);
    }
  });
}

Deno.test("Views are made of any links, however old, missing or damaged", () => {
  const paths = Object.keys(LINKS);
  const garbage = fc.oneof(
    fc.constantFrom(
      ".deleted",
      "(none)",
      "hosta",
      "-1",
      "0",
      "1",
      "99999999999999999999",
      "log-000000002-hosta,7,9",
      "%die{x}",
      "nonsense",
      "é",
    ),
    fc.string({ minLength: 1, maxLength: 20 }),
  );
  const views = [
    "default",
    "1and1",
    "status",
    "state",
    "cstate",
    "dstate",
    "default-header",
    "default-global",
  ].map((name) => `%${name}{}`).join("\n");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...paths), garbage, fc.nat(100_000))),
      fc.subarray(paths),
      (changes, missing) => {
        const links: Record<string, readonly [string, bigint]> = {};
        for (const [path, value] of Object.entries(LINKS)) {
          if (missing.includes(path)) continue;
          links[path] = typeof value === "string" ? [value, 5n] : value;
        }
        for (const [path, value, age] of changes) {
          links[path] = [value, BigInt(age)];
        }
        evaluate(views, new MacroWorld(links), { verbose: "2" });
      },
    ),
    { numRuns: 300 },
  );
});
