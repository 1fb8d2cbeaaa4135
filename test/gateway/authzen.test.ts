/** AuthZEN Authorization API 1.0 on the admin plane: what it says is what calls then get, and asking changes nothing. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { AdminWorld } from './admin-world.ts';

interface Answer {
  readonly decision: boolean;
  readonly context: {
    readonly phase?: string;
    readonly code?: string;
    readonly reasons: readonly { code: string; path?: string }[];
    readonly obligations?: object;
    readonly policy_revision?: string;
    readonly error?: { status: number };
    readonly ignored?: readonly string[];
  };
}

const subject = { type: 'agent', id: 'coordinator', properties: { issuer: 'azure', tenant: 'acme', cloud: 'azure' } };
const route = { type: 'route', id: 'orders' };
const of = (name: string, context: object, properties?: object) => ({
  ...{ subject, action: { name }, context },
  resource: { ...route, ...(properties === undefined ? {} : { properties }) },
});

describe('AuthZEN', part('opa'), () => {
  let admin: AdminWorld;
  before(async () => {
    admin = await AdminWorld.open({ task: { loop: { repeats: 1 }, budget: { cost_usd: 1 } } });
  });
  after(() => admin?.[Symbol.asyncDispose]());

  const post = (path: string, body: object) => admin.ask(['policy_author'], 'POST', `/access/v1/${path}`, body);
  const ask = async (body: object): Promise<Answer> => {
    const response = await post('evaluation', body);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text) as Answer;
  };
  const short = ({ decision, context: { phase, code, reasons } }: Answer) => [decision, phase, code, reasons[0]?.code];

  test('the metadata names the endpoints, by the name that was asked', async () => {
    const response = await admin.ask(['operator'], 'GET', '/.well-known/authzen-configuration');
    const base = admin.world.gate.adminUrl;
    assert.deepEqual(await response.json(), {
      policy_decision_point: base,
      access_evaluation_endpoint: `${base}/access/v1/evaluation`,
      access_evaluations_endpoint: `${base}/access/v1/evaluations`,
    });
  });

  test('[policy.authzen-agrees] in a task that is there it says what the call gets, and leaves the task as it is', async () => {
    const { world } = admin;
    const rows = [
      { labels: {}, expect: [true, 'call', undefined, undefined] },
      { labels: { deny: 'orders.create_refund' }, expect: [false, 'call', 'policy_denied', 'labelled'] },
      { labels: { sum_limit: '100' }, expect: [false, 'call', 'policy_denied', 'sum_over_limit'] },
      { labels: {}, tools: ['orders.get_order'], expect: [false, 'call', 'policy_denied', 'not_in_task'] },
      {
        labels: { oblige: JSON.stringify({ approval: { role: 'boss', ttl_seconds: 1, reason: 'x' } }) },
        expect: [false, 'call', 'approval_required', 'approval_required'],
      },
    ];
    for (const { expect, ...body } of rows) {
      const task = await world.task(body);
      const whole = async () => (await admin.ask(['operator'], 'GET', `/tasks/${task.id}`)).json();
      const standing = (await whole()) as { budget: { spent: object } };
      const question = of('orders.create_refund', { task_id: task.id }, { body: { amount_cents: 101 } });
      for (let time = 0; time < 3; time++) assert.deepEqual(short(await ask(question)), expect);
      const { budget } = (await whole()) as typeof standing;
      assert.deepEqual({ ...budget.spent, seconds: 0 }, { ...standing.budget.spent, seconds: 0 });
      assert.deepEqual(
        (await admin.events({ task: task.id }))
          .map(({ type }) => type)
          .toSorted()
          .slice(-1),
        ['task'],
      );
      const received = world.orders.received.length;
      const real = await world.refund(task.token, 101);
      assert.equal(real.status === 200, expect[0]);
      const code = real.status === 200 ? undefined : ((await real.json()) as { code: string }).code;
      assert.equal(code, expect[2]);
      assert.equal(world.orders.received.length, received + (expect[0] === true ? 1 : 0));
    }
  });

  test('a task that is not there is opened for the question alone, by policy and configuration', async () => {
    const before = await (await admin.ask(['operator'], 'GET', '/tasks')).text();
    assert.deepEqual(short(await ask(of('orders.get_order', { purpose: 'test' }))), [
      true,
      'call',
      undefined,
      undefined,
    ]);
    const refused = await ask(of('orders.get_order', { purpose: 'forbidden' }));
    assert.deepEqual(short(refused), [false, 'task', 'policy_denied', 'forbidden']);
    const vouched = { purpose: 'test', labels: { vouched_by: 'customers' } };
    const asserted = await ask(of('orders.get_order', { ...vouched, subject: { id: 'C-1' } }));
    assert.deepEqual(short(asserted), [false, 'task', 'policy_denied', 'subject_unverified']);
    const verified = { id: 'C-1', type: 'customer', issuer: 'customers', assurance: 'verified' };
    assert.equal((await ask(of('orders.get_order', { ...vouched, subject: verified }))).decision, true);
    const oblige = { labels: { oblige: JSON.stringify({ regions: ['eu-*'] }) } };
    const bound = await ask(of('orders.get_order', { purpose: 'test', ...oblige }));
    assert.deepEqual(bound.context.obligations, { regions: ['eu-*'] });
    assert.match(bound.context.policy_revision ?? '', /./);
    assert.equal(await (await admin.ask(['operator'], 'GET', '/tasks')).text(), before, 'and no task has come to be');
    assert.deepEqual(
      (await admin.events({ type: 'denial' })).filter(({ operation }) => operation === 'task.create'),
      [],
    );
  });

  test('a model is asked about by its body, and arguments of a tool are judged as those of a call', async () => {
    const chat = { subject, action: { name: 'gpt.chat' }, context: { purpose: 'test' } };
    const resource = { type: 'operation', id: 'gpt.chat', properties: { max_tokens: 10, stream: true } };
    assert.equal((await ask({ ...chat, resource })).decision, true);
    const wrong = await ask(of('orders.create_refund', { purpose: 'test' }, { body: { amount_cents: 'all' } }));
    assert.deepEqual([wrong.decision, wrong.context.code], [false, 'args_invalid']);
  });

  test('several: in their order, with defaults, each fault for itself, and as far as the semantic goes', async () => {
    const denied = { context: { purpose: 'forbidden' } };
    const faulty = { resource: { type: 'document', id: '1' } };
    const batch = async (semantic: string | undefined, ...evaluations: object[]) => {
      const options = semantic === undefined ? {} : { options: { evaluations_semantic: semantic } };
      const response = await post('evaluations', {
        ...of('orders.get_order', { purpose: 'test' }),
        evaluations,
        ...options,
      });
      const { evaluations: answers } = (await response.json()) as { evaluations: Answer[] };
      return answers;
    };
    const said = (answers: Answer[]) => answers.map(({ decision }) => decision);
    const all = await batch(undefined, {}, denied, faulty, {});
    assert.deepEqual(said(all), [true, false, false, true]);
    assert.equal(all[2]?.context.error?.status, 400);
    assert.deepEqual(said(await batch('execute_all', denied, {})), [false, true]);
    assert.deepEqual(said(await batch('deny_on_first_deny', {}, denied, {})), [true, false]);
    assert.deepEqual(said(await batch('deny_on_first_deny', faulty, {})), [false]);
    assert.deepEqual(said(await batch('permit_on_first_permit', denied, {}, {})), [false, true]);
    const single = await post('evaluations', of('orders.get_order', { purpose: 'test' }));
    assert.equal(((await single.json()) as Answer).decision, true, 'without evaluations it is the other request');
    assert.equal(
      (await post('evaluations', { evaluations: [{}], options: { evaluations_semantic: 'any' } })).status,
      400,
    );
    assert.equal((await post('evaluations', { evaluations: Array(51).fill({}) })).status, 400);
  });

  test('what lacks a part of the standard, or has another type there, is 400 with where', async () => {
    const good = of('orders.get_order', { purpose: 'test' });
    const without = (part: 'subject' | 'action' | 'resource', name: string) => ({
      ...good,
      [part]: { ...good[part], [name]: undefined },
    });
    const bad: [object, string][] = [
      [{ ...good, subject: undefined }, '/subject'],
      [{ ...good, action: undefined }, '/action'],
      [{ ...good, resource: undefined }, '/resource'],
      [without('subject', 'type'), '/subject/type'],
      [without('subject', 'id'), '/subject/id'],
      [without('action', 'name'), '/action/name'],
      [without('resource', 'type'), '/resource/type'],
      [without('resource', 'id'), '/resource/id'],
      [{ ...good, subject: 'coordinator' }, '/subject'],
      [{ ...good, action: { name: 123 } }, '/action/name'],
      [{ ...good, context: 'now' }, '/context'],
      [{ ...good, resource: { ...route, properties: [] } }, '/resource/properties'],
    ];
    for (const [body, path] of bad) {
      for (const [form, asked] of [
        ['evaluation', body],
        ['evaluations', { ...body, evaluations: [] }],
      ] as const) {
        const response = await post(form, asked);
        const { code, reasons } = (await response.json()) as { code: string; reasons: { path: string }[] };
        assert.deepEqual([response.status, code], [400, 'request_invalid'], path);
        assert.ok(
          reasons.some((reason) => reason.path === path),
          `${path} in ${JSON.stringify(reasons)}`,
        );
      }
    }
    const raw = (body: string, type = 'application/json') =>
      fetch(`${admin.world.gate.adminUrl}/access/v1/evaluation`, {
        method: 'POST',
        headers: { authorization: `Bearer ${admin.token(['policy_author'])}`, 'content-type': type },
        body,
      });
    for (const [body, type] of [['{"subject":'], [''], ['[]'], [JSON.stringify(good), 'text/plain']] as const) {
      assert.equal((await raw(body, type)).status, 400, `${body} ${type}`);
    }
  });

  test('a question of the right shape about what is not here is answered no, with what it lacks', async () => {
    const good = of('orders.get_order', { purpose: 'test' });
    const todo = {
      subject: { type: 'user', id: 'CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs' },
      action: { name: 'can_read_todos' },
      resource: { type: 'todo', id: 'todo-1', properties: { ownerID: 'rick@the-citadel.com' } },
    };
    const open: [object, string][] = [
      [todo, '/subject/type'],
      [{ ...todo, subject }, '/resource/type'],
      [{ ...good, subject: { type: 'agent', id: 'coordinator' } }, '/subject/properties/issuer'],
      [{ ...good, subject: { ...subject, properties: { issuer: 7 } } }, '/subject/properties/issuer'],
      [
        { ...good, subject: { ...subject, properties: { issuer: 'nobody', tenant: 'acme' } } },
        '/subject/properties/issuer',
      ],
      [{ ...good, action: { name: 'orders.nothing' } }, '/action/name'],
      [{ ...good, resource: { type: 'route', id: 'gpt' } }, '/resource/id'],
      [{ ...good, context: {} }, '/context'],
      [{ ...good, context: { purpose: 'test', budget: { many: 1 } } }, '/context/budget/many'],
      [{ ...good, context: { task_id: 'task_1', purpose: 'test' } }, '/context'],
    ];
    for (const [body, path] of open) {
      const { decision, context } = await ask(body);
      assert.deepEqual([decision, context.code, context.error?.status], [false, 'request_invalid', 400], path);
      assert.deepEqual(context.reasons[0]?.path, path);
    }
    const batch = { evaluations: open.map(([body]) => body) };
    const { evaluations } = (await (await post('evaluations', batch)).json()) as { evaluations: Answer[] };
    assert.deepEqual(
      evaluations.map(({ context }) => context.reasons[0]?.path),
      open.map(([, path]) => path),
    );
  });

  test('[policy.authzen-open] members that nobody knows are ignored wherever they stand, and told', async () => {
    const good = of('orders.get_order', { purpose: 'test', time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' });
    const wide = {
      ...{ ...good, foo: 'bar', futureField: { nested: true } },
      subject: { ...subject, name: 'x', properties: { ...subject.properties, department: 'Sales' } },
      action: { name: 'orders.get_order', properties: { method: 'GET' } },
      resource: { ...route, label: 'x' },
    };
    const { decision, context } = await ask(wide);
    assert.equal(decision, true);
    assert.deepEqual(
      [...(context.ignored ?? [])].sort(),
      ['/action/properties', '/context/ip', '/context/time', '/foo', '/futureField', '/resource/label'].concat([
        '/subject/name',
        '/subject/properties/department',
      ]),
    );
    const options = { evaluations_semantic: 'execute_all', another_option: 'value' };
    const batch = { ...wide, evaluations: [{}, { future: 1 }], options };
    const { evaluations } = (await (await post('evaluations', batch)).json()) as { evaluations: Answer[] };
    assert.deepEqual(
      evaluations.map((answer) => answer.decision),
      [true, true],
    );
    const misspelt = await ask(of('orders.get_order', { purpos: 'test' }));
    assert.deepEqual([misspelt.decision, misspelt.context.reasons[0]?.path], [false, '/context']);
    assert.deepEqual(misspelt.context.ignored, ['/context/purpos']);
    assert.equal((await ask(of('orders.get_order', { purpose: 'test' }))).context.ignored, undefined);
  });

  test('the request keeps its id, also where it is refused', async () => {
    const good = of('orders.get_order', { purpose: 'test' });
    const other = await ask({ ...good, context: { task_id: 'task_none' } });
    assert.deepEqual(short(other), [false, 'task', 'task_unknown', undefined]);
    for (const [token, status] of [
      [admin.token(['policy_author']), 200],
      [admin.token(['auditor']), 403],
      ['none', 401],
    ] as const) {
      const response = await fetch(`${admin.world.gate.adminUrl}/access/v1/evaluation`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-request-id': 'ask 1' },
        body: JSON.stringify(good),
      });
      assert.deepEqual([response.status, response.headers.get('x-request-id')], [status, 'ask 1']);
    }
  });

  test('the trail has who asked, about which agent and operation', async () => {
    await ask(of('orders.get_order', { purpose: 'test' }));
    const deed = (await admin.deeds('authzen.evaluation')).at(-1);
    assert.deepEqual([deed?.agent, deed?.issuer, deed?.tenant, deed?.status], ['coordinator', 'azure', 'acme', 200]);
    assert.ok(
      deed?.decision?.reasons.some(({ code, message }) => code === 'operation' && message === 'orders.get_order'),
    );
  });
});
