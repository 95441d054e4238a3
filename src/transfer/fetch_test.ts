import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async/deadline";
import fc from "fast-check";
import { MemoryFiles } from "../../tests/support/memory_files.ts";
import {
  type Fault,
  MemoryLine,
  type MemoryLineOptions,
} from "../../tests/support/memory_line.ts";
import { flipped, logOf } from "../../tests/support/log_bytes.ts";
import { ERRNO, MarsError } from "../base/errors.ts";
import type { LogName } from "../base/names.ts";
import { portableCrc32c } from "../log/checksum.ts";
import { HEADER_BYTES } from "../log/record.ts";
import type { RpcReply } from "../peer/rpc.ts";
import { ReadSize } from "./read_size.ts";
import {
  type FetchOptions,
  type FetchProgress,
  type FetchResult,
  LogFetcher,
} from "./fetch.ts";
import { logHandlers, type LogSource } from "./log_service.ts";

const LOG = { sequence: 7, host: "alpha" };
const NAME = "resource-x/log-000000007-alpha";
const LOCAL = "local";
const WAIT_MS = 10_000;

/** The log of a peer that grows as told. */
class Author implements LogSource {
  readonly files = new MemoryFiles();
  durableBytes: number;
  isFinal: boolean;
  isMissing = false;
  readonly #waiting = new Set<() => void>();

  constructor(
    bytes: Uint8Array,
    end: { durableBytes?: number; isFinal: boolean },
  ) {
    this.files.set(NAME, bytes);
    this.durableBytes = end.durableBytes ?? bytes.length;
    this.isFinal = end.isFinal;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  grow(end: { durableBytes: number; isFinal: boolean }): void {
    this.durableBytes = end.durableBytes;
    this.isFinal = end.isFinal;
    for (const callback of [...this.#waiting]) callback();
  }

  durableEnd(
    resource: string,
    log: LogName,
  ): { bytes: number; isFinal: boolean } | undefined {
    if (this.isMissing || resource !== "x") return undefined;
    if (log.sequence !== LOG.sequence || log.host !== LOG.host) {
      return undefined;
    }
    return { bytes: this.durableBytes, isFinal: this.isFinal };
  }

  onGrowth(_resource: string, _log: LogName, callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  logPath(): string {
    return NAME;
  }

  line(options: Partial<MemoryLineOptions> = {}): MemoryLine {
    return new MemoryLine({
      from: "beta",
      peer: "alpha",
      handlers: logHandlers({ source: this, files: this.files }),
      ...options,
    });
  }
}

/** A fetch and everything it reported. */
class Fetch {
  readonly reports: FetchProgress[] = [];
  readonly fetcher: LogFetcher;
  readonly #line: MemoryLine;
  #look: () => void = () => {};

  constructor(
    line: MemoryLine,
    files: MemoryFiles,
    options: Pick<FetchOptions, "size" | "check"> = {},
  ) {
    this.#line = line;
    this.fetcher = LogFetcher.start({
      ...options,
      rpc: line,
      files,
      resource: "x",
      log: LOG,
      path: LOCAL,
      onProgress: (progress) => {
        // Never report what the loss of power would take back.
        assert(progress.durableBytes <= files.durable(LOCAL).length);
        this.reports.push(progress);
        this.#look();
      },
    });
  }

  /** Resolves when a report says so; fails when the fetch ends before. */
  async until(isWanted: (progress: FetchProgress) => boolean): Promise<void> {
    await deadline(
      new Promise<void>((resolve, reject) => {
        this.#look = () => {
          const last = this.reports.at(-1);
          if (last !== undefined && isWanted(last)) resolve();
        };
        this.#look();
        void this.fetcher.finished.then((result) =>
          reject(new Error(`ended: ${JSON.stringify(result)}`))
        );
      }),
      WAIT_MS,
    );
  }

  async end(): Promise<FetchResult> {
    const result = await deadline(this.fetcher.finished, WAIT_MS);
    this.#line.close();
    await this.#line.idle();
    return result;
  }

  async stop(): Promise<FetchResult> {
    await deadline(this.fetcher.stop(), WAIT_MS);
    return await this.end();
  }
}

function bytesOf(lengthBytes: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, index) => index * 31);
}

function localFiles(prefix: Uint8Array): MemoryFiles {
  const files = new MemoryFiles();
  files.set(LOCAL, prefix);
  return files;
}

Deno.test("LogFetcher copies a log from any byte, in pieces of any length", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(200),
      fc.integer({ min: 1, max: 50 }),
      async (log, startBytes, lengthMax) => {
        const author = new Author(log, { isFinal: true });
        const files = localFiles(log.subarray(0, startBytes));
        const shorten = ({ params, body }: RpcReply): RpcReply => ({
          params,
          body: body.subarray(0, lengthMax),
        });
        const fetch = new Fetch(author.line({ onReply: shorten }), files);
        assertEquals(await fetch.end(), { kind: "complete" });
        assertEquals(files.durable(LOCAL), log);
        assertEquals(files.openCount + author.files.openCount, 0);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("LogFetcher keeps the order when replies overtake each other", async () => {
  // Eight reads of 1 MiB are in flight; every order of answers is possible.
  const log = new Uint8Array(11 * 1024 * 1024 + 5);
  for (let at = 0; at < log.length; at += 4096) log[at] = at / 4096 % 251;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(12), { minLength: 8, maxLength: 8 }),
      async (turns) => {
        const author = new Author(log, { isFinal: true });
        const files = localFiles(new Uint8Array(0));
        const delay = async (index: number): Promise<void> => {
          let count = turns[index % turns.length] ?? 0;
          while (count-- > 0) await Promise.resolve();
        };
        const fetch = new Fetch(author.line({ delay }), files);
        assertEquals(await fetch.end(), { kind: "complete" });
        assert(equal(files.durable(LOCAL), log));
      },
    ),
    { numRuns: 6 },
  );
});

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length &&
    left.every((byte, index) => byte === right[index]);
}

