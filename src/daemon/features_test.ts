import { assertEquals } from "@std/assert";
import { snapshotOf } from "../../tests/support/snapshots.ts";
import {
  featureLinks,
  featureObstacles,
  OWN_FEATURES,
  packingsIn,
  parseMask,
  preferencesIn,
  usableWith,
} from "./features.ts";

Deno.test("usableWith() is the least that all have", () => {
  const snapshot = snapshotOf({
    "actual-beta/features": "4,5,0x07000000",
    "actual-gamma/features": "3,6,0x06040000",
  });
  assertEquals(usableWith([], snapshot), OWN_FEATURES);
  assertEquals(usableWith(["beta", "gamma"], snapshot), {
    features: 3,
    strategy: 5,
    mask: 0x0601_0000,
  });
});

Deno.test("usableWith() takes little from old and unknown peers", () => {
  const snapshot = snapshotOf({
    "actual-old/features": "2,5,0xffffffff",
    "actual-garbage/features": "four",
  });
  assertEquals(usableWith(["old"], snapshot), {
    features: 2,
    strategy: 0,
    mask: 0x1_0000,
  });
  const unknown = { ...OWN_FEATURES, mask: 0x1_0000 };
  assertEquals(usableWith(["nobody"], snapshot), unknown);
  assertEquals(usableWith(["garbage"], snapshot), unknown);
});

Deno.test("parseMask() takes hexadecimal masks only", () => {
  const masks = ["0x03000000", "0xffffffff", "3", "", "0x123456789", "0xg"];
  assertEquals(masks.map(parseMask), [0x300_0000, 0xffff_ffff, 0, 0, 0, 0]);
});

Deno.test("featureObstacles() says what is not obeyed", () => {
  const keys = (values: Readonly<Record<string, string>>): string[] =>
    featureObstacles(OWN_FEATURES, preferencesIn(snapshotOf(values)))
      .map(({ key }) => key);
  assertEquals(keys({}), []);
  // None of these is what logs are written with.
  assertEquals(keys({ "defaults/disabled-log-digests": "0x001b0000" }), []);
  assertEquals(keys({ "defaults/disabled-log-digests": "0x00040000" }), [
    "wrn-log-digest",
  ]);
  assertEquals(
    keys({
      "defaults/enabled-log-compressions": "0x03000000",
      "defaults/enabled-net-compressions": "0x03000000",
    }),
    ["inf-log-compression", "inf-net-compression"],
  );
  assertEquals(keys({ "defaults/enabled-log-compressions": ".deleted" }), []);
});

Deno.test("featureLinks() claim only what is true", () => {
  const links = featureLinks(
    "alpha",
    { ...OWN_FEATURES, mask: 0x805_0000 },
    preferencesIn(
      snapshotOf({ "defaults/enabled-net-compressions": "0x0f000000" }),
    ),
  );
  const values = Object.fromEntries(
    links.map(({ path, value }) => [path, value]),
  );
  assertEquals(values["actual-alpha/features"], "4,5,0x0f1f0000");
  assertEquals(values["actual-alpha/usable"], "4,5,0x08050000");
  assertEquals(values["actual-alpha/used-log-digest"], String(0x4_0000));
  assertEquals(values["actual-alpha/used-log-compression"], "0");
  assertEquals(values["actual-alpha/used-net-compression"], "134217728");
});

Deno.test("packingsIn() gives what is allowed and can be done", () => {
  const packings = (mask: string): string[] =>
    packingsIn(snapshotOf({ "defaults/enabled-net-compressions": mask }));
  assertEquals(packings("0x0f000000"), ["zstd", "zlib"]);
  assertEquals(packings("0x04000000"), ["zlib"]);
  assertEquals(packings("0x03000000"), []);
  assertEquals(packings("garbage"), []);
});
