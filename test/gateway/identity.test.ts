/** Who may call: everything that is not a task token of this gate ends at the door, and nothing is sent for it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { FakeIssuer } from '../fakes/issuer.ts';
import { rawHttp } from '../fakes/raw_http.ts';
import { part } from '../parts.ts';
import { World } from './world.ts';

interface TxnClaims {
  readonly txn: string;
  readonly aud: string;
  readonly sub: string;
  readonly act: object;
  readonly scope: string;
  readonly iat: number;
  readonly exp: number;
  readonly tctx: { readonly task_id: string };
}

const options = part('opa');
const system = systemClock();
let skewMs = 0;
const clock = { ...system, nowMs: () => system.nowMs() + skewMs };

describe('identity', options, () => {
  let world: World;
  let stranger: FakeIssuer;
  before(async () => {
    [world, stranger] = await Promise.all([
      World.open({ clock, config: { audit: { refusals_per_second: 1000 } } }),
      FakeIssuer.open(),
    ]);
  });
  after(async () => {
    await stranger?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  /** Makes a call with `headers` and shows that it was refused, recorded, and not sent. */
  async function refused(headers: Record<string, string>): Promise<{ reason: string | undefined; text: string }> {
    const traceId = clock.randomBytes(16).toString('hex');
    world.orders.received.length = 0;
    const response = await fetch(`${world.gate.url}/tools/orders/orders/O-1`, {
      headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, ...headers },
    });
    const text = await response.text();
    assert.equal(response.status, 401, text);
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer .*resource_metadata="/);
    const body = JSON.parse(text) as { code: string; reasons: { code: string }[] };
    assert.equal(body.code, 'unauthenticated');
    assert.equal(world.orders.received.length, 0);
    const events = await world.events({ trace_id: traceId });
    assert.deepEqual(
      events.map(({ type, decision, status }) => [type, decision?.reasons[0]?.code, status]),
      [['denial', 'unauthenticated', 401]],
    );
    return { reason: body.reasons[0]?.code, text };
  }

  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const forged = (token: string, header: Record<string, unknown>, signature?: string) => {
    const [, claims, own] = token.split('.');
    return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${claims}.${signature ?? own}`;
  };

  /** Shows the token at the route where tasks are opened. */
  async function notOpened(token: string): Promise<string | undefined> {
    const response = await fetch(`${world.gate.url}/tasks`, {
      method: 'POST',
      headers: bearer(token),
      body: '{"purpose":"test"}',
    });
    const body = (await response.json()) as { code: string; reasons: { code: string }[] };
    assert.deepEqual([response.status, body.code], [401, 'unauthenticated']);
    return body.reasons[0]?.code;
  }

  test('[identity.expired-token] an expired task token is refused, and one renewed by its agent is not', async () => {
    const task = await world.task();
    skewMs = 301_000;
    try {
      assert.equal((await refused(bearer(task.token))).reason, 'token_expired');
    } finally {
      skewMs = 0;
    }
    const renewed = await world.fetch(`/tasks/${task.id}/token`, world.issuer.token('coordinator'), { method: 'POST' });
    const { task_token: token } = (await renewed.json()) as { task_token: string };
    assert.equal(renewed.status, 200);
    assert.equal((await world.fetch('/tools/orders/orders/O-1', token)).status, 200);
  });

  test('an expired workload token opens no task', async () => {
    const now = Math.floor(Date.now() / 1000);
    assert.equal(
      await notOpened(world.issuer.token('coordinator', { iat: now - 400, exp: now - 100 })),
      'token_expired',
    );
  });

  test('[identity.unknown-issuer] a workload token of an unknown issuer opens no task, whatever it claims', async () => {
    assert.equal(await notOpened(stranger.token('coordinator')), 'issuer_unknown');
    assert.equal(await notOpened(stranger.token('coordinator', { iss: world.issuer.url })), 'signature_invalid');
    assert.equal(await notOpened(world.issuer.token('coordinator', { aud: 'somebody-else' })), 'audience_wrong');
  });

  test('[identity.alg-none] a token that nobody signed is refused in every place', async () => {
    const task = await world.task();
    for (const alg of ['none', 'None', 'HS256']) {
      await refused(bearer(forged(task.token, { alg, typ: 'at+jwt' }, '')));
      await notOpened(forged(world.issuer.token('coordinator'), { alg, typ: 'JWT', kid: 'one' }, ''));
    }
    await refused(bearer(forged(task.token, { alg: 'ES256', typ: 'at+jwt' })));
    await refused(bearer('nonsense'));
    assert.equal((await refused({})).reason, 'token_missing');
    await refused({ authorization: `Basic ${Buffer.from('a:b').toString('base64')}` });
  });

  test('[identity.token-kinds-apart] a Txn-Token or a workload token is no task token, and no task token opens a task', async () => {
    const task = await world.task();
    world.orders.received.length = 0;
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
    const txnToken = world.orders.received[0]?.headers['txn-token'];
    assert.ok(typeof txnToken === 'string');
    assert.equal((await refused(bearer(txnToken))).reason, 'token_kind');
    const workload = world.issuer.token('coordinator');
    const { reason, text } = await refused(bearer(workload));
    assert.equal(reason, 'token_kind');
    assert.ok(!text.includes(workload.slice(0, 20)), 'a denial quotes no token');
    assert.equal(typeof (await notOpened(txnToken)), 'string');
    assert.equal(typeof (await notOpened(task.token)), 'string');
  });

  test('[identity.txn-token-one-call] each call carries a Txn-Token of its own', async () => {
    const task = await world.task({ subject: { id: 'C-1' } });
    world.orders.received.length = 0;
    const responses = [await world.refund(task.token, 1), await world.refund(task.token, 2)];
    const claims = world.orders.received.map(({ headers }) => {
      const [, middle = ''] = String(headers['txn-token']).split('.');
      return JSON.parse(Buffer.from(middle, 'base64url').toString()) as TxnClaims;
    });
    for (const [index, { txn, aud, sub, act, scope, iat, exp, tctx }] of claims.entries()) {
      assert.equal(txn, responses[index]?.headers.get('x-tollgate-call-id'));
      assert.deepEqual(
        [aud, sub, act, scope],
        ['example.internal', 'C-1', { sub: 'coordinator' }, 'orders.create_refund'],
      );
      assert.ok(exp - iat <= 60);
      assert.equal(tctx.task_id, task.id);
    }
    assert.notEqual(claims[0]?.txn, claims[1]?.txn);
  });

  test('two different credentials in one request are refused, the same one twice by two names is not', async () => {
    const [one, two] = [await world.task(), await world.task()];
    const both = await refused({ ...bearer(one.token), 'x-api-key': two.token });
    assert.equal(both.reason, 'two_credentials');
    const path = '/tools/orders/orders/O-1';
    assert.equal((await world.fetch(path, one.token, { headers: { 'x-api-key': one.token } })).status, 200);
    assert.equal((await fetch(world.gate.url + path, { headers: { 'x-api-key': one.token } })).status, 200);
  });

  test('a header that came twice is refused: two readers would take different ones', async () => {
    const task = await world.task();
    world.orders.received.length = 0;
    for (const twice of [
      `Authorization: Bearer ${task.token}\r\nAuthorization: Bearer x`,
      `Authorization: Bearer ${task.token}\r\nx-api-key: a\r\nx-api-key: b`,
    ]) {
      const text = `GET /tools/orders/orders/O-1 HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n${twice}\r\n\r\n`;
      const answer = await rawHttp(world.gate.url, text);
      assert.equal(answer.status, 400);
      assert.equal((JSON.parse(answer.body) as { code: string }).code, 'request_invalid');
    }
    assert.equal(world.orders.received.length, 0);
  });
});
