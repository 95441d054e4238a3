/**
 * Every scenario below `scenarios/`. After a wanted change,
 *
 *   MARS_SCENARIOS=write deno test --allow-all tests/scenarios_test.ts
 *
 * writes down what comes of each; read the difference before you keep it.
 */
import { assertEquals } from "@std/assert";
import {
  parseScenarios,
  runScenario,
  type Scenario,
} from "./scenarios/scenario.ts";

const FOLDER = new URL("./scenarios/", import.meta.url).pathname;
const BASE = "base ";

const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
  .filter((name) => name.endsWith(".txt")).sort();
const parsed = new Map(
  files.map((name) => [
    name,
    parseScenarios(Deno.readTextFileSync(`${FOLDER}${name}`)),
  ]),
);

const bases = new Map<string, Scenario>();
for (const { scenarios } of parsed.values()) {
  for (const scenario of scenarios) {
    const { title } = scenario;
    if (title.startsWith(BASE)) bases.set(title.slice(BASE.length), scenario);
  }
}

if (Deno.env.get("MARS_SCENARIOS") === "write") {
  Deno.test("Scenarios are written down", async () => {
    for (const [name, { head, scenarios }] of parsed) {
      const texts: string[] = [];
      for (const scenario of scenarios) {
        texts.push(
          scenario.title.startsWith(BASE)
            ? scenario.text
            : await runScenario(scenario, bases),
        );
      }
      await Deno.writeTextFile(
        `${FOLDER}${name}`,
        `${head}${texts.join("\n\n")}\n`,
      );
    }
  });
} else {
  for (const [name, { scenarios }] of parsed) {
    for (const scenario of scenarios) {
      if (scenario.title.startsWith(BASE)) continue;
      Deno.test(`${name}: ${scenario.title}`, async () => {
        const text = await runScenario(scenario, bases);
        assertEquals(text, scenario.text);
      });
    }
  }
}
