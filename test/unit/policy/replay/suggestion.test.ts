/** What is proposed for a purpose: only what was sent, as narrow as it was, and as text that YAML reads as it was meant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { Json, JsonObject } from '../../../../src/call.ts';
import { ShapeCheck } from '../../../../src/policy/check.ts';
import { type Suggestion, suggest } from '../../../../src/policy/replay/suggestion.ts';
import { yamlOf } from '../../../../src/policy/replay/suggestion-yaml.ts';
import { Usage, type UsageEvent } from '../../../../src/policy/replay/usage.ts';
import { callDocument } from '../bundles.ts';

const check = new ShapeCheck();
const fits = (input: Json) => 'bytes' in check.input('call', input);

interface Told {
  readonly call?: Record<string, Json>;
  readonly task?: Record<string, Json>;
  readonly subject?: JsonObject | null;
  readonly agent?: string;
  readonly taskId?: string;
  readonly refused?: boolean;
  readonly costUsd?: number;
  readonly region?: string;
  readonly outputTokens?: number;
  readonly text?: string;
}

/** Feeds calls as a trail would tell of them. */
class Trail {
  readonly usage: Usage;
  #calls = 0;

  constructor(purpose = 'return_exception') {
    this.usage = new Usage(purpose, fits);
  }

  add(told: Told, times = 1): this {
    for (let count = 0; count < times; count++) this.#one(told);
    return this;
  }

  #one({ call, task, subject, agent, taskId, refused, costUsd = 0, region, outputTokens = 0, text }: Told): void {
    const base = callDocument(call, task);
    const document = {
      ...base,
      ...(subject === undefined ? {} : { subject }),
      agent: { ...base.agent, id: agent ?? 'coordinator' },
    };
    const decision = { id: 'dec_1', allow: refused !== true, reasons: [], obligations: {}, revision: 'r' };
    const event: UsageEvent = {
      ...{ type: refused === true ? 'denial' : 'intent', id: 'evt_1', time: '1970-01-01T00:01:40.000Z' },
      ...{ task: taskId ?? `task_${this.#calls % 5}`, call: `call_${this.#calls++}`, agent: 'a', issuer: 'azure' },
      ...{ operation: null, decision, target: null, usage: null, cost_usd: null, seq: 1, attempts: [] },
    };
    this.usage.add(event, { state: 'kept', text: text ?? JSON.stringify(document) });
    if (refused === true) return;
    const tokens = { input_tokens: 10, output_tokens: outputTokens };
    const target = { region: region ?? 'westeurope' };
    this.usage.add({ ...event, type: 'outcome', target, cost_usd: costUsd, usage: tokens }, { state: 'none' });
  }

  suggestion(purposes: JsonObject | null = null, remember: Record<string, string[]> = {}): Suggestion {
    const suggested = suggest(this.usage, { purposes, remember: new Map(Object.entries(remember)) });
    assert.ok('suggestion' in suggested, JSON.stringify(suggested));
    return suggested.suggestion;
  }
}

const own = {
  arguments: { path: { customer_id: 'C', order_id: '7' } },
  provenance: { '/path/customer_id': 'subject' },
};

function refund(amount: Json, body: JsonObject = {}, before?: number): Told {
  const counts = { calls: 1, denied: 0, failed: 0, cost_micro_usd: 0, sums: { 'body.amount_cents': before ?? 0 } };
  return {
    call: {
      ...{ route: 'refunds', operation: 'refunds.create_refund', effect: 'write', method: 'POST', path: '/refunds' },
      arguments: { body: { amount_cents: amount, ...body } },
      provenance: {},
    },
    ...(before === undefined ? {} : { task: { counts: { 'refunds.create_refund': counts } } }),
  };
}

test('an argument is the subject only if it always was, by its name at any depth and by its place', () => {
  const trail = new Trail().add({ call: own }, 18);
  const nested = { body: { items: [{ customer_id: 'C' }], customer: 'C' } };
  const places = { '/body/items/0/customer_id': 'subject', '/body/customer': 'subject' };
  trail.add({ call: { operation: 'orders.find', arguments: nested, provenance: places } }, 2);
  let suggestion = trail.suggestion();
  assert.deepEqual(
    suggestion.same_subject.map(({ name, count }) => [name, count]),
    [
      ['customer', 2],
      ['customer_id', 20],
    ],
  );
  const at = () => Object.fromEntries(suggestion.operations.map((use) => [use.name, use.subject_at]));
  assert.deepEqual(at(), { 'orders.get_order': ['path.customer_id'], 'orders.find': ['body.customer'] });

  trail.add({ call: { ...own, arguments: { path: { customer_id: 'D', order_id: '7' } }, provenance: {} } });
  suggestion = trail.suggestion();
  assert.deepEqual(
    suggestion.same_subject.map(({ name }) => name),
    ['customer'],
  );
  assert.deepEqual(at(), { 'orders.get_order': [], 'orders.find': ['body.customer'] });
});

