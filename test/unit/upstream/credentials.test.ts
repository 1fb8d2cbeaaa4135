/** What is particular to a kind of credential: what is told of a task, what is signed, which answers are not taken. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, it } from 'node:test';
import type { JWTPayload } from 'jose';
import { CredentialBench, callFor } from '../../contract/credential.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { type AwsCloud, awsCloud } from '../../fakes/clouds/aws.ts';
import { type CloudRules, FakeCloud } from '../../fakes/clouds/cloud.ts';
import { FakeGate } from '../../fakes/clouds/federation.ts';
import { oauthCloud } from '../../fakes/clouds/oauth.ts';

const gate = new FakeGate();

interface Ground {
  readonly bench: CredentialBench;
  readonly cloud: FakeCloud;
  readonly clock: ManualClock;
}

async function withCloud(
  rules: (clock: ManualClock) => CloudRules,
  config: (tokensUrl: string) => object,
  body: (ground: Ground) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock();
  await using cloud = await FakeCloud.open(clock, rules(clock));
  const it = config(cloud.tokens.url);
  await using bench = new CredentialBench({ config: it, targetUrl: cloud.target.url, clock, gate });
  await body({ bench, cloud, clock });
}

const awsConfig = (url: string) => ({
  ...{ kind: 'aws-web-identity', role_arn: 'arn:aws:iam::123456789012:role/gate', region: 'eu-central-1' },
  ...{ service: 'bedrock', subject: 'tollgate', token_url: `${url}/` },
});

function aws(clock: ManualClock): AwsCloud {
  return awsCloud({
    ...{ roleArn: 'arn:aws:iam::123456789012:role/gate', region: 'eu-central-1', service: 'bedrock' },
    durationSeconds: 900,
    verify: (token) => {
      const nowMs = clock.nowMs();
      return gate.verify(token, { audience: 'sts.amazonaws.com', subject: 'tollgate', nowMs });
    },
  });
}

describe('a session of AWS', () => {
  it('carries the task and the subject as tags, and is shared by no two that differ [upstream.sessions-per-task]', async () => {
    let sts: AwsCloud | undefined;
    const rules = (clock: ManualClock) => {
      sts = aws(clock);
      return sts;
    };
    const tags = ['task', 'subject', 'agent', 'purpose'];
    await withCloud(
      rules,
      (url) => ({ ...awsConfig(url), tags, session_name: 'tollgate' }),
      async ({ bench, cloud }) => {
        const calls = [{}, { task: 'task_2' }, { subject: 'C-2' }, { subject: null }, { purpose: 'a claim' }, {}];
        for (const call of calls) assert.equal(await bench.outcome(callFor(call)), 200, cloud.faults.join('\n'));
        const [first, ...others] = [...(sts?.sessions.values() ?? [])];
        assert.deepEqual(first?.tags, {
          task: ['task_1'],
          subject: ['C-1'],
          subject_type: ['customer'],
          subject_assurance: ['asserted'],
          agent: ['spiffe://acme.example/refunds'],
          agent_issuer: ['acme-spiffe'],
          purpose: ['a refund'],
        });
        assert.deepEqual(first?.transitive, Object.keys(first?.tags ?? {}));
        assert.equal(others.length, 4, 'the sixth call has the session of the first');
        assert.deepEqual(
          others.map((session) => [session.tags.task, session.tags.subject, session.tags.purpose]),
          [
            [['task_2'], ['C-1'], ['a refund']],
            [['task_1'], ['C-2'], ['a refund']],
            [['task_1'], undefined, ['a refund']],
            [['task_1'], ['C-1'], ['a claim']],
          ],
        );
        assert.equal(new Set(cloud.target.received.map(({ headers }) => headers['x-amz-security-token'])).size, 5);
      },
    );
  });

  it('is named after its task, so that CloudTrail tells which it was', async () => {
    let sts: AwsCloud | undefined;
    const rules = (clock: ManualClock) => {
      sts = aws(clock);
      return sts;
    };
    await withCloud(rules, awsConfig, async ({ bench }) => {
      for (const task of ['task_1', 'task_2']) assert.equal(await bench.outcome(callFor({ task })), 200);
      const sessions = [...(sts?.sessions.values() ?? [])];
      assert.deepEqual(
        sessions.map(({ name, tags }) => [name, tags]),
        [
          ['task_1', {}],
          ['task_2', {}],
        ],
      );
    });
  });

  it('is not made of a subject that AWS takes in no tag: nothing is cut or replaced', async () => {
    const config = (url: string) => ({ ...awsConfig(url), tags: ['subject'], session_name: 'tollgate' });
    await withCloud(aws, config, async ({ bench, cloud }) => {
      for (const subject of ['auth0|1', 'a,b', '', 'x'.repeat(257), 'a\nb']) {
        const result = await bench.attempt(callFor({ subject }));
        assert.ok('denial' in result, subject);
        assert.deepEqual([result.denial.code, result.denial.retryable], ['upstream_unavailable', false]);
      }
      assert.equal(cloud.asked + cloud.target.received.length, 0);
      assert.equal(await bench.outcome(callFor({ subject: 'Zoë Müller_1.a:b/c=d+e-f@g' })), 200);
    });
  });

  it('signs what is sent, whatever path, query, headers and body it has [upstream.signed-as-sent]', async () => {
    const outbounds = [
      { method: 'GET', path: '/', body: null },
      { method: 'GET', path: '/a//b', body: null },
      { method: 'DELETE', path: '/a%2Fb/c%20d/%E2%82%AC', body: null },
      { method: 'GET', path: '/?b=2&a=1&a=0&c&d=&e=%20%26%3D&%24=1', body: null },
      { method: 'PUT', path: "/!'()*$&,;=:@~", body: Buffer.from([0, 255, 13, 10]) },
      { method: 'POST', path: '/model/anthropic.claude-v2:1/invoke', body: Buffer.alloc(300_000, 'é') },
      { headers: { 'content-type': 'text/plain;  charset=utf-8', accept: '*/*', prefer: 'a,   b' } },
    ];
    await withCloud(aws, awsConfig, async ({ bench, cloud, clock }) => {
      for (const outbound of outbounds) {
        assert.equal(await bench.outcome(callFor({ outbound })), 200, `${outbound.path} ${cloud.faults.at(-1)}`);
        await clock.advance(7_000);
      }
      const sent = cloud.target.received.map(({ url }) => url);
      assert.deepEqual(
        sent.slice(0, 6),
        outbounds.slice(0, 6).map(({ path }) => path),
      );
    });
  });

  it('signs the body itself, also where the agent claims a hash or a date of its own', async () => {
    await withCloud(aws, awsConfig, async ({ bench, cloud }) => {
      const claimed = {
        'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
        'x-amz-date': '20200101T000000Z',
        'x-amz-security-token': 'mine',
        'x-amz-target': 'DynamoDB_20120810.GetItem',
      };
      const call = callFor({ outbound: { headers: claimed } });
      Object.assign(call.resolved.payload, { args: { headers: claimed } });
      assert.equal(await bench.outcome(call), 200, cloud.faults.join('\n'));
      const headers: IncomingHttpHeaders = cloud.target.received[0]?.headers ?? {};
      assert.equal(headers['x-amz-target'], claimed['x-amz-target']);
      assert.match(String(headers.authorization), /x-amz-target/);
      assert.match(String(headers['x-amz-content-sha256']), /^[0-9a-f]{64}$/);
    });
  });

  it('is not taken from an answer with a member missing, or with entities that grow', async () => {
    const growing = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>';
    const good = aws(new ManualClock());
    const broken = [
      (xml: string) => xml.replace(/<SessionToken>.*?<\/SessionToken>/, ''),
      (xml: string) => xml.replace(/<Expiration>.*?</, '<Expiration>tomorrow<'),
      (xml: string) => xml.replaceAll('AssumeRoleWithWebIdentityResponse', 'AssumeRoleResponse'),
      (xml: string) => `${growing}${xml.replace(/<SecretAccessKey>.*?</, '<SecretAccessKey>&b;&b;&b;&b;&b;<')}`,
      (xml: string) => xml.slice(0, -20),
    ];
    for (const [index, breaks] of broken.entries()) {
      const rules = (clock: ManualClock) => {
        const whole = aws(clock);
        return {
          ...good,
          issue: async (...args: Parameters<AwsCloud['issue']>) => {
            const given = await whole.issue(...args);
            return { ...given, body: breaks(given.body) };
          },
        };
      };
      await withCloud(rules, awsConfig, async ({ bench, cloud }) => {
        assert.equal(await bench.outcome(), 'upstream_unavailable', String(index));
        assert.equal(cloud.target.received.length, 0);
      });
    }
  });
});

