/** Who has a device open, in a machine that a test has laid out. */
import { assertEquals } from "@std/assert";
import {
  isUsedByKernel,
  kernelUsesOf,
  openersOf,
  openingProcesses,
} from "./openers.ts";
import { machine } from "../../tests/support/machine.ts";

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

Deno.test("kernelUsesOf() names mounts, volumes with theirs, swap and loops", () => {
  const uses: (readonly [Readonly<Record<string, string>>, string[]])[] = [
    [{}, []],
    [
      {
        "proc/self/mountinfo":
          "40 22 259:8 / /srv/my\\040db rw - ext4 /dev/x rw\n" +
          "41 22 259:7 / /b rw shared:1 - xfs /dev/mars/r rw\n",
      },
      ['mounted on "/b"', 'mounted on "/srv/my db"'],
    ],
    [
      {
        "sys/block/ublkb3/holders/dm-0": "",
        "sys/block/dm-0/dev": "253:0\n",
        "sys/block/dm-0/dm/name": "vg-data\n",
        "sys/block/dm-0/holders/dm-1": "",
        "proc/self/mountinfo": "40 22 253:0 / /d rw - ext4 /dev/dm-0 rw\n",
        "proc/swaps": "Filename Type\n/dev/dm-1 partition 1 0 -2\n",
      },
      ['used by "vg-data" (mounted on "/d", used by "dm-1" (swap))'],
    ],
    [
      {
        "sys/block/loop7/loop/backing_file": "/dev/ublkb3p1\n",
        "sys/block/loop7/dev": "7:7\n",
        "proc/self/mountinfo": "40 22 7:7 / /l rw - ext4 /dev/loop7 rw\n",
      },
      ['used by "loop7" (mounted on "/l")'],
    ],
    [{ "sys/fs/btrfs/0a-b1/devices/ublkb3": "" }, ['in the btrfs "0a-b1"']],
    [
      {
        "sys/fs/btrfs/0a-b1/devices/ublkb3": "",
        "proc/self/mountinfo": "40 22 0:9 / /bt rw - btrfs /dev/ublkb3 rw\n",
      },
      ['mounted on "/bt"'],
    ],
  ];
  for (const [use, expected] of uses) {
    using shown = machine({ ...DEVICE, ...use });
    assertEquals(kernelUsesOf(3, shown), expected);
    assertEquals(isUsedByKernel(3, shown), expected.length > 0);
  }
});

Deno.test("kernelUsesOf() ends where volumes stand upon one another in a ring", () => {
  using shown = machine({
    ...DEVICE,
    "sys/block/ublkb3/holders/dm-0": "",
    "sys/block/dm-0/holders/dm-0": "",
  });
  assertEquals(kernelUsesOf(3, shown).length, 1);
  assertEquals(openingProcesses(3, shown), []);
});

Deno.test("openingProcesses() tells who has it, or a volume above it, open", () => {
  using shown = machine({
    ...DEVICE,
    "sys/block/ublkb3/holders/dm-0": "",
    "proc/17/comm": "fio\n",
    "proc/17/fd/4": "->/dev/ublkb3",
    "proc/17/fd/5": "->/dev/ublkb3p1",
    "proc/18/comm": "mysqld\n",
    "proc/18/fd/5": "->/dev/dm-0",
    "proc/19/fd/5": "->/dev/dm-1",
  });
  const found = openingProcesses(3, shown)
    .sort((left, right) => left.pid - right.pid);
  assertEquals(found, [
    { pid: 17, command: "fio", count: 2 },
    { pid: 18, command: "mysqld", count: 1 },
  ]);
});
