/** Tests of `mars install`, below a temporary directory. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { RefusedError, UsageError } from "../base/errors.ts";
import { install, type InstallOptions, uninstall } from "./install.ts";
import { MADE_BY, serviceFiles } from "./service_files.ts";

const PROGRAM = "/usr/local/bin/mars";
const UNIT = "/etc/systemd/system/mars.service";

function optionsOf(prefix: string, lines: string[]): InstallOptions {
  return {
    prefix,
    executable: PROGRAM,
    print: (line) => void lines.push(line),
    reload: () => Promise.reject(new Error("not below a prefix")),
    isActive: () => Promise.reject(new Error("not below a prefix")),
    disable: () => Promise.reject(new Error("not below a prefix")),
  };
}

Deno.test("install() puts files where systemd and udev look; uninstall() removes them", async () => {
  const prefix = Deno.makeTempDirSync();
  const lines: string[] = [];
  await install(optionsOf(prefix, lines));
  const paths = serviceFiles(PROGRAM).map(({ path }) => prefix + path);
  assertEquals(lines, paths);
  for (const path of paths) {
    assert(Deno.readTextFileSync(path).startsWith(MADE_BY));
  }
  // Again is an upgrade.
  await install(optionsOf(prefix, []));
  await uninstall(optionsOf(prefix, []));
  lines.length = 0;
  await uninstall(optionsOf(prefix, lines));
  assertEquals(lines, ["Nothing is installed"]);
  Deno.removeSync(prefix, { recursive: true });
});

Deno.test("install() leaves alone what somebody else has made", async () => {
  const prefix = Deno.makeTempDirSync();
  await install(optionsOf(prefix, []));
  Deno.writeTextFileSync(prefix + UNIT, "[Service]\n");
  await assertRejects(
    () => install(optionsOf(prefix, [])),
    RefusedError,
    "was not made by mars",
  );
  await uninstall(optionsOf(prefix, []));
  assertEquals(Deno.readTextFileSync(prefix + UNIT), "[Service]\n");
  Deno.removeSync(prefix, { recursive: true });
});

Deno.test("install() needs a program that stays where it is", async () => {
  await assertRejects(
    () => install({ ...optionsOf("/nonexistent", []), executable: undefined }),
    UsageError,
    "type make",
  );
});

Deno.test("serviceFiles() quote the program for systemd", () => {
  const [unit] = serviceFiles('/opt/a b/50%/$x/"q"/mars');
  assert(
    unit?.text.includes(
      'ExecStart="/opt/a b/50%%/$$x/\\"q\\"/mars" daemon\n',
    ),
  );
});

Deno.test({
  name: "systemd understands the unit",
  ignore: !hasAnalyze(),
  fn: async () => {
    const directory = Deno.makeTempDirSync();
    const [unit] = serviceFiles("/bin/true");
    assert(unit !== undefined);
    const path = `${directory}/mars.service`;
    // The manual page is installed elsewhere.
    Deno.writeTextFileSync(path, unit.text.replace(/^Documentation.*\n/m, ""));
    const { code, stderr } = await new Deno.Command("systemd-analyze", {
      args: ["verify", "--man=no", "--recursive-errors=no", path],
      stdout: "null",
    }).output();
    const complaints = new TextDecoder().decode(stderr);
    assertEquals(
      complaints.split("\n").filter((line) => line.includes("mars")),
      [],
    );
    assertEquals(code, 0);
    Deno.removeSync(directory, { recursive: true });
  },
});

function hasAnalyze(): boolean {
  try {
    return new Deno.Command("systemd-analyze", { args: ["--version"] })
      .outputSync().success;
  } catch {
    return false;
  }
}
