import { assertEquals } from "@std/assert";
import { Network } from "./network.ts";

/** A daemon that sends everything back. */
function startEcho(port: number): AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const connections: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      connections.push(echo(connection));
    }
  })();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      listener.close();
      await accepting;
      await Promise.all(connections);
    },
  };
}

async function echo(connection: Deno.TcpConn): Promise<void> {
  const room = new Uint8Array(1024);
  try {
    for (;;) {
      const count = await connection.read(room);
      if (count === null) break;
      await connection.write(room.subarray(0, count));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  } finally {
    connection.close();
  }
}

async function connectTo(
  network: Network,
  host: string,
): Promise<Deno.TcpConn> {
  const port = Number(network.addressOf(host).split(":")[1]);
  return await Deno.connect({ hostname: "127.0.0.1", port });
}

/** What comes back for one byte; undefined when the connection ends. */
async function ask(connection: Deno.TcpConn): Promise<number | undefined> {
  const room = new Uint8Array(1);
  try {
    await connection.write(new Uint8Array([42]));
    return await connection.read(room) === null ? undefined : room[0];
  } catch (error) {
    const isEnd = error instanceof Deno.errors.ConnectionReset ||
      error instanceof Deno.errors.BrokenPipe;
    if (isEnd) return undefined;
    throw error;
  }
}

// Everything that this test connects comes from "alpha".
const isAlpha = (host: string): number | undefined =>
  host === "alpha" ? Deno.pid : undefined;

async function withNetwork(
  use: (network: Network) => Promise<void>,
): Promise<void> {
  const network = new Network(["alpha", "beta"], isAlpha);
  {
    await using _alpha = startEcho(network.portOf("alpha"));
    await using _beta = startEcho(network.portOf("beta"));
    await use(network);
    await network.close();
  }
}

Deno.test("Network passes bytes on in both directions", async () => {
  await withNetwork(async (network) => {
    using connection = await connectTo(network, "beta");
    assertEquals(await ask(connection), 42);
  });
});

Deno.test("Network.cut() drops connections to a host", async () => {
  await withNetwork(async (network) => {
    using connection = await connectTo(network, "beta");
    await ask(connection);
    assertEquals(network.cut("beta"), 1);
    assertEquals(await ask(connection), undefined);
  });
});

Deno.test("Network.cut() drops connections from a host", async () => {
  await withNetwork(async (network) => {
    using connection = await connectTo(network, "beta");
    await ask(connection);
    assertEquals(network.cut("alpha"), 1);
    assertEquals(await ask(connection), undefined);
  });
});

Deno.test("Network.cut() refuses new connections from and to a host", async () => {
  await withNetwork(async (network) => {
    network.cut("alpha");
    using away = await connectTo(network, "beta");
    using home = await connectTo(network, "alpha");
    assertEquals([await ask(away), await ask(home)], [undefined, undefined]);
  });
});

Deno.test("Network.heal() lets a host back in", async () => {
  await withNetwork(async (network) => {
    network.cut("beta");
    network.heal("beta");
    using connection = await connectTo(network, "beta");
    assertEquals(await ask(connection), 42);
  });
});

Deno.test("Network closes a connection to a host without daemon", async () => {
  const network = new Network(["alpha"], isAlpha);
  {
    using connection = await connectTo(network, "alpha");
    assertEquals(await ask(connection), undefined);
  }
  await network.close();
});
