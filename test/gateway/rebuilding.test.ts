/**
 * What a lean policy never saw is put back for one that asks for more, exactly as the gate would have built it. The gate's own parts say what each input would have been, out of the very call.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AuditEvent } from '../../src/audit/event.ts';
import { type RecordedInput, RecordedTrail } from '../../src/audit/recorded.ts';
import type { Json, JsonObject, Underway } from '../../src/call.ts';
import { callInput, type GatewayFacts, type JudgedCall, provenanceOf } from '../../src/policy/input.ts';
import { inputParts, wholeInput } from '../../src/policy/input-parts.ts';
import { Rebuilding } from '../../src/policy/replay/rebuilding.ts';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { bundleAt, type Rules, replayOn } from './replay-bundles.ts';
import { type OpenedTask, World } from './world.ts';

/** What the policy would have seen of a call if nothing had been left out. */
function wholeInputOf(call: Underway): JsonObject {
  const { decision, entry, proposed } = call;
  assert.ok(decision !== undefined && entry !== undefined && proposed?.args !== undefined);
  const { gateway, time } = decision.input as { gateway: JsonObject; time: { unix_ms: number } };
  const input = callInput(call as JudgedCall, gateway as unknown as GatewayFacts, time.unix_ms);
  const { subject } = entry.task.record;
  const provenance = provenanceOf(proposed.args, subject, entry.thought);
  const whole = { ...input, call: { ...(input.call as JsonObject), arguments: proposed.args, provenance } };
  return JSON.parse(JSON.stringify(whole)) as JsonObject;
}

