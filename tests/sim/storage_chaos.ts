/**
 * What storage does at random: bits that rot, file systems that fill up, disks
 * that grow.
 *
 * It has a random stream of its own, so that a run without it goes the same way
 * as one in which nothing happens.
 *
 *   rot   one bit of a copy of a log, as long as its author, or another host,
 *         has those bytes intact: then it must come right by itself
 *   space   less than one to four of the reserves is left, or nothing at all,
 *           until there is room again
 *   growth  a disk is made larger, one after the other; somebody types resize
 */
import { logFileName } from "../../src/base/names.ts";
import { linkPath } from "../../src/tree/path.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import type { SimHost } from "./host.ts";
import { RESERVE_BYTES } from "./file_system.ts";
import { Random } from "./random.ts";
import { CELL_BYTES, DISK_BYTES_MAX } from "./records.ts";

/** Of runs in which a kind of event happens at all. */
const RUN_SHARE = 0.3;
/** Of events of the other kinds that one of these follows. */
const EVENT_SHARE = 0.03;
const RESERVES = 4;

export class StorageChaos {
  readonly #world: ClusterWorld;
  readonly #random: Random;
  readonly #kinds: readonly ((host: SimHost) => void)[];

  constructor(world: ClusterWorld) {
    this.#world = world;
    this.#random = new Random(world.seed ^ 0x5707a6e);
    const kinds = [
      (host: SimHost) => this.#rot(host),
      (host: SimHost) => this.#setSpace(host),
      (host: SimHost) => this.#grow(host),
    ];
    this.#kinds = kinds.filter(() => this.#random.chance(RUN_SHARE));
  }

  /** Perhaps something happens. */
  act(): void {
    if (!this.#random.chance(EVENT_SHARE)) return;
    const kind = this.#kinds[this.#random.below(this.#kinds.length)];
    const { hosts } = this.#world;
    const host = hosts[this.#random.below(hosts.length)];
    if (kind !== undefined && host !== undefined) kind(host);
  }

  /** There is room everywhere. */
  end(): void {
    for (const { files } of this.#world.hosts) {
      files.roomBytes = files.totalBytes;
    }
  }

  #setSpace(host: SimHost): void {
    const { files, name } = host;
    const reserves = this.#random.below(RESERVES + 1);
    const isRoom = files.roomBytes < files.totalBytes ||
      this.#random.chance(0.3);
    files.roomBytes = isRoom
      ? files.totalBytes
      : Math.max(0, reserves - 0.5) * RESERVE_BYTES;
    this.#world.note(`${name}: ${files.roomBytes} bytes are free`);
  }

  /** All disks as large as the largest, or one larger than before. */
  #grow(host: SimHost): void {
    const { resource, diskPath } = this.#world.anyWatch();
    const disks = this.#world.hosts.flatMap(({ files }) =>
      files.disk(diskPath) ?? []
    );
    const largest = Math.max(...disks.map(({ lengthBytes }) => lengthBytes));
    const isAlike = disks.every(({ lengthBytes }) => lengthBytes === largest);
    const goalBytes = isAlike
      ? Math.min(largest + CELL_BYTES, DISK_BYTES_MAX)
      : largest;
    const disk = host.files.disk(diskPath);
    if (disk === undefined) return;
    if (this.#random.chance(0.5)) disk.grow(goalBytes);
    else for (const other of disks) other.grow(goalBytes);
    this.#world.note(`${host.name}: disks grow to ${goalBytes}`);
    if (host.commands.length > 0) return;
    this.#world.type(host, "resize", resource, "--timeout=5");
  }

  #rot(host: SimHost): void {
    const { hosts } = this.#world;
    const { resource } = this.#world.anyWatch();
    const copies = host.files.listLogs(linkPath.resource(resource))
      .filter(({ log, sizeBytes }) => log.host !== host.name && sizeBytes > 0);
    const copy = copies[this.#random.below(copies.length)];
    if (copy === undefined) return;
    const { log, sizeBytes } = copy;
    const author = hosts.find(({ name }) => name === log.host);
    const original = author?.files.log(resource, log);
    const offsetBytes = this.#random.below(sizeBytes);
    // The last copy of something is nobody's to repair.
    if ((original?.durableBytes ?? 0) <= offsetBytes) return;
    const text = `${logFileName(log)} rots at ${offsetBytes}`;
    this.#world.note(`${host.name}: ${text}`);
    host.files.log(resource, log)?.rot(offsetBytes, this.#random.below(8));
  }
}
