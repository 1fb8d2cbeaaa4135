/** A bearer token (RFC 6750 §2.1) that is renewed: what most kinds of credentials come to. */

import type { Obtained } from '../renewal.ts';
import { Renewal } from '../renewal.ts';
import type { Behalf, Credential, CredentialPorts } from './credential.ts';

/**
 * @param told what the token depends on; every different set has a token of its own
 * @param obtain asks for a token that tells this
 */
export function bearer(
  { clock, closed }: Pick<CredentialPorts, 'clock' | 'closed'>,
  told: (behalf: Behalf) => Readonly<Record<string, string>>,
  obtain: (told: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<Obtained<string>>,
): Credential {
  const tokens = new Renewal<string>({ clock, closed });
  return {
    async grant({ behalf, signal }) {
      const parts = told(behalf);
      const key = JSON.stringify(parts);
      const token = await tokens.get(key, (until) => obtain(parts, until), signal);
      return {
        headers: { authorization: `Bearer ${token}` },
        answered: (status) => {
          if (status === 401) tokens.reject(key, token);
        },
      };
    },
  };
}

/** Of a token that is the same for every task. */
export const nothingTold = (): Readonly<Record<string, string>> => ({});
