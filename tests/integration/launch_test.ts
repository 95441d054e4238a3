/**
 * The launcher of the one-file program, with the real runtime and shim and a
 * small program in place of ours.
 *
 * Most tests give a private base directory by MARS_LAUNCH_DIR and so need no
 * privilege. Those that need root (read-only mounts, other users) are ignored
 * without it.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { isThere } from "../../src/base/remove.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const IS_ROOT = Deno.uid() === 0;
const HAS_NAMESPACES = IS_ROOT &&
  await run("unshare", ["--mount", "true"]).then((r) => r.code === 0);
const NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"];
const DEADLINE_MS = 30_000;

/** Says what it was given, or does what the first word asks for. */
const PROGRAM = `
const library = () =>
  Deno.dlopen(Deno.env.get("MARS_SHIM"), {
    mars_layout: { parameters: ["u32"], result: "i32" },
  }).symbols.mars_layout(0);
if (typeof WorkerGlobalScope !== "undefined") {
  self.onmessage = () => {
    self.postMessage({ url: import.meta.url, layout: library() });
    self.close();
  };
} else if (Deno.args[0] === "exit") {
  Deno.exit(Number(Deno.args[1]));
} else if (Deno.args[0] === "daemon" && Deno.args[1] === "wait") {
  console.log("ready");
  await new Promise((resolve) => setTimeout(resolve, 3_600_000));
} else if (Deno.args[0] === "daemon" && Deno.args.length === 1) {
  const worker = new Worker(import.meta.url, { type: "module" });
  worker.onmessage = ({ data }) =>
    console.log(JSON.stringify({ ...data, main: import.meta.url }));
  worker.postMessage("go");
} else {
  const permissions = {};
  for (const name of ["read", "write", "net", "env", "sys", "run", "ffi", "import"]) {
    permissions[name] = Deno.permissions.querySync({ name }).state === "granted";
  }
  permissions.ssh =
    Deno.permissions.querySync({ name: "run", command: "ssh" }).state === "granted";
  const path = Deno.env.get("MARS_SHIM");
  permissions.shim = Deno.permissions.querySync({ name: "ffi", path }).state === "granted";
  console.log(JSON.stringify({
    args: Deno.args,
    url: import.meta.url,
    permissions,
    env: Deno.env.toObject(),
  }));
}
`;

type Result = {
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
};

type Report = {
  readonly args: readonly string[];
  readonly url: string;
  readonly permissions: Readonly<Record<string, boolean>>;
  readonly env: Readonly<Record<string, string>>;
};

async function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Result> {
  const decoder = new TextDecoder();
  const output = await new Deno.Command(command, {
    args: [...args],
    clearEnv: true,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env },
    stdin: "null",
  }).output();
  return {
    code: output.code,
    signal: output.signal,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
}

/**
 * Packs `source` with the runtime and the shim; returns the program's path.
 * `modules` come in addition, or instead of one of that name.
 */
async function pack(
  directory: string,
  source: string,
  modules: Readonly<Record<string, string>> = {},
): Promise<string> {
  await Deno.mkdir(directory, { recursive: true });
  const program = `${directory}/mars`;
  const all = { "mars.js": source, "mars-single.js": source, ...modules };
  for (const [name, text] of Object.entries(all)) {
    await Deno.writeTextFile(`${directory}/${name}`, text);
  }
  const made = await run(`${ROOT}ffi/pack.sh`, [
    program,
    `${ROOT}build/launch`,
    `${Deno.execPath()}=deno`,
    ...Object.keys(all).map((name) => `${directory}/${name}=${name}`),
    `${ROOT}build/libmars.so=libmars.so`,
  ]);
  assertEquals(made, { code: 0, signal: null, stdout: "", stderr: "" });
  return program;
}

/** A directory that is removed in the end, and a program that all share. */
class Place implements AsyncDisposable {
  static #shared: string | undefined;
  readonly path: string;
  readonly base: string;

  private constructor(path: string) {
    this.path = path;
    this.base = `${path}/base`;
  }

  static async make(): Promise<Place> {
    const place = new Place(await Deno.makeTempDir({ prefix: "mars-launch-" }));
    await Deno.chmod(place.path, 0o755);
    await Deno.mkdir(place.base, { mode: 0o700 });
    return place;
  }

