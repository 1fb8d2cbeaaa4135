/**
 * The contract of a credential: what the gate adds for a target and agents never see. A new kind is one file here
 * and one line in `index.ts`. A credential that cannot be got throws, and the call is not sent.
 */
import type { Target } from '../../call.ts';

export interface Credential {
  /** Headers with lower-case names; they win over every other header of the request. */
  headers(target: Target): Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
}
