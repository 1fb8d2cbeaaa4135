/**
 * Nine kinds of token, and every place that takes one: each passes in its own place and is refused in all others, with
 * nothing sent. The tokens are real ones: issued, captured behind the gate, or shown by it to a cloud.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createTxnTokenVerifier, isRefusal } from '../../src/identity/verify.ts';
import { FakeIssuer } from '../fakes/issuer.ts';
import { FakeUpstream } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { World } from './world.ts';

const subjectAudience = 'urn:test:customers';
const adminAudience = 'urn:test:admins';
const tokenType = 'urn:ietf:params:oauth:token-type:';

/** Which kinds pass where; what is not named is refused. */
const passing: Readonly<Record<string, readonly string[]>> = {
  'POST /tasks, as the credential': ['workload'],
  'POST /tasks, as the token of the subject': ['subject'],
  'the exchange, as subject_token alone': ['workload'],
  'the exchange, as actor_token for a part': ['workload'],
  'the exchange, as subject_token beside an actor_token': ['subject', 'task', 'narrowed', 'delegation'],
  'a call to a tool': ['task', 'narrowed'],
  'a call to a model': ['task'],
  'the state of the task': ['workload', 'task', 'narrowed'],
  'the admin plane': ['admin'],
  'a service, as its Txn-Token': ['txn'],
};

describe('tokens in wrong places', part('opa'), () => {
  let world: World;
  let shop: FakeIssuer;
  let staff: FakeIssuer;
  let cloud: FakeUpstream;
  let tokens: Readonly<Record<string, string>>;
  let places: Readonly<Record<string, (token: string) => Promise<boolean>>>;

  before(async () => {
    [shop, staff] = await Promise.all([FakeIssuer.open(), FakeIssuer.open()]);
    cloud = await FakeUpstream.open((_request, response) => {
      const granted = { access_token: 'of-the-cloud', token_type: 'Bearer', expires_in: 3600 };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(granted));
    });
    world = await World.open({
      config: {
        audit: { refusals_per_second: 10_000 },
        // The target takes what a cloud grants on the gate's federation assertion.
        credentials: { key: { kind: 'jwt-bearer', token_url: `${cloud.url}/token`, subject: 'the-gate' } },
        subject_issuers: [{ name: 'shop', issuer: shop.url, audiences: [subjectAudience], algorithms: ['ES256'] }],
        admin: {
          issuer: staff.url,
          audience: adminAudience,
          role_claim: 'claims.roles',
          roles: { auditor: ['reads'], operator: ['runs'] },
        },
      },
    });
    tokens = await everyToken();
    places = everyPlace();
  });
  after(async () => {
    for (const one of [world, shop, staff, cloud]) await one?.[Symbol.asyncDispose]();
  });

  async function everyToken(): Promise<Record<string, string>> {
    const workload = world.issuer.token('coordinator');
    const { id, token: task } = await world.task();
    const renewed = async (body: object) => {
      const init = { method: 'POST', body: JSON.stringify(body) };
      const response = await world.fetch(`/tasks/${id}/token`, workload, init);
      const text = await response.text();
      assert.equal(response.status, 200, `${JSON.stringify(body)}: ${text}`);
      const answer = JSON.parse(text) as { task_token?: string; delegation_token?: string };
      return String(answer.task_token ?? answer.delegation_token);
    };
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task)).status, 200);
    const assertion = new URLSearchParams(String(cloud.received.at(-1)?.body)).get('assertion');
    const admin = staff.token('alice', { aud: adminAudience, roles: ['reads', 'runs'] });
    const checkpoints = await world.admin('/audit/checkpoints', { headers: { authorization: `Bearer ${admin}` } });
    const { head } = (await checkpoints.json()) as { head: { jws: string } };
    return {
      workload,
      subject: shop.token('C', { aud: subjectAudience }),
      task,
      narrowed: await renewed({ tools: ['orders.get_order'] }),
      delegation: await renewed({ for: { agent: 'coordinator', issuer: 'azure' }, tools: ['orders.get_order'] }),
      txn: String(world.orders.received.at(-1)?.headers['txn-token']),
      federation: String(assertion),
      admin,
      audit: head.jws,
    };
  }

  function everyPlace(): Record<string, (token: string) => Promise<boolean>> {
    const verifier = createTxnTokenVerifier({
      jwks: { uri: `${world.gate.url}/.well-known/jwks.json` },
      issuer: 'http://gate.test',
      trustDomain: 'example.internal',
    });
    const { received } = world.orders;
    const request = { method: 'GET', pathWithQuery: '/orders/O-1', body: null, operation: 'orders.get_order' };
    const open = (token: string, body: object) =>
      world.fetch('/tasks', token, { method: 'POST', body: JSON.stringify({ purpose: 'test', ...body }) });
    const exchange = (parameters: Record<string, string>, details: object | null = { purpose: 'test' }) =>
      fetch(`${world.gate.url}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token_type: `${tokenType}jwt`,
          ...parameters,
          ...(details === null
            ? {}
            : { authorization_details: JSON.stringify([{ type: 'tollgate_task', ...details }]) }),
        }),
      });
    const actor = (token: string) => ({ actor_token: token, actor_token_type: `${tokenType}jwt` });
    const passes = (answer: Promise<Response>, sent = 0) => {
      const before = received.length;
      return answer.then(async (response) => {
        const text = await response.text();
        if (response.ok) return true;
        assert.ok(response.status >= 400 && response.status < 500, `${response.status} ${text}`);
        assert.equal(received.length - before, sent, 'nothing was sent');
        return false;
      });
    };
    return {
      'POST /tasks, as the credential': (token) => passes(open(token, {})),
      'POST /tasks, as the token of the subject': (token) =>
        passes(open(tokens.workload as string, { subject: { token } })),
      'the exchange, as subject_token alone': (token) => passes(exchange({ subject_token: token })),
      'the exchange, as actor_token for a part': (token) =>
        passes(exchange({ subject_token: tokens.task as string, ...actor(token) })),
      'the exchange, as subject_token beside an actor_token': (token) =>
        passes(
          exchange(
            { subject_token: token, ...actor(tokens.workload as string) },
            { purpose: 'test', tools: ['orders.get_order'] },
          ),
        ),
      'a call to a tool': (token) => passes(world.fetch('/tools/orders/orders/O-1', token)),
      'a call to a model': (token) => passes(world.chat(token)),
      'the state of the task': (token) =>
        passes(world.fetch(`/tasks/${JSON.parse(claimsOf(tokens.task as string)).tollgate_task}`, token)),
      'the admin plane': (token) =>
        passes(world.admin('/audit/events', { headers: { authorization: `Bearer ${token}` } })),
      'a service, as its Txn-Token': async (token) => !isRefusal(await verifier.verify(token, request)),
    };
  }

  test('each kind passes in its own place and in no other [identity.token-kinds-apart]', async () => {
    assert.deepEqual(Object.keys(places), Object.keys(passing));
    assert.deepEqual(
      Object.entries(tokens).filter(([, token]) => token.split('.').length !== 3),
      [],
    );
    const wrong: string[] = [];
    for (const [place, passesIn] of Object.entries(places)) {
      for (const [kind, token] of Object.entries(tokens)) {
        const passed = await passesIn(token);
        if (passed !== passing[place]?.includes(kind))
          wrong.push(`${kind} ${passed ? 'passes' : 'is refused'}: ${place}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
});

function claimsOf(token: string): string {
  return Buffer.from(token.split('.')[1] as string, 'base64url').toString();
}
