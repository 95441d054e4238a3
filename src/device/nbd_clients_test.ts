/** Who is connected, in a machine that a test has laid out. */
import { assertEquals } from "@std/assert";
import { machine } from "../../tests/support/machine.ts";
import { clientsOf } from "./nbd_clients.ts";

const HEAD = "Num       RefCount Protocol Flags    Type St Inode Path\n";
const row = (state: string, inode: number, path: string): string =>
  `0000000000000000: 00000003 00000000 00000000 0001 ${state} ${inode} ${path}\n`;

Deno.test("clientsOf() names who has connected to the socket, and how often", () => {
  using shown = machine({
    "proc/net/unix": HEAD + row("01", 10, "/run/r.sock") +
      row("03", 11, "/run/r.sock") + row("03", 12, "/run/r.sock") +
      row("03", 13, "/run/r.sock") + row("03", 14, "/run/other.sock"),
    "proc/self/fd/3": "->socket:[10]",
    "proc/self/fd/4": "->socket:[11]",
    "proc/self/fd/5": "->socket:[12]",
    "proc/self/fd/6": "->socket:[13]",
    "proc/self/fd/7": "->socket:[14]",
    "proc/71/comm": "fio\n",
  });
  const pids = new Map([[4, 71], [5, 71], [6, 99]]);
  assertEquals(
    clientsOf("/run/r.sock", (fd) => pids.get(fd) ?? -88, shown)
      .sort((left, right) => left.pid - right.pid),
    [
      { pid: 71, command: "fio", count: 2 },
      { pid: 99, command: "", count: 1 },
    ],
  );
});

Deno.test("clientsOf() finds nobody where the kernel shows nothing", () => {
  using shown = machine({ "proc/self/fd/3": "->socket:[10]" });
  assertEquals(clientsOf("/run/r.sock", () => 1, shown), []);
});
