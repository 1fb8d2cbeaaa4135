/**
 * The credential of a request, as any of the surfaces' SDKs sends it: `Authorization: Bearer …`, `x-api-key`, or
 * `Authorization: DPoP …` with its proof (RFC 9449 §7.1). Two different ones are refused: which of them was meant is
 * not for the gate to guess.
 */
import type { Shown, ShownToken } from '../call.ts';
import { type Denial, deny } from '../denial.ts';
import type { RawRequest } from '../wire/dialect.ts';

/** What a request shows besides its credential. */
export function shownBy({ headers, method, path, certificate }: RawRequest, scheme: Shown['scheme']): Shown {
  const { dpop } = headers;
  return {
    scheme,
    certificate: certificate ?? null,
    // More than one is no proof (RFC 9449 §4.3); an empty one is refused like any other that cannot be read.
    proof: dpop === undefined ? null : typeof dpop === 'string' ? dpop : '',
    method,
    path,
  };
}

/** The credential, null if there is none. Denies `unauthenticated` for two, or for a scheme that is not known. */
export function credentialOf(request: RawRequest): ShownToken | null | Denial {
  const { authorization, 'x-api-key': apiKey } = request.headers;
  if (Array.isArray(authorization) || Array.isArray(apiKey)) return twoCredentials();
  if (typeof authorization !== 'string') {
    if (typeof apiKey !== 'string' || apiKey === '') return null;
    return { token: apiKey, shown: shownBy(request, 'key') };
  }
  const [, scheme, token] = /^(Bearer|DPoP) +([^\s]+)$/i.exec(authorization) ?? [];
  if (scheme === undefined || token === undefined) {
    return deny('unauthenticated', 'The Authorization header must be: Bearer <token>, or DPoP <token>.', {
      reasons: [{ code: 'scheme_unknown', message: 'Only bearer and DPoP tokens are accepted here.' }],
    });
  }
  if (typeof apiKey === 'string' && apiKey !== token) return twoCredentials();
  return { token, shown: shownBy(request, scheme.toLowerCase() === 'dpop' ? 'dpop' : 'bearer') };
}

function twoCredentials(): Denial {
  return deny('unauthenticated', 'The request shows two different credentials.', {
    reasons: [{ code: 'two_credentials', message: 'Send one of Authorization and x-api-key.' }],
  });
}
