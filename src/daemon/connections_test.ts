import { assertEquals } from "@std/assert";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import {
  clockMessages,
  connectionMessages,
  neededPeers,
} from "./connections.ts";

Deno.test("neededPeers() are those with whom something is exchanged", () => {
  const snapshot = snapshotOf({
    // A member of both.
    "resource-x/device-alpha": "x",
    "resource-x/data-alpha": "/dev/a",
    "resource-x/device-beta": "x",
    "resource-x/data-beta": "/dev/b",
    // A guest here, and one that has left.
    "resource-y/device-alpha": "y",
    "resource-y/device-gamma": "y",
    "resource-y/device-left": ".deleted",
    // Not here.
    "resource-z/device-delta": "z",
    "resource-z/data-delta": "/dev/d",
    // Switched off here, but the disk is still a member's.
    "resource-w/device-alpha": ".deleted",
    "resource-w/data-alpha": "/dev/w",
    "resource-w/device-epsilon": "w",
    "resource-w/data-zeta": "/dev/z",
  });
  assertEquals(neededPeers(snapshot, "alpha"), ["beta", "gamma", "zeta"]);
  assertEquals(neededPeers(snapshot, "nobody"), []);
});

Deno.test("connectionMessages() begin as readers expect", () => {
  const messages = connectionMessages(
    ["beta", "gamma"],
    (host) => host === "beta" ? undefined : "refused",
  );
  assertEquals(messages, [
    { key: "needed-connection-with-beta", text: "CONNECTED" },
    { key: "needed-connection-with-gamma", text: "NOT connected: refused" },
  ]);
});

Deno.test("clockMessages() tell of clocks that are minutes apart", () => {
  const seconds = (count: number): bigint => BigInt(count) * 1_000_000_000n;
  const leads = new Map([
    ["beta", seconds(59)],
    ["gamma", seconds(-3_661)],
    ["delta", seconds(90_000)],
    ["gone", seconds(90_000)],
  ]);
  const connected = ["alpha", "beta", "gamma", "delta"];
  assertEquals(clockMessages(leads, connected), [
    {
      key: "wrn-clock-of-gamma",
      text: 'the clock of "gamma" is 01:01:00 behind ours; ' +
        "set the wrong one right",
    },
    {
      key: "wrn-clock-of-delta",
      text: 'the clock of "delta" is 25:00:00 ahead of ours; ' +
        "set the wrong one right",
    },
  ]);
});
