/**
 * Where units come from and where they go.
 *
 *   templates          DIRECTORY/systemd-templates of MARS_PATH
 *   generated units    /run/systemd/system                     SYSTEMD_TARGET_DIR
 *   generated scripts  /etc/marsadm/systemd-generated-scripts  SYSTEMD_SCRIPT_DIR
 *
 * Of two templates with one name the one counts that is found first.
 */
import type { Desk } from "./command.ts";
import { marsPath } from "./mars_path.ts";
import { isTemplateName, type Template } from "./systemd_template.ts";

export interface UnitDirectories {
  readonly units: string;
  readonly scripts: string;
}

export function unitDirectories(desk: Desk): UnitDirectories {
  const { environment } = desk.effects;
  const etc = environment("ETC_MARSADM") ?? "/etc/marsadm";
  return {
    units: environment("SYSTEMD_TARGET_DIR") ?? "/run/systemd/system",
    scripts: environment("SYSTEMD_SCRIPT_DIR") ??
      `${etc}/systemd-generated-scripts`,
  };
}

/** Directories in which a generator that was killed leaves files. */
export function generatedDirectories(desk: Desk): string[] {
  return Object.values(unitDirectories(desk));
}

export function templateDirectories(desk: Desk): string[] {
  return marsPath(desk.effects.environment)
    .map((directory) => `${directory}/systemd-templates`);
}

/** All templates, in the order in which they are searched. */
export function readTemplates(desk: Desk): Template[] {
  const templates = new Map<string, Template>();
  for (const directory of templateDirectories(desk)) {
    for (const { name } of desk.files.list(directory)) {
      if (templates.has(name) || !isTemplateName(name)) continue;
      const path = `${directory}/${name}`;
      const text = desk.files.read(path);
      if (text !== undefined) templates.set(name, { name, path, text });
    }
  }
  return [...templates.values()];
}
