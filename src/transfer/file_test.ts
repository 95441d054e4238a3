import { assert, assertEquals, assertRejects } from "@std/assert";
import { ERRNO, SyscallError } from "../base/errors.ts";
import { loadShim } from "../../ffi/shim.ts";
import { systemFiles } from "./file.ts";

const SHIM = new URL("../../build/libmars.so", import.meta.url);
const files = systemFiles(loadShim(SHIM));

async function inDirectory(
  work: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function errnoOf(work: Promise<unknown>): Promise<number> {
  return (await assertRejects(() => work, SyscallError)).errno;
}

Deno.test("systemFiles() read and write at any offset, at the same time", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/log`;
    const file = await files.open(path, "create");
    const parts = Array.from(
      { length: 20 },
      (_, index) => new Uint8Array(1 + index * 37).fill(index + 1),
    );
    let endBytes = 0;
    await Promise.all(parts.map((part) => {
      const offsetBytes = endBytes;
      endBytes += part.length;
      return file.write(part, offsetBytes);
    }));
    await file.flush();
    assertEquals(file.sizeBytes(), endBytes);
    const expected = parts.flatMap((part) => [...part]);
    assertEquals([...await Deno.readFile(path)], expected);
    const target = new Uint8Array(100);
    assertEquals(await file.read(target, endBytes - 60), 60);
    assertEquals([...target.subarray(0, 60)], expected.slice(-60));
    await file.truncate(10);
    assertEquals(file.sizeBytes(), 10);
    file.close();
  });
});

Deno.test("systemFiles() create a file that only its owner reads", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/log`;
    (await files.open(path, "create")).close();
    const { mode, size } = await Deno.stat(path);
    assertEquals((mode ?? 0) & 0o777, 0o600);
    assertEquals(size, 0);
  });
});

Deno.test("systemFiles() keep the content of a file that exists", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/log`;
    await Deno.writeTextFile(path, "content");
    const file = await files.open(path, "create");
    assertEquals(file.sizeBytes(), 7);
    file.close();
  });
});

Deno.test("systemFiles() do not write through a symbolic link", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/log`;
    await Deno.writeTextFile(`${directory}/victim`, "content");
    for (const target of ["victim", ".deleted"]) {
      await Deno.symlink(target, path);
      const errno = await errnoOf(files.open(path, "create"));
      assert(errno !== ERRNO.ENOENT);
      await Deno.remove(path);
    }
    assertEquals([...Deno.readDirSync(directory)].length, 1);
  });
});

Deno.test("systemFiles() tell the errno", async () => {
  assertEquals(
    await errnoOf(files.open("/nowhere/log", "create")),
    ERRNO.ENOENT,
  );
  const full = await files.open("/dev/full", "update");
  assertEquals(await errnoOf(full.write(new Uint8Array(9), 0)), ERRNO.ENOSPC);
  full.close();
});

Deno.test("systemFiles() know holes, and make them", async () => {
  const MIB = 1024 * 1024;
  await inDirectory(async (directory) => {
    const path = `${directory}/disk`;
    const file = await files.open(path, "create");
    await file.truncate(4 * MIB);
    await file.write(new Uint8Array(MIB).fill(1), 2 * MIB);
    await file.flush();
    assertEquals(await file.nextData(0), 2 * MIB);
    assertEquals(await file.nextData(2 * MIB + 4096), 2 * MIB + 4096);
    assertEquals(await file.nextData(3 * MIB), 4 * MIB);
    const before = (await Deno.stat(path)).blocks ?? 0;
    await file.zero(2 * MIB + 4096, MIB - 8192);
    const bytes = new Uint8Array(MIB);
    assertEquals(await file.read(bytes, 2 * MIB), MIB);
    assertEquals(bytes.filter((byte) => byte === 1).length, 8192);
    assert(((await Deno.stat(path)).blocks ?? 0) < before);
    await file.flush();
    await file.forget(0, 4 * MIB);
    assertEquals(await file.read(bytes, 2 * MIB), MIB);
    assertEquals(bytes.filter((byte) => byte === 1).length, 8192);
    file.close();
  });
});
