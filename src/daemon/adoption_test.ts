import { assertThrows } from "@std/assert";
import { MarsError } from "../base/errors.ts";
import { linkPath } from "../tree/path.ts";
import { Snapshot } from "../tree/snapshot.ts";
import { checkSpace, checkTree } from "./adoption.ts";
import { evenReserves } from "./space.ts";

function check(versions: Readonly<Record<string, string>>): void {
  const links = Object.entries(versions).map(([host, value]) => ({
    path: linkPath.global(host, "tree"),
    value,
    stampNs: 1n,
  }));
  checkTree(new Snapshot(links), "alpha");
}

Deno.test("checkTree() takes what it knows and what is older elsewhere", () => {
  check({});
  check({ alpha: "0.1", beta: "0.1", gamma: "0.0.9", delta: ".deleted" });
  check({ alpha: "garbage", beta: "more of it" });
});

Deno.test("checkTree() refuses another tree, and says whose it is", () => {
  for (
    const [host, version] of [
      ["alpha", "0.0"],
      ["alpha", "0.2"],
      ["beta", "0.2"],
      ["beta", "1"],
      ["beta", "0.1.1"],
    ] as const
  ) {
    assertThrows(
      () => check({ alpha: "0.1", [host]: version }),
      MarsError,
      `"${host}" has a tree of version "${version}"`,
    );
  }
});

Deno.test("checkSpace() refuses a tree that is all reserve", () => {
  const space = { freeBytes: 8_000, totalBytes: 8_000 };
  checkSpace("/mars", space, evenReserves(1_999));
  assertThrows(
    () => checkSpace("/mars", space, evenReserves(2_000)),
    MarsError,
    "no space",
  );
});
