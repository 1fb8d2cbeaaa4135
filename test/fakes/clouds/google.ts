/** Google's Security Token Service and its IAM Service Account Credentials API behind one address. */
import { type CloudRules, must } from './cloud.ts';
import type { FakeGate } from './federation.ts';
import { bearerAnswer, oauthCloud, takesBearer } from './oauth.ts';

export const googleAudience =
  '//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/tollgate/providers/gate';
export const cloudPlatform = 'https://www.googleapis.com/auth/cloud-platform';

export interface GoogleRules {
  readonly subject: string;
  /** Given where the federated token is only good for impersonation. */
  readonly account?: { readonly email: string; readonly scopes: readonly string[]; readonly seconds: number };
}

export function googleCloud(gate: FakeGate, { subject, account }: GoogleRules): CloudRules {
  const federated = new Set<string>();
  const sts = oauthCloud(gate, {
    path: '/v1/token',
    assertion: { parameter: 'subject_token', audience: `https:${googleAudience}`, subject },
    form: {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      audience: googleAudience,
      scope: cloudPlatform,
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    },
  });
  const path = `/v1/projects/-/serviceAccounts/${account?.email}:generateAccessToken`;
  return {
    async issue(request, cloud) {
      if (account === undefined) return sts.issue(request, cloud);
      if (request.url === '/v1/token') {
        const given = await sts.issue(request, cloud);
        // The federated token is no token of the target.
        const { access_token: token } = JSON.parse(given.body) as { access_token: string };
        cloud.issued--;
        federated.add(`Bearer f-${token}`);
        cloud.secrets.push(`f-${token}`);
        return { ...given, body: given.body.replace(token, `f-${token}`) };
      }
      must(request.method === 'POST' && request.url === path, `asked at ${request.url}`);
      must(federated.has(request.headers.authorization ?? ''), 'not the federated token');
      must(request.headers['content-type'] === 'application/json', 'not JSON');
      const asked = JSON.stringify(JSON.parse(request.body.toString()));
      must(asked === JSON.stringify({ scope: account.scopes, lifetime: `${account.seconds}s` }), asked);
      const { access_token: accessToken } = bearerAnswer(cloud);
      const expireTime = new Date(cloud.clock.nowMs() + cloud.lifetimeSeconds * 1000).toISOString();
      return { type: 'application/json; charset=UTF-8', body: JSON.stringify({ accessToken, expireTime }) };
    },
    refuse: (why) => ({
      status: 400,
      type: 'application/json; charset=UTF-8',
      body: JSON.stringify({ error: 'invalid_grant', error_description: why }),
    }),
    admit: takesBearer,
  };
}
