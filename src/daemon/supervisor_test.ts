/** Tests of notices to systemd, with a real socket in its place. */
import { assertEquals } from "@std/assert";
import { cString, loadShim } from "../../ffi/shim.ts";
import { Supervisor } from "./supervisor.ts";

const SHIM_PATH = new URL("../../build/libmars.so", import.meta.url).pathname;
const shim = loadShim(SHIM_PATH);

/** Waits for one datagram; on a thread of the pool. */
async function received(fd: number): Promise<string> {
  const buffer = new Uint8Array(4096);
  const count = await shim.mars_watch_read_later(fd, buffer, buffer.length);
  return new TextDecoder().decode(buffer.subarray(0, count));
}

function environmentOf(
  values: Readonly<Record<string, string>>,
): (name: string) => string | undefined {
  return (name) => values[name];
}

Deno.test("Supervisor tells what happens, and that it lives", async () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/notify`;
  const fd = shim.mars_datagram_create();
  assertEquals(shim.mars_socket_bind(fd, cString(path)), 0);
  {
    using supervisor = Supervisor.of(
      shim,
      environmentOf({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "30000" }),
    );
    supervisor?.tell("READY=1", "STATUS=Serving");
    assertEquals(await received(fd), "READY=1\nSTATUS=Serving");
    assertEquals(await received(fd), "WATCHDOG=1");
    assertEquals(await received(fd), "WATCHDOG=1");
  }
  shim.mars_file_close(fd);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("Supervisor goes on when nobody listens", () => {
  using supervisor = Supervisor.of(
    shim,
    environmentOf({ NOTIFY_SOCKET: "/nonexistent/socket" }),
  );
  supervisor?.tell("READY=1");
  supervisor?.tell("STOPPING=1");
});

Deno.test("Supervisor reaches names without a file", async () => {
  const name = `@mars-test-${Deno.pid}`;
  const child = new Deno.Command("python3", {
    args: [
      "-c",
      "import socket,sys; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind('\\0'+sys.argv[1]); sys.stdout.write('bound\\n'); sys.stdout.flush(); sys.stdout.write(s.recv(99).decode()+'\\n')",
      name.slice(1),
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await reader.read()).value, "bound\n");
  using supervisor = Supervisor.of(
    shim,
    environmentOf({ NOTIFY_SOCKET: name }),
  );
  supervisor?.tell("READY=1");
  assertEquals((await reader.read()).value, "READY=1\n");
  await reader.cancel();
  await child.status;
});

Deno.test("Supervisor.of() is nobody without a socket", () => {
  assertEquals(Supervisor.of(shim, environmentOf({})), undefined);
  assertEquals(
    Supervisor.of(shim, environmentOf({ NOTIFY_SOCKET: "vsock:2:1" })),
    undefined,
  );
});
