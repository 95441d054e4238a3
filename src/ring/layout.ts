/**
 * Numbers of io_uring: offsets, operations, flags, theirs too.
 *
 * `mars_layout` of the shim knows the same offsets from the C compiler; a test
 * compares the two.
 *
 * Source: include/uapi/linux/io_uring.h.
 */

/** What the C compiler knows; commands of drivers need twice as much. */
export const SQE_PLAIN_BYTES = 64;
export const SQE_BYTES = 128;
export const CQE_BYTES = 16;
export const PARAMS_BYTES = 120;

/** Byte offsets of fields inside their structures. */
export const AT = {
  sqe: {
    opcode: 0,
    flags: 1,
    ioprio: 2,
    fd: 4,
    offset: 8,
    address: 16,
    length: 24,
    opFlags: 28,
    userData: 32,
    command: 48,
  },
  cqe: { userData: 0, result: 8, flags: 12 },
  params: {
    sqEntries: 0,
    cqEntries: 4,
    flags: 8,
    features: 20,
    sqOff: 40,
    cqOff: 80,
  },
  sq: {
    head: 0,
    tail: 4,
    ringMask: 8,
    ringEntries: 12,
    flags: 16,
    array: 24,
  },
  cq: { head: 0, tail: 4, ringMask: 8, ringEntries: 12, cqes: 20 },
} as const;

/** The offsets and sizes in the order of `mars_layout`. */
export const LAYOUT: readonly number[] = [
  SQE_PLAIN_BYTES,
  ...Object.values(AT.sqe),
  CQE_BYTES,
  ...Object.values(AT.cqe),
  PARAMS_BYTES,
  ...Object.values(AT.params),
  ...Object.values(AT.sq),
  ...Object.values(AT.cq),
];

/** IORING_OP_*. */
export const OP = {
  FSYNC: 3,
  POLL_ADD: 6,
  TIMEOUT: 11,
  ACCEPT: 13,
  ASYNC_CANCEL: 14,
  FALLOCATE: 17,
  OPENAT: 18,
  READ: 22,
  WRITE: 23,
  SEND: 26,
  RECV: 27,
  URING_CMD: 46,
} as const;

/** IORING_SETUP_*. */
export const SETUP = {
  CQSIZE: 1 << 3,
  SUBMIT_ALL: 1 << 7,
  SQE128: 1 << 10,
  SINGLE_ISSUER: 1 << 12,
  DEFER_TASKRUN: 1 << 13,
} as const;

/** IORING_ENTER_GETEVENTS. */
export const ENTER_GETEVENTS = 1;

/** IORING_OFF_*: what a mapping of the ring's fd shows. */
export const MAP_SQ = 0;
export const MAP_CQ = 0x8000000;
export const MAP_ENTRIES = 0x10000000;

/** Flags of open(2). */
export const OPEN_FLAGS = {
  read: 0,
  readwrite: 0o2,
  exclusive: 0o202,
  claim: 0o2000200,
  direct: 0o40002,
} as const;

/** What is said to operations, by the names of Linux. */
export const FLAG = {
  /** The next entry starts when this one has succeeded. */
  IOSQE_IO_LINK: 1 << 2,
  /** By another thread, whatever it may wait for. */
  IOSQE_ASYNC: 1 << 4,
  FSYNC_DATASYNC: 1,
  AT_FDCWD: -100,
  SOCK_CLOEXEC: 0o2000000,
  MSG_WAITALL: 0x100,
  MSG_NOSIGNAL: 0x4000,
  POLLIN: 0x1,
  CANCEL_ANY: 0x5,
  FALLOC_KEEP_SIZE: 0x1,
  FALLOC_PUNCH_HOLE: 0x2,
  FALLOC_ZERO_RANGE: 0x10,
} as const;
