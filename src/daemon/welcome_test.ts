/** What a host is told that has proved a token. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import { MarsError } from "../base/errors.ts";
import type { JsonObject } from "../peer/rpc.ts";
import { welcome } from "./welcome.ts";

const LINKS = {
  uuid: "alpha_1.000000000",
  "ips/ip-alpha": "10.0.0.1",
  "ips/ip-gone": ".deleted",
  "todo-global/merged-old_1.000000000": "alpha_1.000000000",
};

function request(params: JsonObject) {
  const address = { hostname: "10.0.0.2", port: 7777 };
  return { host: "beta", publicKeyLine: "", params: { address, ...params } };
}

Deno.test("welcome() lets in who has no cluster or this one", () => {
  for (
    const params of [
      {},
      { cluster: "" },
      { purpose: "join", cluster: "" },
      { purpose: "join", cluster: "alpha_1.000000000" },
      { purpose: "join", cluster: "old_1.000000000" },
      { purpose: "merge", cluster: "alpha_1.000000000" },
    ]
  ) {
    const { links, reply } = welcome(
      snapshotOf(LINKS),
      "alpha",
      request(params),
    );
    assertEquals(links, [{ path: "ips/ip-beta", value: "10.0.0.2:7777" }]);
    assertEquals(reply, {
      uuid: "alpha_1.000000000",
      ips: { alpha: "10.0.0.1" },
    });
  }
});

Deno.test("welcome() writes nothing of a host of another cluster", () => {
  const other = { cluster: "beta_1.000000000" };
  const { links, reply } = welcome(
    snapshotOf(LINKS),
    "alpha",
    request({ purpose: "merge", ...other }),
  );
  assertEquals(links, []);
  assertEquals(reply["uuid"], "alpha_1.000000000");
  assertThrows(
    () =>
      welcome(
        snapshotOf(LINKS),
        "alpha",
        request({ purpose: "join", ...other }),
      ),
    MarsError,
    "type merge-cluster",
  );
});

Deno.test("welcome() refuses without a cluster, and without an address", () => {
  for (const uuid of [".deleted", "(any)"]) {
    assertThrows(
      () => welcome(snapshotOf({ uuid }), "alpha", request({})),
      MarsError,
      '"alpha" is in no cluster',
    );
  }
  for (
    const address of [
      5,
      {},
      { hostname: "10.0.0.2" },
      { hostname: "10.0.0.2", port: -1 },
      { hostname: "10.0.0.2", port: 1.5 },
      { hostname: "10.0.0.2", port: 1e9 },
      { hostname: "a b", port: 1 },
    ]
  ) {
    assertThrows(
      () => welcome(snapshotOf(LINKS), "alpha", request({ address })),
      MarsError,
      "no address",
    );
  }
});

Deno.test("welcome() tells a bounded count of addresses, its own among them", () => {
  const many: Record<string, string> = { ...LINKS, "ips/ip-zeta": "10.0.0.9" };
  for (let index = 0; index < 1000; index++) {
    many[`ips/ip-${"h".repeat(55)}${index}`] = `[fe80::${index}]:65535`;
  }
  const { reply } = welcome(snapshotOf(many), "zeta", request({}));
  const text = JSON.stringify(reply);
  assert(text.includes('"zeta":"10.0.0.9"'));
  assert(text.length < 16 * 1024, `${text.length} characters`);
});
