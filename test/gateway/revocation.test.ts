/** `POST /oauth/revoke`: who may, what it does, and what strangers learn (nothing). */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { DpopClient } from './dpop-client.ts';
import { type Answer, assertionType, silent, TokenLife } from './token-life.ts';
import { World } from './world.ts';

describe('revocation', part('opa'), () => {
  let world: World;
  let agent: TokenLife;
  before(async () => {
    world = await World.open({ config: { audit: { refusals_per_second: 1000 } } });
    agent = new TokenLife(world);
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.orders.received.length = 0;
  });

  test('[task.revocation-kills] revoking the token of a task kills it and its parts, and is recorded', async () => {
    const task = await world.task();
    const share = await agent.exchange(task.token, 'helper');
    assert.deepEqual([await agent.order(task.token), await agent.order(share.token)], ['200 ok', '200 ok']);
    silent(await agent.revoke(task.token), 'revoked');
    assert.deepEqual(
      [await agent.order(task.token), await agent.order(share.token)],
      ['403 task_killed', '403 task_killed'],
    );
    assert.equal(world.orders.received.length, 2);
    const [event] = await world.events({ task: task.id, operation: 'task.kill' });
    assert.deepEqual([event?.type, event?.status, event?.agent], ['task', 200, 'coordinator']);
    const { payloads } = (await (await world.admin(`/audit/tasks/${task.id}/payloads`)).json()) as {
      payloads: { event_id: string; text: string }[];
    };
    assert.equal(payloads.find((kept) => kept.event_id === event?.id)?.text, '{"by":"revocation"}');
    silent(await agent.revoke(task.token), 'again');
    assert.equal(
      (await world.events({ task: task.id, operation: 'task.kill' })).length,
      1,
      'what has ended is not ended again',
    );
  });

  test('the agent of a task, and whoever holds the task above, may revoke its token as well', async () => {
    for (const by of ['its workload token', 'an assertion', 'its own token', 'the token of the whole'] as const) {
      const task = await world.task();
      const share = await agent.exchange(task.token, 'coordinator');
      const form = { token: share.token, token_type_hint: 'refresh_token' };
      const assertion = { ...form, client_assertion: agent.workload(), client_assertion_type: assertionType };
      const answer =
        by === 'an assertion'
          ? await agent.ask('revoke', assertion)
          : await agent.ask(
              'revoke',
              form,
              {
                'its workload token': agent.workload(),
                'its own token': share.token,
                'the token of the whole': task.token,
              }[by],
            );
      silent(answer, by);
      assert.deepEqual([await agent.stateOf(share), await agent.stateOf(task)], ['killed', 'active'], by);
    }
  });

  test('[task.revocation-tells-strangers-nothing] what is unknown, over or another’s is a success without effect', async () => {
    const [task, other] = [await world.task(), await world.task({}, 'somebody-else')];
    const share = await agent.exchange(task.token, 'helper');
    for (const [why, authorization] of Object.entries({
      'another agent': agent.workload('somebody-else'),
      'the same agent of another tenant': agent.workload('coordinator', { tid: 'umbrella' }),
      'another task': other.token,
      'a part, of the whole': share.token,
    })) {
      silent(await agent.revoke(task.token, authorization), why);
    }
    const forged = `${task.token.slice(0, -6)}AAAAAA`;
    for (const token of ['x', 'a.b.c', forged]) silent(await agent.revoke(token), token.slice(0, 9));
    silent(await agent.revoke(forged, agent.workload()), 'an unknown token, by an agent that is known');
    assert.deepEqual([await agent.stateOf(task), await agent.order(task.token)], ['active', '200 ok']);
    assert.deepEqual(await world.events({ task: task.id, operation: 'task.kill' }), []);
  });

  test('a token that is no task token is of a type that is not revoked here', async () => {
    for (const token of [agent.workload(), world.issuer.token('customer', { aud: 'shop' })]) {
      const { status, body } = await agent.revoke(token);
      assert.deepEqual([status, body.error], [400, 'unsupported_token_type']);
    }
  });

  test('[task.token-revoked-alone] a narrowed token is revoked alone: it calls nothing more, and its task goes on', async () => {
    const task = await world.task();
    const [narrowed, sibling] = [
      await agent.another(task, { tools: ['orders.get_order'] }),
      await agent.another(task, { tools: ['orders.get_order'] }),
    ];
    assert.equal(await agent.order(narrowed), '200 ok');
    silent(await agent.revoke(narrowed), 'revoked');
    assert.equal(await agent.order(narrowed), '401 unauthenticated token_revoked');
    assert.equal((await world.fetch(`/tasks/${task.id}`, narrowed)).status, 401);
    assert.equal((await agent.exchange(narrowed, 'helper')).error, 'invalid_request');
    assert.deepEqual([await agent.order(sibling), await agent.order(task.token)], ['200 ok', '200 ok']);
    assert.equal(world.orders.received.length, 3);
    const [event] = await world.events({ task: task.id, operation: 'task.revoke_token' });
    assert.deepEqual([event?.type, event?.status], ['task', 200]);
    const denials = await world.events({ task: task.id, type: 'denial' });
    assert.deepEqual(
      denials.map(({ decision }) => decision?.reasons.map(({ code }) => code)),
      [['unauthenticated', 'token_revoked']],
    );
  });

  test('a token to be handed on is revoked alone, before it is exchanged', async () => {
    const task = await world.task();
    const handed = await agent.another(task, { for: { agent: 'helper', issuer: 'azure' } });
    const control = await agent.another(task, { for: { agent: 'helper', issuer: 'azure' } });
    silent(await agent.revoke(handed, task.token), 'revoked');
    assert.equal((await agent.exchange(handed, 'helper')).error, 'invalid_request');
    assert.equal((await agent.exchange(control, 'helper')).status, 200);
    assert.equal(await agent.order(task.token), '200 ok');
  });

  test('a narrowed token does not end its task, by whatever token it is asked to', async () => {
    const task = await world.task();
    const narrowed = await agent.another(task, { tools: ['orders.get_order'] });
    const { status, body } = await agent.revoke(task.token, narrowed);
    assert.deepEqual([status, body.error], [400, 'unauthorized_client']);
    assert.equal(await agent.order(task.token), '200 ok');
  });

  test('the revoked tokens of a task are bounded, and one too many is told so', async () => {
    const task = await world.task();
    const tokens: string[] = [];
    for (let count = 0; count < 65; count++) tokens.push(await agent.another(task, { tools: ['orders.get_order'] }));
    for (const token of tokens.slice(0, 64)) silent(await agent.revoke(token), 'within the bound');
    const { status, body, headers } = await agent.revoke(tokens[64] as string);
    assert.deepEqual([status, body.error], [503, 'temporarily_unavailable']);
    assert.ok(Number(headers.get('retry-after')) > 0);
    assert.equal(await agent.order(tokens[64] as string), '200 ok');
    silent(await agent.revoke(task.token), 'the task itself can always be ended');
    assert.equal(await agent.order(tokens[64] as string), '403 task_killed');
  });

  test('a token that belongs to a key is revoked and asked about by whoever holds the key', async () => {
    const client = await DpopClient.make();
    const opened = await fetch(`${world.gate.url}/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${agent.workload()}`, dpop: await client.proof('POST', '/tasks', null) },
      body: JSON.stringify({ purpose: 'test' }),
    });
    const { task_id: id, task_token: token } = (await opened.json()) as { task_id: string; task_token: string };
    const thief = await DpopClient.make();
    const path = '/oauth/revoke';
    for (const [reason, dpop] of [
      ['binding_missing', undefined],
      ['binding_wrong', await thief.proof('POST', path, null)],
    ] as const) {
      const { status, body } = await agent.ask('revoke', { token }, undefined, dpop === undefined ? {} : { dpop });
      assert.deepEqual(
        [status, body.error, (body.reasons as { code: string }[])[0]?.code],
        [401, 'invalid_client', reason],
      );
    }
    const own = await agent.introspect(token, agent.workload());
    assert.deepEqual([own.body.active, own.body.token_type, own.body.cnf], [true, 'DPoP', { jkt: client.jkt }]);
    assert.equal((await agent.introspect(token, token)).status, 401, 'as bearer it says nobody');
    const shown = await client.headers('POST', '/oauth/introspect', token);
    assert.equal((await agent.ask('introspect', { token }, undefined, shown)).body.active, true);
    assert.equal(await agent.stateOf({ id }), 'active');
    silent(
      await agent.ask('revoke', { token }, undefined, { dpop: await client.proof('POST', path, null) }),
      'with its proof',
    );
    assert.equal(await agent.stateOf({ id }), 'killed');
  });

  test('requests that cannot be read, and clients that are not who they say, are told so as OAuth has it', async () => {
    const task = await world.task();
    const { token } = task;
    const twice = new URLSearchParams([
      ['token', token],
      ['token', token],
    ]);
    const assertion = { token, client_assertion: agent.workload(), client_assertion_type: assertionType };
    const cases: readonly [string, Promise<Answer>, number, string][] = [
      ['no token', agent.ask('revoke', {}), 400, 'invalid_request'],
      ['an empty token', agent.ask('revoke', { token: '' }), 400, 'invalid_request'],
      ['a token twice', agent.ask('revoke', twice), 400, 'invalid_request'],
      [
        'JSON',
        agent.ask('revoke', { token }, undefined, { 'content-type': 'application/json' }),
        400,
        'invalid_request',
      ],
      ['a secret', agent.ask('revoke', { token, client_secret: 'x' }), 401, 'invalid_client'],
      ['two credentials', agent.ask('revoke', assertion, agent.workload()), 400, 'invalid_request'],
      [
        'an assertion of another type',
        agent.ask('revoke', { ...assertion, client_assertion_type: 'saml' }),
        400,
        'invalid_request',
      ],
      ['another client id', agent.ask('revoke', { token, client_id: 'helper' }), 401, 'invalid_client'],
      [
        'another client id, with a credential',
        agent.ask('revoke', { token, client_id: 'helper' }, agent.workload()),
        401,
        'invalid_client',
      ],
      ['a forged credential', agent.revoke(token, `${agent.workload().slice(0, -6)}AAAAAA`), 401, 'invalid_client'],
      ['a password', agent.ask('revoke', { token }, undefined, { authorization: 'Basic eDp5' }), 401, 'invalid_client'],
      ['nobody who asks', agent.introspect(token), 401, 'invalid_client'],
      [
        'a forged credential that asks',
        agent.introspect(token, `${agent.workload().slice(0, -6)}AAAAAA`),
        401,
        'invalid_client',
      ],
      ['a question without a token', agent.ask('introspect', {}, agent.workload()), 400, 'invalid_request'],
    ];
    for (const [why, asked, status, error] of cases) {
      const answer = await asked;
      assert.deepEqual(
        [answer.status, answer.body.error, answer.headers.get('cache-control')],
        [status, error, 'no-store'],
        why,
      );
      assert.ok(!answer.text.includes(token), why);
    }
    assert.match((await agent.introspect(token)).headers.get('www-authenticate') ?? '', /^Bearer resource_metadata=/);
    assert.equal((await fetch(`${world.gate.url}/oauth/revoke?token=${token}`)).status, 404);
    assert.equal(await agent.order(token), '200 ok');
    const delegation = await agent.another(task, { for: { agent: 'helper', issuer: 'azure' } });
    assert.equal((await agent.introspect(token, delegation)).status, 401, 'a token to be handed on is no credential');
  });
});
