import { assertEquals } from "@std/assert";
import {
  evaluate,
  type Links,
  MacroWorld,
  NOW_NS,
} from "../../../tests/support/macro_world.ts";

const LINKS: Links = {
  "uuid": "hosta_1.000000000",
  "actual-hosta/features": "4,5,0x071f0000",
  "actual-hosta/usable": "4,5,0x01060000",
  "actual-hosta/used-log-digest": "262144",
  "actual-hosta/used-net-digest": "131072",
  "actual-hosta/used-log-compression": "16777216",
  "actual-hosta/tree": "0.1",
  "actual-hosta/rest-space": "12",
  "actual-hosta/total-space": "34",
  "defaults/enabled-log-compressions": "0x03000000",
  "defaults/disabled-net-digests": "garbage",
  "defaults-hosta/sync-limit": "3",
  "resource-res1/systemd-start-unit": "a.service",
  "resource-res1/systemd-stop-unit": "b.service",
  "resource-res1/systemd-want": "(none)",
  "resource-res1/acknowledge": "durable",
};

const CASES: readonly (readonly [text: string, expected: string])[] = [
  ["%uuid{} %tree{} %tree-version{}", "hosta_1.000000000 0.1 0.1"],
  ["%features-version{}", "4,5,0x071f0000"],
  ["%usable-digests{}", "CHKSUM_MD5|CHKSUM_CRC32C"],
  ["%usable-compressions{}", "COMPRESS_LZO"],
  ["%usable-features{}", "CHKSUM_MD5|CHKSUM_CRC32C|COMPRESS_LZO"],
  ["%implemented-compressions{}", "COMPRESS_LZO|COMPRESS_LZ4|COMPRESS_ZLIB"],
  ["%implemented-compressions{hostb}", ""],
  [
    "%potential-compressions{}",
    "COMPRESS_LZO|COMPRESS_LZ4|COMPRESS_ZLIB|COMPRESS_ZSTD",
  ],
  ["%used-log-digest{} %used-net-digest{}", "CHKSUM_CRC32C CHKSUM_MD5"],
  ["%used-log-compression{}%used-net-compression{}", "COMPRESS_LZO"],
  ["%enabled-log-compressions{}", "COMPRESS_LZO|COMPRESS_LZ4"],
  ["%disabled-net-digests{}", ""],
  ["%rest-space{} %total-space{} %rest-space{hostb}", "12 34 "],
  ["%global-sync-limit-value{} %global-sync-limit-value{hostb}", "3 0"],
  ["%systemd-unit{} [%systemd-want{}]", "a.service b.service []"],
  ["%acknowledge{}", "durable"],
  ["%time{}", "1800000005.000000000"],
  ["%real-time{} %time-slip{}", "1800000000.000000000 5"],
];

for (const [text, expected] of CASES) {
  Deno.test(`${text} is ${JSON.stringify(expected)}`, () => {
    const world = new MacroWorld(LINKS);
    world.lamportNs = NOW_NS + 5_000_000_000n;
    assertEquals(evaluate(text, world), expected);
  });
}
