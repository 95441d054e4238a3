/**
 * `mars install --systemd` and `mars uninstall`: mars as a service.
 *
 * A file that somebody else has made, or changed so that it does not say any
 * more that it is ours, is left alone.
 */
import { dirname } from "@std/path";
import { MarsError, RefusedError, UsageError } from "../base/errors.ts";
import { removeIfThere } from "../base/remove.ts";
import { MADE_BY, serviceFiles } from "./service_files.ts";

export interface InstallOptions {
  /** Files go below it; "" for the machine itself. */
  readonly prefix: string;
  /** Of the program; undefined in a checkout. */
  readonly executable: string | undefined;
  readonly print: (line: string) => void;
  /** Lets systemd and udev read their files again. */
  readonly reload: () => Promise<void>;
  /** Whether the service runs. */
  readonly isActive: () => Promise<boolean>;
  /** It is not started at boot any more. */
  readonly disable: () => Promise<void>;
}

/** @throws UsageError, RefusedError, MarsError */
export async function install(options: InstallOptions): Promise<void> {
  const { prefix, executable, print } = options;
  if (executable === undefined) {
    throw new UsageError(
      "Cannot install from a checkout: type make, then build/mars install --systemd",
    );
  }
  const files = serviceFiles(executable);
  const foreign = files.map(({ path }) => prefix + path).filter((path) => {
    const text = textOf(path);
    return text !== undefined && !text.startsWith(MADE_BY);
  });
  if (foreign.length > 0) {
    throw new RefusedError(
      "Cannot install",
      foreign.map((path) => `"${path}" was not made by mars; move it away`),
    );
  }
  for (const { path, text } of files) {
    writeWhole(prefix + path, text);
    print(`${prefix}${path}`);
  }
  if (prefix !== "") return;
  await options.reload();
  print("Next: modprobe ublk_drv; systemctl enable --now mars");
}

/** Removes what is ours. @throws RefusedError, MarsError */
export async function uninstall(options: InstallOptions): Promise<void> {
  const { prefix, print } = options;
  const found = serviceFiles("").flatMap(({ path }) => {
    const text = textOf(prefix + path);
    if (text === undefined) return [];
    return [{ path: prefix + path, isOurs: text.startsWith(MADE_BY) }];
  });
  const hasOurs = found.some(({ isOurs }) => isOurs);
  if (hasOurs && prefix === "") {
    // Its devices may be in use.
    if (await options.isActive()) {
      throw new RefusedError("Cannot uninstall", [
        "the service runs; type systemctl disable --now mars",
      ]);
    }
    await options.disable();
  }
  for (const { path, isOurs } of found) {
    if (isOurs) removeIfThere(path);
    print(
      isOurs ? `${path} is removed` : `${path} stays: it was not made by mars`,
    );
  }
  if (!hasOurs) print("Nothing is installed");
  else if (prefix === "") await options.reload();
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new MarsError(`Cannot read "${path}"`, { cause: error });
  }
}

/** Complete or not at all. */
function writeWhole(path: string, text: string): void {
  const draft = `${path}.mars-tmp`;
  try {
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(draft, text, { mode: 0o644 });
    Deno.renameSync(draft, path);
  } catch (error) {
    const isForbidden = error instanceof Deno.errors.PermissionDenied;
    throw new MarsError(
      `Cannot write "${path}": ${
        isForbidden ? "run this as root, or give --prefix" : String(error)
      }`,
      { cause: error },
    );
  }
}
