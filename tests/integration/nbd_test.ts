/**
 * The NBD front end, on a real ring in a real worker, and the clients that
 * administrators use: they must be content with it.
 *
 * A tool that is not installed is named, and its test ignored.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { viewOf } from "../../src/base/bytes.ts";
import { ERRNO } from "../../src/base/errors.ts";
import { NbdClient, NbdError } from "../../src/cli/demo/nbd_client.ts";
import { encodeOption, OPTION } from "../../src/device/nbd_protocol.ts";
import { EXPORT_NAME, startNbd } from "../support/nbd_server.ts";

const SIZE = 32 * 1024 * 1024;
const DEADLINE_MS = 20_000;

function has(tool: string): boolean {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      if (Deno.statSync(`${directory}/${tool}`).isFile) return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  // The reason why a test is ignored must be read somewhere.
  // deno-lint-ignore no-console
  console.log(`Tests with ${tool} are ignored: it is not installed`);
  return false;
}

/** Runs a tool to its end and returns what it says; fails if it fails. */
async function run(tool: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command(tool, { args }).output();
  const text = new TextDecoder();
  const said = text.decode(output.stdout) + text.decode(output.stderr);
  assert(output.success, `${tool} ${args.join(" ")}: ${said}`);
  return said;
}

function patternOf(lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  for (let at = 0; at < lengthBytes; at++) {
    bytes[at] = (at * 31 + (at >>> 12) * 17) % 256;
  }
  return bytes;
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!condition()) {
    assert(performance.now() < endMs, "Deadline passed");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

for (const replies of ["simple", "structured"] as const) {
  Deno.test(`NBD client of ours reads what it wrote, ${replies}`, async () => {
    await using server = await startNbd({ sizeBytes: SIZE });
    const client = await NbdClient.connect(server.path, EXPORT_NAME, replies);
    assertEquals(client.sizeBytes, SIZE);
    const pattern = patternOf(5 * 1024 * 1024 + 512);
    await client.write(512, pattern);
    assertEquals(await client.read(512, pattern.length), pattern);

    const writes: Promise<void>[] = [];
    for (let index = 0; index < 500; index++) {
      const bytes = new Uint8Array(4096).fill(index % 256);
      writes.push(client.write(SIZE / 2 + index * 4096, bytes, "fua"));
    }
    await Promise.all(writes);
    const reads = Array.from(
      { length: 500 },
      (_, index) => client.read(SIZE / 2 + index * 4096, 4096),
    );
    (await Promise.all(reads)).forEach((bytes, index) =>
      assert(bytes.every((byte) => byte === index % 256))
    );

    await client.writeZeroes(0, SIZE);
    assert((await client.read(512, 65536)).every((byte) => byte === 0));
    await client.trim(0, 65536);
    await client.flush();
    const reason = await client.write(SIZE - 512, new Uint8Array(1024))
      .catch((error: unknown) => error);
    assert(reason instanceof NbdError);
    assertEquals(reason.errno, ERRNO.ENOSPC);
    assertEquals(server.counts[4], 1);
    assertEquals(server.counts[5], 500);
    assertEquals(server.counts[6], 1);
    await client.disconnect();
    await until(() => server.counts[1] === 0);
  });
}

Deno.test("NBD clients share the disk, and one may vanish", async () => {
  await using server = await startNbd({ sizeBytes: SIZE });
  const clients = await Promise.all(
    Array.from(
      { length: 4 },
      () => NbdClient.connect(server.path, EXPORT_NAME, "structured"),
    ),
  );
  const lengthBytes = SIZE / 4;
  const pattern = patternOf(lengthBytes);
  await Promise.all(
    clients.map((client, index) => client.write(index * lengthBytes, pattern)),
  );
  const [first, second] = clients;
  assert(first !== undefined && second !== undefined);
  assertEquals(await first.read(3 * lengthBytes, lengthBytes), pattern);

  const torn = await Deno.connect({ transport: "unix", path: server.path });
  await torn.write(new Uint8Array([0, 0, 0, 3, 1, 2, 3]));
  torn.close();
  await until(() => server.counts[1] === 4);
  assertEquals(await second.read(0, lengthBytes), pattern);
  for (const client of clients) await client.disconnect();
});

Deno.test("NBD server refuses an unknown option and goes on", async () => {
  await using server = await startNbd({ sizeBytes: SIZE });
  const raw = await Deno.connect({ transport: "unix", path: server.path });
  await raw.write(new Uint8Array([0, 0, 0, 3]));
  await raw.write(encodeOption(4711, new Uint8Array(3)));
  await raw.write(encodeOption(OPTION.LIST, new Uint8Array(0)));
  const bytes = new Uint8Array(18 + 20 + 20 + 4 + EXPORT_NAME.length + 20);
  for (let at = 0; at < bytes.length;) {
    at += await raw.read(bytes.subarray(at)) ?? bytes.length;
  }
  assertEquals(viewOf(bytes).getUint32(18 + 12), 0x80000001);
  const name = bytes.subarray(62, 62 + EXPORT_NAME.length);
  assertEquals(new TextDecoder().decode(name), EXPORT_NAME);
  raw.close();
});

Deno.test("NBD server hangs up at the end although clients are there", async () => {
  const server = await startNbd({ sizeBytes: SIZE });
  const client = await NbdClient.connect(server.path, EXPORT_NAME);
  await client.write(0, new Uint8Array(4096));
  await server[Symbol.asyncDispose]();
  assertEquals(server.counts[7], 1);
  const late = await client.flush().catch((error: unknown) => error);
  assert(late instanceof Error);
});

Deno.test({
  name: "nbdinfo shows size, block sizes and flags",
  ignore: !has("nbdinfo"),
  async fn() {
    await using server = await startNbd({ sizeBytes: SIZE });
    const { exports } = JSON.parse(await run("nbdinfo", "--json", server.uri));
    const [found] = exports;
    assertEquals(found["export-name"], EXPORT_NAME);
    assertEquals(found["export-size"], SIZE);
    assertEquals(found["block_size_minimum"], 512);
    assertEquals(found["block_size_preferred"], 4096);
    assertEquals(found["block_size_maximum"], 32 * 1024 * 1024);
    for (const flag of ["flush", "fua", "trim", "zero", "multi_conn"]) {
      assertEquals(found[`can_${flag}`], true, flag);
    }
    assertEquals(found["is_read_only"], false);
    const all = `nbd+unix:///?socket=${server.path}`;
    assertStringIncludes(await run("nbdinfo", "--list", all), EXPORT_NAME);
  },
});

Deno.test({
  name: "nbdcopy copies there and back over several connections",
  ignore: !has("nbdcopy"),
  async fn() {
    await using server = await startNbd({ sizeBytes: SIZE });
    const source = `${server.directory}/source`;
    const target = `${server.directory}/target`;
    await Deno.writeFile(source, patternOf(SIZE));
    await run("nbdcopy", "--flush", source, server.uri);
    await run("nbdcopy", server.uri, target);
    await run("cmp", source, target);
    assert((server.counts[4] ?? 0) > 0, "Flushed");
  },
});

Deno.test({
  name: "qemu-img converts, maps and compares",
  ignore: !has("qemu-img"),
  async fn() {
    await using server = await startNbd({ sizeBytes: SIZE });
    const source = `${server.directory}/source`;
    const pattern = patternOf(SIZE);
    pattern.fill(0, SIZE / 4, SIZE / 2);
    await Deno.writeFile(source, pattern);
    const raw = ["-f", "raw"];
    await run(
      "qemu-img",
      "convert",
      "-n",
      ...raw,
      "-O",
      "raw",
      source,
      server.uri,
    );
    const compared = await run(
      "qemu-img",
      "compare",
      ...raw,
      "-F",
      "raw",
      source,
      server.uri,
    );
    assertStringIncludes(compared, "Images are identical");
    const map = await run(
      "qemu-img",
      "map",
      ...raw,
      "--output=json",
      server.uri,
    );
    const extents: { length: number }[] = JSON.parse(map);
    assertEquals(extents.reduce((sum, { length }) => sum + length, 0), SIZE);
    const info = await run("qemu-img", "info", ...raw, server.uri);
    assertStringIncludes(info, "32 MiB");
  },
});

Deno.test({
  name: "qemu-io writes, zeroes, discards, flushes and verifies",
  ignore: !has("qemu-io"),
  async fn() {
    await using server = await startNbd({ sizeBytes: SIZE });
    const commands = [
      "write -P 0x5a 0 1M",
      "write -f -P 0xa5 512 512",
      "aio_write -P 0x77 2M 3M",
      "aio_flush",
      "write -z 256k 64k",
      "write -z -u 512k 64k",
      "discard 768k 64k",
      "flush",
      "read -P 0x5a 0 512",
      "read -P 0xa5 512 512",
      "read -P 0 256k 64k",
      "read -P 0 512k 64k",
      "read -P 0x77 2M 3M",
    ];
    const args = commands.flatMap((command) => ["-c", command]);
    const said = await run("qemu-io", "-f", "raw", server.uri, ...args);
    assert(!said.includes("failed"), said);
    assert(!said.includes("Pattern verification"), said);
    assert((server.counts[5] ?? 0) > 0, "FUA came through");
    assert((server.counts[6] ?? 0) > 0, "Discard came through");
  },
});

Deno.test({
  name: "qemu-io is told of a failing disk and goes on",
  ignore: !has("qemu-io"),
  async fn() {
    await using server = await startNbd({ sizeBytes: SIZE, badByte: 100_000 });
    const { code, stdout } = await new Deno.Command("qemu-io", {
      args: [
        ...["-f", "raw", server.uri],
        ...["-c", "read 64k 64k", "-c", "write 0 1M", "-c", "write 2M 64k"],
      ],
    }).output();
    const said = new TextDecoder().decode(stdout);
    assertEquals(code, 1);
    assertStringIncludes(said, "read failed: Input/output error");
    assertStringIncludes(said, "write failed: Input/output error");
    assertStringIncludes(said, "wrote 65536/65536 bytes at offset 2097152");
  },
});

Deno.test({
  name: "fio verifies what it wrote at random, from several jobs",
  ignore: !has("fio"),
  async fn() {
    await using server = await startNbd({ sizeBytes: SIZE });
    await run(
      "fio",
      "--name=verify",
      "--ioengine=nbd",
      `--uri=${server.uri}`,
      "--rw=randwrite",
      "--bsrange=512-256k",
      "--blockalign=512",
      "--iodepth=16",
      "--numjobs=2",
      "--size=8m",
      "--offset_increment=8m",
      "--verify=crc32c",
      "--verify_fatal=1",
      "--verify_state_save=0",
      "--do_verify=1",
      "--fsync=32",
    );
    assert((server.counts[4] ?? 0) > 0, "Flushed");
  },
});