describe('an assertion that tells the task', () => {
  it('does so in the words of a Txn-Token, and says how sure the subject is', async () => {
    let claims: readonly JWTPayload[] = [];
    const rules = () => {
      const cloud = oauthCloud(gate, {
        path: '/exchange',
        assertion: { parameter: 'subject_token', audience: 'urn:sts', subject: 'gate' },
        form: {
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        },
      });
      claims = cloud.claims;
      return cloud;
    };
    const config = (url: string) => ({
      ...{ kind: 'token-exchange', token_url: `${url}/exchange`, subject: 'gate', assertion_audience: 'urn:sts' },
      tell: ['task', 'subject'],
    });
    await withCloud(rules, config, async ({ bench, cloud }) => {
      for (const subject of ['C-1', 'C-2', null, 'C-1']) assert.equal(await bench.outcome(callFor({ subject })), 200);
      const of = { subject_type: 'customer', subject_assurance: 'asserted' };
      assert.deepEqual(
        claims.map(({ tctx }) => tctx),
        [
          { task_id: 'task_1', subject: 'C-1', ...of },
          { task_id: 'task_1', subject: 'C-2', ...of },
          { task_id: 'task_1' },
        ],
      );
      assert.equal(new Set(cloud.target.received.map(({ headers }) => headers.authorization)).size, 3);
    });
  });
});

