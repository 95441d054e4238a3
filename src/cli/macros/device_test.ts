import { assertEquals } from "@std/assert";
import {
  evaluate,
  type Links,
  MacroWorld,
  NOW_NS,
} from "../../../tests/support/macro_world.ts";
import { formatStamp } from "../../tree/values.ts";

const LINKS: Links = {
  "resource-res1/size": "4096",
  "resource-res1/data-hosta": "/dev/a",
  "resource-res1/data-hostb": "/dev/b\x1b[2J",
  "resource-res1/device-hosta": "dev1",
  "resource-res1/device-hostb": "dev1",
  "resource-res1/actual-hosta/if-on": "1",
  "resource-res1/actual-hosta/open-count": "2",
  "resource-res1/actual-hosta/open-by": 'mounted on "/srv\x1b"',
  "resource-res1/actual-hosta/ops-if_rate": "5",
  "resource-res1/actual-hosta/amount-if_rate": "3",
  "resource-res1/actual-hosta/if-flying": "4",
  "resource-res1/actual-hosta/if-state": "-5",
  "resource-res1/actual-hosta/if-completion-stamp": formatStamp(
    NOW_NS - 9_500_000_000n,
  ),
};

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%get-disk{} %get-device{}", "/dev/a /dev/mars/dev1"],
  ["%get-disk{hostb}", "/dev/b?[2J"],
  ["%device-users{}|%device-users{hostb}", 'mounted on "/srv?"|'],
  ["%device-present{}%device-present{hostb}%device-opened{}", "102"],
  ["%device-ops-rate{} %device-rate{} %device-amount-rate{}", "5 3072 3072"],
  ["%device-nrflying{} %device-error{} %device-completion-age{}", "4 -5 9"],
  ["%device-completion-age{hostb} %device-error{hostb}", "-1 0"],
  ["%device-size{} %device-size{hostb}", "4096 0"],
  ["%known-device-mounted{} %known-device-mountpoint{}", "1 /mnt"],
  ["%known-device-fstype{} %known-device-mountflags{}", "ext4 rw"],
  ["%known-device-mounted{hostb}", "0"],
  ["%device-socket{}|%device-socket{hostb}", "/run/s|"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    const world = new MacroWorld(LINKS);
    world.mount = { directory: "/mnt", type: "ext4", options: "rw" };
    world.socket = "/run/s";
    assertEquals(evaluate(text, world), expected);
  });
}

Deno.test("disk-present looks here, and believes others and errors elsewhere", () => {
  const shown = (isThere: boolean | undefined, links: Links = {}): string => {
    const world = new MacroWorld({ ...LINKS, ...links });
    world.isDiskThere = isThere;
    return evaluate("%disk-present{}%disk-present{hostb}", world);
  };
  assertEquals(shown(false), "01");
  assertEquals(shown(true), "11");
  // What may not be looked at is there, unless opening it has failed.
  assertEquals(shown(undefined), "11");
  const gone = {
    "resource-res1/actual-hosta/disk-error": "-2",
    "resource-res1/actual-hostb/disk-error": "-6",
  };
  assertEquals(shown(undefined, gone), "00");
  assertEquals(shown(true, gone), "10");
  assertEquals(
    shown(true, { "resource-res1/data-hostb": ".deleted" }),
    "10",
  );
});
