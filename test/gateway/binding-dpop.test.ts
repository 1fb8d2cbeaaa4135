/** Task tokens that belong to the key of a DPoP proof: asked for, used, stolen, replayed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';
import { DpopClient } from './dpop-client.ts';
import { World } from './world.ts';

const path = '/tools/orders/orders/O-1';

interface Refused {
  readonly code: string;
  readonly reasons: readonly { readonly code: string }[];
}

describe('tokens bound by DPoP', part('opa'), () => {
  let world: World;
  let client: DpopClient;
  let thief: DpopClient;
  before(async () => {
    [world, client, thief] = await Promise.all([
      World.open({ config: { audit: { refusals_per_second: 1000 } } }),
      DpopClient.make(),
      DpopClient.make(),
    ]);
  });
  after(async () => world?.[Symbol.asyncDispose]());

  /** Opens a task whose tokens belong to the key of `by`. */
  async function boundTask(by = client): Promise<{ readonly id: string; readonly token: string }> {
    const response = await fetch(`${world.gate.url}/tasks`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${world.issuer.token('coordinator')}`,
        dpop: await by.proof('POST', '/tasks', null),
      },
      body: JSON.stringify({ purpose: 'test' }),
    });
    const opened = (await response.json()) as { task_id: string; task_token: string; token_type: string };
    assert.deepEqual([response.status, opened.token_type], [201, 'DPoP']);
    assert.deepEqual(decodeJwt(opened.task_token).cnf, { jkt: by.jkt });
    return { id: opened.task_id, token: opened.task_token };
  }

  /** Shows that a call is refused, that nothing was sent for it, and what the trail says of it. */
  async function refused(headers: Record<string, string>, reason: string, url = world.gate.url): Promise<string> {
    const traceId = randomBytes(16).toString('hex');
    world.orders.received.length = 0;
    const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
    const response = await fetch(`${url}${path}`, { headers: { ...headers, traceparent } });
    const { code, reasons } = (await response.json()) as Refused;
    assert.deepEqual([response.status, code, reasons[0]?.code], [401, 'unauthenticated', reason]);
    assert.equal(world.orders.received.length, 0);
    if (url === world.gate.url) {
      const events = await world.events({ trace_id: traceId });
      const told = events.map(({ type, status, decision }) => [type, status, decision?.reasons.at(-1)?.code]);
      assert.deepEqual(told, [['denial', 401, reason]]);
    }
    return response.headers.get('www-authenticate') ?? '';
  }

  test('[identity.bound-to-a-proof-key] a bound token goes with a fresh proof for each call, and is nothing without', async () => {
    const { token } = await boundTask();
    world.orders.received.length = 0;
    for (const _ of [1, 2]) {
      const response = await fetch(`${world.gate.url}${path}`, { headers: await client.headers('GET', path, token) });
      assert.equal(response.status, 200, await response.text());
    }
    assert.equal(world.orders.received.length, 2);
    for (const { headers } of world.orders.received) assert.equal(headers.dpop, undefined, 'the proof stays here');

    const proof = () => client.proof('GET', path, token);
    const stolen = await refused({ authorization: `Bearer ${token}` }, 'binding_missing');
    assert.match(stolen, /^Bearer error="invalid_token", .*resource_metadata=".*\/tools\/orders", DPoP algs="/);
    await refused({ authorization: `Bearer ${token}`, dpop: await proof() }, 'binding_missing');
    await refused({ 'x-api-key': token, dpop: await proof() }, 'binding_missing');
    await refused({ authorization: `DPoP ${token}` }, 'binding_missing');
    await refused(await thief.headers('GET', path, token), 'binding_wrong');
    const used = await refused(await client.headers('POST', path, token), 'proof_wrong');
    assert.match(used, /^DPoP error="invalid_dpop_proof", .*algs="/);
    await refused(await client.headers('GET', '/tools/orders/refunds', token), 'proof_wrong');
    await refused({ authorization: `DPoP ${token}`, dpop: await client.proof('GET', path, null) }, 'proof_wrong');
    const other = await boundTask();
    await refused(
      { authorization: `DPoP ${token}`, dpop: await client.proof('GET', path, other.token) },
      'proof_wrong',
    );
    const late = { claims: { iat: Math.floor(Date.now() / 1000) - 120 } };
    await refused(await client.headers('GET', path, token, late), 'proof_expired');
    await refused(await client.headers('GET', path, token, { header: { typ: 'JWT' } }), 'proof_invalid');
  });

  test('a token that belongs to no key is no DPoP token, whatever is proved beside it', async () => {
    const { token } = await world.task();
    await refused(await client.headers('GET', path, token), 'binding_wrong');
  });

  test('a proof that is wrong is refused where a token is asked for, and never left out of account', async () => {
    const authorization = `Bearer ${world.issuer.token('coordinator')}`;
    const wrong = await client.proof('POST', '/oauth/token', null);
    const plain = await fetch(`${world.gate.url}/tasks`, {
      method: 'POST',
      headers: { authorization, dpop: wrong },
      body: '{"purpose":"test"}',
    });
    const { reasons } = (await plain.json()) as Refused;
    assert.deepEqual([plain.status, reasons[0]?.code], [401, 'proof_wrong']);
    assert.match(plain.headers.get('www-authenticate') ?? '', /^DPoP error="invalid_dpop_proof"/);
    const exchange = async (dpop: string) =>
      fetch(`${world.gate.url}/oauth/token`, {
        method: 'POST',
        headers: { dpop },
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: world.issuer.token('coordinator'),
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          authorization_details: '[{"type":"tollgate_task","purpose":"test"}]',
        }),
      });
    const standard = await exchange('nonsense');
    const { error } = (await standard.json()) as { error: string };
    assert.deepEqual([standard.status, error], [400, 'invalid_dpop_proof']);
    const good = await exchange(await client.proof('POST', '/oauth/token', null));
    const { access_token: token, token_type: type } = (await good.json()) as Record<string, string>;
    assert.deepEqual([good.status, type], [200, 'DPoP']);
    assert.deepEqual(decodeJwt(String(token)).cnf, { jkt: client.jkt });
  });

  test('a workload token that belongs to a key is refused without its proof, and with a cnf nobody can check', async () => {
    const open = async (headers: Record<string, string>) => {
      const body = '{"purpose":"test"}';
      const response = await fetch(`${world.gate.url}/tasks`, { method: 'POST', headers, body });
      const answer = (await response.json()) as Partial<Refused>;
      return `${response.status} ${answer.reasons?.[0]?.code ?? ''}`.trim();
    };
    const bound = world.issuer.token('coordinator', { cnf: { jkt: client.jkt } });
    assert.equal(await open({ authorization: `Bearer ${bound}` }), '401 binding_missing');
    assert.equal(await open(await thief.headers('POST', '/tasks', bound)), '401 binding_wrong');
    assert.equal(await open(await client.headers('POST', '/tasks', bound)), '201');
    const odd = world.issuer.token('coordinator', { cnf: { kid: 'somewhere' } });
    assert.equal(await open({ authorization: `Bearer ${odd}` }), '401 claim_invalid');
  });

  test('[identity.proofs-once] a proof is good once', async () => {
    const { token } = await boundTask();
    const headers = await client.headers('GET', path, token);
    assert.equal((await fetch(`${world.gate.url}${path}`, { headers })).status, 200);
    await refused(headers, 'proof_replayed');
    const burst = await client.headers('GET', path, token);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => fetch(`${world.gate.url}${path}`, { headers: burst })),
    );
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, ...Array<number>(9).fill(401)]);
  });

  test('one proof is good for all calls that one request to /mcp makes, and for no other request', async () => {
    const { token } = await boundTask();
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const params = { name: 'get_order', arguments: { path: { order_id: 'O-1' } }, _meta };
    const dpop = await client.proof('POST', '/mcp/orders', token);
    const call = (proof: Record<string, string>) =>
      fetch(`${world.gate.url}/mcp/orders`, {
        method: 'POST',
        headers: {
          ...{ authorization: `DPoP ${token}`, 'content-type': 'application/json', ...proof },
          ...{ accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28' },
          ...{ 'mcp-method': 'tools/call', 'mcp-name': 'get_order' },
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
      });
    const before = world.orders.received.length;
    assert.equal((await call({ dpop })).status, 200);
    assert.equal(world.orders.received.length, before + 1);
    assert.equal((await call({ dpop })).status, 401);
    assert.equal((await call({})).status, 401);
    assert.equal(world.orders.received.length, before + 1);
  });
});

const redis = part('redis-server').skip === undefined ? part('opa') : part('redis-server');
test('[identity.proofs-once] a proof used at one gateway is used at all of them', redis, async () => {
  await using server = await RedisServer.start();
  const store = { kind: 'redis', url: server.url, command_timeout_ms: 500 };
  await using world = await World.open({ config: { store } });
  const second = await world.secondGate('gw-second');
  const client = await DpopClient.make();
  const opened = await fetch(`${world.gate.url}/tasks`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${world.issuer.token('coordinator')}`,
      dpop: await client.proof('POST', '/tasks', null),
    },
    body: '{"purpose":"test"}',
  });
  const { task_token: token } = (await opened.json()) as { task_token: string };
  const headers = await client.headers('GET', path, token);
  world.orders.received.length = 0;
  assert.equal((await fetch(`${second.url}${path}`, { headers })).status, 200);
  const traceId = randomBytes(16).toString('hex');
  const replayed = await fetch(`${world.gate.url}${path}`, {
    headers: { ...headers, traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
  });
  const { reasons } = (await replayed.json()) as Refused;
  assert.deepEqual([replayed.status, reasons[0]?.code], [401, 'proof_replayed']);
  assert.equal(world.orders.received.length, 1);
  const [event] = await world.events({ trace_id: traceId });
  assert.equal(event?.decision?.reasons.at(-1)?.code, 'proof_replayed');
  const fresh = await client.headers('GET', path, token);
  assert.equal((await fetch(`${world.gate.url}${path}`, { headers: fresh })).status, 200);
});
