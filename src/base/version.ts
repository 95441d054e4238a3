// Pure
/** Versions: of this program, and of what it stands for. */
export const VERSION = "0.1.0";

/** Prescribed by MARS: the version of its tool whose commands these are. */
export const TOOL_VERSION = "2.9";
