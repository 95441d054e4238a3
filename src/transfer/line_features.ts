// Pure
/**
 * What this build understands on lines, beyond the first one that was released.
 *
 * Hosts of several builds work together while a cluster is upgraded. A call
 * that an older build does not answer, or a parameter that it would ignore
 * although the answer depends on it, has a word here; the acceptor tells all
 * words with its proof (`peer/handshake.ts`), and the dialer looks into
 * `RpcClient.features` before it uses one. Who does not find the word does it
 * the old way. A word stays for good and never changes its meaning; a new
 * meaning gets a new word.
 *
 * No word is needed for a parameter that may be ignored, nor for a value in an
 * answer that may be missing.
 */

import { MANY_CALLS } from "../peer/rpc.ts";

/** All words of this build. */
export const LINE_FEATURES: readonly string[] = [MANY_CALLS];
