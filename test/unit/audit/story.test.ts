import assert from 'node:assert/strict';
import { test } from 'node:test';
import { event, openTrail } from './fixture.ts';

const task = 'task_1';

test('a story puts the actions under the thought that led to them, and calls as one entry each', async (t) => {
  const { trail } = await openTrail(t, {
    kindOf: (operation) => (operation.endsWith('.chat') || operation.endsWith('.embeddings') ? 'model' : 'tool'),
  });
  const append = (over: Parameters<typeof event>[0]) => trail.append(event({ task, ...over }), { durable: true });
  const decision = { id: 'dec_1', allow: true, reasons: [], obligations: {}, bundle: 'tollgate', revision: 'r7' };
  const refusal = { ...decision, allow: false, reasons: [{ code: 'policy_denied', message: 'No.' }] };

  await append({ type: 'task', operation: 'task.create', status: 201 });
  await append({ type: 'intent', call: 'c1', operation: 'gpt.chat', decision });
  await append({ type: 'outcome', call: 'c1', operation: 'gpt.chat', decision, cost_usd: 0.01, status: 200 });
  await append({ type: 'thought', call: 'c1', thought: 'tht_1', match: 'observed', operation: 'gpt.chat' });
  // Two actions of one thought, running at once.
  await append({ type: 'intent', call: 'c2', thought: 'tht_1', match: 'exact', operation: 'orders.get', decision });
  await append({ type: 'intent', call: 'c3', thought: 'tht_1', match: 'changed', operation: 'risk.assess', decision });
  await append({
    type: 'outcome',
    call: 'c3',
    thought: 'tht_1',
    operation: 'risk.assess',
    decision,
    cost_usd: 0,
    status: 502,
  });
  await append({
    type: 'outcome',
    call: 'c2',
    thought: 'tht_1',
    operation: 'orders.get',
    decision,
    cost_usd: 0,
    status: 200,
  });
  await append({
    type: 'denial',
    call: 'c4',
    thought: 'tht_1',
    match: 'name',
    operation: 'orders.delete',
    decision: refusal,
    status: 403,
  });
  await append({ type: 'intent', call: 'c5', operation: 'refunds.create', decision });
  await append({ type: 'intent', call: 'c6', operation: 'gpt.embeddings', decision });
  await append({ type: 'interrupted', call: 'c6', operation: 'gpt.embeddings', decision });

  const story = await trail.story(task);
  assert.equal(story?.task, task);
  assert.deepEqual(
    story?.entries.map(({ kind, operation, status, cost_usd }) => [kind, operation, status, cost_usd]),
    [
      ['event', 'task.create', 201, null],
      ['thought', 'gpt.chat', 200, 0.01],
      ['action', 'refunds.create', null, null],
      ['event', 'gpt.embeddings', null, null],
    ],
  );
  const thought = story?.entries[1];
  assert.equal(thought?.thought_id, 'tht_1');
  assert.equal(thought?.match, 'observed');
  assert.equal(thought?.decision?.revision, 'r7');
  assert.deepEqual(
    thought?.children?.map(({ kind, call_id, match, status, decision: said }) => [
      kind,
      call_id,
      match,
      status,
      said?.allow,
    ]),
    [
      ['action', 'c2', 'exact', 200, true],
      ['action', 'c3', 'changed', 502, true],
      ['denial', 'c4', 'name', 403, false],
    ],
  );
});

test('a task of which nothing is known has no story, and an action of a thought elsewhere stands by itself', async (t) => {
  const { trail } = await openTrail(t);
  assert.equal(await trail.story(task), undefined);
  await trail.append(event({ task, type: 'intent', call: 'c1', thought: 'tht_x', match: 'exact' }), { durable: true });
  const story = await trail.story(task);
  assert.deepEqual(
    story?.entries.map(({ kind, thought_id }) => [kind, thought_id]),
    [['action', 'tht_x']],
  );
});
