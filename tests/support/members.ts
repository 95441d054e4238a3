/** Keys and trust of hosts that are no more than that: a directory each. */
import { type Identity, loadIdentity } from "../../src/peer/identity.ts";
import { TrustStore } from "../../src/peer/trust.ts";

/** What one end of a line needs. */
export interface Member {
  readonly identity: Identity;
  readonly trust: TrustStore;
}

/** The host of this name below `dir`; made on first use. */
export async function memberOf(dir: string, name: string): Promise<Member> {
  const etcDir = `${dir}/${name}`;
  return {
    identity: await loadIdentity(etcDir, name),
    trust: await TrustStore.load(etcDir),
  };
}

/** Alpha and beta, which trust each other. */
export async function trustingPair(
  dir: string,
): Promise<{ readonly alpha: Member; readonly beta: Member }> {
  const alpha = await memberOf(dir, "alpha");
  const beta = await memberOf(dir, "beta");
  alpha.trust.add(beta.identity.publicKeyLine);
  beta.trust.add(alpha.identity.publicKeyLine);
  return { alpha, beta };
}
