/** Decisions that wait to be written down were bounded by their number alone: four thousand large inputs were held. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decidedOn, logOn } from '../unit/policy/report/decided.ts';

test('decisions that wait are bounded by what they weigh', async (t) => {
  const { log, until } = await logOn(t, { settings: { upload_bytes: 4_194_304 } });
  const text = 'x'.repeat(1_000_000);
  for (let count = 0; count < 200; count++) log.record(decidedOn({ text, many: [[], {}, 1] }));
  const { dropped } = log.counts();
  assert.ok(log.waiting <= 68, `${log.waiting} wait`);
  assert.equal(dropped.backlog, 200 - log.waiting);
  for (let count = 0; count < 200; count++) log.record(decidedOn({ small: 'x' }));
  assert.ok(log.counts().dropped.backlog <= dropped.backlog + 1);
  await until(() => log.waiting === 0, 'what stayed is reported, or dropped for the buffer');
  for (let count = 0; count < 60; count++) log.record(decidedOn({ text }));
  assert.ok(log.counts().dropped.backlog <= dropped.backlog + 1);
});
