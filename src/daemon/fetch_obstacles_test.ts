import { assertEquals } from "@std/assert";
import type { LogName } from "../base/names.ts";
import type { FetchResult } from "../transfer/fetch.ts";
import { FetchObstacles, fetchText } from "./fetch_obstacles.ts";

const LOG: LogName = { sequence: 307, host: "alpha" };
const MISSING: FetchResult = { kind: "missing" };
const LOST: FetchResult = { kind: "lost", message: "Connection closed" };

function ended(
  obstacles: FetchObstacles,
  source: string,
  result: FetchResult,
): boolean {
  return obstacles.ended(source, result, fetchText(LOG, source, result));
}

Deno.test("What better sources answered stands while another has no more", () => {
  const obstacles = new FetchObstacles();
  assertEquals(ended(obstacles, "alpha", MISSING), true);
  ended(obstacles, "delta", MISSING);
  const { text } = obstacles;
  assertEquals(
    text,
    'Fetch of "log-000000307-alpha" from "alpha": it does not have it; ' +
      'Fetch of "log-000000307-alpha" from "delta": it does not have it',
  );
  for (let round = 0; round < 3; round++) {
    obstacles.waits("gamma", ["alpha", "delta"]);
    assertEquals(obstacles.text, text);
    assertEquals(ended(obstacles, "alpha", MISSING), false);
    assertEquals(obstacles.text, text);
    assertEquals(ended(obstacles, "delta", MISSING), false);
    assertEquals(obstacles.text, text);
  }
});

Deno.test("Nothing stands when the best source has no more", () => {
  const obstacles = new FetchObstacles();
  ended(obstacles, "alpha", MISSING);
  ended(obstacles, "delta", MISSING);
  obstacles.waits("alpha", []);
  assertEquals(obstacles.text, "");
});

Deno.test("A line that was lost does not stand when another source answers", () => {
  const obstacles = new FetchObstacles();
  ended(obstacles, "alpha", LOST);
  obstacles.disconnected(["alpha", "delta"]);
  obstacles.waits("delta", ["alpha"]);
  assertEquals(obstacles.text, "");
});

Deno.test("Nothing stands when something has come", () => {
  const obstacles = new FetchObstacles();
  ended(obstacles, "alpha", MISSING);
  obstacles.clear();
  assertEquals(obstacles.text, "");
});
