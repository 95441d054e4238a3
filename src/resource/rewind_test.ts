import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { snapshotOfR } from "../../tests/support/snapshots.ts";
import { versionText } from "./history.ts";
import type { LocalLog } from "./plan_types.ts";
import { rewindTo } from "./rewind.ts";
import {
  rangesFor,
  REWIND_RANGES_MAX,
  rewindLinks,
  rewindPosition,
  rewindRecord,
} from "./rewind_record.ts";
import { type ResourceView, resourceView } from "./view.ts";
import { BLOCK_BYTES } from "./written.ts";

const SIZE_BYTES = 1 << 20;
const log = (sequence: number, host: string) => ({ sequence, host });

const V1 = versionText({ log: log(1, "alpha"), bytes: 100 }, undefined);
const V2_ALPHA = versionText({ log: log(2, "alpha"), bytes: 90 }, V1);
const V2_BETA = versionText({ log: log(2, "alpha"), bytes: 70 }, V1);
const V3_ALPHA = versionText({ log: log(3, "alpha"), bytes: 30 }, V2_ALPHA);
const V3_BETA = versionText({ log: log(3, "beta"), bytes: 50 }, V2_BETA);

/** alpha is to lose; beta went on behind byte 70 of log 2. */
const LINKS: Readonly<Record<string, string>> = {
  size: String(SIZE_BYTES),
  primary: "beta",
  "data-alpha": "/dev/a",
  "data-beta": "/dev/b",
  "syncstatus-alpha": String(SIZE_BYTES),
  "syncstatus-beta": String(SIZE_BYTES),
  "replay-alpha": "log-000000003-alpha,30,0",
  "replay-beta": "log-000000003-beta,50,0",
  "version-000000001-alpha": V1,
  "version-000000001-beta": V1,
  "version-000000002-alpha": V2_ALPHA,
  "version-000000002-beta": V2_BETA,
  "version-000000003-alpha": V3_ALPHA,
  "version-000000003-beta": V3_BETA,
};

const FILES: readonly LocalLog[] = [
  { log: log(1, "alpha"), bytes: 100 },
  { log: log(2, "alpha"), bytes: 90 },
  { log: log(3, "alpha"), bytes: 30 },
  { log: log(3, "beta"), bytes: 50 },
];

function viewOf(changes: Readonly<Record<string, string>> = {}): ResourceView {
  return resourceView(snapshotOfR({ ...LINKS, ...changes }), "r", "alpha");
}

Deno.test("rewindTo() names the parting, and what only this host wrote", () => {
  assertEquals(
    rewindTo(viewOf(), "beta", { logs: FILES, isDeleted: () => false }),
    {
      kind: "rewind",
      to: { log: log(2, "alpha"), bytes: 70 },
      parting: { log: log(2, "alpha"), bytes: 70 },
      parts: [
        { log: log(2, "alpha"), fromBytes: 70 },
        { log: log(3, "alpha"), fromBytes: 0 },
      ],
    },
  );
});

Deno.test("rewindTo() reads a log that nobody knows of, too", () => {
  const logs = [...FILES, { log: log(4, "alpha"), bytes: 8 }];
  const rewind = rewindTo(viewOf(), "beta", { logs, isDeleted: () => false });
  assert(rewind.kind === "rewind");
  assertEquals(rewind.parts.at(-1), { log: log(4, "alpha"), fromBytes: 0 });
});

Deno.test("rewindTo() begins where the disk is, if that is earlier", () => {
  const rewind = rewindTo(
    viewOf({ "replay-alpha": "log-000000002-alpha,40,50" }),
    "beta",
    { logs: FILES, isDeleted: () => false },
  );
  assert(rewind.kind === "rewind");
  assertEquals(rewind.to, { log: log(2, "alpha"), bytes: 40 });
  assertEquals(rewind.parting, { log: log(2, "alpha"), bytes: 70 });
});

