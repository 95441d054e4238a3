import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { SyscallError } from "../base/errors.ts";
import {
  createLog,
  deleteLog,
  listLogs,
  openLog,
  truncateLog,
} from "./files.ts";

const FIRST = { sequence: 1, host: "alpha" };
const FIRST_NAME = "log-000000001-alpha";

/** A directory of its own for each test, gone afterwards. */
async function inDirectory(
  test: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("createLog() makes an empty private file, once", () =>
  inDirectory(async (directory) => {
    assertEquals(await createLog(directory, FIRST), "created");
    const { size, mode } = await Deno.lstat(join(directory, FIRST_NAME));
    assertEquals(size, 0);
    assertEquals((mode ?? 0) & 0o777, 0o600);
    assertEquals(await createLog(directory, FIRST), "exists");
  }));

Deno.test("createLog() leaves what is in an existing log", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(join(directory, FIRST_NAME), "kept");
    assertEquals(await createLog(directory, FIRST), "exists");
    assertEquals((await Deno.stat(join(directory, FIRST_NAME))).size, 4);
  }));

Deno.test("createLog() does not replace a tombstone", () =>
  inDirectory(async (directory) => {
    await Deno.symlink(".deleted", join(directory, FIRST_NAME));
    assertEquals(await createLog(directory, FIRST), "tombstone");
    assertEquals(await Deno.readLink(join(directory, FIRST_NAME)), ".deleted");
  }));

Deno.test("createLog() names the directory that is missing", () =>
  inDirectory(async (directory) => {
    const missing = join(directory, "resource-x");
    const error = await assertRejects(
      () => createLog(missing, FIRST),
      SyscallError,
      missing,
    );
    assertEquals(error.errno, 2);
  }));

Deno.test("listLogs() gives files by sequence and host, and nothing else", () =>
  inDirectory(async (directory) => {
    const names = [
      "log-000000010-alpha",
      "log-000000002-beta",
      "log-000000002-alpha",
    ];
    for (const name of names) {
      await Deno.writeTextFile(join(directory, name), name);
    }
    await Deno.writeTextFile(join(directory, "log-7-alpha"), "other digits");
    await Deno.writeTextFile(join(directory, ".tmp-log-000000003-a"), "other");
    await Deno.symlink(".deleted", join(directory, "log-000000001-alpha"));
    await Deno.symlink(names[0] ?? "", join(directory, "log-000000004-alpha"));
    await Deno.mkdir(join(directory, "log-000000005-alpha"));
    const files = await listLogs(directory);
    assertEquals(files.map(({ log, sizeBytes }) => ({ log, sizeBytes })), [
      { log: { sequence: 2, host: "alpha" }, sizeBytes: 19 },
      { log: { sequence: 2, host: "beta" }, sizeBytes: 18 },
      { log: { sequence: 10, host: "alpha" }, sizeBytes: 19 },
    ]);
    const { mtime } = await Deno.stat(join(directory, names[0] ?? ""));
    assertEquals(
      files.find(({ log }) => log.sequence === 10)?.changedAtMs,
      mtime?.getTime(),
    );
  }));

Deno.test("listLogs() finds nothing where there is no directory", () =>
  inDirectory(async (directory) => {
    assertEquals(await listLogs(join(directory, "resource-x")), []);
  }));

Deno.test("openLog() reads and writes an existing log", () =>
  inDirectory(async (directory) => {
    await createLog(directory, FIRST);
    using writer = await openLog(directory, FIRST, "readwrite");
    await writer.write(new Uint8Array([1, 2, 3]));
    using reader = await openLog(directory, FIRST, "read");
    const bytes = new Uint8Array(4);
    assertEquals(await reader.read(bytes), 3);
    assertEquals(bytes, new Uint8Array([1, 2, 3, 0]));
  }));

Deno.test("openLog() and truncateLog() never follow a link", () =>
  inDirectory(async (directory) => {
    const victim = join(directory, "victim");
    await Deno.writeTextFile(victim, "precious");
    await Deno.symlink(victim, join(directory, FIRST_NAME));
    await assertRejects(() => openLog(directory, FIRST, "read"), SyscallError);
    await assertRejects(() => truncateLog(directory, FIRST, 0), SyscallError);
    assertEquals(await Deno.readTextFile(victim), "precious");
  }));

Deno.test("truncateLog() cuts and never lengthens", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(join(directory, FIRST_NAME), "0123456789");
    await truncateLog(directory, FIRST, 4);
    assertEquals(await Deno.readTextFile(join(directory, FIRST_NAME)), "0123");
    await truncateLog(directory, FIRST, 100);
    assertEquals((await Deno.stat(join(directory, FIRST_NAME))).size, 4);
  }));

Deno.test("deleteLog() deletes a file and leaves a tombstone", () =>
  inDirectory(async (directory) => {
    const path = join(directory, FIRST_NAME);
    await createLog(directory, FIRST);
    assertEquals(await deleteLog(directory, FIRST), true);
    assertEquals(await deleteLog(directory, FIRST), false);
    await Deno.symlink(".deleted", path);
    assertEquals(await deleteLog(directory, FIRST), false);
    assertEquals(await Deno.readLink(path), ".deleted");
  }));
