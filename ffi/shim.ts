/**
 * The one `Deno.dlopen`: a row per function of `shim.c`, in its order.
 *
 * Results are values or negative errno. Buffers are passed as their first byte
 * plus a start, so that no view is made per call; offsets are doubles, exact
 * below 2^53.
 */

const SYMBOLS = {
  mars_ring_setup: {
    parameters: ["u32", "buffer"], // entries, struct io_uring_params *
    result: "i32",
  },
  mars_ring_enter: {
    parameters: ["i32", "u32", "u32", "u32"], // fd, to_submit, min_complete, flags
    result: "i32",
  },
  mars_ring_register: {
    parameters: ["i32", "u32", "buffer", "u32"], // fd, opcode, void *, count
    result: "i32",
  },
  mars_memory_map: {
    parameters: ["f64", "i32", "i32", "i32", "f64"], // length, protection, flags, fd, offset
    result: "i64",
  },
  mars_memory_unmap: {
    parameters: ["f64", "f64"], // address, length
    result: "i32",
  },
  mars_memory_bound: {
    parameters: ["i32", "i32", "i32"], // arenas, mapped, kept
    result: "i32",
  },
  // On a thread of the pool; who allocates meanwhile waits for milliseconds.
  mars_memory_trim_later: {
    name: "mars_memory_trim",
    parameters: [],
    result: "i32",
    nonblocking: true,
  },
  mars_file_open: {
    parameters: ["buffer", "i32", "u32"], // const char *path, flags, mode
    result: "i32",
  },
  mars_file_close: { parameters: ["i32"], result: "i32" }, // fd
  mars_file_size: { parameters: ["i32"], result: "f64" }, // fd
  mars_file_read: {
    parameters: ["i32", "buffer", "u32", "u32", "f64"], // fd, base, start, length, offset
    result: "i32",
  },
  mars_file_write: {
    parameters: ["i32", "buffer", "u32", "u32", "f64"], // fd, base, start, length, offset
    result: "i32",
  },
  mars_file_flush: { parameters: ["i32"], result: "i32" }, // fd
  mars_file_truncate: {
    parameters: ["i32", "f64"], // fd, length
    result: "i32",
  },
  mars_filesystem_flush: { parameters: ["i32"], result: "i32" }, // fd
  mars_fifo_create: {
    parameters: ["buffer", "u32"], // const char *path, mode
    result: "i32",
  },
  // The same calls on a thread of the pool, for the main thread. Who calls keeps
  // the buffer alive and unchanged until the promise resolves.
  mars_file_open_later: {
    name: "mars_file_open",
    parameters: ["buffer", "i32", "u32"], // const char *path, flags, mode
    result: "i32",
    nonblocking: true,
  },
  mars_file_read_later: {
    name: "mars_file_read",
    parameters: ["i32", "buffer", "u32", "u32", "f64"], // fd, base, start, length, offset
    result: "i32",
    nonblocking: true,
  },
  mars_file_write_later: {
    name: "mars_file_write",
    parameters: ["i32", "buffer", "u32", "u32", "f64"], // fd, base, start, length, offset
    result: "i32",
    nonblocking: true,
  },
  mars_file_flush_later: {
    name: "mars_file_flush",
    parameters: ["i32"], // fd
    result: "i32",
    nonblocking: true,
  },
  mars_file_truncate_later: {
    name: "mars_file_truncate",
    parameters: ["i32", "f64"], // fd, length
    result: "i32",
    nonblocking: true,
  },
  mars_file_data_later: {
    name: "mars_file_data",
    parameters: ["i32", "f64"], // fd, offset
    result: "f64",
    nonblocking: true,
  },
  mars_file_punch_later: {
    name: "mars_file_punch",
    parameters: ["i32", "f64", "f64"], // fd, offset, length
    result: "i32",
    nonblocking: true,
  },
  mars_file_digest_later: {
    name: "mars_file_digest",
    // fd, offset, length, block, key, digests
    parameters: ["i32", "f64", "u32", "u32", "buffer", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  mars_file_forget_later: {
    name: "mars_file_forget",
    parameters: ["i32", "f64", "f64"], // fd, offset, length
    result: "i32",
    nonblocking: true,
  },
  mars_link_create: {
    parameters: ["buffer", "buffer"], // const char *value, const char *path
    result: "i32",
  },
  mars_link_stamp_read: {
    parameters: ["buffer", "buffer"], // const char *path, int64_t stamp[2]
    result: "i32",
  },
  mars_link_stamp_write: {
    parameters: ["buffer", "buffer"], // const char *path, const int64_t stamp[2]
    result: "i32",
  },
  mars_links_create: {
    parameters: ["i32", "buffer", "buffer", "u32"], // directory, const char *strings, const int64_t *stamps, count
    result: "i32",
  },
  mars_path_rename: {
    parameters: ["buffer", "buffer", "u32"], // const char *from, const char *to, flags
    result: "i32",
  },
  mars_watch_create: { parameters: [], result: "i32" },
  mars_watch_add: {
    parameters: ["i32", "buffer", "u32"], // fd, const char *path, mask
    result: "i32",
  },
  mars_watch_remove: { parameters: ["i32", "i32"], result: "i32" }, // fd, watch
  mars_watch_read_later: {
    name: "mars_watch_read",
    parameters: ["i32", "buffer", "u32"], // fd, base, length
    result: "i32",
    nonblocking: true,
  },
  mars_eventfd_create: { parameters: [], result: "i32" },
  mars_eventfd_add: { parameters: ["i32", "u32"], result: "i32" }, // fd, count
  mars_thread_patient: { parameters: [], result: "i32" },
  mars_thread_policy: { parameters: ["i32"], result: "i32" }, // thread
  mars_thread_policy_set: { parameters: ["i32", "i32"], result: "i32" }, // thread, policy
  mars_thread_rank: { parameters: [], result: "i32" },
  mars_thread_rank_set: { parameters: ["i32"], result: "i32" }, // rank
  mars_socket_create: { parameters: [], result: "i32" },
  mars_datagram_create: { parameters: [], result: "i32" },
  mars_datagram_send: {
    parameters: ["i32", "buffer", "buffer", "u32"], // fd, path, base, length
    result: "i32",
  },
  mars_socket_bind: {
    parameters: ["i32", "buffer"], // fd, const char *path
    result: "i32",
  },
  mars_socket_listen: { parameters: ["i32", "i32"], result: "i32" }, // fd, backlog
  mars_socket_send: {
    parameters: ["i32", "buffer", "u32", "u32"], // fd, base, start, length
    result: "i32",
  },
  mars_socket_receive: {
    parameters: ["i32", "buffer", "u32", "u32"], // fd, base, start, length
    result: "i32",
  },
  mars_socket_shutdown: { parameters: ["i32"], result: "i32" }, // fd
  mars_socket_peer: { parameters: ["i32"], result: "i32" }, // fd
  mars_socket_port: { parameters: ["i32", "i32"], result: "i32" }, // fd, peer
  mars_socket_option: {
    parameters: ["i32", "i32", "i32", "i32"], // fd, level, name, value
    result: "i32",
  },
  mars_crc32c: {
    parameters: ["buffer", "u32", "u32"], // base, start, length
    result: "u32",
  },
  mars_crc32c_portable: {
    parameters: ["buffer", "u32", "u32"], // base, start, length
    result: "u32",
  },
  mars_crc32c_fold: {
    parameters: ["buffer", "u32", "u32", "u32"], // base, start, length, target
    result: "void",
  },
  mars_layout: { parameters: ["u32"], result: "i32" }, // index
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of the shim. */
export type Shim = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Loads the shim; it stays loaded as long as the thread lives. */
export function loadShim(path: string | URL): Shim {
  return Deno.dlopen(path, SYMBOLS).symbols;
}

/** A path as the zero-terminated bytes that C wants. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length * 3 + 1);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  return bytes.subarray(0, written + 1);
}