  /** The packed program; made once, since it has a hundred megabytes. */
  static async program(): Promise<string> {
    if (Place.#shared === undefined) {
      const directory = await Deno.makeTempDir({ prefix: "mars-launch-" });
      await Deno.chmod(directory, 0o755);
      addEventListener("unload", () => {
        Deno.removeSync(directory, { recursive: true });
      });
      Place.#shared = await pack(directory, PROGRAM);
    }
    return Place.#shared;
  }

  /** Starts the shared program with the base directory of this place. */
  async start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Result> {
    return await run(await Place.program(), args, {
      MARS_LAUNCH_DIR: this.base,
      MARS_DEBUG_LAUNCH: "1",
      ...env,
    });
  }

  /** The one unpacked directory. */
  async unpacked(): Promise<string> {
    const names = await this.entries();
    const build = names.filter((name) => /^[0-9a-f]{64}$/.test(name));
    assertEquals(build.length, 1, `one build in ${names.join(" ")}`);
    return `${this.base}/${build[0]}`;
  }

  async entries(): Promise<string[]> {
    return (await Array.fromAsync(Deno.readDir(this.base)))
      .map((entry) => entry.name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

function reportOf(result: Result): Report {
  assertEquals(result.code, 0, result.stderr);
  return JSON.parse(result.stdout);
}

/** Waits until `condition` holds; fails at the deadline. */
async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!await condition()) {
    assert(performance.now() < endMs, `Timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("launch runs when copied alone to another directory", async () => {
  await using place = await Place.make();
  const copy = `${place.path}/elsewhere/mars copy`;
  await Deno.mkdir(`${place.path}/elsewhere`);
  await Deno.copyFile(await Place.program(), copy);

  const report = reportOf(
    await run(copy, ["view", "--x=1", "a b", ""], {
      MARS_LAUNCH_DIR: place.base,
    }),
  );

  const unpacked = await place.unpacked();
  assertEquals(report.args, ["view", "--x=1", "a b", ""]);
  assertEquals(report.url, `file://${unpacked}/mars.js`);
  assertEquals(report.env["MARS_EXECUTABLE"], copy);
  assertEquals(report.env["MARS_SHIM"], `${unpacked}/libmars.so`);
});

Deno.test("launch finds itself through PATH and as marsadm", async () => {
  await using place = await Place.make();
  const program = await Place.program();
  await Deno.mkdir(`${place.path}/bin`);
  await Deno.symlink(program, `${place.path}/bin/marsadm`);

  const result = await run("sh", ["-c", "marsadm view all"], {
    PATH: `${place.path}/bin:/usr/bin:/bin`,
    MARS_LAUNCH_DIR: place.base,
  });

  const report = reportOf(result);
  assertEquals(report.args, ["view", "all"]);
  assertEquals(report.env["MARS_EXECUTABLE"], program);
});

Deno.test("launch passes exit codes and signals through", async () => {
  await using place = await Place.make();
  for (const code of [0, 1, 2, 70, 255]) {
    assertEquals((await place.start(["exit", String(code)])).code, code);
  }
  const child = new Deno.Command(await Place.program(), {
    args: ["daemon", "wait"],
    env: { MARS_LAUNCH_DIR: place.base },
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const first = await reader.read();
  assertEquals(new TextDecoder().decode(first.value), "ready\n");
  child.kill("SIGTERM");
  const status = await child.status;
  await reader.cancel();
  assertEquals(status.signal, "SIGTERM");
});

Deno.test("launch unpacks once for eight first starts at a time", async () => {
  await using place = await Place.make();

  const results = await Promise.all(
    Array.from({ length: 8 }, (_, index) => place.start(["view", `${index}`])),
  );

  assertEquals(
    results.map((result) => reportOf(result).args[1]),
    ["0", "1", "2", "3", "4", "5", "6", "7"],
  );
  const unpackers = results.filter((r) => r.stderr.includes("unpacked into"));
  assertEquals(unpackers.length, 1);
  const unpacked = await place.unpacked();
  assertEquals(await place.entries(), [".lock", unpacked.split("/").pop()]);
});

Deno.test("launch does not unpack again on later starts", async () => {
  await using place = await Place.make();
  reportOf(await place.start(["view"]));
  const before = await Deno.stat(`${await place.unpacked()}/deno`);

  const result = await place.start(["view"]);

  const after = await Deno.stat(`${await place.unpacked()}/deno`);
  assertEquals(after.ino, before.ino);
  assert(!result.stderr.includes("unpacked into"), result.stderr);
});

/** What can be wrong with an unpacked directory, and how it gets so. */
const DAMAGES: readonly {
  readonly name: string;
  readonly apply: (directory: string) => Promise<void>;
}[] = [
  ...["deno", "mars.js", "libmars.so"].flatMap((file) => [
    {
      name: `one byte of ${file} is changed, its time and mode put back`,
      apply: (directory: string) => changeByte(`${directory}/${file}`),
    },
    {
      name: `${file} is cut in half`,
      apply: (directory: string) => cutInHalf(`${directory}/${file}`),
    },
    {
      name: `${file} is missing`,
      apply: (directory: string) => Deno.remove(`${directory}/${file}`),
    },
    {
      name: `${file} may be written by others`,
      apply: (directory: string) => Deno.chmod(`${directory}/${file}`, 0o722),
    },
    {
      name: `${file} is a symbolic link to a copy`,
      apply: (directory: string) => replaceByLink(`${directory}/${file}`),
    },
  ]),
  {
    name: "the seal is missing, as after a crash",
    apply: (directory) => Deno.remove(`${directory}/seal`),
  },
  {
    name: "the seal is empty",
    apply: async (directory) => {
      await Deno.chmod(`${directory}/seal`, 0o600);
      await Deno.truncate(`${directory}/seal`);
    },
  },
  {
    name: "the directory may be entered by others",
    apply: (directory) => Deno.chmod(directory, 0o755),
  },
  {
    name: "the directory is a symbolic link to a copy",
    apply: replaceByLink,
  },
  {
    name: "a plain file is in its place",
    apply: async (directory) => {
      await Deno.remove(directory, { recursive: true });
      await Deno.writeTextFile(directory, "");
    },
  },
];

async function changeByte(path: string): Promise<void> {
  const { mode, mtime, atime, size } = await Deno.stat(path);
  await Deno.chmod(path, 0o600);
  using file = await Deno.open(path, { read: true, write: true });
  const offset = Math.floor(size / 2);
  const byte = new Uint8Array(1);
  await file.seek(offset, Deno.SeekMode.Start);
  await file.read(byte);
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(byte.map((value) => value ^ 0x20));
  await Deno.chmod(path, (mode ?? 0) & 0o777);
  await Deno.utime(path, atime ?? 0, mtime ?? 0);
}

async function cutInHalf(path: string): Promise<void> {
  const { mode, size } = await Deno.stat(path);
  await Deno.chmod(path, 0o600);
  await Deno.truncate(path, Math.floor(size / 2));
  await Deno.chmod(path, (mode ?? 0) & 0o777);
}

async function replaceByLink(path: string): Promise<void> {
  await Deno.rename(path, `${path}-copy`);
  await Deno.symlink(`${path}-copy`, path);
}

for (const damage of DAMAGES) {
  Deno.test(`launch unpacks anew when ${damage.name}`, async () => {
    await using place = await Place.make();
    reportOf(await place.start(["view"]));
    const directory = await place.unpacked();
    const wanted = await Deno.readFile(`${directory}/mars.js`);
    await damage.apply(directory);

    const result = await place.start(["view"]);

    assertEquals(
      reportOf(result).url,
      `file://${directory}/mars.js`,
    );
    assertMatch(result.stderr, /unpacked into/);
    assert((await Deno.lstat(directory)).isDirectory);
    assertEquals(await Deno.readFile(`${directory}/mars.js`), wanted);
    const again = await place.start(["view"]);
    assert(!again.stderr.includes("unpacked into"), again.stderr);
  });
}

Deno.test("launch recovers from being killed while it unpacks", async () => {
  await using place = await Place.make();
  const child = new Deno.Command(await Place.program(), {
    args: ["view"],
    env: { MARS_LAUNCH_DIR: place.base },
    stdout: "null",
  }).spawn();
  await until("it unpacks", async () => {
    const fresh = (await place.entries())
      .filter((name) => name.startsWith(".tmp-"));
    return fresh.some((name) => isThere(`${place.base}/${name}/deno`));
  });
  child.kill("SIGKILL");
  await child.status;
  const leftovers = await place.entries();
  assertMatch(leftovers.join(" "), /\.tmp-/);

  const result = await place.start(["view"]);

  reportOf(result);
  const unpacked = await place.unpacked();
  assertEquals(await place.entries(), [".lock", unpacked.split("/").pop()]);
});

Deno.test("launch removes unused builds and keeps those that run", async () => {
  await using place = await Place.make();
  const idle = await pack(`${place.path}/idle`, `${PROGRAM}// idle`);
  const busy = await pack(`${place.path}/busy`, `${PROGRAM}// busy`);
  const env = { MARS_LAUNCH_DIR: place.base };
  const busyChild = new Deno.Command(busy, {
    args: ["daemon", "wait"],
    env,
    stdout: "piped",
  }).spawn();
  const reader = busyChild.stdout.getReader();
  await reader.read();
  const busyId = (await place.unpacked()).split("/").pop() ?? "";
  const idleUrl = reportOf(await run(idle, ["view"], env)).url;

  const newUrl = reportOf(await place.start(["view"])).url;

  busyChild.kill("SIGKILL");
  await busyChild.status;
  await reader.cancel();
  const names = await place.entries();
  assert(names.includes(busyId), names.join(" "));
  assert(isThere(new URL(newUrl).pathname));
  assert(!isThere(new URL(idleUrl).pathname));
});

Deno.test("launch refuses a program file that is damaged or cut", async () => {
  await using place = await Place.make();
  const copy = `${place.path}/mars`;
  await Deno.copyFile(await Place.program(), copy);
  await changeByte(copy);
  const env = { MARS_LAUNCH_DIR: place.base };

  const changed = await run(copy, ["view"], env);
  await cutInHalf(copy);
  const cut = await run(copy, ["view"], env);

  assertEquals(changed.code, 1);
  assertMatch(
    changed.stderr,
    /^mars: Cannot start .* is damaged .*"deno"\)\n$/,
  );
  assertEquals(cut.code, 1);
  assertMatch(
    cut.stderr,
    /^mars: Cannot start .* is truncated or not complete\n$/,
  );
  const names = await place.entries();
  assertEquals(names.filter((name) => /^[0-9a-f]{64}$/.test(name)), []);
});

Deno.test("launch runs from memory where nothing can be written", async () => {
  await using place = await Place.make();
  const env = { MARS_LAUNCH_DIR: "/proc/self" };

  const view = await place.start(["view", "x"], env);
  const worker = await place.start(["daemon"], env);

  assertMatch(view.stderr, /running from memory/);
  assertEquals(reportOf(view).args, ["view", "x"]);
  assertEquals(reportOf(view).env["MARS_EXECUTABLE"], await Place.program());
  const answer = JSON.parse(worker.stdout);
  assertMatch(answer.url, /^file:\/\/\/proc\/self\/fd\/\d+$/);
  assertEquals(answer.url, answer.main);
  assert(answer.layout > 0);
});

Deno.test("launch gives a worker the same module and shim", async () => {
  await using place = await Place.make();

  const result = await place.start(["daemon"]);

  const answer = JSON.parse(result.stdout);
  assertEquals(answer.url, `file://${await place.unpacked()}/mars.js`);
  assertEquals(answer.url, answer.main);
  assert(answer.layout > 0);
});

Deno.test("launch runs modules from a directory, one module from memory", async () => {
  await using place = await Place.make();
  const program = await pack(`${place.path}/modules`, "", {
    "mars.js": 'const { word } = await import("./part.js"); console.log(word);',
    "part.js": 'export const word = "modules";',
    "mars-single.js": 'console.log("single");',
  });

  const fromDirectory = await run(program, ["view"], {
    MARS_LAUNCH_DIR: place.base,
  });
  const fromMemory = await run(program, ["view"], {
    MARS_LAUNCH_DIR: "/proc/self",
  });
  await Deno.chmod(`${await place.unpacked()}/part.js`, 0o600);
  await Deno.writeTextFile(
    `${await place.unpacked()}/part.js`,
    'export const word = "hacked!";',
  );
  const afterChange = await run(program, ["view"], {
    MARS_LAUNCH_DIR: place.base,
  });

  assertEquals(fromDirectory.stdout, "modules\n");
  assertEquals(fromMemory.stdout, "single\n");
  assertEquals(afterChange.stdout, "modules\n");
  assert(!isThere(`${await place.unpacked()}/mars-single.js`));
});

Deno.test("launch lets no setting of the runtime through", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/home`);

  const report = reportOf(
    await place.start(["view"], {
      HOME: `${place.path}/home`,
      DENO_DIR: `${place.path}/home/deno`,
      DENO_V8_FLAGS: "--no-such-flag",
      NODE_OPTIONS: "--no-such-option",
      MARS_HOST: "a",
    }),
  );

  const names = Object.keys(report.env).filter((name) =>
    /^(DENO|NODE)_/.test(name)
  );
  assertEquals(names.sort(), ["DENO_DIR", "DENO_NO_UPDATE_CHECK"]);
  assertEquals(report.env["DENO_DIR"], `${await place.unpacked()}/cache`);
  assertEquals(report.env["MARS_HOST"], "a");
  assertEquals(await Array.fromAsync(Deno.readDir(`${place.path}/home`)), []);
});

/** Command lines and what exactly they may do; "shim" is FFI to our shim. */
const PERMISSIONS: readonly (readonly [string, string])[] = [
  ["", "read env sys"],
  ["help", "read env sys"],
  ["--mars-dir daemon view-foo", "read env sys"],
  ["--mars-dir=daemon --dry-run view all", "read env sys"],
  ["view --ssh", "read env sys"],
  ["prettyprint-default", "read env sys"],
  ["get-link x", "read env sys"],
  ["cat x", "read env sys"],
  ["show-state r", "read env sys"],
  ["dstate all", "read env sys"],
  ["log dump x", "read env sys shim"],
  ["key show", "read write env sys"],
  ["token create", "read write env sys"],
  ["attach x", "read write env sys shim"],
  ["force-primary x", "read write env sys shim"],
  ["no-such-command", "read write env sys shim"],
  ["join-cluster peer", "read write net env sys shim"],
  ["join-cluster peer --ssh", "read write net env sys shim ssh"],
  ["merge-cluster-check peer --ssh", "read write net env sys shim ssh"],
  ["merge-cluster-list --ssh", "read env sys"],
  ["daemon show", "read write net env sys run ffi import shim ssh"],
  ["demo show", "read write net env sys run ffi import shim ssh"],
];

Deno.test("launch gives each command only what it needs", async () => {
  await using place = await Place.make();
  const found: [string, string][] = [];
  for (const [words] of PERMISSIONS) {
    const args = words.split(" ").filter((word) => word !== "");
    const { permissions } = reportOf(await place.start(args));
    const order = "read write net env sys run ffi import shim ssh".split(" ");
    found.push([words, order.filter((name) => permissions[name]).join(" ")]);
  }
  assertEquals(found, PERMISSIONS);
});

/** The programs that a command line may start. */
async function startable(
  place: Place,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const { stderr } = await place.start(words, env);
  const match = /^mars launch: argument \d+: --allow-run=(.*)$/m.exec(stderr);
  return match?.[1]?.split(",").sort() ?? [];
}

Deno.test("launch lets commands start the hooks of MARS_PATH and nothing else", async () => {
  await using place = await Place.make();
  const add = async (name: string, mode: number): Promise<string> => {
    await Deno.writeTextFile(`${place.path}/${name}`, "");
    await Deno.chmod(`${place.path}/${name}`, mode);
    return `${place.path}/${name}`;
  };
  await Deno.mkdir(`${place.path}/hook-post-attach.d`);
  const pre = await add("hook-pre", 0o755);
  const below = await add("hook-post-attach.d/10-x", 0o700);
  await add("hook-post", 0o644);
  await add("other", 0o755);
  await add("hook-pre,comma", 0o755);
  const env = { MARS_PATH: `/none:${place.path}`, HOME: place.path };

  const words = ["attach", "x", "--logger="];
  assertEquals(await startable(place, words, env), [below, pre].sort());
  assertEquals(await startable(place, ["view"], env), []);
  assertEquals(await startable(place, words, { MARS_PATH: "" }), []);
});

Deno.test("launch lets commands start the logger that is named", async () => {
  await using place = await Place.make();
  const logger = `${place.path}/logger`;
  await Deno.writeTextFile(logger, "", { mode: 0o755 });
  const env = { MARS_PATH: "" };
  for (const option of [[`--logger=${logger}`], ["--logger", logger]]) {
    const words = ["attach", "x", ...option];
    assertEquals(await startable(place, words, env), [logger]);
  }
  const words = ["attach", "x", "--logger=/does/not/exist"];
  assertEquals(await startable(place, words, env), []);
});

Deno.test("launch lets commands of systemd start systemctl and ps", async () => {
  await using place = await Place.make();
  const bin = `${place.path}/bin`;
  await Deno.mkdir(bin);
  const named = `${place.path}/other-systemctl`;
  for (const path of [`${bin}/systemctl`, `${bin}/ps`, named]) {
    await Deno.writeTextFile(path, "", { mode: 0o755 });
  }
  const env = { MARS_PATH: "", PATH: `/none:${bin}:/usr/bin:/bin` };
  const both = [`${bin}/ps`, `${bin}/systemctl`];
  for (
    const command of ["set-systemd-want", "systemd-trigger-extern", "primary"]
  ) {
    const words = [command, "x", "--logger="];
    assertEquals(await startable(place, words, env), both);
    assertEquals(
      await startable(place, words, { ...env, SYSTEMCTL: named }),
      [`${bin}/ps`, named].sort(),
    );
  }
  for (const command of ["attach", "get-systemd-want"]) {
    assertEquals(await startable(place, [command, "x", "--logger="], env), []);
  }
});

Deno.test("launch refuses directories that others may write to", async () => {
  await using place = await Place.make();
  for (const mode of [0o770, 0o707, 0o1777]) {
    await Deno.chmod(place.base, mode);

    const result = await place.start(["view"]);

    reportOf(result);
    assertMatch(result.stderr, /may be written by others/);
    assertMatch(result.stderr, /running from memory/);
    assertEquals(await place.entries(), []);
  }
});

Deno.test({
  name: "launch refuses directories of another user",
  ignore: !IS_ROOT,
  fn: async () => {
    await using place = await Place.make();
    const program = await Place.program();
    await Deno.chmod(place.base, 0o1777);
    await Deno.mkdir(`${place.base}/mars-65534/bin`, { recursive: true });
    const env = { TMPDIR: place.base, MARS_DEBUG_LAUNCH: "1" };
    const args = [...NOBODY, program, "view"];

    const foreign = await run("setpriv", args, env);
    await Deno.chown(`${place.base}/mars-65534`, 65534, 65534);
    const inner = await run("setpriv", args, env);
    await Deno.chown(`${place.base}/mars-65534/bin`, 65534, 65534);
    const own = await run("setpriv", args, env);
    await Deno.chown(place.base, 12345, 12345);
    const above = await run("setpriv", args, env);

    assertMatch(foreign.stderr, /mars-65534 belongs to user 0/);
    assertMatch(foreign.stderr, /running from memory/);
    assertMatch(inner.stderr, /bin belongs to user 0/);
    assertMatch(inner.stderr, /running from memory/);
    assertMatch(own.stderr, /running from .*mars-65534\/bin/);
    assertMatch(above.stderr, /belongs to user 12345/);
    for (const result of [foreign, inner, own, above]) reportOf(result);
  },
});

Deno.test({
  name: "launch uses the runtime directory of a user",
  ignore: !IS_ROOT,
  fn: async () => {
    await using place = await Place.make();
    const program = await Place.program();
    await Deno.chown(place.base, 65534, 65534);

    const result = await run("setpriv", [...NOBODY, program, "view"], {
      XDG_RUNTIME_DIR: place.base,
      MARS_DEBUG_LAUNCH: "1",
    });

    assert(reportOf(result).url.startsWith(`file://${place.base}/mars/bin/`));
    const made = await Deno.stat(`${place.base}/mars/bin`);
    assertEquals([made.uid, (made.mode ?? 0) & 0o777], [65534, 0o700]);
  },
});

/** Mounts over the directories of root, each with the options it is given. */
function mounted(run: string, cache: string, program: string): string[] {
  const script = `mount -t tmpfs -o ${run} none /run &&
    mount -t tmpfs -o ${cache} none /var/cache && exec "$0" view`;
  return ["--mount", "sh", "-c", script, program];
}

Deno.test({
  name: "launch runs from memory on read-only file systems",
  ignore: !HAS_NAMESPACES,
  fn: async () => {
    const program = await Place.program();

    const result = await run("unshare", mounted("ro", "ro", program), {
      MARS_DEBUG_LAUNCH: "1",
    });

    reportOf(result);
    assertMatch(result.stderr, /\/run\/mars: Read-only file system/);
    assertMatch(result.stderr, /\/var\/cache\/mars: Read-only file system/);
    assertMatch(result.stderr, /running from memory/);
  },
});

Deno.test({
  name: "launch goes on to /var/cache where /run is noexec or too small",
  ignore: !HAS_NAMESPACES,
  fn: async () => {
    const program = await Place.program();
    const env = { MARS_DEBUG_LAUNCH: "1" };
    const open = "mode=755,size=200m";

    const noexec = await run(
      "unshare",
      mounted("noexec,mode=755", open, program),
      env,
    );
    const small = await run(
      "unshare",
      mounted("size=1m,mode=755", open, program),
      env,
    );

    assertMatch(noexec.stderr, /\/run\/mars\/bin is mounted noexec/);
    assertMatch(small.stderr, /\/run\/mars\/bin: less than \d+ MB free/);
    for (const result of [noexec, small]) {
      assert(reportOf(result).url.startsWith("file:///var/cache/mars/bin/"));
    }
  },
});
