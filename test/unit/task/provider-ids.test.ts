import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Target, TaskRecord } from '../../../src/call.ts';
import { givenBy, givenIdsMax, namedThings, withGivenIds } from '../../../src/task/provider-ids.ts';

const key = Buffer.alloc(32, 7).toString('base64url');
const targetOf = (route: string, name: string) => ({ route, name }) as Target;
const recordWith = (...given: readonly (readonly [target: Target, ids: readonly string[]])[]) =>
  given.reduce((record, [target, ids]) => withGivenIds(record, givenBy(target, key, ids, null)), {
    digestKey: key,
  } as TaskRecord);
const named = (...ids: readonly string[]) => ids.map((id, index) => ({ where: `/${index}`, id }));

test('an id is good in the task that got it, and at the targets that gave it', () => {
  const [one, two, other] = [targetOf('gpt', 'one'), targetOf('gpt', 'two'), targetOf('gpt-mini', 'one')];
  const record = recordWith([one, ['a', 'b']], [two, ['b', 'c']], [other, ['d']]);
  assert.equal(namedThings(record, 'gpt', []), undefined);
  const rows = [
    [['a'], [], ['one']],
    [['b'], [], ['one', 'two']],
    [['b', 'c'], [], ['two']],
    [['a', 'c'], [], []],
    [['d'], [], []],
    [['a', 'unheard of'], ['/1'], ['one']],
  ] as const;
  for (const [ids, foreign, targets] of rows) {
    assert.deepEqual(
      namedThings(record, 'gpt', named(...ids)),
      foreign.length > 0 ? { foreign, targets } : { foreign, targets, tokens: 0 },
      ids.join(),
    );
  }
  assert.deepEqual(namedThings({ digestKey: key }, 'gpt', named('a'))?.foreign, ['/0']);
});

test('what is named is as long as what the provider counted when it gave it, where that is known of all', () => {
  const target = targetOf('gpt', 'one');
  const counted = givenBy(target, key, ['a', 'b'], { inputTokens: 100, outputTokens: 7, cachedInputTokens: 0 });
  const record = withGivenIds(recordWith([target, ['uncounted']]), counted);
  const answer = (id: string) => ({ where: `/${id}`, id, standsFor: 'answer' as const });
  const whole = { where: '/a', id: 'a', standsFor: 'conversation' as const };
  assert.equal(namedThings(record, 'gpt', [whole])?.tokens, 107);
  assert.equal(namedThings(record, 'gpt', [answer('a'), answer('b')])?.tokens, 14);
  assert.equal(namedThings(record, 'gpt', [answer('a'), answer('uncounted')])?.tokens, undefined);
});

test('a record holds no id, only digests under the key of its task', () => {
  const record = recordWith([targetOf('gpt', 'one'), ['resp_secret']]);
  assert.ok(!JSON.stringify(record.givenIds).includes('secret'));
  const stolen = { digestKey: Buffer.alloc(32, 8).toString('base64url'), givenIds: record.givenIds ?? [] };
  assert.deepEqual(namedThings(stolen, 'gpt', named('resp_secret'))?.foreign, ['/0']);
});

test('the last ones are remembered, and one that comes again is new', () => {
  const target = targetOf('gpt', 'one');
  const many = Array.from({ length: givenIdsMax }, (_, index) => `id_${index}`);
  const record = recordWith([target, ['first']], [target, many], [target, ['id_0', 'last']]);
  assert.equal(record.givenIds?.length, givenIdsMax);
  const foreign = namedThings(record, 'gpt', named('first', 'id_0', 'id_1', 'id_255', 'last'))?.foreign;
  assert.deepEqual(foreign, ['/0', '/2']);
});
