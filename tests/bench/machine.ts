/** What a bench ran on, in lines of a document. */
import { VERSION } from "../../src/base/version.ts";
import { missing, run } from "./programs.ts";

export async function describeMachine(directory: string): Promise<string[]> {
  const processors = Deno.readTextFileSync("/proc/cpuinfo");
  const model = /^model name\s*: (.*)$/m.exec(processors)?.[1] ??
    Deno.build.arch;
  const { total } = Deno.systemMemoryInfo();
  const space = await run("df", "--output=fstype,source", directory);
  const [fileSystem = "", device = ""] = (space.trim().split("\n")[1] ?? "")
    .split(/\s+/);
  return [
    `processor: ${model}, ${navigator.hardwareConcurrency} threads`,
    `memory: ${(total / 2 ** 30).toFixed(0)} GiB`,
    `kernel: Linux ${Deno.osRelease()}`,
    `file system of logs and disks: ${fileSystem} on ${device}`,
    `mars ${VERSION}, Deno ${Deno.version.deno}`,
    ...(await versions()),
  ];
}

async function versions(): Promise<string[]> {
  const lines: string[] = [];
  for (const program of ["fio", "nbdkit", "qemu-nbd"]) {
    if ((await missing(program)).length > 0) continue;
    const text = await run(program, "--version");
    const version = /\d+\.[\d.]*\d/.exec(text)?.[0] ?? "";
    lines.push(`${program} ${version}`);
  }
  return lines.length === 0 ? [] : [lines.join(", ")];
}
