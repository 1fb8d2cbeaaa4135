import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketOf, buckets, inCanary } from '../../../../src/policy/rollout/share.ts';

const principals = Array.from({ length: 20_000 }, (_, index) => ({
  issuer: index % 2 === 0 ? 'azure' : 'aws',
  agent: `agent-${index % 100}`,
  subject: index % 7 === 0 ? null : `C-${index}`,
}));

test('[policy.canary-is-steady] a higher percent only adds to who is in', () => {
  let before = new Set<number>();
  for (const percent of [0, 0.01, 1, 5, 30, 30.5, 99.99, 100]) {
    const now = new Set(
      principals.keys().filter((index) => inCanary(bucketOf('rol_1', principals[index] as never), percent)),
    );
    assert.ok(before.isSubsetOf(now), `${percent} %`);
    before = now;
  }
  assert.equal(before.size, principals.length);
});

test('the share of principals is the percent, and 0 is nobody', () => {
  const distinct = new Set(principals.map((principal) => JSON.stringify(principal)));
  for (const percent of [0, 1, 30, 100]) {
    const found = [...distinct].filter((text) => inCanary(bucketOf('rol_2', JSON.parse(text)), percent)).length;
    assert.ok(Math.abs(found / distinct.size - percent / 100) < 0.01, `${percent} %: ${found} of ${distinct.size}`);
  }
});

test('two decimals count exactly, whatever floating point makes of them', () => {
  for (let bucket = 0; bucket < buckets; bucket++) {
    const percent = Number((bucket / 100).toFixed(2));
    assert.equal(inCanary(bucket, percent), false, `${percent} %`);
    assert.equal(inCanary(bucket, Number(((bucket + 1) / 100).toFixed(2))), true);
  }
});

test('a bucket follows from the rollout, the issuer, the agent and the subject, and no two are run together', () => {
  const one = { issuer: 'azure', agent: 'a', subject: 'b' };
  assert.equal(bucketOf('rol_1', one), bucketOf('rol_1', { ...one }));
  const others = [
    ['rol_2', one],
    ['rol_1', { ...one, issuer: 'aws' }],
    ['rol_1', { issuer: 'azure', agent: 'a","b', subject: null }],
    ['rol_1', { issuer: 'azure', agent: 'ab', subject: '' }],
    ['rol_1', { ...one, subject: null }],
  ] as const;
  const found = new Set([bucketOf('rol_1', one), ...others.map(([id, whom]) => bucketOf(id, whom))]);
  assert.equal(found.size, others.length + 1);
});
