import { assertEquals } from "@std/assert";
import { inodeOf, socketLink } from "./sockets.ts";

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr
   0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 111 1 0 100 0 0 10 0
   1: 0100007F:9C40 0100007F:4E20 01 00000000:00000000 00:00000000 00000000  0  0 222 1 0 20 4 30 10 -1
   2: 0100007F:4E20 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  0  0 333 1 0 20 4 30 10 -1
`;

Deno.test("inodeOf() finds the socket with both ports", () => {
  assertEquals(inodeOf(TABLE, { local: 40_000, remote: 20_000 }), "222");
});

Deno.test("inodeOf() tells the two ends of a connection apart", () => {
  assertEquals(inodeOf(TABLE, { local: 20_000, remote: 40_000 }), "333");
});

Deno.test("inodeOf() does not take a connection for another", () => {
  assertEquals(inodeOf(TABLE, { local: 40_001, remote: 20_000 }), undefined);
});

Deno.test("socketLink() is what /proc shows", () => {
  assertEquals(socketLink("222"), "socket:[222]");
});
