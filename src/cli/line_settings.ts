/**
 * Settings of lines between hosts: how fast, how marked, how patient.
 *
 * An empty value (`''`) takes a setting back; what then holds is printed by
 * `get-`, if all hosts have a common one. See `tree/traffic.ts`.
 */
import {
  parseRateSchedule,
  RATE_SCHEDULE_HINT,
} from "../base/rate_schedule.ts";
import { UsageError } from "../base/errors.ts";
import { linkPath } from "../tree/path.ts";
import {
  hostSetting,
  limitName,
  LINE_TIMEOUT,
  LINE_TIMEOUT_S_MAX,
  LINE_TIMEOUT_S_MIN,
  parseLineTimeout,
  parseTos,
  tosName,
} from "../tree/traffic.ts";
import { TOMBSTONE } from "../tree/values.ts";
import { checkName } from "./arguments.ts";
import type { Command } from "./command.ts";

/** Words of classes, as lines have them. */
const CLASSES = ["meta", "log", "sync"];

const CLASSES_TEXT =
  "Classes: meta is links, log is log files, sync is disks that are copied or compared.";

interface LineSetting {
  readonly name: string;
  /** Words of the key, and how many of them there may be. */
  readonly keyUsage: string;
  readonly keyWords: { readonly min: number; readonly max: number };
  readonly usage: string;
  readonly about: string;
  readonly details: string;
  /** Name of the link. @throws UsageError */
  readonly link: (key: readonly string[]) => string;
  readonly isValue: (text: string) => boolean;
  readonly expected: string;
}

const LINE_SETTINGS: readonly LineSetting[] = [
  limit("send", "sends"),
  limit("receive", "takes in"),
  {
    name: "ip-tos",
    keyUsage: "CLASS",
    keyWords: { min: 1, max: 1 },
    usage: "MARK|''",
    about: "the mark of packets of a class",
    details:
      `A mark is cs0 … cs7, af11 … af43, ef, le, or a decimal TOS byte. ${CLASSES_TEXT} Without a setting meta has cs2, log af11, sync le.`,
    link: ([word = ""]) => tosName(classOf(word)),
    isValue: (text) => parseTos(text) !== undefined,
    expected: "cs0 … cs7, af11 … af43, ef, le or 0 … 255",
  },
  {
    name: LINE_TIMEOUT,
    keyUsage: "",
    keyWords: { min: 0, max: 0 },
    usage: "SECONDS|''",
    about: "after how much silence a line to a peer is given up",
    details:
      "Each host sends a sign of life three times in that time. Without a setting it is 10. It holds at once.",
    link: () => LINE_TIMEOUT,
    isValue: (text) => parseLineTimeout(text) !== undefined,
    expected: `${LINE_TIMEOUT_S_MIN} … ${LINE_TIMEOUT_S_MAX}`,
  },
];

function limit(direction: "send" | "receive", does: string): LineSetting {
  return {
    name: `${direction}-limit`,
    keyUsage: "CLASS [PEER]",
    keyWords: { min: 1, max: 2 },
    usage: "RATE|''",
    about: `how fast this host ${does}, to one peer or altogether`,
    details:
      `A rate is ${RATE_SCHEDULE_HINT}. Times are local to the host. ${CLASSES_TEXT} Where both hold, for a peer and altogether, the lower one counts.`,
    link: ([word = "", peer]) => {
      if (peer !== undefined) checkName(peer, "host");
      return limitName(direction, classOf(word), peer);
    },
    isValue: (text) => parseRateSchedule(text) !== undefined,
    expected: RATE_SCHEDULE_HINT,
  };
}

/** @throws UsageError */
function classOf(word: string): string {
  if (CLASSES.includes(word)) return word;
  throw new UsageError(
    `No traffic class "${word}": expected ${CLASSES.join(", ")}`,
  );
}

export const LINE_SETTING_COMMANDS: readonly Command[] = LINE_SETTINGS.flatMap((
  setting,
): Command[] => {
  const { name, keyWords, keyUsage, usage, about, details } = setting;
  const common = { subject: "none", details } as const;
  return [
    {
      ...common,
      name: `set-${name}`,
      usage: [keyUsage, usage].join(" ").trim(),
      summary: `Set ${about}`,
      wordsMin: keyWords.min + 1,
      wordsMax: keyWords.max + 1,
      run: (desk, _resource, words) => {
        const text = words.at(-1) ?? "";
        const link = setting.link(words.slice(0, -1));
        if (text !== "" && !setting.isValue(text)) {
          throw new UsageError(
            `Cannot set ${name} to "${text}": expected ${setting.expected}`,
          );
        }
        desk.write([{
          path: linkPath.hostDefault(desk.host, link),
          value: text === "" ? TOMBSTONE : text,
        }]);
      },
    },
    {
      ...common,
      name: `get-${name}`,
      usage: keyUsage,
      summary: `Print ${about}`,
      isReading: true,
      wordsMin: keyWords.min,
      wordsMax: keyWords.max,
      run: (desk, _resource, words) => {
        const link = setting.link(words);
        const value = hostSetting(desk.look(), desk.host, link) ?? "";
        desk.answer(value, { setting: link, value });
      },
    },
  ];
});
