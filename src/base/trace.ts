/**
 * Diagnostics: level, scope, sentence, values.
 *
 *   error  somebody must act
 *   warn   degraded
 *   info   a state changed
 *   debug  everything else
 *
 * State changes are traced once and not repeated per round. No data contents,
 * no keys.
 */
// Standard error is where traces go.
// deno-lint-ignore-file no-console
import { configureSync, getLogger, type LogRecord } from "@logtape/logtape";

/** Lowest level that is shown. */
export type TraceLevel = "error" | "warn" | "info" | "debug";

/** Values of a trace; shown as `key=value`. */
export type TraceValues = Readonly<Record<string, unknown>>;

const LOGTAPE_LEVEL = {
  error: "error",
  warn: "warning",
  info: "info",
  debug: "debug",
} as const;

/** Sends traces to standard error; without this call there are none. */
export function startTrace(
  options: { level: TraceLevel; format: "text" | "json"; host: string },
): void {
  const format = options.format === "json" ? formatJson : formatText;
  configureSync({
    reset: true,
    sinks: {
      stderr: (record) => console.error(format(record, options.host)),
    },
    loggers: [
      {
        category: "mars",
        lowestLevel: LOGTAPE_LEVEL[options.level],
        sinks: ["stderr"],
      },
      {
        category: ["logtape", "meta"],
        lowestLevel: "error",
        sinks: ["stderr"],
      },
    ],
  });
}

/** `trace.info("replay", "Log finished", { resource, sequence })` */
export const trace = {
  error: (scope: string, sentence: string, values: TraceValues = {}): void =>
    getLogger(["mars", scope]).error(escape(sentence), values),
  warn: (scope: string, sentence: string, values: TraceValues = {}): void =>
    getLogger(["mars", scope]).warn(escape(sentence), values),
  info: (scope: string, sentence: string, values: TraceValues = {}): void =>
    getLogger(["mars", scope]).info(escape(sentence), values),
  debug: (scope: string, sentence: string, values: TraceValues = {}): void =>
    getLogger(["mars", scope]).debug(escape(sentence), values),
};

/** Braces would be taken as a template of LogTape. */
function escape(sentence: string): string {
  return sentence.replaceAll("{", "{{").replaceAll("}", "}}");
}

function formatText(record: LogRecord, host: string): string {
  const values = Object.entries(record.properties)
    .map(([key, value]) => ` ${key}=${textOf(value)}`).join("");
  const time = new Date(record.timestamp).toISOString();
  const scope = record.category.slice(1).join(".");
  return `${time} ${record.level} ${host} ${scope}: ${
    record.message.join("")
  }${values}`;
}

function formatJson(record: LogRecord, host: string): string {
  return JSON.stringify({
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    host,
    scope: record.category.slice(1).join("."),
    text: record.message.join(""),
    ...record.properties,
  }, (_key, value) => typeof value === "bigint" ? value.toString() : value);
}

function textOf(value: unknown): string {
  const text = value instanceof Error ? value.message : String(value);
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}
