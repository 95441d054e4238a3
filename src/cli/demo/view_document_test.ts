import { assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../base/errors.ts";
import { readView } from "./view_document.ts";

const DOCUMENT = JSON.stringify({
  schema: 1,
  host: "gamma",
  resources: [{ resource: "other" }, {
    resource: "data",
    disk: "UpToDate",
    replication: "Replicating",
    role: "Primary",
    primary: "gamma",
    splits: [{
      ancestor: { log: "log-000000002-beta", bytes: 4096 },
      sides: [
        { host: "beta", amountBytes: 700 },
        { host: "gamma", amountBytes: 300 },
      ],
    }],
    obstacles: [
      { host: "beta", key: "err-x", severity: "error", text: "Split brain" },
      { host: "beta", key: "inf-x", severity: "notice", text: "Waiting" },
    ],
  }],
});

Deno.test("readView() finds the resource and its splits", () => {
  assertEquals(readView(DOCUMENT, "data"), {
    disk: "UpToDate",
    replication: "Replicating",
    role: "Primary",
    primary: "gamma",
    splits: [{ hosts: ["beta", "gamma"], amountBytes: [700, 300] }],
    errors: ["beta: Split brain"],
  });
});

Deno.test("readView() refuses a document without the resource", () => {
  assertThrows(() => readView(DOCUMENT, "missing"), FormatError);
  assertThrows(() => readView("[]", "data"), FormatError);
});
