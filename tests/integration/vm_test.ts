/**
 * The block device of the kernel, in a virtual machine with a stock Debian
 * kernel under emulation, and with programs that are not ours.
 *
 * `make test-vm` runs more of the same. A machine that cannot have virtual
 * machines says why, and its test is ignored.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../../", import.meta.url).pathname;
const VMRUN = `${ROOT}tests/vm/vmrun`;
// Ours. A machine is up in 3 seconds; fetching its kernel comes before that.
const FETCH_SECONDS = 300;
const BOOT_SECONDS = 120;
/** Only ends what hangs: the script itself takes a tenth of it. */
const RUN_SECONDS = 900;

interface Said {
  readonly code: number;
  readonly text: string;
}

function run(command: string, args: readonly string[]): Said {
  const { code, stdout, stderr } = new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
    env: { MARS_LAUNCH_DIR: `${ROOT}build/vm-bin` },
    stdin: "null",
  }).outputSync();
  const decoder = new TextDecoder();
  return { code, text: `${decoder.decode(stdout)}${decoder.decode(stderr)}` };
}

function vmrun(seconds: number, ...args: readonly string[]): Said {
  const limits = ["-E", "qemu", "-s", "2", "-t", String(seconds)];
  return run("timeout", [String(seconds + 30), VMRUN, ...limits, ...args]);
}

/** Why no machine can be had, if so. */
function obstacle(): string | undefined {
  for (
    const said of [
      run("which", ["mke2fs", "e2fsck"]),
      vmrun(FETCH_SECONDS, "--fetch"),
      vmrun(BOOT_SECONDS, "-m", "brd,ublk_drv,ext4", "--", "true"),
    ]
  ) {
    if (said.code === 0) continue;
    const last = said.text.trim().split("\n").at(-1) ?? "";
    return last === "" ? "something is not installed" : last;
  }
  return undefined;
}

const reason = obstacle();
if (reason !== undefined) {
  // The reason why a test is ignored must be read somewhere.
  // deno-lint-ignore no-console
  console.log(`Tests in virtual machines are ignored: ${reason}`);
}

Deno.test({
  name: "ext4 lives on while the daemon under it is killed",
  ignore: reason !== undefined,
  fn() {
    // Emulated, unpacking would take a minute.
    const unpacked = run(`${ROOT}build/mars`, ["version"]);
    assertEquals(unpacked.code, 0, unpacked.text);
    const { code, text } = vmrun(
      RUN_SECONDS,
      "-m",
      "brd rd_nr=1 rd_size=65536,ublk_drv,ext4",
      "--",
      "tests/vm/ext4.sh",
      "2",
    );
    assertEquals(code, 0, text);
    assertStringIncludes(text, "\nall is well\n");
  },
});
