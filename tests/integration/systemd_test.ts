/** systemd and the whole program: units, systemctl, files that are watched. */
import { assert, assertEquals } from "@std/assert";
import { type Host, Hosts, waitFor } from "../support/hosts.ts";
import { clusterLinks, TreeWorld } from "../support/tree_world.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test("The whole program may write units and call systemctl, named or in PATH", async () => {
  for (const isNamed of [false, true]) {
    using world = new TreeWorld();
    world.link({ ...clusterLinks(), "resource-r/actual-alpha/if-on": "1" });
    const bin = `${world.directory}/bin`;
    for (const directory of [bin, `${world.directory}/launch`]) {
      Deno.mkdirSync(directory, { mode: 0o700 });
    }
    const calls = `${world.directory}/calls`;
    Deno.writeTextFileSync(
      `${bin}/${isNamed ? "mine" : "systemctl"}`,
      `#!/bin/sh\necho "$SYSTEMD_RECURSIVE_CALL $*" >>${calls}\n`,
      { mode: 0o755 },
    );
    const { code, stderr } = await new Deno.Command(`${ROOT}build/mars`, {
      args: ["set-systemd-unit", "r", "DEFAULT", "--logger="],
      clearEnv: true,
      env: {
        PATH: `${bin}:/usr/bin:/bin`,
        MARS_PATH: ROOT,
        MARS_DIR: world.marsDir,
        MARS_RUN_DIR: `${world.directory}/run`,
        MARS_ETC_DIR: `${world.directory}/etc`,
        MARS_LAUNCH_DIR: `${world.directory}/launch`,
        MARS_HOST: "alpha",
        SYSTEMD_TARGET_DIR: `${world.directory}/units`,
        ETC_MARSADM: `${world.directory}/etc`,
        ...(isNamed ? { SYSTEMCTL: `${bin}/mine` } : {}),
      },
    }).output();
    assertEquals(new TextDecoder().decode(stderr), "");
    assertEquals(code, 0);
    assertEquals(Deno.readTextFileSync(calls).trim().split("\n"), [
      "1 daemon-reload",
      "1 enable --runtime mars-trigger.path",
      "1 is-active mars-trigger.path",
      "1 start mars-trigger.path",
      "1 is-active vol-r.mount",
      "1 start vol-r.mount",
    ]);
  }
});

/** When the file that systemd watches was touched. */
function touchedAt(host: Host, directory: string): number | undefined {
  try {
    const { mtime } = Deno.statSync(
      `${host.marsDir}/${directory}/systemd-trigger`,
    );
    return mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

Deno.test("A daemon lets systemd look when another host decides", async () => {
  await using hosts = new Hosts();
  const [alpha, beta] = await hosts.cluster("alpha", "beta");
  assert(alpha !== undefined && beta !== undefined);
  for (const host of [alpha, beta]) {
    const path = `resource-r/device-${host.name}`;
    await host.must("set-link", path, "r", "--force");
    await beta.waitLink(path, (value) => value === "r");
  }
  assertEquals(touchedAt(beta, "resource-r"), undefined);
  const link = "resource-r/systemd-start-unit";
  await alpha.must("set-link", link, "x.service", "--force");
  for (const directory of ["resource-r", "userspace"]) {
    await waitFor(
      `systemd-trigger in ${directory}`,
      () => touchedAt(beta, directory),
    );
  }
  const before = touchedAt(beta, "resource-r") ?? 0;
  await alpha.must("set-link", "resource-r/primary", "beta", "--force");
  await waitFor(
    "a later touch",
    () => (touchedAt(beta, "resource-r") ?? 0) > before,
  );
});