test('the subject may stand now here and now there, if it stands somewhere in every call', () => {
  const here = { arguments: { path: { customer_id: 'C' } }, provenance: { '/path/customer_id': 'subject' } };
  const there = { arguments: { body: { owner: 'C' } }, provenance: { '/body/owner': 'subject' } };
  const trail = new Trail().add({ call: here }, 10).add({ call: there }, 10);
  assert.deepEqual(trail.suggestion().operations[0]?.subject_at, ['body.owner', 'path.customer_id']);
  trail.add({ call: { arguments: { body: { note: 'x' } } } });
  assert.deepEqual(trail.suggestion().operations[0]?.subject_at, []);
});

test('limits are the largest amount and the largest sum of a task, with what the task had spent before the time looked at', () => {
  const trail = new Trail()
    .add(refund(10), 20)
    .add({ ...refund(40), taskId: 'task_1' })
    .add({ ...refund(5, {}, 900), taskId: 'task_9' });
  const limit = {
    name: 'amount_cents',
    argument: 'body.amount_cents',
    unit: 'cents',
    each: 40,
    task_sum: 905,
    seen: 22,
  };
  assert.deepEqual(trail.suggestion().operations[0]?.limits, [limit]);
  // Four of ten in each of five tasks, and forty in one of them.
  const unseen = new Trail().add(refund(10), 20).add({ ...refund(40), taskId: 'task_1' });
  assert.deepEqual(unseen.suggestion().operations[0]?.limits, []);
  assert.deepEqual(unseen.suggestion().operations[0]?.other_amounts, [{ ...limit, task_sum: 80, seen: 21 }]);
  const remember = { 'refunds.create_refund': ['body.amount_cents'] };
  assert.deepEqual(unseen.suggestion(null, remember).operations[0]?.limits, [{ ...limit, task_sum: 80, seen: 21 }]);
  // A limit on an argument that is not always there, or no whole number, would deny.
  unseen.add(refund(0.5));
  assert.deepEqual(unseen.suggestion(null, remember).operations[0]?.limits, []);
});

test('what was refused, of another purpose, or unreadable is not used', () => {
  const trail = new Trail().add({ call: own }, 20);
  trail.add({ call: { ...own, operation: 'orders.delete_order', effect: 'delete' }, refused: true }, 3);
  trail.add({ call: { ...own, effect: 'write' }, refused: true });
  trail.add({ call: { operation: 'hr.read' }, task: { purpose: 'payroll' } }, 7);
  trail.add({ text: '{"phase":"call"}' }).add({ text: 'no json' });
  const suggestion = trail.suggestion();
  assert.deepEqual(
    suggestion.operations.map(({ name, calls, refused, effects }) => [name, calls, refused, effects]),
    [['orders.get_order', 20, 1, [{ name: 'read', count: 20 }]]],
  );
  assert.deepEqual(suggestion.refused, [{ name: 'orders.delete_order', count: 3 }]);
  assert.equal(suggestion.unknown_calls, 2);
});

test('models come with what was asked for and what was answered, tasks with what they spent', () => {
  const model = { kind: 'model', route: 'planner', operation: 'planner.chat', effect: 'write', model: 'planner' };
  const tools = [{ name: 'get_order', kind: 'function' }];
  const trail = new Trail()
    .add({ call: { ...model, max_tokens: 300, tools }, costUsd: 0.001, outputTokens: 200 }, 18)
    .add(
      {
        call: { ...model, max_tokens: null },
        costUsd: 0.002,
        outputTokens: 700,
        region: 'eu-central-1',
        taskId: 'task_0',
      },
      2,
    );
  const suggestion = trail.suggestion();
  const asked = { max_tokens: 700, asked_max: 300, unlimited: 2, longest_answer: 700 };
  assert.deepEqual(suggestion.operations[0]?.model, { ...asked, tool_kinds: [{ name: 'function', count: 18 }] });
  assert.deepEqual(suggestion.regions, [
    { name: 'westeurope', count: 18 },
    { name: 'eu-central-1', count: 2 },
  ]);
  assert.deepEqual(suggestion.per_task.calls, { p50: 4, p99: 6, max: 6 });
  assert.deepEqual(suggestion.per_task.cost_micro_usd, { p50: 4000, p99: 8000, max: 8000 });
  assert.deepEqual(suggestion.per_task.seconds, { p50: 100, p99: 100, max: 100 });
});

