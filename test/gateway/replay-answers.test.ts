/** Answers are kept as they were decided on, and decided again: whole, refused, streamed, or too long to be kept. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { bundleAt, replayOn, responseRules } from './replay-bundles.ts';
import { type OpenedTask, World } from './world.ts';

describe('answers in replay', part('opa'), () => {
  let world: World;
  let folder = '';
  let task: OpenedTask;
  /** Hides what is found in answers, so that the answer is another once it has been decided on. */
  const reading = `
deny contains {"code": "sold_out", "message": "There is none."} if input.response.body.stock < 1

deny contains {"code": "no_streams", "message": "Not in pieces."} if startswith(input.response.headers["content-type"], "text/event-stream; never")
`;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tollgate-answers-'));
    const rules = responseRules.replace('"reasons": [reason', '"obligations": {"redact": [{}]}, "reasons": [reason');
    const bundle = await bundleAt(join(folder, 'reading'), { response: reading });
    await writeFile(join(bundle, 'tollgate/response/decision.rego'), rules + reading);
    world = await World.open({ config: { policy: { bundle }, audit: { payload_bytes: 4096 } } });
    world.orders.reply = (request, response) => {
      const id = Number(request.url?.split('/').at(-1));
      const note = id === 9 ? 'long '.repeat(2000) : 'mail jane@example.com';
      const body = JSON.stringify({ stock: id, note, number: 2 });
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    };
    task = await world.task();
    for (const stock of [0, 1, 2, 3, 9]) await world.fetch(`/tools/orders/orders/${stock}`, task.token);
    await (await world.chat(task.token, { stream: true })).text();
    await (await world.chat(task.token)).text();
    await world.events({ limit: '1' });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    if (folder !== '') await rm(folder, { recursive: true });
  });

  const kept = async () => {
    const answer = await world.admin(`/audit/tasks/${task.id}/payloads?kind=answer_input`);
    return ((await answer.json()) as { payloads: { text: string }[] }).payloads.map(({ text }) => JSON.parse(text));
  };

  test('[audit.answers-are-kept] an answer is kept as it was decided on, redacted, also where it was refused or streamed', async () => {
    const answers = await kept();
    assert.equal(answers.length, 7);
    const [soldOut, one, , , long, streamed, whole] = answers;
    assert.deepEqual([soldOut.decision.allow, soldOut.decision.reasons[0].code], [false, 'sold_out']);
    assert.deepEqual(soldOut.response.body, { stock: 0, note: 'mail [email]', number: 2 });
    assert.deepEqual([one.decision.allow, one.decision.obligations], [true, { redact: [{}] }]);
    assert.deepEqual(
      one.response.findings.map(({ type, where }: { type: string; where: string }) => [type, where]),
      [['email', '/note']],
    );
    // Too long to be kept, it is left off whole, and what else there is stays readable.
    assert.deepEqual([long.cut, long.response.body, long.response.status], [['response.body'], undefined, 200]);
    assert.deepEqual([streamed.response.body, streamed.left_out, streamed.cut], [undefined, undefined, undefined]);
    assert.match(streamed.response.headers['content-type'], /^text\/event-stream/);
    assert.equal(whole.response.body.choices[0].message.content, 'hello back');
    assert.equal(JSON.stringify(answers).includes('jane@'), false);
  });

  test('[policy.replay-decides-answers] exactly the answers are found that other rules would have let pass or not', async () => {
    const inForce = await replayOn(world, folder, { response: reading });
    // The candidate obliges to nothing: of what is let pass, that is what changes.
    assert.deepEqual(
      inForce.groups.map(({ phase, change, rules, operation, count }) => [phase, change, rules, operation, count]),
      [
        ['response', 'obligations', ['obligation:redact'], 'orders.get_order', 3],
        ['response', 'obligations', ['obligation:redact'], 'gpt.chat', 2],
      ],
    );
    assert.deepEqual([inForce.decided_answers, inForce.uncertain.cut], [6, 1]);
    const stricter = await replayOn(world, folder, { response: reading.replace('stock < 1', 'stock in {0, 2, 3}') });
    assert.deepEqual(
      stricter.groups.map(({ change, rules, count }) => [change, rules, count]),
      [
        ['allow_to_deny', ['sold_out'], 2],
        ['obligations', ['obligation:redact'], 2],
        ['obligations', ['obligation:redact'], 1],
      ],
    );
    const events = await world.events({ operation: 'orders.get_order', type: 'intent' });
    assert.deepEqual(
      stricter.groups[0]?.examples.map(({ call }) => call),
      [events[2]?.call, events[3]?.call],
    );
    const laxer = await replayOn(world, folder, {});
    assert.deepEqual(laxer.by_change, [
      { name: 'obligations', count: 6 },
      { name: 'deny_to_allow', count: 1 },
    ]);
    // Without the body even the long answer can be decided.
    assert.deepEqual([laxer.decided_answers, laxer.uncertain.cut, laxer.rebuilt], [7, 0, 0]);
  });
});
