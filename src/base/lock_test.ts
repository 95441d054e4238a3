/** Locks exclude, name their holder, and end. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { MarsError, RefusedError } from "./errors.ts";
import { acquireLock, CLUSTER_LOCK } from "./lock.ts";

function withDirectory(act: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    act(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("A lock that is held names command, process and since when", () => {
  withDirectory((directory) => {
    const path = `${directory}/lock/mydata`;
    using _lock = acquireLock(path, '"primary mydata"');
    const error = assertThrows(() => acquireLock(path, "x"), RefusedError);
    assertMatch(
      error.message,
      /^Cannot work on "mydata": another command does: "primary mydata", process \d+, since \d{4}-\d\d-\d\dT[\d:]{8}Z$/,
    );
    assertMatch(error.message, new RegExp(`process ${Deno.pid},`));
  });
});

Deno.test("A lock that ended can be had again", () => {
  withDirectory((directory) => {
    const path = `${directory}/lock/mydata`;
    acquireLock(path, "first")[Symbol.dispose]();
    using _lock = acquireLock(path, "second");
    assertMatch(Deno.readTextFileSync(path), /^second, process/);
  });
});

Deno.test("The lock of the cluster is named so", () => {
  withDirectory((directory) => {
    const path = `${directory}/${CLUSTER_LOCK}`;
    using _lock = acquireLock(path, "create-cluster");
    assertThrows(
      () => acquireLock(path, "x"),
      RefusedError,
      "Cannot work on the cluster",
    );
  });
});

Deno.test("Others cannot get at locks", () => {
  withDirectory((directory) => {
    using _lock = acquireLock(`${directory}/run/lock/mydata`, "x");
    const { mode } = Deno.statSync(`${directory}/run/lock`);
    assertEquals((mode ?? 0) & 0o777, 0o700);
  });
});

Deno.test("A directory that cannot be used is told with what to do", () => {
  withDirectory((directory) => {
    Deno.writeTextFileSync(`${directory}/file`, "");
    const error = assertThrows(
      () => acquireLock(`${directory}/file/lock/mydata`, "x"),
      MarsError,
    );
    assertMatch(
      error.message,
      /^Cannot lock "mydata": .*become root.*--run-dir/,
    );
  });
});
