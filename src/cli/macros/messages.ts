// Pure
/**
 * Macros on what hosts complain about: message links and status files.
 *
 *   all-msg                  every message link of a resource, "key: value"
 *   the-pretty-err-msg       what holds, with readable times, errors only
 *   the-global-wrn-msg-count how many of the host as a whole
 *
 * `the-` leaves out what does not hold ("OK"). Nothing is left out for being
 * young: who asks for errors gets all of them.
 *
 * Status files are written by the debug build of the original; ours has none.
 *
 * Source: primitive macros of `marsadm view`, which hides errors until they are
 * ten minutes old.
 */
import { directoryOf, linkPath, nameOf } from "../../tree/path.ts";
import { parseMessage } from "../../tree/values.ts";
import { type Row, row } from "./rows.ts";
import type { Run } from "./run.ts";
import { linesOf, plainText } from "./values.ts";
import type { StatusClass } from "./world.ts";

interface Wanted {
  /** Also those that do not hold. */
  readonly isAll: boolean;
  readonly isPretty: boolean;
  readonly isGlobal: boolean;
  /** err, wrn, inf, or empty. */
  readonly severity: string;
}

const STATUS_CLASSES: readonly (readonly [string, StatusClass, string])[] = [
  ["fat", "fatal", "fatal errors"],
  ["err", "error", "errors"],
  ["wrn", "warning", "warnings"],
];

export const MESSAGE_MACROS: readonly Row[] = [
  ...messageRows(),
  row(
    "get-log-status",
    "status file of the host",
    (run) => statusText(run, "log"),
  ),
  ...STATUS_CLASSES.flatMap(([short, kind, about]) => [
    row(
      `get-resource-${short}`,
      `status file with ${about}`,
      (run) => statusText(run, kind),
    ),
    row(
      `get-resource-${short}-count`,
      `its lines`,
      (run) => String(linesOf(statusText(run, kind)).length),
    ),
  ]),
];

/** Without line ends behind the last line. */
function statusText(run: Run, kind: StatusClass): string {
  return run.world.statusText(run.resource(), kind).replace(/\n+$/, "");
}

function messageRows(): Row[] {
  const rows: Row[] = [];
  for (const isAll of [true, false]) {
    for (const isPretty of [false, true]) {
      for (const isGlobal of [false, true]) {
        for (const severity of ["", "err", "wrn", "inf"]) {
          const wanted: Wanted = { isAll, isPretty, isGlobal, severity };
          const name = [
            isAll ? "all" : "the",
            ...(isPretty ? ["pretty"] : []),
            ...(isGlobal ? ["global"] : []),
            ...(severity === "" ? [] : [severity]),
            "msg",
          ].join("-");
          rows.push(
            row(
              name,
              `messages of {host}, one per line`,
              (run, args) => messages(run, wanted, run.hostOr(args)).join("\n"),
            ),
            row(
              `${name}-count`,
              "their count",
              (run, args) =>
                String(messages(run, wanted, run.hostOr(args)).length),
            ),
          );
        }
      }
    }
  }
  return rows;
}

function messages(run: Run, wanted: Wanted, host: string): string[] {
  const { snapshot } = run.world;
  const directory = directoryOf(
    wanted.isGlobal
      ? linkPath.global(host, "")
      : linkPath.actual(run.resource(), host, ""),
  );
  const prefix = `msg-${wanted.severity}`;
  const lines: string[] = [];
  for (const link of snapshot.children(directory)) {
    const name = nameOf(link.path);
    if (!name.startsWith(prefix)) continue;
    const value = snapshot.value(link.path);
    if (value === undefined || (!wanted.isAll && value === "OK")) continue;
    const text = wanted.isPretty ? prettyText(run, value) : value;
    lines.push(`${name.slice("msg-".length)}: ${plainText(text)}`);
  }
  return lines.sort();
}

function prettyText(run: Run, value: string): string {
  const message = parseMessage(value);
  if (message?.kind !== "text") return value;
  const { realNs, stampNs, text } = message;
  const { world } = run;
  return `${world.formatTime(realNs)} ${world.formatTime(stampNs)} ${text}`;
}
