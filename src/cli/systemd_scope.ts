/** What templates of units may ask for: variables and macros, as `view` has. */
import { linkPath } from "../tree/path.ts";
import type { Desk } from "./command.ts";
import type { Scope } from "./systemd_template.ts";

/** What concerns no resource, and what concerns one. */
export interface Scopes {
  readonly general: Scope;
  readonly of: (resource: string) => Scope;
}

export async function openScopes(desk: Desk): Promise<Scopes> {
  // Not before it is needed: no other command pays for macros.
  const { Evaluator } = await import("./evaluator.ts");
  const { variablesOf } = await import("./view_world.ts");
  const command = "systemd-trigger";
  const variables = variablesOf(desk, command);
  variables.set("ip", desk.look().value(linkPath.ip(desk.host)) ?? "");
  let evaluator: InstanceType<typeof Evaluator> | undefined;
  const evaluate: Scope["evaluate"] = (text, given) => {
    evaluator ??= new Evaluator(desk, command);
    return evaluator.evaluateText(text, given);
  };
  return {
    general: { variables, evaluate },
    of: (resource) => ({
      evaluate,
      variables: new Map([
        ...variables,
        ["res", resource],
        ["resdir", desk.resourcePath(resource)],
      ]),
    }),
  };
}
