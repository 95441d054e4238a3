// Pure
/**
 * Macros on disks and devices.
 *
 * Whether a disk is present is seen on this host by looking, if this program
 * may look there. Of other hosts, and of a disk that it may not look at, what
 * they published counts: the disk is there unless opening it has failed with an
 * error that says so.
 *
 * `known-device-…` tell about mounts, and only of this host.
 *
 * Source: primitive macros of `marsadm view`, whose `disk-present` looks here
 * for disks of other hosts.
 */
import { ERRNO } from "../../base/errors.ts";
import { linkPath } from "../../tree/path.ts";
import { parseInteger, parseStamp, parseSwitch } from "../../tree/values.ts";
import { type Report, secondsSince } from "../report.ts";
import { hostRow, type Row, secondsText } from "./rows.ts";
import type { Run } from "./run.ts";
import { plainText, switchText } from "./values.ts";
import type { Mount } from "./world.ts";

/** Errors that mean that nothing is there. */
const ENXIO = 6;
const ENOTBLK = 15;
const ABSENT: readonly number[] = [ERRNO.ENOENT, ENXIO, ENOTBLK, ERRNO.ENODEV];

/** Prescribed by MARS: rates are links in KiB per second. */
const RATE_UNIT_BYTES = 1024;

export const DEVICE_MACROS: readonly Row[] = [
  hostRow("get-disk", "path of the disk of", (report) => diskOf(report) ?? ""),
  hostRow(
    "disk-present",
    "whether the disk is there: 1 or 0, on",
    (report, run) => switchText(isDiskPresent(report, run)),
  ),
  hostRow("get-device", "path of the device of", (report) => {
    const device = deviceOf(report);
    return device === undefined ? "" : `/dev/mars/${device}`;
  }),
  hostRow(
    "device-present",
    "whether the device is there: 1 or 0, on",
    (report) => switchText(isDeviceOn(report)),
  ),
  hostRow(
    "device-opened",
    "how many have it open on",
    (report) => String(report.counted("open-count")),
  ),
  hostRow(
    "device-users",
    "who has it open, as far as it is seen, on",
    (report) => plainText(report.own?.openBy ?? ""),
  ),
  hostRow(
    "device-nrflying",
    "requests in flight on",
    (report) => String(report.counted("if-flying")),
  ),
  hostRow(
    "device-error",
    "negative errno of the device, 0 for none, on",
    (report) => String(parseInteger(report.actual("if-state") ?? "") ?? 0),
  ),
  hostRow(
    "device-completion-stamp",
    "when a request was completed last on",
    (report) => {
      const stamp = report.actual("if-completion-stamp") ?? "";
      return parseStamp(stamp) === undefined ? "-1" : stamp;
    },
  ),
  hostRow(
    "device-completion-age",
    "seconds since then, -1 unknown, on",
    (report, run) => {
      const stampNs = parseStamp(report.actual("if-completion-stamp") ?? "");
      return secondsText(
        stampNs === undefined
          ? undefined
          : secondsSince(stampNs, run.world.lamportNs),
      );
    },
  ),
  hostRow(
    "device-ops-rate",
    "requests per second on",
    (report) => String(report.counted("ops-if_rate")),
  ),
  ...["device-rate", "device-amount-rate"].map((name) =>
    hostRow(
      name,
      "bytes per second on",
      (report) => String(report.counted("amount-if_rate") * RATE_UNIT_BYTES),
    )
  ),
  hostRow(
    "device-size",
    "bytes of the device, 0 if it is not there, on",
    (report) =>
      isDeviceOn(report)
        ? String(report.counted("device-size") || report.view.sizeBytes || 0)
        : "0",
  ),
  hostRow(
    "device-socket",
    "path of its NBD socket, only here, of",
    (report, run) => {
      const device = isDeviceOn(report) && report.isLocal
        ? deviceOf(report)
        : undefined;
      return device === undefined ? "" : run.world.nbdSocket(device) ?? "";
    },
  ),
  mountRow(
    "mounted",
    "whether the device is mounted: 1 or 0, on",
    (mount) => switchText(mount !== undefined),
  ),
  mountRow(
    "mountpoint",
    "where the device is mounted on",
    (mount) => mount?.directory ?? "",
  ),
  mountRow(
    "fstype",
    "type of the file system on",
    (mount) => mount?.type ?? "",
  ),
  mountRow(
    "mountflags",
    "options of the mount on",
    (mount) => mount?.options ?? "",
  ),
];

function mountRow(
  name: string,
  about: string,
  write: (mount: Mount | undefined) => string,
): Row {
  return hostRow(`known-device-${name}`, about, (report, run) => {
    const device = report.isLocal ? deviceOf(report) : undefined;
    return write(device === undefined ? undefined : run.world.mountOf(device));
  });
}

function isDeviceOn(report: Report): boolean {
  return parseSwitch(report.actual("if-on") ?? "") === true &&
    deviceOf(report) !== undefined;
}

function deviceOf(report: Report): string | undefined {
  return linkText(report, linkPath.device(report.resource, report.host));
}

function linkText(report: Report, path: string): string | undefined {
  const value = report.snapshot.value(path);
  return value === undefined ? undefined : plainText(value);
}

function diskOf(report: Report): string | undefined {
  return linkText(report, linkPath.data(report.resource, report.host));
}

function isDiskPresent(report: Report, run: Run): boolean {
  const disk = diskOf(report);
  if (disk === undefined) return false;
  const isSeen = report.isLocal ? run.world.isThere(disk) : undefined;
  if (isSeen !== undefined) return isSeen;
  const code = parseInteger(report.actual("disk-error") ?? "") ?? 0;
  return !ABSENT.includes(Math.abs(code));
}
