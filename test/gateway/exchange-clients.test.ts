/**
 * Who may ask `POST /oauth/token`, and with which tokens: RFC 8693 with the client known by its workload token, as actor
 * or as client assertion (RFC 7523 §2.2), on behalf of a subject or of nobody.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { FakeIssuer } from '../fakes/issuer.ts';
import { part } from '../parts.ts';
import { DpopClient } from './dpop-client.ts';
import {
  accessToken,
  actorOf,
  assertionOf,
  details,
  type Exchanged,
  exchange,
  idToken,
  jwt,
  jwtBearer,
  partOf,
  subjectOf,
} from './exchange-form.ts';
import { World } from './world.ts';

const aud = 'api://customers';
const read = '/tools/orders/orders/O-1';

describe('clients of the token route', part('opa'), () => {
  let shop: FakeIssuer;
  let world: World;
  before(async () => {
    shop = await FakeIssuer.open();
    const subjects = { name: 'shop', issuer: shop.url, audiences: [aud], algorithms: ['ES256'] };
    world = await World.open({ config: { audit: { refusals_per_second: 1000 }, subject_issuers: [subjects] } });
  });
  after(async () => {
    await Promise.all([shop, world].map((open) => open?.[Symbol.asyncDispose]()));
  });
  beforeEach(() => {
    world.orders.received.length = 0;
  });

  const customer = (claims: Record<string, unknown> = {}) => shop.token('C-1', { aud, ...claims });
  const agent = (claims: Record<string, unknown> = {}) => world.issuer.token('coordinator', claims);
  /** Another token of the same agent. */
  const agentAgain = () => agent({ jti: 'again' });
  const ask = { authorization_details: details({ labels: { vouched_by: 'shop' } }) };
  const created = async () => (await world.events({ operation: 'task.create', type: 'task' })).length;

  async function refused(
    what: string,
    exchanged: Promise<Exchanged>,
    expected: [status: number, error: string, reason?: string],
  ): Promise<Exchanged> {
    const before = await created();
    const got = await exchanged;
    const { status, answer, headers } = got;
    const [wantedStatus, error, reason] = expected;
    assert.deepEqual([status, answer.error], [wantedStatus, error], `${what}: ${JSON.stringify(answer)}`);
    assert.equal(typeof answer.error_description, 'string', what);
    assert.equal(answer.access_token, undefined, what);
    assert.equal(headers.get('cache-control'), 'no-store', what);
    if (reason !== undefined) {
      assert.equal(answer.reasons?.[0]?.code, reason, what);
      const told = (await got.events()).map(({ type, decision }) => [type, decision?.reasons[1]?.code]);
      assert.deepEqual(told, [['denial', reason]], what);
    }
    assert.equal(await created(), before, `${what}: nothing came to be`);
    return got;
  }

  test('[identity.exchange-on-behalf] the token of a subject and that of a workload give a task for that subject', async () => {
    const forms: Record<string, Record<string, string>> = {
      'the workload as the actor': { ...subjectOf(customer(), idToken), ...actorOf(agent()) },
      'its type is a form, no more': { ...subjectOf(customer(), accessToken), ...actorOf(agent(), accessToken) },
      'the workload as the client': { ...subjectOf(customer(), jwt), ...assertionOf(agent()) },
      'as both, by two tokens': { ...subjectOf(customer()), ...actorOf(agent()), ...assertionOf(agentAgain()) },
      'as both, by one': { ...subjectOf(customer()), ...actorOf(agent()), ...assertionOf(agent()) },
      'with its id': { ...subjectOf(customer()), ...assertionOf(agent()), client_id: 'coordinator' },
      'for a named target': {
        ...subjectOf(customer()),
        ...actorOf(agent()),
        audience: 'http://gate.test',
        resource: 'http://gate.test/tools/orders',
        requested_token_type: accessToken,
      },
    };
    for (const [what, form] of Object.entries(forms)) {
      const { status, answer, headers } = await exchange(world, { ...form, ...ask });
      assert.equal(status, 200, `${what}: ${JSON.stringify(answer)}`);
      assert.deepEqual([answer.token_type, answer.issued_token_type], ['Bearer', accessToken], what);
      assert.ok(answer.expires_in > 0 && answer.scope.includes('orders.get_order'), what);
      assert.deepEqual([headers.get('cache-control'), headers.get('pragma')], ['no-store', 'no-cache']);
      assert.equal((await world.fetch(read, answer.access_token)).status, 200, what);
      const told = decodeJwt(String(world.orders.received.at(-1)?.headers['txn-token']));
      assert.deepEqual([told.sub, told.act], ['C-1', { sub: 'coordinator' }], what);
      assert.equal((told.tctx as { subject_assurance: string }).subject_assurance, 'verified', what);
      const [event] = await world.events({ task: answer.task_id });
      assert.deepEqual(event?.subject, { id: 'C-1', type: 'customer', assurance: 'verified', issuer: 'shop' }, what);
    }
  });

  test('a workload token alone stands for nobody else, and may name a subject in the details', async () => {
    const alone = await exchange(world, { ...subjectOf(agent()), authorization_details: details() });
    assert.deepEqual([alone.status, decodeJwt(alone.answer.access_token).sub], [200, 'coordinator']);
    const subject = { token: customer() };
    const named = await exchange(world, { ...subjectOf(agent()), authorization_details: details({ subject }) });
    assert.deepEqual([named.status, decodeJwt(named.answer.access_token).sub], [200, 'C-1']);
  });

  test('what is wrong with the token of a subject is invalid_request, and the trail says why', async () => {
    const past = Math.floor(Date.now() / 1000) - 600;
    const whole = await world.task();
    const rows: Record<string, [string, string]> = {
      'one that has expired': [customer({ iat: past, exp: past + 300 }), 'token_expired'],
      'one for another audience': [customer({ aud: 'api://elsewhere' }), 'audience_wrong'],
      'one for another agent': [customer({ may_act: { sub: 'somebody-else' } }), 'actor_wrong'],
      'one of nobody': ['x.y.z', 'token_malformed'],
      'the token of another workload': [world.issuer.token('somebody-else'), 'issuer_unknown'],
      'a task token with another signature': [`${whole.token.slice(0, -6)}AAAAAA`, 'issuer_unknown'],
    };
    for (const [what, [token, reason]] of Object.entries(rows)) {
      const form = { ...subjectOf(token), ...actorOf(agent()), ...ask };
      const { answer } = await refused(what, exchange(world, form), [400, 'invalid_request', reason]);
      assert.equal(answer.reasons?.[0]?.path, '/subject/token', what);
    }
    assert.equal((await exchange(world, { ...subjectOf(customer()), ...actorOf(agent()), ...ask })).status, 200);
  });

  test('a client that is not who it says is invalid_client, and a header is answered in its own terms', async () => {
    const good = { ...subjectOf(customer()), ...ask };
    const past = Math.floor(Date.now() / 1000) - 600;
    const rows: Record<string, [Record<string, string>, string]> = {
      'an assertion of nobody': [assertionOf('x.y.z'), 'token_malformed'],
      'an assertion that is no workload token': [assertionOf(shop.token('C-9', { aud })), 'issuer_unknown'],
      'a good actor with an assertion of nobody': [{ ...actorOf(agent()), ...assertionOf('x.y.z') }, 'token_malformed'],
      'another client_id': [{ ...assertionOf(agent()), client_id: 'somebody-else' }, 'client_id_wrong'],
    };
    for (const [what, [form, reason]] of Object.entries(rows)) {
      const got = await refused(what, exchange(world, { ...good, ...form }), [401, 'invalid_client', reason]);
      assert.equal(got.headers.get('www-authenticate'), null, what);
    }
    const alone = { ...subjectOf(agent({ aud: 'api://elsewhere' })), ...ask };
    // RFC 8693 §2.2.2: whatever is wrong with a token that is exchanged, the request is invalid.
    await refused('a bad workload token alone', exchange(world, alone), [400, 'invalid_request', 'audience_wrong']);
    const late = { ...good, ...actorOf(agent({ iat: past, exp: past + 300 })) };
    await refused('an actor that has expired', exchange(world, late), [400, 'invalid_request', 'token_expired']);

    const form = { ...good, ...actorOf(agent()) };
    for (const scheme of ['Basic', 'Bearer']) {
      const authorization = `${scheme} ${agent()}`;
      const got = await refused(scheme, exchange(world, form, { authorization }), [401, 'invalid_client']);
      assert.equal(got.headers.get('www-authenticate'), `${scheme} realm="tollgate"`);
    }
    await refused('a secret', exchange(world, { ...form, client_secret: 's3cret' }), [401, 'invalid_client']);
    assert.equal((await exchange(world, form)).status, 200);
  });

  test('a request that can be read in two ways, or in none, is refused', async () => {
    const good = { ...subjectOf(customer()), ...actorOf(agent()), ...ask };
    const workload = agent();
    const rows: Record<string, [Record<string, string>, string]> = {
      'one token as subject and actor': [{ ...good, ...subjectOf(workload), ...actorOf(workload) }, 'invalid_request'],
      'one token as subject and client': [{ ...subjectOf(workload), ...assertionOf(workload) }, 'invalid_request'],
      'client and actor are two agents': [
        { ...good, ...assertionOf(world.issuer.token('somebody-else')) },
        'invalid_request',
      ],
      'client and actor of two tenants': [{ ...good, ...assertionOf(agent({ tid: 'umbrella' })) }, 'invalid_request'],
      'an assertion without its type': [{ ...good, client_assertion: agent() }, 'invalid_request'],
      'an assertion of another type': [
        { ...good, client_assertion: agent(), client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:x' },
        'invalid_request',
      ],
      'the type of an assertion alone': [{ ...good, client_assertion_type: jwtBearer }, 'invalid_request'],
      'the type of an actor alone': [{ ...subjectOf(agent()), ...ask, actor_token_type: jwt }, 'invalid_request'],
      'a type of token that is none': [{ ...good, subject_token_type: 'jwt' }, 'invalid_request'],
      'another kind of token asked for': [{ ...good, requested_token_type: idToken }, 'invalid_request'],
      'a subject twice': [{ ...good, authorization_details: details({ subject: { id: 'C-1' } }) }, 'invalid_request'],
      'another audience': [{ ...good, audience: 'https://elsewhere' }, 'invalid_target'],
      'another resource': [{ ...good, resource: 'http://gate.test.elsewhere/' }, 'invalid_target'],
      'tools that are not there, as a scope': [{ ...good, scope: 'orders.fly' }, 'invalid_scope'],
      'tools that are not there, in the details': [
        { ...good, authorization_details: details({ tools: ['orders.fly'] }) },
        'invalid_authorization_details',
      ],
      'tools in both': [
        { ...good, scope: 'orders.*', authorization_details: details({ tools: ['orders.*'] }) },
        'invalid_authorization_details',
      ],
      'what the policy forbids': [
        { ...good, authorization_details: details({ purpose: 'forbidden' }) },
        'unauthorized_client',
      ],
    };
    for (const [what, [form, error]] of Object.entries(rows)) await refused(what, exchange(world, form), [400, error]);
    const twice = new URLSearchParams([...Object.entries(good), ['actor_token', agent()], ['grant_type', 'x']]);
    const response = await fetch(`${world.gate.url}/oauth/token`, { method: 'POST', body: twice });
    assert.deepEqual([response.status, ((await response.json()) as { error: string }).error], [400, 'invalid_request']);
    assert.equal((await exchange(world, good)).status, 200);
  });

  test('with a proof key the task token is of type DPoP, and a proof that does not hold is invalid_dpop_proof', async () => {
    const client = await DpopClient.make();
    const form = { ...subjectOf(customer()), ...actorOf(agent()), ...ask };
    const proof = await client.proof('POST', '/oauth/token', null);
    const bound = await exchange(world, form, { dpop: proof });
    assert.deepEqual([bound.status, bound.answer.token_type], [200, 'DPoP']);
    assert.deepEqual(decodeJwt(bound.answer.access_token).cnf, { jkt: client.jkt });
    await refused('a proof twice', exchange(world, form, { dpop: proof }), [
      400,
      'invalid_dpop_proof',
      'proof_replayed',
    ]);
    const elsewhere = { dpop: await client.proof('POST', '/tasks', null) };
    await refused('a proof for elsewhere', exchange(world, form, elsewhere), [
      400,
      'invalid_dpop_proof',
      'proof_wrong',
    ]);

    // A token that belongs to a key is for its own agent alone; a delegation token goes further.
    const stranger = partOf(bound.answer.access_token, world.issuer.token('legal-risk'));
    const told = await refused('bare', exchange(world, stranger), [400, 'invalid_request', 'delegation_required']);
    assert.equal(told.answer.reasons?.[0]?.path, '/subject_token');
    const own = { ...subjectOf(bound.answer.access_token, accessToken), ...actorOf(agent()) };
    await refused('a renewal without a proof', exchange(world, own), [400, 'invalid_request', 'binding_required']);
    const proved = { dpop: await client.proof('POST', '/oauth/token', null) };
    assert.equal((await exchange(world, own, proved)).answer.token_type, 'DPoP');
    const further = `/tasks/${bound.answer.task_id}/token`;
    const handed = await world.fetch(further, agent(), {
      method: 'POST',
      headers: { dpop: await client.proof('POST', further, null) },
      body: JSON.stringify({ for: { agent: 'legal-risk', issuer: 'azure' } }),
    });
    const { delegation_token: delegation } = (await handed.json()) as { delegation_token: string };
    assert.equal(decodeJwt(delegation).cnf, undefined);
    assert.equal((await exchange(world, partOf(delegation, world.issuer.token('legal-risk')))).status, 200);
  });

  test('[task.suspended-gets-no-token] a suspended agent opens no task, renews no token, and gets no part', async () => {
    const suspension = JSON.stringify({ kind: 'agent', id: 'rogue', issuer: 'azure', reason: 'test' });
    const task = await world.task({}, 'rogue');
    const whole = await world.task();
    const rogue = () => world.issuer.token('rogue');
    const headers = { 'content-type': 'application/json' };
    const suspend = (path: string) => world.admin(path, { method: 'POST', body: suspension, headers });
    assert.equal((await suspend('/suspensions')).status, 200);
    try {
      assert.equal((await world.task({}, 'rogue')).body.code, 'agent_suspended');
      const renewal = await world.fetch(`/tasks/${task.id}/token`, rogue(), { method: 'POST' });
      assert.deepEqual([renewal.status, ((await renewal.json()) as { code: string }).code], [403, 'agent_suspended']);
      const forms = {
        'a task of its own': { ...subjectOf(rogue()), authorization_details: details() },
        'a renewal': { ...subjectOf(task.token, accessToken), ...actorOf(rogue()) },
        'a part': partOf(whole.token, rogue()),
        'a part of its task for another': partOf(task.token, agent()),
      };
      for (const [what, form] of Object.entries(forms)) {
        const { answer } = await refused(what, exchange(world, form), [400, 'unauthorized_client', 'agent_suspended']);
        assert.equal(answer.code, 'agent_suspended', what);
      }
    } finally {
      assert.equal((await suspend('/suspensions/resume')).status, 200);
    }
    assert.equal((await exchange(world, partOf(whole.token, rogue()))).status, 200);
  });
});
