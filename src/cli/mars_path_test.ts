/** Where hooks, macros and templates are looked for. */
import { assertEquals } from "@std/assert";
import { marsPath } from "./mars_path.ts";

function pathOf(environment: Readonly<Record<string, string>>): string[] {
  return [...marsPath((name) => environment[name])];
}

Deno.test("marsPath() has the directories of MARS, without the current one", () => {
  assertEquals(pathOf({ HOME: "/root" }), [
    "/root/.marsadm",
    "/etc/marsadm",
    "/usr/lib/marsadm",
    "/usr/local/lib/marsadm",
  ]);
  assertEquals(pathOf({ ETC_MARSADM: "/etc/other" })[0], "/etc/other");
});

Deno.test("marsPath() is MARS_PATH, if that is set, each directory once", () => {
  assertEquals(pathOf({ MARS_PATH: ".:/a::/b:/a" }), [".", "/a", "/b"]);
  assertEquals(pathOf({ MARS_PATH: "", HOME: "/root" }), []);
});
