import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
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

const WORD = (1n << 64n) - 1n;
const WIDE = (1n << 128n) - 1n;

/** NH of some words under a key. */
function nh(words: readonly bigint[], key: readonly bigint[]): bigint {
  let sum = 0n;
  for (let index = 0; index < words.length; index += 2) {
    const left = (words[index] ?? 0n) + (key[index] ?? 0n) & WORD;
    const right = (words[index + 1] ?? 0n) + (key[index + 1] ?? 0n) & WORD;
    sum = sum + left * right & WIDE;
  }
  return sum;
}

function wordsOf(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from(
    { length: bytes.length / 8 },
    (_, index) => view.getBigUint64(8 * index, true),
  );
}

/** The digest of one block, as its definition says. */
function digestOf(block: Uint8Array, key: readonly bigint[]): Uint8Array {
  const digest = new Uint8Array(16);
  if (block.every((byte) => byte === 0)) return digest;
  const sums: bigint[] = [];
  for (let start = 0; start < block.length; start += 1024) {
    const stripe = new Uint8Array(1024);
    stripe.set(block.subarray(start, start + 1024));
    const sum = nh(wordsOf(stripe), key);
    sums.push(sum & WORD, sum >> 64n);
  }
  const total = nh(sums, key.slice(128));
  const view = new DataView(digest.buffer);
  view.setBigUint64(0, total & WORD, true);
  view.setBigUint64(8, total >> 64n, true);
  return digest;
}

Deno.test("systemFiles() digest blocks as they should", async () => {
  const seed = new Uint8Array(32).map((_, index) => index * 7);
  const imported = await crypto.subtle.importKey(
    "raw",
    seed,
    "AES-CTR",
    false,
    ["encrypt"],
  );
  const key = wordsOf(
    new Uint8Array(
      await crypto.subtle.encrypt(
        { name: "AES-CTR", counter: new Uint8Array(16), length: 64 },
        imported,
        new Uint8Array(8 * (128 + 2048)),
      ),
    ),
  );
  await inDirectory(async (directory) => {
    const file = await files.open(`${directory}/disk`, "create");
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const disk = new Uint8Array(300_032);
    disk.set(bytes, 0);
    disk.set(bytes, 100_000);
    disk.set(bytes, 240_032);
    await file.write(disk, 0);
    for (const blockBytes of [4096, 64 * 1024, 256 * 1024]) {
      const extent = { offsetBytes: 4096, lengthBytes: disk.length - 4096 };
      const digests = await file.digest(extent, blockBytes, seed);
      const expected: number[] = [];
      for (let at = 4096; at < disk.length; at += blockBytes) {
        expected.push(...digestOf(disk.subarray(at, at + blockBytes), key));
      }
      assertEquals([...digests], expected);
    }
    // Behind the end there is nothing to digest.
    const beyond = { offsetBytes: 299_008, lengthBytes: 4096 };
    assertEquals((await file.digest(beyond, 4096, seed)).length, 0);
    const extent = { offsetBytes: 0, lengthBytes: 4096 };
    const other = seed.map((byte) => byte + 1);
    assertNotEquals(
      await file.digest(extent, 4096, seed),
      await file.digest(extent, 4096, other),
    );
    for (const bad of [1000, 2 * 1024 * 1024]) {
      assertEquals(await errnoOf(file.digest(extent, bad, seed)), ERRNO.EINVAL);
    }
    file.close();
  });
});
