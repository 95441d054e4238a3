/** What `make install` puts on a machine. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../../", import.meta.url).pathname;

function run(command: string, ...args: string[]): string {
  const { code, stdout, stderr } = new Deno.Command(command, {
    args,
    cwd: ROOT,
    stdin: "null",
  }).outputSync();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

Deno.test("make install puts program, manual and completions where they belong", () => {
  const directory = Deno.makeTempDirSync({ prefix: "mars-install-" });
  try {
    run("make", "-s", "install", `DESTDIR=${directory}`, "PREFIX=/opt/mars");
    const at = (path: string): string => `${directory}/opt/mars/${path}`;
    const read = (path: string): string => Deno.readTextFileSync(at(path));

    assertEquals(run(at("bin/marsadm"), "v"), run(at("bin/mars"), "version"));
    assertEquals(run(at("bin/mars"), "--version"), run(at("bin/mars"), "v"));
    assertEquals(run(at("bin/mars"), "manual"), read("share/man/man8/mars.8"));
    assertEquals(read("share/man/man8/marsadm.8"), ".so man8/mars.8\n");
    for (
      const [path, words] of [
        ["bash-completion/completions/mars", "complete -F _mars mars marsadm"],
        ["bash-completion/completions/marsadm", "complete -F _mars"],
        ["zsh/site-functions/_mars", "#compdef mars marsadm\n"],
        ["fish/vendor_completions.d/mars.fish", "complete -c mars "],
        ["fish/vendor_completions.d/marsadm.fish", "complete -c marsadm "],
      ] as const
    ) assertStringIncludes(read(`share/${path}`), words);
    assert((Deno.statSync(at("bin/mars")).mode ?? 0) & 0o111);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
