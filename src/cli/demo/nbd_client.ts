/**
 * A small NBD client: what the demo and the tests write through.
 *
 * Requests may be pipelined: each resolves when its own reply has come. Simple
 * replies only, unless asked for; one connection.
 *
 * Source: NetworkBlockDevice/nbd doc/proto.md.
 */
import { assert } from "../../base/assert.ts";
import { viewOf } from "../../base/bytes.ts";
import { errnoText, FormatError, MarsError } from "../../base/errors.ts";

// Prescribed by the protocol.
const NBD_MAGIC = 0x4e42444d_41474943n;
const OPTION_MAGIC = 0x49484156_454f5054n;
const OPTION_REPLY_MAGIC = 0x0003e889_045565a9n;
const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const CHUNK_MAGIC = 0x668e33ef;
const CLIENT_FLAGS = 3;
const OPTION_GO = 7;
const OPTION_STRUCTURED_REPLY = 8;
const REPLY_ACK = 1;
const REPLY_INFO = 3;
const INFO_EXPORT = 0;
const CHUNK_DONE = 1;
const CHUNK_DATA = 1;
const CHUNK_IS_ERROR = 0x8000;
const COMMAND = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  writeZeroes: 6,
} as const;
const FLAG_FUA = 1;

// Ours.
const OPTION_REPLY_BYTES_MAX = 65536;
const ERROR_CHUNK_BYTES_MAX = 4096;

/** A request was answered with an error. `errno` is positive. */
export class NbdError extends MarsError {
  override readonly name = "NbdError";
  readonly errno: number;

  constructor(command: string, errno: number) {
    super(`Cannot ${command}: ${errnoText(errno)}`);
    this.errno = errno;
  }
}

interface Pending {
  readonly command: keyof typeof COMMAND;
  readonly room: Uint8Array;
  readonly offsetBytes: number;
  errno: number;
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

export class NbdClient {
  readonly sizeBytes: number;
  /** Transmission flags of the export. */
  readonly flags: number;
  readonly #connection: Deno.UnixConn;
  readonly #input: Input;
  readonly #pending = new Map<bigint, Pending>();
  #cookie = 0n;
  #failure: Error | undefined;
  #writing: Promise<void> = Promise.resolve();
  readonly #reading: Promise<void>;

