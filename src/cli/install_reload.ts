/** What `mars install` and `uninstall` ask of systemd and udev. */

/** Whether systemd runs the service. */
export async function isServiceActive(): Promise<boolean> {
  return await run("systemctl", ["is-active", "--quiet", "mars.service"]) === 0;
}

/** Lets nobody start the service any more. */
export async function disableService(): Promise<void> {
  await run("systemctl", ["disable", "--quiet", "mars.service"]);
}

/** Where there is no such program, nobody has to be told. */
export async function reloadSystem(): Promise<void> {
  await run("systemctl", ["daemon-reload"]);
  await run("udevadm", ["control", "--reload"]);
}

/** The exit code; undefined if there is no such program. */
async function run(
  program: string,
  args: string[],
): Promise<number | undefined> {
  try {
    const { code } = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return code;
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotCapable;
    if (!isMissing) throw error;
    return undefined;
  }
}
