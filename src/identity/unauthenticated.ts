/**
 * Turns the refusal of a token into the gate's denial. The message is the same for every reason; the reason code
 * beside it is what the audit trail counts. An issuer that is away is a fault of ours to mend, not of the agent: 503.
 */
import { type Denial, deny } from '../denial.ts';
import type { Refusal } from './refusal.ts';

/** `unauthenticated` with the reason, or `upstream_unavailable` (retryable) where the issuer's keys cannot be had. */
export function unauthenticated(
  refusal: Refusal,
  retryAfterMs?: number,
  of?: { /** JSON pointer to the token, where it stands in a body. */ readonly path: string; readonly message: string },
): Denial {
  const where = of === undefined ? {} : { path: of.path };
  const reasons = [{ code: refusal.reason, message: refusal.message, ...where }];
  if (refusal.reason === 'issuer_unavailable') {
    return deny('upstream_unavailable', 'The issuer of the token cannot be reached', {
      reasons,
      retryable: true,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  const message = refusal.reason === 'token_missing' ? 'No credential was shown' : 'The credential is not accepted';
  return deny('unauthenticated', of?.message ?? message, { reasons });
}
