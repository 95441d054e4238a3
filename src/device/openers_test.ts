/** Who has a device open, in a machine that a test has laid out. */
import { assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { isUsedByKernel, openersOf, type Shown } from "./openers.ts";

/** Files by path; a value that begins with "->" is a link. */
function machine(
  files: Readonly<Record<string, string>>,
): Shown & Disposable {
  const root = Deno.makeTempDirSync();
  for (const [path, text] of Object.entries(files)) {
    const place = `${root}/${path}`;
    Deno.mkdirSync(dirname(place), { recursive: true });
    if (text.startsWith("->")) Deno.symlinkSync(text.slice(2), place);
    else Deno.writeTextFileSync(place, text);
  }
  return {
    proc: `${root}/proc`,
    sys: `${root}/sys`,
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}

const DEVICE = {
  "sys/block/ublkb3/dev": "259:7\n",
  "sys/block/ublkb3/ublkb3p1/dev": "259:8\n",
  "proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
  "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n",
};

Deno.test("openersOf() counts processes that have it or a part of it open", () => {
  using shown = machine({
    ...DEVICE,
    "proc/17/fd/0": "->/dev/null",
    "proc/17/fd/4": "->/dev/ublkb3",
    "proc/18/fd/5": "->/dev/ublkb3p1",
    "proc/19/fd/5": "->/dev/ublkb33",
  });
  assertEquals(openersOf(3, shown), 2);
  assertEquals(openersOf(4, shown), 0);
  assertEquals(isUsedByKernel(3, shown), false);
});

Deno.test("isUsedByKernel() sees mounts, volumes, swap, loops and btrfs", () => {
  const uses: Readonly<Record<string, string>>[] = [
    { "proc/self/mountinfo": "40 22 259:7 / /mnt rw - ext4 /dev/mars/r rw\n" },
    { "proc/self/mountinfo": "40 22 259:8 / /mnt rw - ext4 /dev/x rw\n" },
    { "sys/block/ublkb3/holders/dm-0": "" },
    { "sys/block/ublkb3/ublkb3p1/holders/md0": "" },
    { "proc/swaps": "Filename Type\n/dev/ublkb3 partition 1 0 -2\n" },
    { "sys/fs/btrfs/0a-b1/devices/ublkb3": "" },
    { "sys/block/loop0/loop/backing_file": "/dev/ublkb3\n" },
  ];
  for (const use of uses) {
    using shown = machine({ ...DEVICE, ...use });
    assertEquals(isUsedByKernel(3, shown), true, Object.keys(use).join());
    assertEquals(openersOf(3, shown), 1, Object.keys(use).join());
  }
});

Deno.test("isUsedByKernel() mistakes no other device for it", () => {
  using shown = machine({
    ...DEVICE,
    "sys/block/ublkb33/dev": "259:77\n",
    "sys/block/ublkb33/holders/dm-0": "",
    "proc/self/mountinfo": "40 22 259:77 / /mnt rw - ext4 /dev/ublkb33 rw\n",
    "proc/swaps": "Filename Type\n/dev/ublkb33 partition 1 0 -2\n",
    "sys/fs/btrfs/0a-b1/devices/ublkb33": "",
    "sys/block/loop0/loop/backing_file": "/dev/ublkb33\n",
  });
  assertEquals(isUsedByKernel(3, shown), false);
});
