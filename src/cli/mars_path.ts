// Pure
/**
 * MARS_PATH: where administrators put hooks, macros and templates.
 *
 *   default   $HOME/.marsadm, $ETC_MARSADM or /etc/marsadm,
 *             /usr/lib/marsadm, /usr/local/lib/marsadm
 *
 * The original also looks into the current directory, first of all. That is a
 * trap for somebody who works as root in a directory of somebody else; here `.`
 * counts only if MARS_PATH names it.
 *
 * Source: environment of `marsadm`.
 */
import type { Environment } from "../base/settings.ts";

/** Directories in the order in which they are searched, each once. */
export function marsPath(environment: Environment): readonly string[] {
  const given = environment("MARS_PATH");
  const directories = given === undefined
    ? standardPath(environment)
    : given.split(":");
  return [...new Set(directories.filter((directory) => directory !== ""))];
}

function standardPath(environment: Environment): string[] {
  const home = environment("HOME") ?? "";
  return [
    home === "" ? "" : `${home}/.marsadm`,
    environment("ETC_MARSADM") ?? "/etc/marsadm",
    "/usr/lib/marsadm",
    "/usr/local/lib/marsadm",
  ];
}
