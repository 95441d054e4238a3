// Pure
/**
 * What can go wrong with a block device of the kernel, and what to do.
 *
 * A step and an errno say it: they travel as numbers from the worker to the
 * plan, which makes a message of them; the worker traces the same text.
 */
import { ERRNO, errnoText } from "./errors.ts";

/** At which step something went wrong. */
export const DEVICE_STEP = {
  none: 0,
  /** The control device of the driver cannot be opened. */
  driver: 1,
  /** The kernel does not make a device. */
  add: 2,
  /** It does not take its properties, or does not start. */
  start: 3,
  /** A device that was left cannot be taken over. */
  recover: 4,
  /** The link to it cannot be placed. */
  link: 5,
  /** It cannot grow while it is on. */
  grow: 6,
  /** What was told to its users keeps it at a stricter level. */
  level: 7,
} as const;

/** What there is works nevertheless. */
const HARMLESS: readonly number[] = [
  DEVICE_STEP.driver,
  DEVICE_STEP.grow,
  DEVICE_STEP.level,
];

/** Key of the message. */
export function deviceTroubleKey(step: number): string {
  return HARMLESS.includes(step) ? "wrn-device" : "err-device";
}

/** One line: what is wrong, and what to type. */
export function deviceTroubleText(step: number, errno: number): string {
  const reason = errnoText(errno);
  const isForbidden = errno === ERRNO.EACCES || errno === ERRNO.EPERM;
  switch (step) {
    case DEVICE_STEP.driver:
      return isForbidden
        ? "No block device, only the NBD export: the daemon may not use /dev/ublk-control; run it as root"
        : "No block device, only the NBD export: the kernel's ublk driver is not loaded; type modprobe ublk_drv (Linux 6.8 or newer)";
    case DEVICE_STEP.add:
      if (errno === ERRNO.EPERM) {
        return "The device cannot be made: the daemon may not do that; run it as root";
      }
      // Prescribed by Linux.
      if (errno === ERRNO.EACCES || errno === ERRNO.ENOSPC) {
        return "The device cannot be made: the kernel's limit of ublk devices is reached; raise /sys/module/ublk_drv/parameters/ublks_max";
      }
      return errno === ERRNO.EINVAL || errno === ERRNO.EOPNOTSUPP
        ? "The device cannot be made: this kernel's ublk driver knows no recovery; Linux 6.8 or newer is needed"
        : `The device cannot be made: ${reason}`;
    case DEVICE_STEP.recover:
      return errno === ERRNO.EBUSY
        ? "The device of an earlier daemon cannot be taken over: somebody still serves it; type mars device list"
        : `The device of an earlier daemon cannot be taken over: ${reason}; type mars device list`;
    case DEVICE_STEP.link:
      return errno === ERRNO.EEXIST
        ? "The device has no name in /dev/mars: something that is no link is in the way; remove it"
        : `The device has no name in /dev/mars: ${reason}`;
    case DEVICE_STEP.grow:
      return errno === ERRNO.EOPNOTSUPP
        ? "The device cannot grow while it is on: this kernel cannot do it (Linux 6.16 or newer); it grows when it is off for a moment, as by mars secondary and mars primary"
        : `The device cannot grow while it is on: ${reason}`;
    case DEVICE_STEP.level:
      return "The device stays at level durable until it is off for a moment: its users were told that they need no flushes";
    default:
      return `The device cannot be made: ${reason}`;
  }
}
