import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KeptAnswer } from '../../../src/cache/kept.ts';
import type { CacheConfig } from '../../../src/cache/section.ts';
import { type CacheStageParts, cacheStage } from '../../../src/cache/stage.ts';
import type { Admitted, CacheFact, JsonObject, Obligations, Target, TaskRecord } from '../../../src/call.ts';
import { newId } from '../../../src/clock.ts';
import { isDenial } from '../../../src/denial.ts';
import { endState } from '../../../src/outcome.ts';
import { isDeterministic } from '../../../src/wire/deterministic.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeOperation, fakeTask } from '../../fakes/task.ts';
import { intendedCall } from '../audit/fixture.ts';

const config: CacheConfig = {
  ...{ enabled: true, entry_bytes: 1_000, total_bytes: 100_000, ttl_seconds_max: 600, namespace: '' },
};
const chat = fakeOperation('gpt.chat', { kind: 'model', effect: 'write', reads: [] });
const targetOf = (over: Partial<Target> = {}) =>
  ({
    name: 'one',
    provider: 'openai',
    api: 'openai',
    region: 'eu',
    cloud: 'c',
    url: 'u',
    model: 'm',
    ...over,
  }) as Target;
const request = { messages: [{ role: 'user', content: 'hi' }], temperature: 0 };

interface Shape {
  readonly document?: JsonObject;
  readonly headers?: Record<string, string>;
  readonly stream?: boolean;
  readonly obligations?: Obligations;
  readonly decision?: Partial<Admitted['decision']>;
  readonly record?: Partial<TaskRecord>;
  readonly over?: Partial<Admitted>;
  readonly parts?: Partial<CacheStageParts>;
  readonly targets?: readonly Target[];
}

function setUp() {
  const clock = new ManualClock();
  const kept = new Map<string, KeptAnswer>();
  const asked: string[] = [];
  const answers = {
    keyOf: (...texts: string[]) => JSON.stringify(texts),
    find: async (key: string) => {
      asked.push(key);
      return kept.get(key);
    },
    put: async (key: string, answer: KeptAnswer) => kept.set(key, answer) === kept,
  };
  const look = async (shape: Shape = {}): Promise<CacheFact['cache']> => {
    const { document = request, headers = {}, stream = false, obligations = {}, targets = [targetOf()] } = shape;
    const base = intendedCall(clock, { operation: chat, record: { ...fakeTask(), ...shape.record } });
    const payload = {
      ...base.resolved.payload,
      ...{ stream, document: () => document, encode: () => ({ method: 'POST', path: '/p', headers, body: null }) },
      model: { name: 'gpt', maxTokens: 5, tools: [], promptTokensMax: 1, choices: 1 },
    };
    const call = {
      ...base,
      ...{ resolved: { operation: chat, payload }, inspection: { findings: [] } },
      decision: { ...base.decision, obligations: { cache: { ttl_seconds: 60 }, ...obligations }, ...shape.decision },
      ...shape.over,
    };
    const stage = cacheStage({
      ...{ answers, config, clock, region: 'eu', targetsOf: () => targets, stageMs: 1_000, faulted: () => undefined },
      ...shape.parts,
    });
    const given = await stage.admit(call);
    assert.ok(!isDenial(given) && stage.gives.cache(given.cache));
    return given.cache;
  };
  const keep = (key: string, over: Partial<KeptAnswer> = {}) =>
    kept.set(key, {
      ...{ callId: newId(clock, 'call'), target: 'one', storedAtMs: clock.nowMs(), costMicroUsd: 1 },
      ...{ head: { status: 200, headers: {} }, body: Buffer.from('{}') },
      ...over,
    });
  return { clock, look, keep, asked };
}

