/** Lines of the original's crontab, unchanged, with the whole program. */
import { assertEquals } from "@std/assert";
import { fourLogs } from "../support/log_world.ts";
import type { TreeWorld } from "../support/tree_world.ts";

const PROGRAM = new URL("../../build/mars", import.meta.url).pathname;

/** What cron does: a mail is sent if there is any output. */
async function cron(world: TreeWorld, line: string): Promise<string> {
  const bin = `${world.directory}/bin`;
  Deno.mkdirSync(bin, { recursive: true });
  Deno.symlinkSync(PROGRAM, `${bin}/marsadm`);
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", line.replace("/mars/uuid", `${world.marsDir}/uuid`)],
    clearEnv: true,
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      HOME: world.directory,
      MARS_DIR: world.marsDir,
      MARS_RUN_DIR: `${world.directory}/run`,
      MARS_ETC_DIR: `${world.directory}/etc`,
      MARS_LAUNCH_DIR: `${world.directory}/launch`,
      MARS_HOST: "alpha",
    },
  }).output();
  Deno.removeSync(`${bin}/marsadm`);
  const decoder = new TextDecoder();
  return `${decoder.decode(stdout)}${decoder.decode(stderr)}exit ${code}`;
}

Deno.test("The crontab of the original works unchanged and is silent", async () => {
  using world = fourLogs(4);
  Deno.mkdirSync(`${world.directory}/launch`, { mode: 0o700 });
  assertEquals(
    await cron(world, "if [ -L /mars/uuid ]; then marsadm cron; fi"),
    "exit 0",
  );
  assertEquals(world.files(), ["log-000000004-alpha", "log-000000005-alpha"]);
  world.link({
    "resource-r/replay-alpha": "log-000000005-alpha,0,0",
    "resource-r/replay-beta": "log-000000005-alpha,0,0",
  });
  assertEquals(
    await cron(
      world,
      "if [ -L /mars/uuid ]; then marsadm log-delete-all all; fi",
    ),
    "exit 0",
  );
  assertEquals(world.files(), ["log-000000005-alpha"]);
});
