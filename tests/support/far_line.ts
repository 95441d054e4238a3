/**
 * A long way for packets: takes them from a device of the kernel, and gives
 * them back later, or never. Runs in the namespace of a router.
 *
 *     far_line.ts DEVICE DELAY_MS LOSS_PERCENT CUT_PERCENT
 *
 * A connection is cut by what ends one: a reset that comes in its turn.
 *
 * Source: Linux Documentation/networking/tuntap.rst; RFC 9293 section 3.5.3;
 * RFC 1624 for the checksum.
 */

import { assert } from "@std/assert";

const PACKET_BYTES_MAX = 65536;
const TUNSETIFF = 0x400454ca;
const IFREQ_BYTES = 40;
const IFF_TUN = 1;
const IFF_NO_PI = 0x1000;
const FLAGS_OFFSET = 16;
const O_RDWR = 2;
/** More than this waits nowhere: a real router would drop it as well. */
const PACKETS_MAX = 20_000;

const PROTOCOL_OFFSET = 9;
const PROTOCOL_TCP = 6;
/** From the start of the TCP header. */
const OFFSET_AND_FLAGS_OFFSET = 12;
const CHECKSUM_OFFSET = 16;
const FLAG_RST = 4;
const FLAG_SYN = 2;

const [device = "", delayWord = "", lossWord = "", cutWord = ""] = Deno.args;
const delayMs = Number(delayWord);
const loss = Number(lossWord) / 100;
const cut = Number(cutWord) / 100;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  read: {
    parameters: ["i32", "buffer", "usize"],
    result: "isize",
    nonblocking: true,
  },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
});

const fd = libc.open(new TextEncoder().encode("/dev/net/tun\0"), O_RDWR);
assert(fd >= 0, "Cannot open /dev/net/tun");
const request = new Uint8Array(IFREQ_BYTES);
new TextEncoder().encodeInto(device, request);
new DataView(request.buffer)
  .setUint16(FLAGS_OFFSET, IFF_TUN | IFF_NO_PI, true);
assert(libc.ioctl(fd, BigInt(TUNSETIFF), request) === 0, "TUNSETIFF failed");

/** Packets under way, oldest first: all take the same time. */
const underWay: { readonly dueMs: number; readonly packet: Uint8Array }[] = [];
let isTimed = false;

function deliver(): void {
  isTimed = false;
  const nowMs = performance.now();
  let count = 0;
  for (const { dueMs, packet } of underWay) {
    if (dueMs > nowMs) break;
    libc.write(fd, packet, BigInt(packet.length));
    count += 1;
  }
  underWay.splice(0, count);
  awaitNext();
}

function awaitNext(): void {
  const [next] = underWay;
  if (next === undefined || isTimed) return;
  isTimed = true;
  setTimeout(deliver, Math.max(0, next.dueMs - performance.now()));
}

/** Makes a segment of an established connection its end. */
function reset(packet: Uint8Array): void {
  const view = new DataView(packet.buffer);
  if (packet[PROTOCOL_OFFSET] !== PROTOCOL_TCP) return;
  const tcp = ((packet[0] ?? 0) & 15) * 4;
  const before = view.getUint16(tcp + OFFSET_AND_FLAGS_OFFSET);
  if ((before & FLAG_SYN) !== 0) return;
  const after = before | FLAG_RST;
  view.setUint16(tcp + OFFSET_AND_FLAGS_OFFSET, after);
  const old = view.getUint16(tcp + CHECKSUM_OFFSET);
  let sum = (~old & 0xffff) + (~before & 0xffff) + after;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(tcp + CHECKSUM_OFFSET, ~sum & 0xffff);
}

const room = new Uint8Array(PACKET_BYTES_MAX);
for (;;) {
  const count = Number(await libc.read(fd, room, BigInt(room.length)));
  if (count <= 0) continue; // The device is down.
  if (Math.random() < loss || underWay.length >= PACKETS_MAX) continue;
  const packet = room.slice(0, count);
  if (Math.random() < cut) reset(packet);
  underWay.push({ dueMs: performance.now() + delayMs, packet });
  awaitNext();
}