describe('what is looked up', () => {
  test('[cache.never-across] whatever differs between two calls, they are not equal', async () => {
    const { look, asked } = setUp();
    const { decision } = intendedCall(new ManualClock());
    const base = { ...fakeTask() };
    const subject = { id: 's', type: 'customer', claims: {}, assurance: 'asserted' as const };
    const shapes: Shape[] = [
      {},
      { record: { tenant: 'another' } },
      { record: { subject } },
      { record: { subject: { ...subject, assurance: 'verified', issuer: 'shop' } } },
      { record: { subject: { ...subject, assurance: 'verified', issuer: 'other' } } },
      { record: { subject: { ...subject, type: 'employee' } } },
      { record: { subject: { ...subject, id: 't' } } },
      { record: { purpose: `${base.purpose} else` } },
      { record: { taint: ['untrusted'] } },
      { record: { regions: [['eu', 'us']] } },
      { decision: { content: 'other' } },
      { decision: { bundle: `${decision.bundle} else` } },
      { decision: { alsoBy: 'newer' } },
      { obligations: { mark: { a: 1 } } },
      { obligations: { max_tokens: { value: 5, on_excess: 'lower' } } },
      { obligations: { taint: ['seen'] } },
      { over: { surface: 'other' } },
      { stream: true },
      { headers: { 'anthropic-version': '2023-06-01' } },
      { document: { ...request, seed: 1 } },
      { targets: [targetOf({ region: 'us' })] },
      { targets: [targetOf({ model: 'newer' })] },
      { targets: [targetOf({ url: 'elsewhere' })] },
      { targets: [targetOf({ apiVersion: '2024-10-21' })] },
      { targets: [targetOf({ headers: { 'anthropic-beta': 'x' } })] },
      { targets: [targetOf(), targetOf({ name: 'two' })] },
      { parts: { config: { ...config, namespace: 'b' } } },
    ];
    for (const shape of shapes) assert.equal((await look(shape)).state, 'miss', JSON.stringify(shape));
    // Two of each: for the task alone, and for the subject.
    assert.equal(asked.length, 2 * shapes.length);
    assert.equal(new Set(asked.map((key) => key)).size, asked.length);
    await look({ obligations: { cache: { ttl_seconds: 5 } } });
    await look({ document: { temperature: 0, messages: request.messages } });
    assert.equal(
      new Set(asked).size,
      2 * shapes.length,
      'how long it may be kept, and the order of members, do not count',
    );
  });

  test('what is about private data is looked up for its task alone', async () => {
    const { look, asked } = setUp();
    const found = [{ type: 'email', count: 1, where: '/x', confidence: 1 }];
    await look({ record: { taint: ['private'] } });
    await look({ obligations: { taint: ['private'] } });
    await look({ over: { inspection: { findings: found } } });
    assert.equal(asked.length, 3);
    assert.ok(asked.every((key) => key.includes('"task"')));
  });

  test('an answer is a hit while its time lasts, and the target it came from may be reached', async () => {
    const { clock, look, keep, asked } = setUp();
    await look();
    const [own = '', shared = ''] = asked;
    for (const key of [own, shared]) {
      keep(key);
      const hit = await look();
      assert.ok(hit.state === 'hit' && hit.kept.attempt.sent === false && hit.kept.answer.target.name === 'one');
      keep(key, { target: 'gone' });
      assert.equal((await look()).state, 'miss');
    }
    keep(shared);
    assert.equal((await look({ over: { caching: 'refresh' } })).state, 'miss');
    await clock.advance(59_000);
    assert.equal((await look()).state, 'hit');
    assert.equal(
      (await look({ obligations: { cache: { ttl_seconds: 59 } } })).state,
      'miss',
      'the grant of now counts',
    );
    await clock.advance(1_000);
    assert.equal((await look()).state, 'miss');
    keep(shared, { storedAtMs: clock.nowMs() + 5_000 });
    const ahead = await look();
    assert.ok(ahead.state === 'hit' && ahead.kept.ageMs === 0, 'another gateway has a clock that is ahead');
  });

  test('why nothing is looked up, and that a fault refuses nothing', async () => {
    const { look, asked } = setUp();
    const cases: readonly [string, Shape][] = [
      ['disabled', { parts: { config: { ...config, enabled: false } } }],
      ['secret_missing', { parts: { answers: null } }],
      ['bypassed', { over: { caching: 'bypass' } }],
      ['not_deterministic', { document: { ...request, temperature: 1 } }],
      ['region', { obligations: { regions: ['us-*'] } }],
      ['region', { record: { regions: [['us']] } }],
      ['fault', { parts: { targetsOf: () => assert.fail('a bug') } }],
    ];
    for (const [why, shape] of cases) assert.deepEqual(await look(shape), { state: 'unused', why });
    assert.deepEqual(await look({ decision: { obligations: {} } }), { state: 'not_granted' });
    assert.deepEqual(asked, []);
  });
});

test('a request is deterministic if it samples nothing, and nothing acts or remembers outside the gate', () => {
  const judged = (id: string, document: JsonObject, kinds: readonly string[] = [], kind: 'model' | 'tool' = 'model') =>
    isDeterministic(
      { kind, name: `my.route.${id}`, route: 'my.route' },
      {
        document: () => document,
        model: {
          ...{ name: 'my.route', maxTokens: null, promptTokensMax: 1, choices: 1 },
          tools: kinds.map((toolKind) => ({ name: 'x', kind: toolKind })),
        },
      },
    );
  const cold = { temperature: 0 };
  const yes: readonly Parameters<typeof judged>[] = [
    ['chat', { ...cold, seed: 1, n: 1 }, ['function', 'custom']],
    ['messages', cold, ['function']],
    ['responses', { ...cold, store: false }],
    ['embeddings', {}],
  ];
  const no: readonly Parameters<typeof judged>[] = [
    ['chat', {}],
    ['chat', { temperature: 0.01 }],
    ['chat', { temperature: '0' }],
    ['chat', { ...cold, n: 2 }],
    ['chat', { ...cold, store: true }],
    ['chat', cold, ['function', 'web_search']],
    ['chat', cold, ['field:unheard_of']],
    ['messages', cold, ['beta:something']],
    ['responses', cold],
    ['responses', { ...cold, store: true }],
    ['embeddings', {}, ['field:unheard_of']],
    ['images', cold],
    ['count_tokens', cold],
    ['chat', cold, [], 'tool'],
  ];
  for (const request of yes) assert.equal(judged(...request), true, JSON.stringify(request));
  for (const request of no) assert.equal(judged(...request), false, JSON.stringify(request));
});

test('a call that got a kept answer is done, for its task, also where the answer did not pass', () => {
  const attempts = [{ status: 200, sent: false }];
  assert.deepEqual([endState({ denial: null, attempts }), endState({ denial: {}, attempts })], ['done', 'done']);
  assert.equal(endState({ denial: {}, attempts: [] }), 'denied');
});
