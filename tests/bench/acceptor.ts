/**
 * The other end of a line in a process of its own: a bench runs itself with
 * words that say so; the child prints its port and accepts.
 */
// A child prints its port.
// deno-lint-ignore-file no-console
import { type Identity, loadIdentity } from "../../src/peer/identity.ts";
import { loadNodeTls, PROTOCOL, tlsOptions } from "../../src/peer/tls.ts";

export const HOSTNAME = "127.0.0.1";
const BODY_BYTES = 1024 * 1024;

/**
 * Runs `program` as acceptor while `measure` talks to it.
 *
 * @param program file name of who is its own child
 */
export async function withAcceptor(
  program: string | undefined,
  words: readonly string[],
  measure: (port: number) => Promise<number>,
): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", program ?? "", ...words],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  try {
    const { value } = await reader.read();
    return await measure(Number(new TextDecoder().decode(value)));
  } finally {
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
  }
}

/** Accepts as alpha, with bare `node:tls`, and sends bytes of memory. */
export async function acceptBare(
  dir: string,
  sizes: { readonly totalBytes: number; readonly writeBytes: number },
): Promise<void> {
  const tls = await loadNodeTls();
  const identity = await loadIdentity(`${dir}/alpha`, "alpha");
  const body = new Uint8Array(BODY_BYTES).fill(7);
  const server = tls.createServer(
    tlsOptions(identity, [PROTOCOL.line]),
    (socket) => {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.once("data", () => {
        let leftBytes = sizes.totalBytes;
        const next = (): void => {
          if (leftBytes <= 0) return;
          // From one place to the next, as a body is sent.
          const start = leftBytes % BODY_BYTES;
          leftBytes -= sizes.writeBytes;
          socket.write(body.subarray(start, start + sizes.writeBytes), next);
        };
        // Two are on their way at any time.
        next();
        next();
      });
    },
  );
  server.listen(0, HOSTNAME, () => {
    const address = server.address();
    if (typeof address === "object") console.log(address?.port);
  });
}

/** Milliseconds until so much has come from `acceptBare()`. */
export async function receiveBare(
  identity: Identity,
  port: number,
  sizes: {
    /** Until both sides are warm; not counted. */
    readonly warmBytes: number;
    /** With those. */
    readonly totalBytes: number;
  },
): Promise<number> {
  const tls = await loadNodeTls();
  return await new Promise((resolve, reject) => {
    let startMs = 0;
    let bytes = 0;
    const socket = tls.connect({
      ...tlsOptions(identity, [PROTOCOL.line]),
      host: HOSTNAME,
      port,
      servername: "",
    }, () => {
      startMs = performance.now();
      socket.write("go");
    });
    socket.on("error", reject);
    socket.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes < sizes.warmBytes) startMs = performance.now();
      if (bytes < sizes.totalBytes) return;
      resolve(performance.now() - startMs);
      socket.destroy();
    });
  });
}
