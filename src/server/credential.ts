/**
 * The credential of a request, as any of the surfaces' SDKs sends it: `Authorization: Bearer …`, or `x-api-key`. Two
 * different ones are refused: which of them was meant is not for the gate to guess.
 */
import { type Denial, deny } from '../denial.ts';
import type { RawRequest } from '../wire/dialect.ts';

/** The credential, null if there is none. Denies `unauthenticated` for two, or for a scheme other than Bearer. */
export function credentialOf({ headers }: RawRequest): string | null | Denial {
  const authorization = headers.authorization;
  const apiKey = headers['x-api-key'];
  if (typeof authorization !== 'string') return typeof apiKey === 'string' && apiKey !== '' ? apiKey : null;
  const [, bearer] = /^Bearer +([^\s]+)$/i.exec(authorization) ?? [];
  if (bearer === undefined) {
    return deny('unauthenticated', 'The Authorization header must be: Bearer <token>.', {
      reasons: [{ code: 'scheme_unknown', message: 'Only bearer tokens are accepted here.' }],
    });
  }
  if (typeof apiKey === 'string' && apiKey !== bearer) {
    return deny('unauthenticated', 'The request shows two different credentials.', {
      reasons: [{ code: 'two_credentials', message: 'Send one of Authorization and x-api-key.' }],
    });
  }
  return bearer;
}
