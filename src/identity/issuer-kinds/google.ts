/**
 * ID tokens that Google signs. One issuer and one key set serve every service account and every person with a Google
 * account, whatever the audience: so an agent must be a service account, and a person must not be one. Narrow it further
 * by `conditions` on `email` or `sub`, because anybody can have a service account.
 */
import type { JsonObject } from '../../call.ts';
import { isPlainText } from '../jwt.ts';
import { refuse } from '../refusal.ts';
import type { IssuerKind } from './issuer-kind.ts';

const issuerUrl = 'https://accounts.google.com';
const accountSuffix = '.gserviceaccount.com';
const uniqueId = /^[0-9]{1,32}$/;

export const google: IssuerKind = {
  purposes: ['workload', 'subject', 'admin'],
  defaults: ({ issuer }) => ({
    agent: 'claims.sub',
    cloud: 'gcp',
    algorithms: ['RS256'],
    typ: ['JWT'],
    lifetimeSecondsMax: 3_600,
    // Its discovery document names keys at another host, where nothing may be fetched that is not configured.
    ...(issuer === issuerUrl ? { jwksUri: 'https://www.googleapis.com/oauth2/v3/certs' } : {}),
  }),
  faults: () => [],
  chosenByWorkload: [],
  refusal: (claims, _entry, purpose) => {
    const { sub, email, email_verified } = claims;
    if (!uniqueId.test(sub as string)) return refuse('claim_invalid');
    if (email !== undefined && (!isPlainText(email, 255) || email_verified !== true)) return refuse('claim_invalid');
    return isServiceAccount(claims) === (purpose === 'workload') ? undefined : refuse('token_kind');
  },
};

/** By its address; without one (it is optional) by `azp`, which is the account itself where no client stands between. */
function isServiceAccount({ sub, azp, email, hd }: JsonObject): boolean {
  if (hd !== undefined) return false; // the Workspace of a person
  return typeof email === 'string' ? email.endsWith(accountSuffix) : azp === sub;
}
