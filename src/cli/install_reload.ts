/** Lets systemd and udev read their files again. */

/** Where there is no such program, nobody has to be told. */
export async function reloadSystem(): Promise<void> {
  await run("systemctl", ["daemon-reload"]);
  await run("udevadm", ["control", "--reload"]);
}

async function run(program: string, args: string[]): Promise<void> {
  try {
    await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
    }).output();
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotCapable;
    if (!isMissing) throw error;
  }
}
