/** Suggestions for words that nobody knows. */
import { assertEquals } from "@std/assert";
import { nearestText } from "./nearest.ts";

const KNOWN = ["primary", "secondary", "pause-fetch", "resume-fetch", "up"];

Deno.test("nearestText() names what is spelled alike, or has the word in it", () => {
  assertEquals(nearestText("prymari", KNOWN), "; nearest: primary");
  assertEquals(
    nearestText("fetch", KNOWN),
    [
      "; nearest: pause-fetch",
      "resume-fetch",
    ].join(", "),
  );
});

Deno.test("nearestText() names nothing if nothing is near", () => {
  assertEquals(nearestText("xyzzy", KNOWN), "");
  assertEquals(nearestText("", KNOWN), "");
});
