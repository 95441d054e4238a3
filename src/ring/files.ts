/** Files, disks and sockets of the ring: rare calls, made at once. */
import { ERRNO, SyscallError } from "../base/errors.ts";
import { removeIfThere } from "../base/remove.ts";
import { cString, type Shim } from "../../ffi/shim.ts";
import type { MemoryMap } from "./buffers.ts";
import type { OpenMode } from "./io.ts";
import { OPEN_FLAGS } from "./layout.ts";

/** No disk wants more. */
const DIRECT_BYTES = 4096;

// Ours.
const LISTEN_BACKLOG = 64;
const SOCKET_MODE = 0o600;

/** See `Io.open`. @throws SyscallError */
export function openFile(
  shim: Shim,
  maps: MemoryMap,
  path: string,
  mode: OpenMode,
): number {
  const fd = shim.mars_file_open(cString(path), OPEN_FLAGS[mode], 0);
  if (fd < 0) throw new SyscallError("open", path, -fd);
  if (mode !== "direct" || isDirectDisk(shim, maps, path, fd)) return fd;
  shim.mars_file_close(fd);
  throw new SyscallError("open", path, ERRNO.EINVAL);
}

/** Whether it takes transfers past the page cache, as far as one can see. */
function isDirectDisk(
  shim: Shim,
  maps: MemoryMap,
  path: string,
  fd: number,
): boolean {
  if (Deno.statSync(path).isBlockDevice !== true) return false;
  const page = maps.anonymous(DIRECT_BYTES);
  const length = shim.mars_file_read(fd, page.bytes, 0, DIRECT_BYTES, 0);
  maps.release(page);
  return length === DIRECT_BYTES;
}

/** Bytes of a file or disk. @throws SyscallError */
export function sizeOfFile(shim: Shim, fd: number): number {
  const size = shim.mars_file_size(fd);
  if (size < 0) throw new SyscallError("measure", `fd ${fd}`, -size);
  return size;
}

/** Cuts a file, durably. @throws SyscallError */
export function truncateFile(
  shim: Shim,
  fd: number,
  lengthBytes: number,
): void {
  let result = shim.mars_file_truncate(fd, lengthBytes);
  if (result === 0) result = shim.mars_file_flush(fd);
  if (result < 0) throw new SyscallError("truncate", `fd ${fd}`, -result);
}

/** See `SocketIo.listen`. @throws SyscallError */
export function listenAt(shim: Shim, path: string): number {
  removeIfThere(path);
  const fd = shim.mars_socket_create();
  if (fd < 0) throw new SyscallError("create socket", path, -fd);
  let result = shim.mars_socket_bind(fd, cString(path));
  if (result === 0) {
    // Nobody can connect before the socket listens.
    Deno.chmodSync(path, SOCKET_MODE);
    result = shim.mars_socket_listen(fd, LISTEN_BACKLOG);
  }
  if (result === 0) return fd;
  shim.mars_file_close(fd);
  throw new SyscallError("listen on", path, -result);
}