Deno.test("LogFetcher survives a cut at every byte of a log", async () => {
  const log = bytesOf(60);
  const author = new Author(log, { isFinal: true });
  const oneByte = ({ params, body }: RpcReply): RpcReply => ({
    params,
    body: body.subarray(0, 1),
  });
  for (let cutIndex = 0; cutIndex < log.length; cutIndex++) {
    for (const fault of ["cut", "cutReply"] as const) {
      const files = localFiles(new Uint8Array(0));
      const first = new Fetch(
        author.line({
          onReply: oneByte,
          fault: (index) => index === cutIndex ? fault : "none",
        }),
        files,
      );
      assertEquals((await first.end()).kind, "lost");
      const left = files.durable(LOCAL);
      assertEquals(left, log.subarray(0, left.length));
      assertEquals(first.reports.at(-1)?.durableBytes ?? 0, left.length);
      const second = new Fetch(author.line(), files);
      assertEquals(await second.end(), { kind: "complete" });
      assertEquals(files.durable(LOCAL), log);
    }
  }
});

Deno.test("LogFetcher is not confused by calls that arrive twice", async () => {
  const log = bytesOf(100);
  const author = new Author(log, { isFinal: true });
  const files = localFiles(new Uint8Array(0));
  const fetch = new Fetch(author.line({ fault: () => "duplicate" }), files);
  assertEquals(await fetch.end(), { kind: "complete" });
  assertEquals(files.durable(LOCAL), log);
});

Deno.test("LogFetcher gets nothing beyond the durable end", async () => {
  const author = new Author(bytesOf(100), { durableBytes: 40, isFinal: false });
  const files = localFiles(new Uint8Array(0));
  const fetch = new Fetch(author.line(), files);
  await fetch.until((progress) => progress.isCaughtUp);
  assertEquals(await fetch.stop(), { kind: "stopped" });
  assertEquals(files.get(LOCAL), bytesOf(100).subarray(0, 40));
});

Deno.test("LogFetcher follows growth without polling", async () => {
  const log = bytesOf(50);
  const author = new Author(log, { durableBytes: 0, isFinal: false });
  const files = localFiles(new Uint8Array(0));
  const line = author.line();
  const fetch = new Fetch(line, files);
  await fetch.until((progress) => progress.isCaughtUp);
  for (let endBytes = 1; endBytes <= 50; endBytes++) {
    author.grow({ durableBytes: endBytes, isFinal: false });
    await fetch.until((progress) => progress.durableBytes === endBytes);
  }
  author.grow({ durableBytes: 50, isFinal: true });
  assertEquals(await fetch.end(), { kind: "complete" });
  assertEquals(files.durable(LOCAL), log);
  // One call to look, one per growth, one for the end.
  assert(line.calls.length <= 52, `${line.calls.length} calls`);
  assertEquals(author.waitingCount, 0);
});