  /** @throws MarsError if the server has no such export */
  static async connect(
    path: string,
    exportName: string,
    replies: "simple" | "structured" = "simple",
  ): Promise<NbdClient> {
    const connection = await Deno.connect({ transport: "unix", path });
    try {
      const input = new Input(connection);
      const found = await shakeHands(connection, input, exportName, replies);
      return new NbdClient(connection, input, found);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private constructor(
    connection: Deno.UnixConn,
    input: Input,
    found: { sizeBytes: number; flags: number },
  ) {
    this.#connection = connection;
    this.#input = input;
    this.sizeBytes = found.sizeBytes;
    this.flags = found.flags;
    this.#reading = this.#readReplies();
  }

  read(offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const room = new Uint8Array(lengthBytes);
    return this.#request("read", offsetBytes, lengthBytes, { room });
  }

  /** Resolves when the server has acknowledged; FUA means: and durable. */
  async write(
    offsetBytes: number,
    bytes: Uint8Array,
    durability: "cached" | "fua" = "cached",
  ): Promise<void> {
    const flags = durability === "fua" ? FLAG_FUA : 0;
    const payload = bytes;
    await this.#request("write", offsetBytes, bytes.length, { flags, payload });
  }

  async flush(): Promise<void> {
    await this.#request("flush", 0, 0, {});
  }

  async trim(offsetBytes: number, lengthBytes: number): Promise<void> {
    await this.#request("trim", offsetBytes, lengthBytes, {});
  }

  async writeZeroes(offsetBytes: number, lengthBytes: number): Promise<void> {
    await this.#request("writeZeroes", offsetBytes, lengthBytes, {});
  }

  /** Says good-bye and waits until the server has hung up. */
  async disconnect(): Promise<void> {
    await this.#send(this.#encode("disconnect", 0, 0, 0));
    await this.#reading;
  }

  #request(
    command: keyof typeof COMMAND,
    offsetBytes: number,
    lengthBytes: number,
    more: { flags?: number; payload?: Uint8Array; room?: Uint8Array },
  ): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { flags = 0, payload, room = new Uint8Array(0) } = more;
    const header = this.#encode(command, offsetBytes, lengthBytes, flags);
    const cookie = this.#cookie;
    return new Promise((resolve, reject) => {
      this.#pending.set(cookie, {
        command,
        room,
        offsetBytes,
        errno: 0,
        resolve,
        reject,
      });
      this.#send(header, payload).catch(reject);
    });
  }

  #encode(
    command: keyof typeof COMMAND,
    offsetBytes: number,
    lengthBytes: number,
    flags: number,
  ): Uint8Array {
    this.#cookie++;
    const header = new Uint8Array(28);
    const view = viewOf(header);
    view.setUint32(0, REQUEST_MAGIC);
    view.setUint16(4, flags);
    view.setUint16(6, COMMAND[command]);
    view.setBigUint64(8, this.#cookie);
    view.setBigUint64(16, BigInt(offsetBytes));
    view.setUint32(24, lengthBytes);
    return header;
  }

  /** One message after the other, each as a whole. */
  #send(...parts: readonly (Uint8Array | undefined)[]): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      for (const part of parts) {
        if (part !== undefined) await writeAll(this.#connection, part);
      }
    });
    return this.#writing;
  }

  async #readReplies(): Promise<void> {
    try {
      for (;;) {
        const start = await this.#input.take(16, "maybe");
        if (start === undefined) break;
        await this.#readReply(start);
      }
      this.#fail(new MarsError("Cannot go on: the server hung up"));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#connection.close();
    }
  }

  async #readReply(start: Uint8Array): Promise<void> {
    const view = viewOf(start);
    const magic = view.getUint32(0);
    const cookie = view.getBigUint64(8);
    const request = this.#pending.get(cookie);
    if (request === undefined) {
      throw new FormatError(`Cannot match reply: no request ${cookie}`);
    }
    if (magic === SIMPLE_REPLY_MAGIC) {
      request.errno = view.getUint32(4);
      const isData = request.errno === 0 && request.room.length > 0;
      if (isData) request.room.set(await this.#input.take(request.room.length));
      this.#finish(cookie, request);
    } else if (magic === CHUNK_MAGIC) {
      const flags = view.getUint16(4);
      await this.#readChunk(request, view.getUint16(6));
      if ((flags & CHUNK_DONE) !== 0) this.#finish(cookie, request);
    } else {
      throw new FormatError(`Cannot read reply: magic ${magic.toString(16)}`);
    }
  }

  async #readChunk(request: Pending, type: number): Promise<void> {
    const length = viewOf(await this.#input.take(4)).getUint32(0);
    const isError = (type & CHUNK_IS_ERROR) !== 0;
    const lengthMax = isError ? ERROR_CHUNK_BYTES_MAX : request.room.length + 8;
    if (length > lengthMax) {
      throw new FormatError(`Cannot read chunk: ${length} bytes`);
    }
    if (length === 0) return;
    const payload = await this.#input.take(length);
    const view = viewOf(payload);
    if (isError) {
      request.errno = view.getUint32(0);
    } else if (type === CHUNK_DATA) {
      const at = Number(view.getBigUint64(0)) - request.offsetBytes;
      request.room.set(payload.subarray(8), at);
    } else {
      throw new FormatError(`Cannot read chunk: type ${type}`);
    }
  }

  #finish(cookie: bigint, request: Pending): void {
    this.#pending.delete(cookie);
    if (request.errno === 0) request.resolve(request.room);
    else request.reject(new NbdError(request.command, request.errno));
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const request of this.#pending.values()) request.reject(error);
    this.#pending.clear();
  }
}

