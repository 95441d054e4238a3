import { assertEquals } from "@std/assert";
import type { Link } from "../tree/snapshot.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { versionsOf } from "./versions.ts";

/** A version link that notes when its value is asked for. */
function versionLink(
  name: string,
  asked: string[],
  value = `${"0".repeat(32)},log-000000001-alpha,4096:`,
): Link {
  return {
    path: `resource-x/${name}`,
    get value(): string {
      asked.push(name);
      return value;
    },
    stampNs: 1n,
  };
}

Deno.test("versionsOf() gives the highest sequence first", () => {
  const links = [1, 10, 2].map((sequence) =>
    versionLink(`version-${String(sequence).padStart(9, "0")}-alpha`, [])
  );
  assertEquals([...versionsOf(links).keys()], [10, 2, 1]);
});

Deno.test("versionsOf() knows nothing of links it cannot decode", () => {
  const versions = versionsOf([
    versionLink("version-000000001-alpha", []),
    versionLink("version-000000001-beta", [], TOMBSTONE),
    versionLink("version-000000002-alpha", [], "garbage"),
    versionLink("version-3-alpha", []),
    versionLink("primary", []),
  ]);
  assertEquals([...versions.keys()], [1]);
  assertEquals([...versions.get(1)?.keys() ?? []], ["alpha"]);
  assertEquals(versions.get(1)?.has("beta"), false);
  assertEquals(versions.get(2), undefined);
});

Deno.test("versionsOf() reads a link only when it is asked for, once", () => {
  const asked: string[] = [];
  const versions = versionsOf([
    versionLink("version-000000001-alpha", asked),
    versionLink("version-000000002-alpha", asked),
    versionLink("version-000000002-beta", asked),
  ]);
  assertEquals(asked, []);
  for (let count = 0; count < 2; count++) {
    assertEquals(versions.get(2)?.get("alpha")?.value.self.endBytes, 4096);
  }
  assertEquals(asked, ["version-000000002-alpha"]);
});