Deno.test("LogFetcher appends while a flush is running", async () => {
  const author = new Author(bytesOf(30), { durableBytes: 10, isFinal: false });
  const files = localFiles(new Uint8Array(0));
  let release = (): void => {};
  let isHeld = false;
  // The first flush is that of the open.
  files.onFlush = () =>
    files.flushCount === 0
      ? Promise.resolve()
      : new Promise((resolve) => (isHeld = true, release = resolve));
  const fetch = new Fetch(author.line(), files);
  await fetch.until((progress) => progress.remoteBytes === 10);
  assert(isHeld);
  author.grow({ durableBytes: 30, isFinal: false });
  await fetch.until((progress) => progress.remoteBytes === 30);
  assertEquals(files.get(LOCAL).length, 30);
  assertEquals(fetch.reports.at(-1)?.durableBytes, 0);
  files.onFlush = () => Promise.resolve();
  release();
  await fetch.until((progress) => progress.durableBytes === 30);
  await fetch.stop();
});

Deno.test("LogFetcher cuts the file back when the disk is full", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(99),
      fc.integer({ min: 1, max: 30 }),
      async (roomBytes, lengthMax) => {
        const log = bytesOf(100);
        const author = new Author(log, { isFinal: true });
        const files = localFiles(new Uint8Array(0));
        files.capacityBytes = roomBytes;
        const shorten = ({ params, body }: RpcReply): RpcReply => ({
          params,
          body: body.subarray(0, lengthMax),
        });
        const first = new Fetch(author.line({ onReply: shorten }), files);
        const result = await first.end();
        assertEquals(result.kind === "failed" && result.errno, ERRNO.ENOSPC);
        const durableBytes = first.reports.at(-1)?.durableBytes ?? 0;
        assertEquals(files.get(LOCAL), log.subarray(0, durableBytes));
        files.capacityBytes = 100;
        const second = new Fetch(author.line(), files);
        assertEquals(await second.end(), { kind: "complete" });
        assertEquals(files.durable(LOCAL), log);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("LogFetcher cuts the file back when a flush fails", async () => {
  const author = new Author(bytesOf(100), { durableBytes: 40, isFinal: false });
  const files = localFiles(new Uint8Array(0));
  const fetch = new Fetch(author.line(), files);
  await fetch.until((progress) => progress.durableBytes === 40);
  files.flushErrno = ERRNO.EIO;
  author.grow({ durableBytes: 70, isFinal: false });
  const result = await fetch.end();
  assertEquals(result.kind === "failed" && result.errno, ERRNO.EIO);
  assertEquals(files.get(LOCAL), bytesOf(40));
  assertEquals(fetch.reports.at(-1)?.durableBytes, 40);
});

Deno.test("LogFetcher makes durable what a dead process has left", async () => {
  const author = new Author(bytesOf(40), { isFinal: false });
  const files = localFiles(new Uint8Array(0));
  const file = await files.open(LOCAL, "update");
  await file.write(bytesOf(40), 0);
  file.close();
  const fetch = new Fetch(author.line(), files);
  await fetch.until((progress) => progress.isCaughtUp);
  await fetch.stop();
  assertEquals(files.durable(LOCAL), bytesOf(40));
});

Deno.test("LogFetcher changes nothing when the peer has less", async () => {
  const author = new Author(bytesOf(20), { isFinal: true });
  const files = localFiles(bytesOf(30));
  const fetch = new Fetch(author.line(), files);
  assertEquals(await fetch.end(), {
    kind: "shorter",
    localBytes: 30,
    remoteBytes: 20,
  });
  assertEquals(files.get(LOCAL), bytesOf(30));
});

Deno.test("LogFetcher says that the peer does not have the log", async () => {
  const author = new Author(bytesOf(20), { isFinal: false });
  author.isMissing = true;
  const fetch = new Fetch(author.line(), localFiles(new Uint8Array(0)));
  assertEquals(await fetch.end(), { kind: "missing" });
});

Deno.test("LogFetcher notices that the log is deleted while it waits", async () => {
  const author = new Author(bytesOf(20), { isFinal: false });
  const fetch = new Fetch(author.line(), localFiles(new Uint8Array(0)));
  await fetch.until((progress) => progress.isCaughtUp);
  author.isMissing = true;
  author.grow({ durableBytes: 0, isFinal: false });
  assertEquals(await fetch.end(), { kind: "missing" });
});

Deno.test("LogFetcher refuses a reply that is longer than the log", async () => {
  const author = new Author(bytesOf(20), { isFinal: false });
  const files = localFiles(new Uint8Array(0));
  const fetch = new Fetch(
    author.line({ onReply: ({ params }) => ({ params, body: bytesOf(21) }) }),
    files,
  );
  assertEquals((await fetch.end()).kind, "lost");
  assertEquals(files.get(LOCAL).length, 0);
});

Deno.test("logHandlers() refuses whatever is no name of a log", async () => {
  const author = new Author(bytesOf(20), { isFinal: false });
  const line = author.line();
  const good = {
    resource: "x",
    sequence: 7,
    host: "alpha",
    offsetBytes: 0,
    lengthMax: 9,
    waitMs: 0,
  };
  assertEquals((await line.call("log.read", good)).body, bytesOf(9));
  const bad = [
    { ...good, resource: "../x" },
    { ...good, resource: "" },
    { ...good, host: "alpha/../../etc/shadow" },
    { ...good, host: "" },
    { ...good, sequence: -1 },
    { ...good, sequence: 1.5 },
    { ...good, sequence: Number.MAX_SAFE_INTEGER },
    { ...good, offsetBytes: -1 },
    { ...good, offsetBytes: "0" },
    { ...good, lengthMax: 1e300 },
    { ...good, waitMs: -5 },
  ];
  for (const params of bad) {
    const refusal = await line.call("log.read", params)
      .then(() => "answered", (error: Error) => error.message);
    assertStringIncludes(refusal, "Cannot", JSON.stringify(params));
  }
  assertEquals(author.files.openCount, 0);
});

Deno.test("logHandlers() forget a waiting call when its line is lost", async () => {
  const author = new Author(bytesOf(20), { isFinal: false });
  const line = author.line();
  const fetch = new Fetch(line, localFiles(new Uint8Array(0)));
  await fetch.until((progress) => progress.isCaughtUp);
  line.close();
  assertEquals((await fetch.end()).kind, "lost");
  assertEquals(author.waitingCount, 0);
});

Deno.test("LogFetcher refuses a peer that has more and sends nothing", async () => {
  const author = new Author(bytesOf(20), { isFinal: false });
  const line = author.line({
    onReply: ({ params }) => ({ params, body: new Uint8Array(0) }),
  });
  const fetch = new Fetch(line, localFiles(new Uint8Array(0)));
  assertEquals((await fetch.end()).kind, "lost");
  assert(line.calls.length < 5);
});

Deno.test("LogFetcher waits for a running flush before it cuts back", async () => {
  const author = new Author(bytesOf(30), { durableBytes: 10, isFinal: false });
  const files = localFiles(new Uint8Array(0));
  const fetch = new Fetch(author.line(), files);
  await fetch.until((progress) => progress.isCaughtUp);
  let release = (): void => {};
  const isHeld = new Promise<void>((held) => {
    files.onFlush = () => {
      held();
      return new Promise((resolve) => release = resolve);
    };
  });
  author.grow({ durableBytes: 20, isFinal: false });
  await deadline(isHeld, WAIT_MS);
  files.onWrite = () => {
    files.writeErrno = ERRNO.ENOSPC;
    setTimeout(release, 0);
    return Promise.resolve();
  };
  author.grow({ durableBytes: 30, isFinal: false });
  assertEquals((await fetch.end()).kind, "failed");
  // The flush succeeded, so what it covered stays.
  assertEquals(files.get(LOCAL), bytesOf(20));
  assertEquals(fetch.reports.at(-1)?.durableBytes, 20);
});

Deno.test("LogFetcher keeps what came of a reply that was cut", async () => {
  const log = bytesOf(3_000_000);
  const author = new Author(log, { isFinal: true });
  const files = localFiles(new Uint8Array(0));
  const fetch = new Fetch(
    author.line({ fault: (index) => index >= 1 ? "cutBody" : "none" }),
    files,
  );
  assertEquals((await fetch.end()).kind, "lost");
  const { length } = files.durable(LOCAL);
  assert(length > 262_144 && length < 786_432, `${length} bytes`);
  assertEquals(files.durable(LOCAL), log.subarray(0, length));
  assertEquals(fetch.reports.at(-1)?.durableBytes, length);
});

Deno.test("LogFetcher keeps no more than a prefix, whatever is cut and late", async () => {
  const log = bytesOf(6 * 1024 * 1024 + 5);
  const anyFault = fc.constantFrom<Fault>("cut", "cutReply", "cutBody");
  await fc.assert(
    fc.asyncProperty(
      fc.nat(12),
      anyFault,
      fc.array(fc.nat(12), { minLength: 8, maxLength: 8 }),
      async (faultIndex, fault, turns) => {
        const author = new Author(log, { isFinal: true });
        const files = localFiles(new Uint8Array(0));
        const delay = async (index: number): Promise<void> => {
          let count = turns[index % turns.length] ?? 0;
          while (count-- > 0) await Promise.resolve();
        };
        const first = new Fetch(
          author.line({
            delay,
            fault: (index) => index === faultIndex ? fault : "none",
          }),
          files,
        );
        await first.end();
        const left = files.durable(LOCAL);
        assert(equal(left, log.subarray(0, left.length)));
        assertEquals(first.reports.at(-1)?.durableBytes ?? 0, left.length);
        const second = new Fetch(author.line(), files);
        assertEquals(await second.end(), { kind: "complete" });
        assert(equal(files.durable(LOCAL), log));
      },
    ),
    { numRuns: 15 },
  );
});

Deno.test("LogFetcher asks for less after losses without progress, then for more", async () => {
  const log = bytesOf(2_000_000);
  const author = new Author(log, { isFinal: true });
  const files = localFiles(new Uint8Array(0));
  const size = new ReadSize();
  // Nothing larger than this ever comes through: then the line is gone.
  const carriedBytes = 20_000;
  let lostCount = 0;
  for (;;) {
    const line = author.line({
      onReply: (reply) => {
        if (reply.body.length <= carriedBytes) return reply;
        line.close();
        throw new MarsError("Lost the line");
      },
    });
    const fetch = new Fetch(line, files, { size });
    const { kind } = await fetch.end();
    if (kind === "complete") break;
    assertEquals(kind, "lost");
    assert(++lostCount < 1_000, "no progress");
  }
  assertEquals(files.durable(LOCAL), log);
});

Deno.test("LogFetcher reports whole records, and names damage", async () => {
  const { bytes, starts } = logOf(3_000);
  const at = (starts[2_000] ?? 0) + 100;
  const check = { crc: portableCrc32c, startBytes: 0 };
  const bad = new Author(flipped(bytes, at), { isFinal: true });
  const files = localFiles(new Uint8Array(0));
  const fetch = new Fetch(bad.line(), files, { check });
  const result = await fetch.end();
  assert(result.kind === "damaged", result.kind);
  assertEquals(result.offsetBytes, starts[2_000]);
  assertStringIncludes(result.message, "does not match its checksum");
  assert(
    fetch.reports.every(({ durableBytes }) =>
      durableBytes <= result.offsetBytes
    ),
  );
  assertEquals(files.durable(LOCAL), bytes.subarray(0, starts[2_000]));
  // Somebody else has it as it should be.
  const good = new Author(bytes, { isFinal: true });
  const second = new Fetch(good.line(), files, { check });
  assertEquals(await second.end(), { kind: "complete" });
  assertEquals(files.durable(LOCAL), bytes);
});

Deno.test("LogFetcher blames nobody for a record that a crash here has torn", async () => {
  const { bytes, starts } = logOf(30);
  const start = starts[20] ?? 0;
  const check = { crc: portableCrc32c, startBytes: start };
  const good = new Author(bytes, { isFinal: true });
  const bad = new Author(flipped(bytes, start + 50), { isFinal: true });
  const anyTornBytes = fc.integer({ min: 1, max: HEADER_BYTES + 4 });
  await fc.assert(
    fc.asyncProperty(anyTornBytes, async (tornBytes) => {
      // The file is as long as it was, what was written last is not there.
      const left = bytes.slice(0, start + tornBytes).fill(0, start);
      const files = localFiles(left);
      const first = new Fetch(good.line(), files, { check });
      assertEquals(await first.end(), { kind: "torn" });
      assertEquals(files.durable(LOCAL), bytes.subarray(0, start));
      // A source that has it damaged is known now.
      const second = new Fetch(bad.line(), files, { check });
      assertEquals((await second.end()).kind, "damaged");
      const third = new Fetch(good.line(), files, { check });
      assertEquals(await third.end(), { kind: "complete" });
      assertEquals(files.durable(LOCAL), bytes);
    }),
    { numRuns: 20 },
  );
});

Deno.test("LogFetcher takes no bytes that changed after they were read", async () => {
  const { bytes } = logOf(100);
  const author = new Author(bytes, { isFinal: true });
  const files = localFiles(new Uint8Array(0));
  const line = author.line({
    handlers: logHandlers({
      source: author,
      files: author.files,
      crc: portableCrc32c,
    }),
    onReply: ({ params, body }) => ({ params, body: flipped(body, 5_000) }),
  });
  const fetch = new Fetch(line, files, {
    check: { crc: portableCrc32c, startBytes: 0 },
  });
  const result = await fetch.end();
  assert(result.kind === "lost", result.kind);
  assertStringIncludes(result.message, "damaged on their way");
  assertEquals(files.get(LOCAL).length, 0);
});