/** Bytes of a stream in the portions that a format asks for. */
class Input {
  readonly #connection: Deno.UnixConn;
  readonly #buffer = new Uint8Array(65536);
  #start = 0;
  #end = 0;

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  take(length: number): Promise<Uint8Array>;
  take(length: number, end: "maybe"): Promise<Uint8Array | undefined>;
  /** @returns a copy; undefined if the stream may end here and does */
  async take(length: number, end?: "maybe"): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      if (this.#start === this.#end) {
        const count = await this.#connection.read(this.#buffer);
        if (count === null) {
          if (end === "maybe" && at === 0) return undefined;
          throw new FormatError(`Cannot read: stream ended inside a message`);
        }
        this.#start = 0;
        this.#end = count;
      }
      const count = Math.min(length - at, this.#end - this.#start);
      bytes.set(this.#buffer.subarray(this.#start, this.#start + count), at);
      this.#start += count;
      at += count;
    }
    return bytes;
  }
}

async function shakeHands(
  connection: Deno.UnixConn,
  input: Input,
  exportName: string,
  replies: "simple" | "structured",
): Promise<{ sizeBytes: number; flags: number }> {
  const greeting = viewOf(await input.take(18));
  const isNbd = greeting.getBigUint64(0) === NBD_MAGIC &&
    greeting.getBigUint64(8) === OPTION_MAGIC;
  if (!isNbd) throw new FormatError("Cannot shake hands: no NBD server");
  await writeAll(connection, new Uint8Array([0, 0, 0, CLIENT_FLAGS]));
  if (replies === "structured") {
    await sendOption(connection, OPTION_STRUCTURED_REPLY, new Uint8Array(0));
    const { type } = await readOptionReply(input);
    if (type !== REPLY_ACK) {
      throw new MarsError("Cannot get structured replies");
    }
  }
  const name = new TextEncoder().encode(exportName);
  const request = new Uint8Array(name.length + 6);
  viewOf(request).setUint32(0, name.length);
  request.set(name, 4);
  await sendOption(connection, OPTION_GO, request);
  let found: { sizeBytes: number; flags: number } | undefined;
  for (;;) {
    const { type, payload } = await readOptionReply(input);
    const view = viewOf(payload);
    if (type === REPLY_INFO && view.getUint16(0) === INFO_EXPORT) {
      const sizeBytes = Number(view.getBigUint64(2));
      found = { sizeBytes, flags: view.getUint16(10) };
    } else if (type === REPLY_ACK) {
      assert(found !== undefined, "Server describes the export");
      return found;
    } else if (type !== REPLY_INFO) {
      throw new MarsError(
        `Cannot open export "${exportName}": reply ${type.toString(16)}`,
      );
    }
  }
}

function sendOption(
  connection: Deno.UnixConn,
  option: number,
  content: Uint8Array,
): Promise<void> {
  const bytes = new Uint8Array(16 + content.length);
  const view = viewOf(bytes);
  view.setBigUint64(0, OPTION_MAGIC);
  view.setUint32(8, option);
  view.setUint32(12, content.length);
  bytes.set(content, 16);
  return writeAll(connection, bytes);
}

async function readOptionReply(
  input: Input,
): Promise<{ type: number; payload: Uint8Array }> {
  const view = viewOf(await input.take(20));
  if (view.getBigUint64(0) !== OPTION_REPLY_MAGIC) {
    throw new FormatError("Cannot shake hands: reply without magic");
  }
  const length = view.getUint32(16);
  if (length > OPTION_REPLY_BYTES_MAX) {
    throw new FormatError(`Cannot shake hands: reply of ${length} bytes`);
  }
  return { type: view.getUint32(12), payload: await input.take(length) };
}

async function writeAll(
  connection: Deno.UnixConn,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
}
