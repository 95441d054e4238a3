import { assert, assertEquals, assertThrows } from "@std/assert";
import { ERRNO, SyscallError } from "../base/errors.ts";
import { cString, loadShim, type Shim } from "../../ffi/shim.ts";
import { LAYOUT } from "./layout.ts";
import { Ring } from "./ring.ts";

const shim = loadShim(new URL("../../build/libmars.so", import.meta.url));
const DEADLINE_MS = 20_000;

/** Runs turns until `isDone`. */
function run(ring: Ring, isDone: () => boolean): void {
  const endMs = performance.now() + DEADLINE_MS;
  while (!isDone()) {
    assert(performance.now() < endMs, "Deadline passed");
    ring.enter(1);
    ring.reap();
  }
}

function withRing(entries: number, test: (ring: Ring) => void): void {
  using ring = Ring.create({ shim, entries });
  test(ring);
}

/** A file of our own that is gone afterwards. */
function withFile(ring: Ring, test: (fd: number, path: string) => void): void {
  const path = Deno.makeTempFileSync();
  const fd = ring.open(path, "exclusive");
  try {
    test(fd, path);
  } finally {
    ring.close(fd);
    Deno.removeSync(path);
  }
}

function connect(shim: Shim, path: string): Promise<Deno.UnixConn> {
  assert(shim !== undefined);
  return Deno.connect({ transport: "unix", path });
}

Deno.test("layout of io_uring agrees with the C compiler", () => {
  const compiled: number[] = [];
  for (let index = 0; index < 100; index++) {
    const value = shim.mars_layout(index);
    if (value < 0) break;
    compiled.push(value);
  }
  assertEquals(LAYOUT, compiled);
});

Deno.test("Ring writes and reads back at 64-bit offsets", () => {
  withRing(8, (ring) =>
    withFile(ring, (fd) => {
      const memory = ring.allocate(10_000);
      for (let at = 0; at < 5000; at++) memory.bytes[at] = at % 251;
      const offsetBytes = 5 * 2 ** 32 + 123;
      const results: number[][] = [];
      const done = (result: number, tag: number) => results.push([result, tag]);
      ring.write(fd, memory, 0, 5000, offsetBytes, done, 7);
      assertEquals(results, [], "Nothing is called inside the method");
      run(ring, () => results.length === 1);
      ring.read(fd, memory, 5000, 5000, offsetBytes, done, 8);
      run(ring, () => results.length === 2);
      assertEquals(results, [[5000, 7], [5000, 8]]);
      assertEquals(ring.size(fd), offsetBytes + 5000);
      assertEquals(
        memory.bytes.slice(5000, 10_000),
        memory.bytes.slice(0, 5000),
      );
      ring.truncate(fd, 100);
      assertEquals(ring.size(fd), 100);
    }));
});

Deno.test("Ring delivers an append in the next reap, never inside", () => {
  withRing(8, (ring) =>
    withFile(ring, (fd, path) => {
      const memory = ring.allocate(4096);
      memory.bytes.fill(0x5a);
      let result = -1;
      ring.append(fd, memory, 0, 4096, 4096, (value) => result = value, 0);
      assertEquals(result, -1);
      assertEquals(ring.inFlightCount, 1);
      ring.enter(1);
      assertEquals(result, -1);
      assertEquals(ring.reap(), 1);
      assertEquals(result, 4096);
      assertEquals(ring.inFlightCount, 0);
      assertEquals(Deno.readFileSync(path)[5000], 0x5a);
    }));
});

Deno.test("Ring serves others while appends follow each other forever", () => {
  withRing(8, (ring) =>
    withFile(ring, (fd) => {
      const memory = ring.allocate(512);
      let isRead = false;
      const again = (): void => {
        if (!isRead) ring.append(fd, memory, 0, 512, 0, again, 0);
      };
      again();
      ring.read(fd, memory, 0, 512, 0, () => isRead = true, 0);
      run(ring, () => isRead);
      run(ring, () => ring.inFlightCount === 0);
    }));
});

Deno.test("Ring takes more operations than queue entries and slots", () => {
  withRing(4, (ring) =>
    withFile(ring, (fd) => {
      const memory = ring.allocate(4096);
      const count = 3000;
      const seen = new Set<number>();
      for (let tag = 0; tag < count; tag++) {
        ring.write(fd, memory, 0, 8, tag * 8, (result, tag) => {
          assertEquals(result, 8);
          assert(!seen.has(tag), "Called once");
          seen.add(tag);
        }, tag);
      }
      run(ring, () => seen.size === count);
      assertEquals(ring.inFlightCount, 0);
      assertEquals(ring.size(fd), count * 8);
    }));
});

Deno.test("Ring starts operations from a callback", () => {
  withRing(4, (ring) =>
    withFile(ring, (fd) => {
      const memory = ring.allocate(4096);
      let rounds = 0;
      const next = (): void => {
        if (++rounds < 100) ring.write(fd, memory, 0, 4096, 0, next, 0);
      };
      next();
      run(ring, () => rounds === 100);
    }));
});

Deno.test("Ring passes errors of the kernel on", () => {
  withRing(4, (ring) => {
    const memory = ring.allocate(4096);
    const results: number[] = [];
    const done = (result: number) => results.push(result);
    ring.read(-1, memory, 0, 512, 0, done, 0);
    ring.flush(-1, done, 0);
    ring.append(-1, memory, 0, 512, 0, done, 0);
    run(ring, () => results.length === 3);
    assertEquals(results, [-ERRNO.EBADF, -ERRNO.EBADF, -ERRNO.EBADF]);
    const error = assertThrows(
      () => ring.open("/does/not/exist", "read"),
      SyscallError,
      '"/does/not/exist"',
    );
    assertEquals(error.errno, ERRNO.ENOENT);
  });
});

