// Pure
/**
 * Whose connection is it? What Linux tells in `/proc`.
 *
 *   /proc/net/tcp      one line per socket: "sl local remote state … inode …",
 *                      addresses as hexadecimal "0100007F:1F90"
 *   /proc/<pid>/fd/n   a link "socket:[inode]"
 */

const LOCAL_FIELD = 1;
const REMOTE_FIELD = 2;
const INODE_FIELD = 9;

/**
 * The inode of the socket with these two ports; undefined if there is none.
 *
 * @param text content of `/proc/net/tcp`
 */
export function inodeOf(
  text: string,
  ports: { local: number; remote: number },
): string | undefined {
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const isMatch = portOf(fields[LOCAL_FIELD]) === ports.local &&
      portOf(fields[REMOTE_FIELD]) === ports.remote;
    if (isMatch) return fields[INODE_FIELD];
  }
  return undefined;
}

/** The target of a link in `/proc/<pid>/fd` for the socket `inode`. */
export function socketLink(inode: string): string {
  return `socket:[${inode}]`;
}

function portOf(address: string | undefined): number | undefined {
  const match = /^[0-9A-F]+:([0-9A-F]{4})$/.exec(address ?? "");
  return match?.[1] === undefined ? undefined : parseInt(match[1], 16);
}
