/** An ssh that runs what it is told right here, as the host that is named. */
import type { Host } from "./hosts.ts";

export interface FakeSsh {
  /** Environment in which `ssh` is this one. */
  readonly env: Record<string, string>;
  /** The same, but one host cannot be reached. */
  readonly without: (host: string) => Record<string, string>;
  /** Arguments of all calls, a line each. */
  readonly calls: () => string;
}

/** `hosts` are reached by their names. */
export function fakeSsh(root: string, hosts: readonly Host[]): FakeSsh {
  const bin = `${root}/bin`;
  const log = `${root}/ssh.log`;
  for (const host of hosts) {
    Deno.mkdirSync(`${bin}/${host.name}`, { recursive: true });
    write(`${bin}/${host.name}/mars`, `exec ${host.commandLine()} "$@"`);
  }
  write(
    `${bin}/ssh`,
    `echo "$@" >> ${log}
while [ "$1" != -- ]; do shift; done
if [ "$2" = "$UNREACHABLE" ] || [ ! -d ${bin}/$2 ]; then
  echo "ssh: connect to host $2 port 22: No route to host" >&2
  exit 255
fi
PATH=${bin}/$2:$PATH exec sh -c "$3"`,
  );
  const env = { PATH: `${bin}:${Deno.env.get("PATH")}` };
  return {
    env,
    without: (host) => ({ ...env, UNREACHABLE: host }),
    calls: () => Deno.readTextFileSync(log),
  };
}

function write(path: string, script: string): void {
  Deno.writeTextFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}
