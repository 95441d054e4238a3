/**
 * Where units come from and where they go.
 *
 *   generated units    /run/systemd/system                     SYSTEMD_TARGET_DIR
 *   generated scripts  /etc/marsadm/systemd-generated-scripts  SYSTEMD_SCRIPT_DIR
 */
import type { Desk } from "./command.ts";

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
