// Pure
/**
 * The handshake of NBD from the server's side: an option in, a reply out.
 *
 * There is one export; the empty name means it too. Whatever is not known is
 * refused with the reply that the protocol has for it, and the client may go
 * on; only EXPORT_NAME cannot be refused but by hanging up.
 *
 * Source: NetworkBlockDevice/nbd doc/proto.md.
 */
import {
  decodeInfoRequest,
  encodeBlockSizeInfo,
  encodeExportInfo,
  encodeListEntry,
  encodeNameInfo,
  encodeOptionReply,
  EXPORT_FLAG,
  EXPORT_NAME_ZEROES,
  HANDSHAKE_FLAG,
  OPTION,
  OPTION_REPLY,
  PAYLOAD_BYTES_MAX,
  textOf,
} from "./nbd_protocol.ts";

/** What clients see; may grow while they are connected. */
export interface NbdExport {
  readonly name: string;
  sizeBytes: number;
}

/** What to send, and what comes after it. */
export interface OptionAnswer {
  readonly reply: Uint8Array;
  readonly next: "option" | "transmission" | "end";
}

export const BLOCK_BYTES_MIN = 512;
const BLOCK_BYTES_PREFERRED = 4096;

const EXPORT_FLAGS = EXPORT_FLAG.HAS_FLAGS | EXPORT_FLAG.SEND_FLUSH |
  EXPORT_FLAG.SEND_FUA | EXPORT_FLAG.SEND_TRIM |
  EXPORT_FLAG.SEND_WRITE_ZEROES | EXPORT_FLAG.CAN_MULTI_CONN;

const NOTHING = new Uint8Array(0);

export class Handshake {
  readonly #export: NbdExport;
  #hasZeroes = true;
  #isStructured = false;

  constructor(exported: NbdExport) {
    this.#export = exported;
  }

  /** Whether the client has asked for structured replies. */
  get isStructured(): boolean {
    return this.#isStructured;
  }

  /** Takes the client's flags; returns whether they are acceptable. */
  begin(flags: number): boolean {
    const { FIXED_NEWSTYLE, NO_ZEROES } = HANDSHAKE_FLAG;
    this.#hasZeroes = (flags & NO_ZEROES) === 0;
    return (flags & FIXED_NEWSTYLE) !== 0 &&
      (flags & ~(FIXED_NEWSTYLE | NO_ZEROES)) === 0;
  }

  answer(option: number, data: Uint8Array): OptionAnswer {
    switch (option) {
      case OPTION.EXPORT_NAME:
        return this.#exportName(textOf(data));
      case OPTION.ABORT:
        return { ...answerBare(option, OPTION_REPLY.ACK), next: "end" };
      case OPTION.LIST:
        return this.#list(data);
      case OPTION.INFO:
      case OPTION.GO:
        return this.#info(option, data);
      case OPTION.STRUCTURED_REPLY:
        if (data.length > 0) {
          return answerBare(option, OPTION_REPLY.ERR_INVALID);
        }
        this.#isStructured = true;
        return answerBare(option, OPTION_REPLY.ACK);
      default:
        return answerBare(option, OPTION_REPLY.ERR_UNSUP);
    }
  }

  /** The answer to an option that is longer than any of ours. */
  answerTooBig(option: number): OptionAnswer {
    return option === OPTION.EXPORT_NAME
      ? { reply: NOTHING, next: "end" }
      : answerBare(option, OPTION_REPLY.ERR_TOO_BIG);
  }

  #exportName(name: string): OptionAnswer {
    if (!this.#isOurs(name)) return { reply: NOTHING, next: "end" };
    // The same as NBD_INFO_EXPORT behind its type.
    const info = encodeExportInfo(this.#export.sizeBytes, EXPORT_FLAGS);
    const zeroes = this.#hasZeroes ? EXPORT_NAME_ZEROES : 0;
    const reply = new Uint8Array(info.length - 2 + zeroes);
    reply.set(info.subarray(2));
    return { reply, next: "transmission" };
  }

  #list(data: Uint8Array): OptionAnswer {
    const option = OPTION.LIST;
    if (data.length > 0) return answerBare(option, OPTION_REPLY.ERR_INVALID);
    const entry = encodeListEntry(this.#export.name);
    return {
      reply: concatenate([
        encodeOptionReply(option, OPTION_REPLY.SERVER, entry),
        encodeOptionReply(option, OPTION_REPLY.ACK),
      ]),
      next: "option",
    };
  }

  #info(option: number, data: Uint8Array): OptionAnswer {
    const request = decodeInfoRequest(data);
    if (request === undefined) {
      return answerBare(option, OPTION_REPLY.ERR_INVALID);
    }
    if (!this.#isOurs(request.name)) {
      return answerBare(option, OPTION_REPLY.ERR_UNKNOWN);
    }
    // All of them, asked for or not: the protocol permits it, and the block
    // sizes bind those who do not ask, too.
    const infos = [
      encodeExportInfo(this.#export.sizeBytes, EXPORT_FLAGS),
      encodeBlockSizeInfo(
        BLOCK_BYTES_MIN,
        BLOCK_BYTES_PREFERRED,
        PAYLOAD_BYTES_MAX,
      ),
      encodeNameInfo(this.#export.name),
    ];
    return {
      reply: concatenate([
        ...infos.map((info) =>
          encodeOptionReply(option, OPTION_REPLY.INFO, info)
        ),
        encodeOptionReply(option, OPTION_REPLY.ACK),
      ]),
      next: option === OPTION.GO ? "transmission" : "option",
    };
  }

  #isOurs(name: string): boolean {
    return name === "" || name === this.#export.name;
  }
}

/** A reply without content, after which the client may go on. */
function answerBare(option: number, type: number): OptionAnswer {
  return { reply: encodeOptionReply(option, type), next: "option" };
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
