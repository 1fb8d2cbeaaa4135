/**
 * Credentials that were not those of the request: two people of the same id, vouched for by two issuers, shared one
 * token and one session; a parameter named `__proto__` was sent, and was not in what AWS was given a signature of. And
 * a token service that repeated the secret as its error code had it logged.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialBench, callFor } from '../contract/credential.ts';
import { ManualClock } from '../fakes/clock.ts';
import { awsCloud } from '../fakes/clouds/aws.ts';
import { FakeCloud } from '../fakes/clouds/cloud.ts';
import { FakeGate } from '../fakes/clouds/federation.ts';
import { oauthCloud } from '../fakes/clouds/oauth.ts';

const gate = new FakeGate();
const roleArn = 'arn:aws:iam::123456789012:role/gate';

test('subjects of the same id whom two issuers vouch for have a token each, which says whose it is', async () => {
  const clock = new ManualClock();
  const rules = oauthCloud(gate, {
    path: '/grant',
    assertion: { parameter: 'assertion', audience: 'urn:orders', subject: 'gate' },
    form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' },
  });
  await using cloud = await FakeCloud.open(clock, rules);
  const config = {
    ...{ kind: 'jwt-bearer', token_url: `${cloud.tokens.url}/grant`, subject: 'gate' },
    ...{ assertion_audience: 'urn:orders', tell: ['subject'] },
  };
  await using bench = new CredentialBench({ config, targetUrl: cloud.target.url, clock, gate });
  for (const whose of [
    { subjectIssuer: 'customers' },
    { subjectIssuer: 'staff' },
    { subjectIssuer: 'customers' },
    {},
  ]) {
    assert.equal(await bench.outcome(callFor({ subject: '42', ...whose })), 200, cloud.faults.join('\n'));
  }
  const told = (more: object) => ({ subject: '42', subject_type: 'customer', ...more });
  assert.deepEqual(
    rules.claims.map(({ tctx }) => tctx),
    [
      told({ subject_assurance: 'verified', subject_issuer: 'customers' }),
      told({ subject_assurance: 'verified', subject_issuer: 'staff' }),
      told({ subject_assurance: 'asserted' }),
    ],
  );
  const shown = cloud.target.received.map(({ headers }) => headers.authorization);
  assert.equal(new Set(shown).size, 3);
  assert.equal(shown[2], shown[0]);
});

for (const service of ['execute-api', 's3']) {
  test(`AWS takes the signature of queries that are odd, also for ${service}`, async () => {
    const clock = new ManualClock();
    const verify = (token: string | null) =>
      gate.verify(token, { audience: 'sts.amazonaws.com', subject: 'tollgate', nowMs: clock.nowMs() });
    const rules = awsCloud({ roleArn, region: 'eu-central-1', service, durationSeconds: 900, verify });
    await using cloud = await FakeCloud.open(clock, rules);
    const config = {
      ...{ kind: 'aws-web-identity', role_arn: roleArn, region: 'eu-central-1', service, subject: 'tollgate' },
      token_url: `${cloud.tokens.url}/`,
    };
    await using bench = new CredentialBench({ config, targetUrl: cloud.target.url, clock, gate });
    const queries = [
      '__proto__=1',
      '__proto__=b&a=1&__proto__=a&constructor=x&toString=',
      'a-b=1&a=2&a=%2B&a=+&a',
      '%E2%9C%93=%F0%9F%98%80&A=1&a=%3D%3D&a%5B%5D=%26',
    ];
    for (const query of queries) {
      const outbound = { method: 'GET', body: null, path: `/a%2Fb//c:d;=@$/%E2%9C%93?${query}` };
      assert.equal(await bench.outcome(callFor({ outbound })), 200, `${query}\n${cloud.faults.join('\n')}`);
    }
    // A character outside ASCII would be other bytes on the wire than in the signature.
    const call = callFor();
    const headers = { accept: 'text/caf\u00e9' };
    Object.assign(call.resolved.payload, { encode: () => ({ method: 'GET', path: '/', headers, body: null }) });
    assert.equal(await bench.outcome(call), 'upstream_unavailable');
  });
}

test('a secret that the token service repeats as its error code is told nowhere', async () => {
  const secret = 'Secret0f1etters';
  for (const error of [secret, secret.slice(0, 8), `bad ${secret}`, 'invalid_client']) {
    const clock = new ManualClock();
    const rules = oauthCloud(gate, { path: '/token', form: {} });
    const issue = async () => ({ status: 400, type: 'application/json', body: JSON.stringify({ error }) });
    await using cloud = await FakeCloud.open(clock, { ...rules, issue });
    const config = {
      ...{ kind: 'oauth-client-credentials', token_url: `${cloud.tokens.url}/token`, client_id: 'gate' },
      client_secret: secret,
    };
    await using bench = new CredentialBench({ config, targetUrl: cloud.target.url, clock, gate });
    assert.equal(await bench.outcome(), 'upstream_unavailable');
    const told = bench.told.join('\n');
    assert.match(told, error === 'invalid_client' ? /refused: invalid_client/ : /refused: HTTP 400/);
    assert.equal(told.includes(secret.slice(0, 8)), false, told);
  }
});
