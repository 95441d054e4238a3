// Pure
/** All primitive macros by name. */
import { AMOUNT_MACROS } from "./amounts.ts";
import { ARITHMETIC } from "./arithmetic.ts";
import { DEVICE_MACROS } from "./device.ts";
import { FEATURE_MACROS } from "./features.ts";
import { FIGURE_MACROS } from "./figures.ts";
import { FLOW } from "./flow.ts";
import { HOST_MACROS } from "./hosts.ts";
import { type Primitives, VARIABLE } from "./library.ts";
import { MESSAGE_MACROS } from "./messages.ts";
import type { Row } from "./rows.ts";
import { STATE_MACROS } from "./states.ts";
import { STRINGS } from "./strings.ts";
import { TERMINAL_MACROS } from "./terminal.ts";
import { variable, VARIABLES } from "./variables.ts";
import { VERIFY_MACROS } from "./verify.ts";

const ROWS: readonly Row[] = [
  [VARIABLE, { about: "value of a variable", invoke: variable }],
  ...VARIABLES,
  ...ARITHMETIC,
  ...STRINGS,
  ...FLOW,
  ...FIGURE_MACROS,
  ...STATE_MACROS,
  ...AMOUNT_MACROS,
  ...VERIFY_MACROS,
  ...DEVICE_MACROS,
  ...HOST_MACROS,
  ...MESSAGE_MACROS,
  ...FEATURE_MACROS,
  ...TERMINAL_MACROS,
];

export const PRIMITIVES: Primitives = new Map(ROWS);
