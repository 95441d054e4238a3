/**
 * Whether strangers are kept out, tried for real.
 *
 * All trust rests on TLS handing over the peer's certificate. Should a runtime
 * ever cease to do so, nothing would look broken; so a server is dialed by
 * itself, without a certificate and with an unknown one, before it serves
 * anybody else.
 */
import { MarsError } from "../base/errors.ts";
import type { PeerAddress } from "./token.ts";
import { encodeFrameHead, FRAME_KIND, STRANGER_LIMITS } from "./frame.ts";
import { makeIdentity } from "./identity.ts";
import { loadNodeTls, PROTOCOL, tlsOptions } from "./tls.ts";

/** How long a stranger is given to be thrown out. */
const VERDICT_MS = 10_000;

const STRANGER_HOST = "self-test";

/** @throws MarsError if a stranger is let in or not thrown out */
export async function testAgainstStrangers(
  address: PeerAddress,
): Promise<void> {
  const tls = await loadNodeTls();
  const { key: _key, cert: _cert, ...bare } = tlsOptions(
    { keyPem: "", certPem: "" },
    [PROTOCOL.line],
  );
  const stranger = await makeIdentity(STRANGER_HOST);
  const attempts = [
    { name: "without a certificate", options: bare },
    {
      name: "with an unknown key",
      options: tlsOptions(stranger, [PROTOCOL.line]),
    },
  ];
  for (const { name, options } of attempts) {
    const verdict = await knock(() =>
      tls.connect({
        ...options,
        host: address.hostname,
        port: address.port,
        servername: "",
      })
    );
    if (verdict === "out") continue;
    throw new MarsError(
      `Cannot serve peers: a connection ${name} was ${
        verdict === "in" ? "let in" : "not refused"
      }`,
    );
  }
}

/** Talks as a peer would; one byte in return means "in". */
function knock(
  connect: () => import("node:tls").TLSSocket,
): Promise<"in" | "out" | "silent"> {
  return new Promise((resolve) => {
    const socket = connect();
    const finish = (verdict: "in" | "out" | "silent"): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(verdict);
    };
    const timer = setTimeout(() => finish("silent"), VERDICT_MS);
    // How a refusal shows depends on who is faster.
    socket.on("error", () => finish("out"));
    socket.on("close", () => finish("out"));
    socket.on("data", () => finish("in"));
    socket.on("secureConnect", () => {
      const limits = STRANGER_LIMITS;
      for (const kind of [FRAME_KIND.ping, FRAME_KIND.call]) {
        const json = JSON.stringify({ method: "self-test", params: {} });
        socket.write(
          encodeFrameHead({ kind, id: 1, json, bodyBytes: 0 }, limits),
        );
      }
    });
  });
}
