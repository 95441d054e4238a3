// Pure
/**
 * Names and texts of Linux error codes, as `%errno-text{}` writes them.
 *
 * Source: errno.h of Linux; the words of MARS for damaged logs.
 */
import { ERRNO, errnoText } from "../../base/errors.ts";

/** From 1 on, in order; "" where there is none. Those of `base/` are in front. */
const OTHERS: Readonly<Record<number, string>> = {
  3: "ESRCH:No such process",
  6: "ENXIO:No such device or address",
  7: "E2BIG:Argument list too long",
  8: "ENOEXEC:Exec format error",
  10: "ECHILD:No child processes",
  14: "EFAULT:Bad address",
  15: "ENOTBLK:Block device required",
  18: "EXDEV:Invalid cross-device link",
  20: "ENOTDIR:Not a directory",
  21: "EISDIR:Is a directory",
  23: "ENFILE:Too many open files in system",
  24: "EMFILE:Too many open files",
  25: "ENOTTY:Inappropriate ioctl for device",
  26: "ETXTBSY:Text file busy",
  29: "ESPIPE:Illegal seek",
  31: "EMLINK:Too many links",
  33: "EDOM:Numerical argument out of domain",
  34: "ERANGE:Numerical result out of range",
  35: "EDEADLK:Resource deadlock avoided",
  36: "ENAMETOOLONG:File name too long",
  37: "ENOLCK:No locks available",
  39: "ENOTEMPTY:Directory not empty",
  40: "ELOOP:Too many levels of symbolic links",
  42: "ENOMSG:No message of desired type",
  43: "EIDRM:Identifier removed",
  52: "EBADE:Invalid exchange",
  53: "EBADR:Invalid request descriptor",
  61: "ENODATA:No data available",
  64: "ENONET:Machine is not on the network",
  67: "ENOLINK:Link has been severed",
  70: "ECOMM:Communication error on send",
  71: "EPROTO:Protocol error",
  84: "EILSEQ:Invalid or incomplete character",
  87: "EUSERS:Too many users",
  88: "ENOTSOCK:Socket operation on non-socket",
  90: "EMSGSIZE:Message too long",
  92: "ENOPROTOOPT:Protocol not available",
  93: "EPROTONOSUPPORT:Protocol not supported",
  97: "EAFNOSUPPORT:Address family not supported by protocol",
  99: "EADDRNOTAVAIL:Cannot assign requested address",
  100: "ENETDOWN:Network is down",
  101: "ENETUNREACH:Network is unreachable",
  102: "ENETRESET:Network dropped connection on reset",
  105: "ENOBUFS:No buffer space available",
  106: "EISCONN:Already connected",
  107: "ENOTCONN:Not connected",
  111: "ECONNREFUSED:Connection refused",
  112: "EHOSTDOWN:Host is down",
  113: "EHOSTUNREACH:No route to host",
  114: "EALREADY:Operation already in progress",
  115: "EINPROGRESS:Operation now in progress",
  116: "ESTALE:Stale file handle",
  117: "EUCLEAN:Structure needs cleaning",
  121: "EREMOTEIO:Remote I/O error",
  122: "EDQUOT:Disk quota exceeded",
  123: "ENOMEDIUM:No medium found",
  124: "EMEDIUMTYPE:Wrong medium type",
  126: "ENOKEY:Required key not available",
  127: "EKEYEXPIRED:Key has expired",
  128: "EKEYREVOKED:Key has been revoked",
  129: "EKEYREJECTED:Key was rejected by service",
  130: "EOWNERDEAD:Owner died",
  131: "ENOTRECOVERABLE:State not recoverable",
};

const KNOWN: ReadonlySet<number> = new Set(Object.values(ERRNO));

/** `EIO:Input/output_error` of a code of either sign. */
function errnoWord(code: number): string {
  const errno = Math.abs(code);
  const text = KNOWN.has(errno)
    ? errnoText(errno).replace(/ \((.*)\)$/, ":$1")
    : OTHERS[errno] ?? `errno ${errno}:unknown`;
  return text.replaceAll(" ", "_");
}

/** `[EIO:Input/output_error]`; empty for 0. */
export function errnoMark(code: number): string {
  return code === 0 ? "" : `[${errnoWord(code)}]`;
}
