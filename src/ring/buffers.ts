/**
 * Memory at fixed addresses: mapped by the kernel, seen through typed arrays.
 *
 * Page-aligned, zeroed, and not moved or collected until all of it is given
 * back at once.
 */
import { assert } from "../base/assert.ts";
import { alignUp } from "../base/bytes.ts";
import { SyscallError } from "../base/errors.ts";
import type { Shim } from "../../ffi/shim.ts";
import type { Memory } from "./io.ts";

// Prescribed by Linux.
const PROT_READ = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const PAGE_BYTES = 4096;

interface Mapping {
  readonly address: number;
  readonly buffer: ArrayBuffer;
}

export class MemoryMap {
  readonly #shim: Shim;
  readonly #mapped: Mapping[] = [];

  constructor(shim: Shim) {
    this.#shim = shim;
  }

  /** Zeroed memory; pages come into being when touched. */
  anonymous(lengthBytes: number): Memory {
    assert(lengthBytes > 0, "Memory is not empty");
    const mappedBytes = alignUp(lengthBytes, PAGE_BYTES);
    return this.#map(mappedBytes, lengthBytes, MAP_PRIVATE_ANONYMOUS, -1, 0);
  }

  /** What the kernel shares of `fd` at `offset`. */
  file(fd: number, offset: number, lengthBytes: number): Memory {
    return this.#map(lengthBytes, lengthBytes, MAP_SHARED_POPULATE, fd, offset);
  }

  /** The same, if it is only to be looked at; a write to it is a fault. */
  shown(fd: number, offset: number, lengthBytes: number): Memory {
    return this.#map(
      alignUp(lengthBytes, PAGE_BYTES),
      lengthBytes,
      MAP_SHARED_POPULATE,
      fd,
      offset,
      PROT_READ,
    );
  }

  /** Gives everything back; all views of it become empty. */
  free(): void {
    for (const mapping of this.#mapped) this.#unmap(mapping);
    this.#mapped.length = 0;
  }

  /** Gives one mapping back; all views of it become empty. */
  release(memory: Memory): void {
    const index = this.#mapped.findIndex(({ address }) =>
      address === memory.address
    );
    const [mapping] = index < 0 ? [] : this.#mapped.splice(index, 1);
    assert(mapping !== undefined, "Memory was mapped here");
    this.#unmap(mapping);
  }

  #unmap({ address, buffer }: Mapping): void {
    const mappedBytes = buffer.byteLength;
    // Detaches: a view used later by mistake is empty instead of a fault.
    buffer.transfer(0);
    this.#shim.mars_memory_unmap(address, mappedBytes);
  }

  #map(
    mappedBytes: number,
    lengthBytes: number,
    flags: number,
    fd: number,
    offset: number,
    protection = PROT_READ_WRITE,
  ): Memory {
    const address = this.#shim.mars_memory_map(
      mappedBytes,
      protection,
      flags,
      fd,
      offset,
    );
    if (address < 0) {
      throw new SyscallError("map", `${lengthBytes} bytes`, -Number(address));
    }
    const pointer = Deno.UnsafePointer.create(address);
    assert(pointer !== null, "Mapped address is not zero");
    const buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, mappedBytes);
    this.#mapped.push({ address: Number(address), buffer });
    const bytes = new Uint8Array(buffer, 0, lengthBytes);
    return { bytes, address: Number(address) };
  }
}
