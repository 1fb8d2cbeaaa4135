/** Further tokens of a task: renewed, narrowed, and handed to another agent. Never wider than what they are made from. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { part } from '../parts.ts';
import { accessToken, actorOf, exchange, partOf, subjectOf } from './exchange-form.ts';
import { type OpenedTask, World } from './world.ts';

const read = '/tools/orders/orders/O-1';

interface Issued {
  readonly status: number;
  readonly body: Record<string, unknown> & { readonly reasons?: readonly { code: string; path?: string }[] };
  readonly token: string;
}

describe('further tokens of a task', part('opa'), () => {
  let world: World;
  before(async () => {
    world = await World.open({ config: { audit: { refusals_per_second: 1000 } } });
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.orders.received.length = 0;
  });

  /** Asks for another token of `task`, as `POST /tasks/{id}/token` has it. */
  async function ask(task: OpenedTask, body?: object, agent = 'coordinator'): Promise<Issued> {
    const init = { method: 'POST', ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await world.fetch(`/tasks/${task.id}/token`, world.issuer.token(agent), init);
    const answer = (await response.json()) as Issued['body'];
    return { status: response.status, body: answer, token: String(answer.task_token ?? answer.delegation_token) };
  }

  const done = async (task: OpenedTask) =>
    (await world.events({ task: task.id, type: 'task' })).map(({ operation }) => operation);
  const own = (token: string, more: Record<string, string> = {}) =>
    exchange(world, {
      ...subjectOf(token, accessToken),
      ...actorOf(world.issuer.token('coordinator')),
      ...more,
    });
  const refund = async (token: string) => {
    const response = await world.refund(token, 5);
    const { code, reasons } = (await response.json().catch(() => ({}))) as Issued['body'];
    return [response.status, code, reasons?.[0]?.code];
  };

  test('[task.narrowed-never-widens] a narrowed token calls what it is narrowed to, and begets none that is wider', async () => {
    const task = await world.task({ tools: ['orders.*', 'gpt.chat'] });
    const narrow = await ask(task, { tools: ['orders.get_order'], ttl_seconds: 60 });
    assert.deepEqual([narrow.status, narrow.body.tools, narrow.body.token_type], [200, ['orders.get_order'], 'Bearer']);
    assert.ok(Number(narrow.body.expires_in) <= 60);
    assert.equal((await world.fetch(read, narrow.token)).status, 200);
    assert.deepEqual(await refund(narrow.token), [403, 'insufficient_scope', 'not_in_scope']);
    assert.deepEqual(
      world.orders.received.map(({ method }) => method),
      ['GET'],
    );
    const models = (await (await world.fetch('/v1/models', narrow.token)).json()) as { data: unknown[] };
    assert.deepEqual(models.data, []);
    assert.equal((await refund(task.token))[0], 200, 'the token it was made from is as it was');

    const again = await own(narrow.token);
    assert.deepEqual([again.status, again.answer.scope], [200, 'orders.get_order']);
    assert.deepEqual(await refund(again.answer.access_token), [403, 'insufficient_scope', 'not_in_scope']);
    for (const scope of ['orders.create_refund', 'orders.*', 'orders.get_order gpt.chat']) {
      const { status, answer } = await own(narrow.token, { scope });
      assert.deepEqual([status, answer.error, answer.reasons?.[0]?.code], [400, 'invalid_scope', 'not_in_task'], scope);
    }
    const partOfNarrow = await exchange(world, partOf(narrow.token, world.issuer.token('coordinator')));
    assert.deepEqual([partOfNarrow.status, partOfNarrow.answer.scope], [200, 'orders.get_order']);
    assert.deepEqual(await done(task), ['task.create', 'task.narrow', 'task.narrow']);
  });

  test('by exchange a scope alone narrows the task token, and asking for nothing renews it', async () => {
    const task = await world.task({ tools: ['orders.*'] });
    const narrow = await own(task.token, { scope: 'orders.get_order' });
    assert.deepEqual([narrow.status, narrow.answer.task_id, narrow.answer.scope], [200, task.id, 'orders.get_order']);
    assert.equal(decodeJwt(narrow.answer.access_token).scope, 'orders.get_order');
    assert.deepEqual(await refund(narrow.answer.access_token), [403, 'insufficient_scope', 'not_in_scope']);
    const renewed = await own(task.token, { scope: '' });
    assert.deepEqual([renewed.status, renewed.answer.task_id, renewed.answer.scope], [200, task.id, 'orders.*']);
    assert.equal((await refund(renewed.answer.access_token))[0], 200);
    const events = await narrow.events();
    assert.deepEqual(
      events.map(({ operation, task: of, agent }) => [operation, of, agent]),
      [['task.narrow', task.id, 'coordinator']],
    );
  });

  test('a token is narrowed to tools of its task, and to not too many of them', async () => {
    const task = await world.task({ tools: ['orders.*'] });
    const many = Array.from({ length: 65 }, () => 'orders.get_order');
    const rows: [string, unknown, number, string][] = [
      ['tools of another route', ['gpt.chat'], 422, 'not_in_task'],
      ['a tool that is not there', ['orders.fly'], 422, 'operation_unknown'],
      ['no tool', [], 422, 'invalid'],
      ['something else', 'orders.*', 422, 'invalid'],
    ];
    for (const [what, tools, status, reason] of rows) {
      const refused = await ask(task, { tools });
      assert.deepEqual([refused.status, refused.body.reasons?.[0]?.code], [status, reason], what);
      assert.equal(refused.body.reasons?.[0]?.path, '/tools', what);
      assert.equal(refused.body.task_token, undefined);
    }
    for (const body of [{ ttl_seconds: 0 }, { wishes: 1 }, { for: { agent: 'legal-risk' } }]) {
      assert.equal((await ask(task, body)).status, 422, JSON.stringify(body));
    }
    assert.deepEqual((await ask(task, { tools: many })).body.tools, ['orders.get_order'], 'one and the same is one');
    assert.deepEqual(await done(task), ['task.create', 'task.narrow']);
  });

  test('with a narrowed token a task is seen and not ended, and nobody else renews it', async () => {
    const task = await world.task();
    const narrow = await ask(task, { tools: ['orders.get_order'] });
    assert.equal((await world.fetch(`/tasks/${task.id}`, narrow.token)).status, 200);
    for (const verb of ['kill', 'complete']) {
      const refused = await world.fetch(`/tasks/${task.id}/${verb}`, narrow.token, { method: 'POST' });
      const body = (await refused.json()) as Issued['body'];
      assert.deepEqual(
        [refused.status, body.code, body.reasons?.[0]?.code],
        [403, 'insufficient_scope', 'token_narrowed'],
      );
    }
    assert.equal((await world.taskDocument(task)).state, 'active');
    const stranger = await ask(task, { tools: ['orders.get_order'] }, 'somebody-else');
    assert.deepEqual([stranger.status, stranger.body.code], [403, 'task_unknown']);
    const ended = await world.fetch(`/tasks/${task.id}/complete`, task.token, { method: 'POST' });
    assert.equal(ended.status, 200);
  });

  test('[task.delegation-for-one-agent] a delegation token gives the agent it names a part, and is good for nothing else', async () => {
    const task = await world.task({ subject: { id: 'C-1' }, tools: ['orders.*'] });
    const to = { agent: 'legal-risk', issuer: 'azure' };
    const handed = await ask(task, { for: to, tools: ['orders.get_order'] });
    assert.deepEqual([handed.status, handed.body.token_type, handed.body.for], [200, 'N_A', to]);
    assert.ok(Number(handed.body.expires_in) <= 60);
    assert.equal(handed.body.task_token, undefined, 'nothing that an SDK would take for a key');

    const calls: [string, string][] = [
      ['GET', read],
      ['GET', `/tasks/${task.id}`],
      ['POST', `/tasks/${task.id}/kill`],
      ['POST', `/tasks/${task.id}/token`],
      ['GET', '/v1/models'],
    ];
    for (const [method, path] of calls) {
      const refused = await world.fetch(path, handed.token, { method });
      const body = (await refused.json()) as Issued['body'] & { readonly error?: Issued['body'] };
      const { reasons } = body.error ?? body;
      assert.deepEqual([refused.status, reasons?.[0]?.code], [401, 'token_kind'], `${method} ${path}`);
    }
    assert.equal(world.orders.received.length, 0);

    for (const [who, workload] of Object.entries({
      'another agent': world.issuer.token('fraud-desk'),
      'its own agent': world.issuer.token('coordinator'),
    })) {
      const refused = await exchange(world, partOf(handed.token, workload));
      const { error, reasons } = refused.answer;
      assert.deepEqual([refused.status, error, reasons?.[0]?.code], [400, 'invalid_request', 'actor_wrong'], who);
      const told = (await refused.events()).map(({ type, decision }) => [type, decision?.reasons.at(-1)?.code]);
      assert.deepEqual(told, [['denial', 'actor_wrong']], who);
    }
    const other = await exchange(world, partOf(handed.token, world.issuer.token('legal-risk', { tid: 'umbrella' })));
    assert.deepEqual([other.status, other.answer.code], [400, 'task_unknown']);
    for (const agent of ['legal-risk', 'coordinator']) {
      const form = { ...subjectOf(handed.token, accessToken), ...actorOf(world.issuer.token(agent)) };
      for (const more of [{}, { scope: 'orders.get_order' }]) {
        assert.equal((await exchange(world, { ...form, ...more })).status, 400, 'no token of the task itself');
      }
    }

    const part = await exchange(world, partOf(handed.token, world.issuer.token('legal-risk')));
    assert.deepEqual([part.status, part.answer.scope], [200, 'orders.get_order']);
    assert.notEqual(part.answer.task_id, task.id);
    assert.equal((await world.fetch(read, part.answer.access_token)).status, 200);
    assert.equal((await refund(part.answer.access_token))[0], 403);
    const chain = { sub: 'legal-risk', act: { sub: 'coordinator' } };
    const txnToken = decodeJwt(String(world.orders.received.at(-1)?.headers['txn-token']));
    assert.deepEqual([txnToken.sub, txnToken.act], ['C-1', chain]);
    assert.deepEqual(decodeJwt(part.answer.access_token).act, chain);
    assert.deepEqual(await done(task), ['task.create', 'task.delegate']);
    const delegated = (await world.events({ task: task.id, operation: 'task.delegate' }))[0];
    assert.deepEqual([delegated?.agent, delegated?.subject?.id], ['coordinator', 'C-1']);
  });

  test('the chain of agents is kept over all levels, nearest first, with whom a workload token names', async () => {
    let token = (await world.task({}, 'agent-1')).token;
    for (const [agent, claims] of [
      ['agent-2', {}],
      ['agent-3', { act: { sub: 'scheduler' } }],
      ['agent-4', {}],
    ] as const) {
      token = (await exchange(world, partOf(token, world.issuer.token(agent, claims)))).answer.access_token;
    }
    assert.equal((await world.fetch(read, token)).status, 200);
    const chain = (ids: readonly string[]): object | undefined =>
      ids.length === 0 ? undefined : { sub: ids[0], ...(ids.length > 1 ? { act: chain(ids.slice(1)) } : {}) };
    const expected = chain(['agent-4', 'agent-3', 'scheduler', 'agent-2', 'agent-1']);
    const txnToken = decodeJwt(String(world.orders.received.at(-1)?.headers['txn-token']));
    assert.deepEqual([txnToken.act, decodeJwt(token).act], [expected, expected]);
  });

  test('a chain of agents beyond the bound opens no task', async () => {
    const act = (depth: number): object => ({ sub: `a-${depth}`, ...(depth > 1 ? { act: act(depth - 1) } : {}) });
    const first = await world.fetch('/tasks', world.issuer.token('agent-1', { act: act(8) }), {
      method: 'POST',
      body: '{"purpose":"test"}',
    });
    assert.equal(first.status, 201);
    const { task_token: token } = (await first.json()) as { task_token: string };
    const within = await exchange(world, partOf(token, world.issuer.token('agent-2', { act: act(5) })));
    assert.equal(within.status, 200, 'fourteen before it');
    const beyond = await exchange(world, partOf(token, world.issuer.token('agent-2', { act: act(6) })));
    assert.deepEqual([beyond.status, beyond.answer.reasons?.[0]?.code], [400, 'nested_too_deep']);
  });
});
