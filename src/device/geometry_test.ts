/** Sector sizes, from a made-up /sys. */
import { assertEquals } from "@std/assert";
import { geometryOf } from "./geometry.ts";

Deno.test("A regular file is an ordinary disk", () => {
  const path = Deno.makeTempFileSync();
  try {
    assertEquals(geometryOf(path), {
      logicalBlockBytes: 512,
      physicalBlockBytes: 4096,
    });
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("A block device has the sectors that the kernel tells", () => {
  const loop = "/dev/loop0";
  if (!isBlock(loop)) return;
  const sysfs = Deno.makeTempDirSync();
  try {
    const queue = `${sysfs}/7:0/queue`;
    Deno.mkdirSync(queue, { recursive: true });
    Deno.writeTextFileSync(`${queue}/logical_block_size`, "4096\n");
    Deno.writeTextFileSync(`${queue}/physical_block_size`, "16384\n");
    assertEquals(geometryOf(loop, sysfs), {
      logicalBlockBytes: 4096,
      physicalBlockBytes: 4096,
    });
    Deno.writeTextFileSync(`${queue}/logical_block_size`, "512\n");
    Deno.writeTextFileSync(`${queue}/physical_block_size`, "512\n");
    assertEquals(geometryOf(loop, sysfs), {
      logicalBlockBytes: 512,
      physicalBlockBytes: 512,
    });
  } finally {
    Deno.removeSync(sysfs, { recursive: true });
  }
});

function isBlock(path: string): boolean {
  try {
    return Deno.statSync(path).isBlockDevice === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
