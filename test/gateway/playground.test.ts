/** The playground's part of the admin API: what was decided on is shown, what is tried has no effect, both are recorded. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AuditEvent } from '../../src/audit/event.ts';
import { part } from '../parts.ts';
import { AdminWorld } from './admin-world.ts';

interface Row {
  readonly event: string;
  readonly phase: string;
  readonly task: string;
  readonly operation: string;
  readonly allow: boolean;
  readonly codes: readonly string[];
  readonly revision: string;
}

interface Side {
  readonly side: string;
  readonly revision: string;
  readonly decision: { allow: boolean; reasons: { code: string }[]; obligations: object; grant?: object };
  readonly wanting: readonly string[];
  readonly mismatch?: boolean;
  readonly compared?: boolean;
  readonly rules?: readonly { name: string; file: string; line: number; text: string; outcome: string }[];
  readonly rules_unavailable?: string;
}

type Input = Record<string, Record<string, unknown>>;

describe('the policy playground', part('opa'), () => {
  let admin: AdminWorld;
  before(async () => {
    admin = await AdminWorld.open({ task: { loop: { repeats: 49 }, budget: { cost_usd: 1 } } });
  });
  after(() => admin?.[Symbol.asyncDispose]());

  const list = async (query: Record<string, string>) => {
    const response = await admin.ask(['policy_author'], 'GET', `/policy/inputs?${new URLSearchParams(query)}`);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text) as { inputs: Row[]; next_cursor: string | null };
  };
  const show = async (event: string) => {
    const response = await admin.ask(['policy_author'], 'GET', `/policy/inputs/${event}`);
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const evaluate = async (phase: string, input: unknown, more: object = {}) => {
    const response = await admin.ask(['policy_author'], 'POST', '/policy/evaluate', {
      ...{ phase, input },
      ...more,
    });
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const sidesOf = async (phase: string, input: unknown, more: object = {}): Promise<readonly Side[]> => {
    const { status, body } = await evaluate(phase, input, more);
    assert.equal(status, 200, JSON.stringify(body));
    return body.sides;
  };
  /** A task with a refund that is refused and one that goes. */
  const played = async () => {
    const task = await admin.world.task({ labels: { sum_limit: '100' } });
    const statuses = [await admin.world.refund(task.token, 101), await admin.world.refund(task.token, 50)];
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [403, 200],
    );
    return task;
  };

  test('[policy.playground-inputs] the decisions with a kept input are listed, newest first, by filter and page', async () => {
    const task = await played();
    const { inputs, next_cursor: next } = await list({ task: task.id });
    assert.deepEqual(
      inputs
        .filter(({ phase }) => phase !== 'response')
        .map(({ phase, operation, allow }) => [phase, operation, allow]),
      [
        ['call', 'orders.create_refund', true],
        ['call', 'orders.create_refund', false],
        ['task', 'task.create', true],
      ],
    );
    assert.equal(next, null);
    const phased = async (query: Record<string, string>) => (await list({ task: task.id, ...query })).inputs;
    assert.deepEqual(
      (await phased({ phase: 'task' })).map(({ operation }) => operation),
      ['task.create'],
    );
    const [denied, ...others] = await phased({ phase: 'call', decision: 'deny' });
    assert.deepEqual([denied?.codes, others], [['policy_denied', 'sum_over_limit'], []]);
    assert.deepEqual(await phased({ agent: 'somebody-else' }), []);
    const first = await list({ task: task.id, limit: '1' });
    const second = await list({ task: task.id, limit: '1', cursor: first.next_cursor ?? '' });
    assert.deepEqual([first.inputs[0]?.event, second.inputs[0]?.event], [inputs[0]?.event, inputs[1]?.event]);
    for (const query of ['phase=none', 'limit=0', 'cursor=x', 'colour=red', 'type=none']) {
      const response = await admin.ask(['auditor'], 'GET', `/policy/inputs?${query}`);
      assert.equal(response.status, 422, query);
    }
  });

  test('[policy.playground-input] an input is shown as it was decided on, redacted, and who looked is recorded', async () => {
    const task = await admin.world.task({ labels: { note: 'write to jane.doe@example.com' } });
    assert.equal((await admin.world.refund(task.token, 7)).status, 200);
    const [row] = (await list({ task: task.id, phase: 'call' })).inputs;
    const event = row?.event ?? '';
    const { status, body } = await show(event);
    assert.equal(status, 200, JSON.stringify(body));
    const { input, recorded, redacted } = body;
    assert.deepEqual([input.phase, input.task.id, input.call.arguments.body], ['call', task.id, { amount_cents: 7 }]);
    assert.deepEqual(
      ['remembered', 'left_out', 'also_by'].filter((name) => name in input),
      [],
    );
    assert.doesNotMatch(JSON.stringify(body), /jane\.doe/);
    assert.deepEqual([redacted, recorded.allow, recorded.revision], [true, true, row?.revision]);
    const deeds = (await admin.deeds('policy.input')).filter((deed) => deed.task === task.id);
    assert.equal(deeds.length, 1);
    assert.match(JSON.stringify(deeds[0]), new RegExp(event));
  });

  test('what is not kept says so: unknown, no decision, erased', async () => {
    const task = await played();
    const [row] = (await list({ task: task.id, phase: 'call' })).inputs;
    const created = (await admin.events({ type: 'policy' }))[0]?.id ?? '';
    const why = async (event: string) => {
      const { status, body } = await show(event);
      return [status, body.reasons?.[0]?.code];
    };
    assert.deepEqual(await why('evt_00000000000000000000000000'), [404, 'event_unknown']);
    assert.deepEqual(await why('..%2f..%2fetc%2fpasswd'), [404, 'event_unknown']);
    assert.deepEqual(await why(created), [404, 'event_unknown']);
    assert.equal((await admin.ask(['operator'], 'DELETE', `/audit/tasks/${task.id}/payloads`)).status, 200);
    assert.deepEqual(await why(row?.event ?? ''), [404, 'input_missing']);
    assert.deepEqual((await list({ task: task.id })).inputs, []);
  });

  test('[policy.playground-no-effect] an evaluation says what the gate decided, and leaves nothing but its record', async () => {
    const task = await played();
    const [sent, refused] = (await list({ task: task.id, phase: 'call' })).inputs;
    const [allowed, denied] = [(await show(sent?.event ?? '')).body, (await show(refused?.event ?? '')).body];
    const whole = async () => {
      const { budget, ...rest } = (await (await admin.ask(['operator'], 'GET', `/tasks/${task.id}`)).json()) as {
        budget: { spent: object; remaining: object };
      };
      return JSON.stringify({ ...rest, budget: { ...budget.spent, seconds: 0 } });
    };
    const standing = await whole();
    const calls = () => [admin.world.orders.received.length, admin.world.model.received.length];
    const before = calls();
    const events = (await admin.events()).length;

    const [active, ...others] = await sidesOf('call', allowed.input);
    assert.deepEqual(
      [active?.side, active?.decision.allow, active?.revision, others],
      ['active', true, sent?.revision, []],
    );
    const [again] = await sidesOf('call', denied.input);
    assert.deepEqual(
      again?.decision.reasons.map(({ code }) => code),
      ['sum_over_limit'],
    );
    assert.equal(again?.rules, undefined, 'rules are for who asks for them');
    const [changed] = await sidesOf('call', {
      ...allowed.input,
      call: { ...allowed.input.call, arguments: { body: { amount_cents: 5_000 } } },
    });
    assert.equal(changed?.decision.allow, false);

    assert.deepEqual(calls(), before);
    assert.equal(await whole(), standing);
    const fresh: AuditEvent[] = (await admin.events()).slice(events);
    assert.deepEqual(
      fresh.map(({ type, operation }) => `${type} ${operation}`),
      Array(3).fill('admin policy.evaluate'),
    );
    assert.doesNotMatch(JSON.stringify(fresh), /5000|amount_cents/, 'what was asked about is not recorded');
  });

  test('[policy.playground-rules] the rules that fired are told by file, line and text, and OPA agrees', async () => {
    const task = await played();
    const [, refused] = (await list({ task: task.id, phase: 'call' })).inputs;
    const { input } = (await show(refused?.event ?? '')).body;
    const [side] = await sidesOf('call', input, { explain: true });
    assert.deepEqual([side?.rules_unavailable, side?.mismatch, side?.compared], [undefined, false, true]);
    const fired = side?.rules?.filter(({ outcome, text }) => outcome === 'fired' && text.includes('sum_over_limit'));
    assert.equal(fired?.length, 1, JSON.stringify(side?.rules));
    assert.match(fired?.[0]?.file ?? '', /^tollgate\/call\/.*\.rego$/);
    const free = { ...input, task: { ...input.task, labels: {} } };
    const [other] = await sidesOf('call', free, { explain: true });
    assert.equal(other?.decision.allow, true);
    const same = (rule: { file: string; line: number }) =>
      rule.file === fired?.[0]?.file && rule.line === fired[0].line;
    assert.equal(other?.rules?.find(same)?.outcome, 'tried');
  });

  test('a task and an answer can be tried, too; a task with what it would get', async () => {
    const task = await played();
    const [opened] = (await list({ task: task.id, phase: 'task' })).inputs;
    const { input } = (await show(opened?.event ?? '')).body;
    const [side] = await sidesOf('task', input, { explain: true });
    assert.deepEqual([side?.decision.allow, side?.mismatch], [true, false]);
    const [answered] = (await list({ task: task.id, phase: 'response' })).inputs;
    const kept = (await show(answered?.event ?? '')).body;
    assert.deepEqual([kept.input.phase, kept.input.call.operation], ['response', 'orders.create_refund']);
    assert.equal(kept.input.response.status, 200);
    const [same] = await sidesOf('response', kept.input);
    assert.equal(same?.decision.allow, kept.recorded.allow);
    const [, call] = (await list({ task: task.id, phase: 'call' })).inputs;
    const ofCall = (await show(call?.event ?? '')).body.input as Input;
    const response = { status: 200, headers: {}, body: {}, findings: [] };
    const [answer] = await sidesOf('response', { ...ofCall, phase: 'response', response }, { explain: true });
    assert.deepEqual([typeof answer?.decision.allow, answer?.mismatch], ['boolean', false]);
  });

  test('what is left out of an input is named where rules look at it', async () => {
    const task = await played();
    const [row] = (await list({ task: task.id, phase: 'call' })).inputs;
    const { input } = (await show(row?.event ?? '')).body;
    const { labels: _labels, ...rest } = input.task;
    const [side] = await sidesOf('call', { ...input, task: rest });
    assert.ok(side?.wanting.includes('task.labels'), JSON.stringify(side));
  });

  test('a question that cannot be asked is refused with the place, and no value of it is recorded', async () => {
    const task = await played();
    const [row] = (await list({ task: task.id, phase: 'call' })).inputs;
    const { input } = (await show(row?.event ?? '')).body as { input: Input };
    const rows: readonly (readonly [string | object, number, string | undefined])[] = [
      ['{"phase": "call", "input": {', 400, undefined],
      ['{"phase": "call", "phase": "task", "input": {}}', 400, undefined],
      ['{"phase": "call", "input": {"call": {"repeats": 9007199254740993}}}', 400, '/input/call/repeats'],
      [[], 422, ''],
      [{ phase: 'calls', input }, 422, '/phase'],
      [{ phase: 'call' }, 422, '/input'],
      [{ phase: 'call', input: [] }, 422, '/input'],
      [{ phase: 'call', input, explain: 'yes' }, 422, '/explain'],
      [{ phase: 'call', input, 'jane.doe@example.com': 1 }, 422, '/{}'],
      [{ phase: 'call', input: { ...input, secret: 'S3cr3t-value' } }, 422, '/input/secret'],
      [
        { phase: 'call', input: { ...input, call: { ...input.call, effect: 'S3cr3t-value' } } },
        422,
        '/input/call/effect',
      ],
      [{ phase: 'task', input }, 422, '/input/phase'],
      [{ phase: 'call', input: { ...input, gateway: undefined } }, 422, '/input/gateway'],
      [`{"phase": "call", "input": {"a": "${'x'.repeat(1_048_900)}"}}`, 413, undefined],
    ];
    for (const [body, status, path] of rows) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const response = await fetch(`${admin.world.gate.adminUrl}/policy/evaluate`, {
        method: 'POST',
        headers: { authorization: `Bearer ${admin.token(['policy_author'])}`, 'content-type': 'application/json' },
        body: text,
      });
      const said = (await response.json()) as { reasons: { path?: string }[] };
      assert.equal(response.status, status, `${text.slice(0, 100)}: ${JSON.stringify(said)}`);
      const paths = said.reasons.map((reason) => reason.path);
      assert.ok(path === undefined || paths.includes(path), `${path}: ${JSON.stringify(said.reasons)}`);
    }
    assert.doesNotMatch(JSON.stringify(await admin.events({ type: 'admin' })), /S3cr3t|jane\.doe/);
  });
});