describe('inputs that were built in part', part('opa'), () => {
  let world: World;
  let folder = '';
  let task: OpenedTask;
  const calls = new Map<string, Underway>();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tollgate-rebuilding-'));
    world = await World.open({
      config: {
        policy: { bundle: await bundleAt(join(folder, 'lean'), {}) },
        task: { loop: { repeats: 49, failures_in_a_row: 100 }, budget: { cost_usd: 1, calls: 1000 } },
      },
      rows: { orders: { operations: { create_refund: { remember: ['body.amount_cents', 'body.note'] } } } },
      alterRooms: (rooms) => ({
        ...rooms,
        settlement: {
          ...rooms.settlement,
          audit: async (call, outcome) => {
            if (call.decision !== undefined) calls.set(call.id, call);
            await rooms.settlement.audit(call, outcome);
          },
        },
      }),
    });
    world.orders.reply = async (request, response) => {
      if (request.url?.includes('slow')) await new Promise((done) => setTimeout(done, 60));
      const status = request.url?.includes('missing') ? 404 : request.url?.includes('broken') ? 500 : 200;
      response.writeHead(status, { 'content-type': 'application/json' }).end('{"stock": 3, "of": "[email]"}');
    };
    world.model.reply = chatReply({
      text: 'a call of mine',
      toolCalls: [{ id: 'x1', name: 'get_order', arguments: '{"order_id":"C-7"}' }],
    });
    await play();
    await world.events({ limit: '1' });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    if (folder !== '') await rm(folder, { recursive: true });
  });

  const get = (token: string, id: string, method = 'GET') =>
    world.fetch(`/tools/orders/orders/${id}`, token, { method }).then((answer) => answer.text());

  /** Every kind of end, side by side and one after the other, longer than the history that a policy sees. */
  async function play(): Promise<void> {
    const plan = [{ operation: 'orders.*' }, { operation: 'gpt.chat' }];
    const subject = { id: 'C-1', type: 'customer' };
    task = await world.task({ subject, labels: { shop: 'web' }, plan, tools: ['orders.*', 'gpt.*'] });
    const { token } = task;
    const tools = [{ type: 'function', function: { name: 'get_order', parameters: {} } }];
    await (await world.chat(token, { tools })).text();
    await (await world.chat(token, { stream: true, max_tokens: 60 })).text();
    await get(token, 'C-7');
    await get(token, 'C-1');
    await get(token, 'C-1', 'DELETE');
    await Promise.all([
      get(token, 'slow-1'),
      get(token, 'slow-2'),
      world.refund(token, 10, { note: 'side by side' }),
      get(token, 'slow-3'),
      get(token, 'C-1', 'DELETE'),
      world.refund(token, 20),
      get(token, 'slow-4'),
    ]);
    await get(token, 'missing');
    await get(token, 'broken');
    await world.refund(token, 30, { note: 'mail jane@example.com' });
    for (let index = 0; index < 50; index++) await get(token, `C-${index}`);
    await world.refund(token, 40, { note: 'the last' });
    const other = await world.task({ tools: ['orders.get_order'] });
    await get(other.token, 'C-3');
    await world.refund(other.token, 5);
    await get(other.token, 'C-4');
    // Somebody whose id is not kept in clear: whose address stands where is known all the same.
    const jane = await world.task({ subject: { id: 'jane@example.com', type: 'customer' } });
    await get(jane.token, 'jane@example.com');
    await world.refund(jane.token, 5, { note: 'jane@example.com' });
    await world.refund(jane.token, 5, { note: 'joan@example.com' });
  }

  const events = (types: readonly AuditEvent['type'][]) => {
    using trail = new RecordedTrail(world.gate.dataDir);
    return [...trail.pages({ fromMs: 0, types })].flat();
  };

  test('[policy.replay-rebuilds] each input is put back member by member as the gate would have built it', () => {
    using trail = new RecordedTrail(world.gate.dataDir);
    const rebuilding = new Rebuilding(trail, wholeInput);
    let compared = 0;
    let pendingSeen = 0;
    for (const { event, input } of [...trail.pages({ fromMs: 0, types: ['intent', 'denial'] })].flat()) {
      const call = calls.get(event.call ?? '');
      assert.ok(call !== undefined && input.state === 'kept', event.operation ?? '');
      const asSeen = JSON.parse(input.text) as { left_out: string[]; task: JsonObject; call: JsonObject };
      assert.deepEqual(asSeen.left_out, inputParts.filter((name) => !name.startsWith('response.')).sort());
      assert.deepEqual(
        [asSeen.task.history, asSeen.task.counts, asSeen.call.arguments],
        [undefined, undefined, undefined],
      );
      const rebuilt = rebuilding.input(event, input.text);
      const whole = wholeInputOf(call) as {
        task: { history: { state: string; facts: JsonObject }[] };
        call: JsonObject;
      };
      assert.deepEqual(rebuilt?.missing, []);
      pendingSeen += Number(whole.task.history.some(({ state }) => state === 'pending'));
      const expected = JSON.parse(
        JSON.stringify(whole).replaceAll(/j(?:ane|oan)(?:@|%40)example.com/g, '[email]'),
      ) as Record<string, Json>;
      assert.deepEqual(JSON.parse(JSON.stringify(rebuilt?.document)), expected);
      compared += 1;
    }
    assert.equal(compared, calls.size);
    assert.ok(compared > 65 && pendingSeen >= 5, `${compared}, ${pendingSeen}`);
  });

  test('the order in which calls were written down, and when they were read, changes nothing', () => {
    const found = events(['intent', 'denial']);
    using trail = new RecordedTrail(world.gate.dataDir);
    const forward = new Rebuilding(trail, wholeInput);
    const backward = new Rebuilding(trail, wholeInput);
    const of = (rebuilding: Rebuilding, { event, input }: { event: AuditEvent; input: RecordedInput }) =>
      'text' in input ? rebuilding.input(event, input.text)?.document : undefined;
    const once = found.map((row) => of(forward, row));
    assert.deepEqual(
      found.toReversed().map((row) => of(backward, row)),
      once.toReversed(),
    );
  });

  const replay = (rules: Rules, ...more: string[]) => replayOn(world, folder, rules, ...more);

  test('the policies in force change nothing, and ask for nothing to be put back', async () => {
    const report = await replay({}, '--fail-on-change');
    const answered = events(['outcome']).length;
    assert.deepEqual([report.changed, report.rebuilt, report.decided_answers], [0, 0, answered]);
    assert.deepEqual([report.uncertain.left_out, report.uncertain.undecided_rate], [{}, 0]);
    assert.equal(report.refused_by_gate, 1);
  });

  test('a candidate that looks at history, counts, labels and arguments flips exactly the calls it would have denied', async () => {
    const report = await replay({
      call: `
deny contains {"code": "sum_over_limit", "message": "Too much."} if {
	input.task.labels.desk == "north"
	spent := object.get(input.task.counts, [input.call.operation, "sums", "body.amount_cents"], 0)
	spent + input.call.arguments.body.amount_cents > 60
}

deny contains {"code": "after_a_failure", "message": "It failed a moment ago."} if {
	count(input.task.history) > 0
	input.task.history[count(input.task.history) - 1].status == 500
}
`,
    });
    assert.deepEqual([report.uncertain.left_out, report.uncertain.undecided_rate], [{}, 0]);
    assert.ok(report.rebuilt > 65, String(report.rebuilt));
    const refunds = events(['intent']).filter(({ event }) => event.operation === 'orders.create_refund');
    const [small, large] = report.groups;
    // 10 + 20 + 30 are within the limit, 40 more are not; what followed the 500 is the refund of 30.
    assert.deepEqual(
      report.groups.map(({ phase, change, rules, count, examples }) => [
        phase,
        change,
        rules,
        count,
        examples[0]?.call,
      ]),
      [
        ['call', 'allow_to_deny', ['after_a_failure'], 1, refunds[2]?.event.call],
        ['call', 'allow_to_deny', ['sum_over_limit'], 1, refunds[3]?.event.call],
      ],
      JSON.stringify([small, large]),
    );
  });

  test('answers are decided again, and what was not kept of them is said', async () => {
    const strict = await replay({
      response: `
deny contains {"code": "broken_there", "message": "It is broken."} if input.response.status == 500
`,
    });
    assert.deepEqual(
      strict.groups.map(({ phase, change, rules, count }) => [phase, change, rules, count]),
      [['response', 'allow_to_deny', ['broken_there'], 1]],
    );
    const reading = await replay({
      response: `
deny contains {"code": "sold_out", "message": "There is none."} if input.response.body.stock < 1
`,
    });
    // Of a stream there is no body, so that none is missing.
    const answered = events(['outcome']).length;
    assert.deepEqual(reading.uncertain.left_out, { 'response.body': answered - 1 });
    assert.equal(reading.uncertain.left_out_decisions, answered - 1);
    assert.equal(reading.decided_answers, 1);
  });

  test('what an answer was decided on is shown with the payloads of its task, and erased with them', async () => {
    const one = await world.task();
    await get(one.token, 'missing');
    const read = async () => {
      const answer = await world.admin(`/audit/tasks/${one.id}/payloads?kind=answer_input`);
      return ((await answer.json()) as { payloads: { text: string }[] }).payloads.map(({ text }) => JSON.parse(text));
    };
    const [kept, ...none] = await read();
    assert.equal(none.length, 0);
    assert.deepEqual(
      [kept.response, kept.left_out],
      [{ status: 404, findings: [] }, ['response.body', 'response.headers']],
    );
    assert.deepEqual([kept.decision.allow, kept.decision.reasons[0].code], [false, 'refused_there']);
    const body = JSON.stringify({ reason: 'asked for' });
    const headers = { 'content-type': 'application/json' };
    const erased = await world.admin(`/audit/tasks/${one.id}/payloads`, { method: 'DELETE', headers, body });
    assert.equal(erased.status, 200, await erased.text());
    assert.deepEqual(await read(), []);
    const report = await replay({});
    assert.equal(report.uncertain.answers_not_recorded, 1);
    assert.equal(report.changed, 0);
  });
});