const DOUBTS: readonly {
  readonly name: string;
  readonly links?: Readonly<Record<string, string>>;
  readonly logs?: readonly LocalLog[];
  readonly deleted?: number;
  readonly reason: string;
}[] = [
  {
    name: "its copy is not complete",
    links: { "syncstatus-alpha": "4096" },
    reason: "not complete",
  },
  {
    name: "its replay is not at the end of the last copy",
    links: { "syncpos-alpha": "log-000000003-alpha,31,0" },
    reason: "not complete",
  },
  {
    name: "there is no split brain",
    links: {
      "replay-alpha": "log-000000002-alpha,70,0",
      "version-000000002-alpha": V2_BETA,
      "version-000000003-alpha": "",
    },
    reason: "has not parted",
  },
  {
    name: "it was in emergency mode",
    links: { "actual-alpha/has-emergency": "1" },
    reason: "emergency",
  },
  {
    name: "its disk had errors",
    links: { "actual-alpha/disk-error": "-5" },
    reason: "errors",
  },
  {
    name: "its replay had stopped",
    links: { "actual-alpha/replay-code": "-74,-1,0x00" },
    reason: "stopped",
  },
  {
    name: "a version in between is missing",
    links: { "version-000000003-alpha": "" },
    reason: "common history",
  },
  {
    name: "a log of its own is missing",
    logs: FILES.filter(({ log: { sequence, host } }) =>
      sequence !== 3 || host !== "alpha"
    ),
    reason: '"log-000000003-alpha" is not complete',
  },
  {
    name: "a log of its own is shorter than was told",
    logs: FILES.map((file) =>
      file.log.sequence === 2 ? { ...file, bytes: 80 } : file
    ),
    reason: '"log-000000002-alpha" is not complete',
  },
  {
    name: "a log of the winner is deleted",
    deleted: 3,
    reason: "is gone already",
  },
  {
    name: "the winner has given up a log",
    links: {
      "actual-beta/logs": "4-7",
    },
    reason: "is gone already",
  },
  {
    name: "another host claims a log of the winner's number",
    links: {
      "data-gamma": "/dev/c",
      "replay-gamma": "log-000000003-alpha,5,0",
      "version-000000003-gamma": V3_ALPHA,
    },
    reason: "others than",
  },
  {
    name: "the winner's history is gone",
    links: { "version-000000001-alpha": "", "version-000000001-beta": "" },
    reason: "history",
  },
];

for (const { name, links = {}, logs = FILES, deleted, reason } of DOUBTS) {
  Deno.test(`rewindTo() wants the whole disk if ${name}`, () => {
    const rewind = rewindTo(viewOf(links), "beta", {
      logs,
      isDeleted: ({ sequence }) => sequence === deleted,
    });
    assert(rewind.kind === "whole", JSON.stringify(rewind));
    assertStringIncludes(rewind.reason, reason);
  });
}

// ---- the record -----------------------------------------------------------

const OWNER = { resource: "r", host: "alpha" };

const anyRanges = fc.uniqueArray(fc.nat(2 ** 30), { maxLength: 300 })
  .map((blocks) =>
    blocks.sort((left, right) => left - right).map((block) => ({
      offsetBytes: 2 * block * BLOCK_BYTES,
      lengthBytes: BLOCK_BYTES,
    }))
  );

Deno.test("rewindRecord() reads what rewindLinks() says", () => {
  fc.assert(fc.property(anyRanges, (ranges) => {
    const to = rewindPosition({ log: log(7, "beta"), bytes: 4180 });
    const record = { to, sizeBytes: 2 ** 45, ranges };
    const links = new Map(
      rewindLinks(OWNER, record).map(({ path, value }) => [path, value]),
    );
    for (const value of links.values()) assert(value.length <= 1023);
    assertEquals(rewindRecord(OWNER, (path) => links.get(path)), record);
  }));
});

Deno.test("rewindRecord() is nothing if any link is missing or changed", () => {
  const ranges = Array.from({ length: REWIND_RANGES_MAX }, (_, index) => ({
    offsetBytes: 3 * index * BLOCK_BYTES,
    lengthBytes: BLOCK_BYTES,
  }));
  const to = rewindPosition({ log: log(7, "beta"), bytes: 4180 });
  const links = rewindLinks(OWNER, { to, sizeBytes: 2 ** 45, ranges });
  for (const { path } of links) {
    for (const change of [undefined, "0+1", "x", ".deleted"]) {
      const found = rewindRecord(
        OWNER,
        (asked) =>
          asked === path
            ? change
            : links.find((link) => link.path === asked)?.value,
      );
      assertEquals(found, undefined, `${path} ${change}`);
    }
  }
});

Deno.test("rangesFor() believes a record only at its place and size", () => {
  const record = {
    to: rewindPosition({ log: log(2, "alpha"), bytes: 70 }),
    sizeBytes: SIZE_BYTES,
    ranges: [{ offsetBytes: 0, lengthBytes: BLOCK_BYTES }],
  };
  const at = (sequence: number, startBytes: number) => ({
    log: log(sequence, "alpha"),
    startBytes,
    dirtyBytes: 9,
  });
  assertEquals(rangesFor(record, at(2, 70), SIZE_BYTES), record.ranges);
  assertEquals(rangesFor(record, at(2, 71), SIZE_BYTES), undefined);
  assertEquals(rangesFor(record, at(3, 70), SIZE_BYTES), undefined);
  assertEquals(rangesFor(record, at(2, 70), SIZE_BYTES + 1), undefined);
  assertEquals(rangesFor(record, undefined, SIZE_BYTES), undefined);
  assertEquals(rangesFor(undefined, at(2, 70), SIZE_BYTES), undefined);
});
