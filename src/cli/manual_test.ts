/** The manual page says what the tables say, in the language of man. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { HELP_ROWS, usageOf } from "./help.ts";
import { manualPage, plain } from "./manual.ts";
import { OPTION_ROWS } from "./options.ts";

const PAGE = manualPage();

Deno.test("manual has every command and every option", () => {
  const missing = HELP_ROWS.map((row) => `.B ${plain(usageOf(row))}`)
    .filter((line) => !PAGE.split("\n").includes(line));
  assertEquals(missing, []);
  const absent = OPTION_ROWS.filter(({ isIgnored }) => isIgnored !== true)
    .filter(({ name }) => !PAGE.includes(`\n.B ${plain(`--${name}`)}`));
  assertEquals(absent.map(({ name }) => name), []);
});

Deno.test("manual has the sections that a page must have", () => {
  for (const name of ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"]) {
    assertStringIncludes(PAGE, `\n.SH ${name}\n`);
  }
});

Deno.test("plain() escapes what the formatter would take for its own", () => {
  assertEquals(plain(".TH"), "\\&.TH");
  assertEquals(plain("'x"), "\\&'x");
  assertEquals(plain("a-b\\c"), "a\\-b\\ec");
});

/** Programs that find mistakes in pages; undefined if it is not installed. */
function complaintsOf(program: string, args: string[]): string | undefined {
  const path = Deno.makeTempFileSync({ suffix: ".8" });
  try {
    Deno.writeTextFileSync(path, PAGE);
    const { stdout, stderr } = new Deno.Command(program, {
      args: [...args, path],
      env: { MANWIDTH: "80", LC_ALL: "C.UTF-8" },
    }).outputSync();
    const decoder = new TextDecoder();
    // What `man` prints is the page.
    const said = program === "man" ? "" : decoder.decode(stdout);
    return decoder.decode(stderr) + said;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  } finally {
    Deno.removeSync(path);
  }
}

for (
  const [program, ...args] of [
    ["mandoc", "-Tlint", "-Wwarning"],
    ["man", "--warnings", "-l"],
  ] as const
) {
  const complaints = complaintsOf(program, args);
  Deno.test({
    name: `${program} finds nothing wrong with the manual`,
    // Only where it is installed.
    ignore: complaints === undefined,
    fn: () => assertEquals(complaints, ""),
  });
}