describe('the answer of a token endpoint', () => {
  const config = (url: string) => ({
    ...{ kind: 'oauth-client-credentials', token_url: `${url}/token`, client_id: 'c', client_secret: 's3cret-of-c' },
    auth_method: 'client_secret_post',
  });
  const answering = (answer: Readonly<Record<string, unknown>>, type = 'application/json', status = 200) => {
    const rules = oauthCloud(gate, { path: '/token', form: {} });
    return () => ({ ...rules, issue: async () => ({ status, type, body: JSON.stringify(answer) }) });
  };
  const token = 'a.b-c_d~e+f/g=';

  it('is taken where it is a bearer token for a time', async () => {
    const taken = [
      { access_token: token, token_type: 'bearer', expires_in: 60 },
      { access_token: token, token_type: 'BEARER', expires_in: '3600' },
      { access_token: token, token_type: 'Bearer' },
    ];
    for (const answer of taken) {
      await withCloud(answering(answer), config, async ({ bench, cloud, clock }) => {
        assert.equal(await bench.outcome(), 401, 'a token that this target does not know');
        assert.equal(cloud.target.received[0]?.headers.authorization, `Bearer ${token}`);
        await clock.advance(0);
      });
    }
  });

  it('is not taken where it is anything else', async () => {
    const refused: [string, ReturnType<typeof answering>][] = [
      ['a token bound to a proof', answering({ access_token: token, token_type: 'DPoP', expires_in: 60 })],
      ['no token', answering({ token_type: 'Bearer', expires_in: 60 })],
      ['a token with a line break', answering({ access_token: 'a\r\nb: c', token_type: 'Bearer', expires_in: 60 })],
      ['a token with a space', answering({ access_token: 'a b', token_type: 'Bearer', expires_in: 60 })],
      ['an expired token', answering({ access_token: token, token_type: 'Bearer', expires_in: 0 })],
      ['a time that is none', answering({ access_token: token, token_type: 'Bearer', expires_in: 'soon' })],
      ['another status', answering({ access_token: token, token_type: 'Bearer' }, 'application/json', 201)],
    ];
    for (const [what, rules] of refused) {
      await withCloud(rules, config, async ({ bench, cloud }) => {
        assert.equal(await bench.outcome(), 'upstream_unavailable', what);
        assert.equal(cloud.target.received.length, 0, what);
        assert.equal(bench.told.join().includes('s3cret-of-c'), false);
      });
    }
  });

  it('tells the operator the code of a refusal, Entra its own, and nothing of its text', async () => {
    const refusing = { error: 'invalid_client', error_description: 's3cret-of-c is wrong', error_codes: [7000215] };
    await withCloud(answering(refusing, 'application/json', 400), config, async ({ bench }) => {
      assert.equal(await bench.outcome(), 'upstream_unavailable');
      assert.match(bench.told[0] ?? '', /the token service refused: invalid_client AADSTS7000215/);
      assert.equal(bench.told.join().includes('is wrong'), false);
    });
  });
});