test('what the purpose allows now and nobody used is named', () => {
  const operations = {
    'orders.get_order': { effects: ['read', 'write'], sends: 'outside' },
    'vendor.get_article': { effects: ['read'] },
  };
  const suggestion = new Trail().add({ call: own }, 20).suggestion({ return_exception: { operations } });
  assert.deepEqual(suggestion.never_used, ['orders.get_order with the effect write', 'vendor.get_article']);
  assert.match(
    yamlOf(suggestion, 'now'),
    /^#\n# Allowed now and never used:\n# {3}orders\.get_order with the effect write\n/m,
  );
  assert.equal(suggestion.operations[0]?.sends, 'outside');
});

test('fewer than twenty calls, or than five tasks, propose nothing', () => {
  const few = suggest(new Trail().add({ call: own }, 19).usage, { purposes: null, remember: new Map() });
  assert.match(
    'tooLittle' in few ? few.tooLittle : '',
    /^return_exception: .* 19 calls .* 5 tasks\. .* at least 20 calls in 5 tasks/,
  );
  const one = new Trail().add({ call: own, taskId: 'task_1' }, 100).add({ text: '{}' });
  const alone = suggest(one.usage, { purposes: null, remember: new Map() });
  assert.match(
    'tooLittle' in alone ? alone.tooLittle : '',
    /100 calls that were sent, in 1 tasks.* Of 1 calls the purpose/,
  );
});

test('parts name their wholes, and a subject that was proved is not one that was said', () => {
  const parent = { id: 'task_0', agent: 'desk', issuer: 'azure', purpose: 'whole' };
  const part = new Trail().add({ call: own, task: { parent } }, 20).suggestion();
  const block = parse(yamlOf(part, 'now')) as Record<string, Record<string, unknown>>;
  assert.deepEqual(block.return_exception?.part_of, ['whole']);
  assert.deepEqual(block.return_exception?.subject, { types: ['customer'] });
  const subject = { id: 'C', type: 'customer', claims: {}, issuer: 'shop', assurance: 'verified' };
  const proved = new Trail().add({ call: own, subject }, 20).suggestion();
  const own_block = parse(yamlOf(proved, 'now')) as Record<string, Record<string, unknown>>;
  assert.deepEqual(own_block.return_exception?.subject, { types: ['customer'], issuers: ['shop'] });
  assert.equal(own_block.return_exception?.part_of, undefined);
});

test('names that agents chose stay names: no line, no comment and no type comes out of them', () => {
  const names = [
    'yes',
    '12',
    'a: b',
    '# c',
    'x\n  evil: {}',
    'spiffe://a/b',
    'e\u2028f',
    '[g]',
    "h'i",
    '*j',
    '',
    '- k',
    '1.5',
    '~',
  ];
  const purpose = 'odd\npurpose: {}';
  const trail = new Trail(purpose);
  for (const [index, name] of names.entries()) {
    const body = { [name]: 3, [`${name} id`]: 'C' };
    const provenance = { [`/body/${name.replaceAll('~', '~0').replaceAll('/', '~1')} id`]: 'subject' };
    const call = { ...refund(1, body).call, operation: `o.${name}`, provenance };
    trail.add({ call, agent: name === '' ? 'nobody' : name, taskId: `task_${index}`, task: { purpose } }, 2);
  }
  const text = yamlOf(trail.suggestion(), 'now');
  const read = parse(text) as Record<string, { agents: string[]; operations: object; same_subject: string[] }>;
  assert.deepEqual(Object.keys(read), [purpose]);
  const sorted = (list: readonly string[] | undefined) => [...(list ?? [])].sort();
  assert.deepEqual(sorted(read[purpose]?.agents), sorted(names.map((name) => (name === '' ? 'nobody' : name))));
  assert.deepEqual(sorted(Object.keys(read[purpose]?.operations ?? {})), sorted(names.map((name) => `o.${name}`)));
  assert.deepEqual(sorted(read[purpose]?.same_subject), sorted(names.map((name) => `${name} id`)));
});