Deno.test("Ring zeroes ranges and flushes", () => {
  withRing(4, (ring) =>
    withFile(ring, (fd, path) => {
      Deno.writeFileSync(path, new Uint8Array(65536).fill(1));
      const results: number[] = [];
      const done = (result: number) => results.push(result);
      ring.zero(fd, 4096, 8192, false, done, 0);
      ring.zero(fd, 32768, 16384, true, done, 0);
      run(ring, () => results.length === 2);
      ring.flush(fd, done, 0);
      run(ring, () => results.length === 3);
      assertEquals(results, [0, 0, 0]);
      const bytes = Deno.readFileSync(path);
      const zeroes = bytes.reduce((sum, byte) => sum + (byte === 0 ? 1 : 0), 0);
      assertEquals(zeroes, 8192 + 16384);
      assertEquals(bytes[4095], 1);
      assertEquals(bytes[4096], 0);
      assertEquals(bytes[32768], 0);
      assertEquals(bytes[49152], 1);
      assertEquals(bytes.length, 65536);
    }));
});

Deno.test("Ring timers fire in order of their time, not of their start", () => {
  withRing(4, (ring) => {
    const tags: number[] = [];
    const startMs = ring.monotonicMs();
    const done = (result: number, tag: number): void => {
      assertEquals(result, 0);
      tags.push(tag);
    };
    ring.timer(40.5, done, 1);
    ring.timer(10, done, 2);
    ring.timer(0, done, 3);
    run(ring, () => tags.length === 3);
    assertEquals(tags, [3, 2, 1]);
    assert(ring.monotonicMs() - startMs >= 40);
  });
});

Deno.test("Ring.pollEvent() sees every wake-up and resets the counter", () => {
  withRing(4, (ring) => {
    const eventfd = shim.mars_eventfd_create();
    let count = 0;
    const watch = (): void =>
      ring.pollEvent(eventfd, (result) => {
        assertEquals(result, 8);
        count++;
        watch();
      }, 0);
    watch();
    ring.enter(0);
    assertEquals(ring.reap(), 0, "No wake-up without an event");
    for (let round = 1; round <= 5; round++) {
      shim.mars_eventfd_add(eventfd, 1);
      run(ring, () => count === round);
    }
    ring.enter(0);
    ring.reap();
    assertEquals(count, 5, "The counter was reset");
    shim.mars_file_close(eventfd);
  });
});

Deno.test("Ring sends more than a socket holds, completely", async () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/socket`;
  using ring = Ring.create({ shim, entries: 8 });
  const listener = ring.listen(path);
  assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
  let fd = -1;
  ring.accept(listener, (result) => fd = result, 0);
  const client = await connect(shim, path);
  run(ring, () => fd >= 0);

  const length = 3_000_000;
  const memory = ring.allocate(length);
  for (let at = 0; at < length; at++) memory.bytes[at] = (at * 7) % 253;
  let sent = 0;
  ring.send(fd, memory, 0, length, (result) => sent = result, 0);
  const received = new Uint8Array(length);
  for (let at = 0; at < length;) {
    ring.enter(0);
    ring.reap();
    at += await client.read(received.subarray(at)) ?? 0;
  }
  run(ring, () => sent !== 0);
  assertEquals(sent, length);
  assert(received.every((byte, at) => byte === memory.bytes[at]));

  let end = -1;
  ring.receive(fd, memory, 0, 100, (result) => end = result, 0);
  await client.write(new Uint8Array([1, 2, 3]));
  run(ring, () => end >= 0);
  assertEquals(end, 3);
  client.close();
  ring.receive(fd, memory, 0, 100, (result) => end = result, 0);
  run(ring, () => end === 0);
  ring.send(fd, memory, 0, 100, (result) => sent = result, 0);
  run(ring, () => sent < 0);
  assertEquals(sent, -ERRNO.EPIPE);
  ring.close(fd);

  let refused = 0;
  ring.accept(listener, (result) => refused = result, 0);
  ring.enter(0);
  ring.unlisten(listener, path);
  run(ring, () => refused !== 0);
  assert(refused < 0, "A pending accept ends");
  assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
  ring.close(listener);
  Deno.removeSync(directory);
});

Deno.test("Ring.listen() replaces a stale socket and names a failure", () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/socket`;
  withRing(4, (ring) => {
    ring.close(ring.listen(path));
    ring.close(ring.listen(path));
    const long = `${directory}/${"x".repeat(200)}`;
    assertThrows(() => ring.listen(long), SyscallError);
  });
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("Ring.end() cancels what waits and gives memory back", () => {
  const eventfd = shim.mars_eventfd_create();
  const ring = Ring.create({ shim, entries: 8 });
  const memory = ring.allocate(4096);
  const file = Deno.makeTempFileSync();
  const fd = shim.mars_file_open(cString(file), 2, 0);
  let calls = 0;
  ring.timer(3_600_000, () => calls++, 0);
  ring.pollEvent(eventfd, () => calls++, 0);
  ring.enter(0);
  memory.bytes.fill(9);
  ring.write(fd, memory, 0, 4096, 0, () => calls++, 0);
  ring.enter(0);
  ring.end();
  ring.end();
  assertEquals(calls, 0);
  assertEquals(memory.bytes.length, 0, "Views of freed memory are empty");
  shim.mars_file_close(fd);
  shim.mars_file_close(eventfd);
  Deno.removeSync(file);
});
