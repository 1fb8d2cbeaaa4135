/**
 * Responses that a client takes for kept at the provider, over a whole gate and with the SDK that people use: what the
 * agent names by ids reaches the target whole, or is refused; nothing is stored there, and nobody else's is found.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI from 'openai';
import { RedisServer } from '../fakes/redis-server.ts';
import { part } from '../parts.ts';
import { exchange, partOf } from './exchange-form.ts';
import { post, type ResponseScript, responseReply } from './responses.ts';
import { type OpenedTask, World, type WorldOptions } from './world.ts';

const email = 'anna.schmidt@customer-mail.com';
const tools = [{ type: 'function' as const, name: 'orders__get_order', parameters: { type: 'object' }, strict: false }];
const said = (text: string) => ({ role: 'user' as const, content: text });
const reference = (id: string) => ({ type: 'item_reference' as const, id });
const result = (turn: number) => ({
  ...{ type: 'function_call_output' as const, call_id: `call_${turn}`, output: `{"state":"sent ${turn}"}` },
});

/** A response that streams, as its last event has it. */
async function wholeOf(
  responses: OpenAI.Responses,
  body: Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream'>,
): Promise<OpenAI.Responses.Response> {
  const last = (await Array.fromAsync(await responses.create({ ...body, stream: true }))).at(-1);
  assert.equal(last?.type, 'response.completed');
  return last.response;
}

/** A gate before a model whose answers have ids of their own, as a provider gives them. */
class Scene implements AsyncDisposable {
  readonly world: World;
  #turns = 0;

  private constructor(world: World) {
    this.world = world;
  }

  static async open(config: WorldOptions['config'] = {}): Promise<Scene> {
    const task = { taint_seconds: 0, budget: { cost_usd: 20, tokens: 20_000_000 } };
    return new Scene(await World.open({ config: { task, ...config } }));
  }

  /** What the model says next; the number is in all ids of that answer. */
  says(script: ResponseScript = {}): number {
    this.#turns += 1;
    const own = { id: `resp_${this.#turns}`, suffix: `of${this.#turns}` };
    this.world.model.reply = responseReply({ ...own, ...script });
    return this.#turns;
  }

  /** The same with a call of the tool. */
  calls(script: ResponseScript = {}): number {
    const call = { id: `call_${this.#turns + 1}`, name: 'orders__get_order', arguments: '{"order_id":"A-1"}' };
    return this.says({ calls: [call], ...script });
  }

  client({ token }: OpenedTask, url = this.world.gate.url): OpenAI {
    return new OpenAI({ apiKey: token, baseURL: `${url}/v1`, maxRetries: 0 });
  }

  get received(): readonly (Record<string, unknown> & { readonly input: readonly Record<string, unknown>[] })[] {
    return this.world.model.received.map(({ body }) => JSON.parse(String(body)) as never);
  }

  /** The last request that reached the model, its input item by item: the id, or what stands for it. */
  get lastInput(): readonly unknown[] {
    return (this.received.at(-1)?.input ?? []).map(
      ({ id, content, call_id, type }) => id ?? content ?? call_id ?? type,
    );
  }

  async refused(task: OpenedTask, body: object, status = 403, code = 'provider_id_foreign'): Promise<string> {
    this.world.model.received.length = 0;
    const response = await post(this.world, task.token, 'responses', body);
    const { error } = (await response.json()) as { error: { message: string; reasons?: { code: string }[] } };
    assert.deepEqual([response.status, error.reasons?.[0]?.code], [status, code]);
    assert.equal(this.world.model.received.length, 0);
    const [denial] = (await this.world.events({ task: task.id, type: 'denial' })).slice(-1);
    assert.ok(denial?.decision?.reasons.some((reason) => reason.code === code));
    return error.message;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}

describe('remembered responses', part('opa'), () => {
  let scene: Scene;
  let world: World;
  before(async () => {
    scene = await Scene.open({ limits: { body_bytes: 900_000 } });
    world = scene.world;
  });
  after(async () => scene?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.model.received.length = 0;
    scene.says();
  });

  test('[wire.responses-remembered] a chain of three by previous_response_id, with a tool, reaches the target whole each time', async () => {
    for (const stream of [false, true]) {
      world.model.received.length = 0;
      const task = await world.task();
      const { responses } = scene.client(task);
      const make = async (body: Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream'>) =>
        stream ? wholeOf(responses, body) : responses.create(body);
      const one = scene.calls({ reasoning: 'I look it up' });
      const first = await make({ model: 'gpt', input: 'Where is A-1?', instructions: 'Be short.', tools });
      const two = scene.says({ text: 'It is on its way.' });
      const second = await make({ model: 'gpt', input: [result(one)], previous_response_id: first.id, tools });
      scene.says({ text: 'Gladly.' });
      const third = await make({ model: 'gpt', input: 'Thanks', previous_response_id: second.id });
      assert.ok(JSON.stringify(third.output).includes('Gladly.'));

      for (const { previous_response_id, store } of scene.received) {
        assert.deepEqual([previous_response_id, store], [undefined, false]);
      }
      const [asked, looked, thanked] = scene.received;
      assert.deepEqual([asked?.instructions, thanked?.instructions], ['Be short.', undefined]);
      assert.deepEqual(looked?.input, [said('Where is A-1?'), ...first.output, result(one)]);
      assert.deepEqual(thanked?.input, [...(looked?.input ?? []), ...second.output, said('Thanks')]);
      assert.ok(JSON.stringify(first.output).includes('encrypted_content'));
      assert.equal(second.output[0]?.id, `msg_1of${two}`);
      // It is recorded what was sent for the ids, and paid for.
      const intents = await world.events({ task: task.id, type: 'intent' });
      const recalled = intents.map(({ decision }) => decision?.reasons.find(({ code }) => code === 'recalled')?.count);
      assert.deepEqual(recalled, [undefined, 4, 6]);
      assert.equal((await world.events({ task: task.id, type: 'denial' })).length, 0);
    }
  });

  test('items that are named by their ids are put in place, and hollow reasoning is filled in', async () => {
    for (const stream of [false, true]) {
      const task = await world.task();
      const turn = scene.calls({ reasoning: 'I look it up' });
      const first = await post(world, task.token, 'responses', { input: [said('Where?')], tools, stream });
      await first.text();
      scene.says();
      const hollow = { type: 'reasoning', id: `rs_1of${turn}`, summary: [{ type: 'summary_text', text: 'changed' }] };
      const input = [said('Where?'), hollow, { id: `msg_1of${turn}` }, reference(`fc_0of${turn}`), result(turn)];
      // What a check says is what the call is told.
      const check = await world.fetch(`/tasks/${task.id}/check`, task.token, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
        body: JSON.stringify({
          calls: [{ method: 'POST', path: '/v1/responses', body: { model: 'gpt', input, tools } }],
        }),
      });
      assert.match(await check.text(), /"allow"/);
      assert.equal((await post(world, task.token, 'responses', { input, tools, stream })).status, 200);
      const sent = scene.received.at(-1)?.input ?? [];
      assert.deepEqual(scene.lastInput, ['Where?', `rs_1of${turn}`, `msg_1of${turn}`, `fc_0of${turn}`, `call_${turn}`]);
      assert.deepEqual(
        [sent[1]?.encrypted_content, sent[1]?.summary, sent[3]?.arguments, sent[2]?.status],
        ['A'.repeat(80), [{ type: 'summary_text', text: 'I look it up' }], '{"order_id":"A-1"}', 'completed'],
      );
    }
  });

  test('[wire.responses-remembered-alone] another task, and a part of its own, find nothing', async () => {
    const one = await world.task();
    const turn = scene.says();
    await post(world, one.token, 'responses', { input: 'remember this' });
    const goesOn = { input: 'and now?', previous_response_id: `resp_${turn}` };
    const names = { input: [reference(`msg_1of${turn}`), said('and now?')] };
    const other = await world.task();
    const { answer: partial } = await exchange(world, partOf(one.token, world.issuer.token('legal-risk')));
    for (const { id, token } of [other, { id: partial.task_id, token: partial.access_token }]) {
      for (const body of [goesOn, names]) await scene.refused({ id, token, status: 201, body: {} }, body);
    }
    assert.equal((await post(world, one.token, 'responses', goesOn)).status, 200);
    assert.equal((await world.fetch('/v1/responses/resp_1', one.token)).status, 404);
  });

  test('what is put in place is inspected like all else, and what an answer lost is not in it', async () => {
    const redact = { redact: [{ type: 'email' }] };
    const labels = { oblige: JSON.stringify(redact), oblige_response: JSON.stringify(redact) };
    for (const stream of [false, true]) {
      const task = await world.task({ labels });
      const turn = scene.says({ text: `Write to ${email} today.` });
      await (await post(world, task.token, 'responses', { input: `I am ${email} again`, stream })).text();
      const goesOn = { input: 'and now?', previous_response_id: `resp_${turn}`, stream };
      assert.equal((await post(world, task.token, 'responses', goesOn)).status, 200);
      const sent = JSON.stringify(scene.received.at(-1));
      assert.ok(!sent.includes('anna.schmidt') && /Write to .{3,40} today/.test(sent) && sent.includes('I am '), sent);
    }
    // What passed on its way back may still not go out again.
    const task = await world.task({ labels: { oblige: JSON.stringify({ block: [{ type: 'email' }] }) } });
    const turn = scene.says({ text: `Write to ${email} today.` });
    assert.equal((await post(world, task.token, 'responses', { input: 'hi' })).status, 200);
    await scene.refused(task, { input: [reference(`msg_1of${turn}`)] }, 403, 'pii_blocked');
  });

  test('nothing is remembered of what the client has kept, forgets, or never got, nor where the route says so', async () => {
    const task = await world.task();
    for (const own of [{ store: false }, { store: true, background: false }]) {
      const turn = scene.says();
      assert.equal((await post(world, task.token, 'responses', { input: 'hi', ...own })).status, 200);
      if (own.store) {
        await post(world, task.token, 'responses', { input: 'x', previous_response_id: `resp_${turn}`, store: true });
        assert.equal(scene.received.at(-1)?.previous_response_id, `resp_${turn}`, 'it lies at the provider');
      } else await scene.refused(task, { input: 'x', previous_response_id: `resp_${turn}` });
    }
    const broken = scene.says({ breakAfter: 6 });
    await (await post(world, task.token, 'responses', { input: 'hi', stream: true })).text();
    await scene.refused(task, { input: 'x', previous_response_id: `resp_${broken}` });
    await world.change({ rows: { gpt: { operations: { responses: { remembers: false } } } } });
    const off = scene.says();
    await post(world, task.token, 'responses', { input: 'hi' });
    await scene.refused(task, { input: [reference(`msg_1of${off}`)] });
    await world.change({});
    await scene.refused(task, { input: [reference(`msg_1of${off}`)] });
    // What may lie in some regions alone does not lie where this gateway stands.
    const there = await world.task({ labels: { oblige: JSON.stringify({ regions: ['westeurope'] }) } });
    const turn = scene.says();
    assert.equal((await post(world, there.token, 'responses', { input: 'hi' })).status, 200);
    const why = await scene.refused(there, { input: 'x', previous_response_id: `resp_${turn}` });
    assert.match(why, /may not lie in local, where the gateway stands/);
  });

  test('an answer that is cut can be gone on from, and one that is too long is refused before it is sent', async () => {
    const task = await world.task();
    const cut = scene.says({ text: 'word '.repeat(400), paceMs: 1 });
    const short = { input: 'hi', stream: true, max_output_tokens: 20 };
    await (await post(world, task.token, 'responses', short)).text();
    const next = scene.says();
    assert.equal(
      (await post(world, task.token, 'responses', { input: 'go on', previous_response_id: `resp_${cut}` })).status,
      200,
    );
    assert.match(JSON.stringify(scene.received.at(-1)?.input), /"status":"incomplete".*word word.*go on/);
    assert.equal(next, cut + 1);

    const long = scene.says({ text: 'many words '.repeat(30_000) });
    await post(world, task.token, 'responses', { input: 'tell me all' });
    const all = Array.from({ length: 3 }, () => reference(`msg_1of${long}`));
    await scene.refused(task, { input: all }, 413, 'recalled_too_large');
    const huge = scene.says({ text: 'many words '.repeat(50_000) });
    await post(world, task.token, 'responses', { input: 'tell me more' });
    await scene.refused(task, { input: [reference(`msg_1of${huge}`)] });
  });
});

const shared = part('redis-server').skip === undefined ? part('opa') : part('redis-server');
test(
  '[wire.responses-remembered] two gateways on a store remember together, where they have a secret to seal it with',
  shared,
  async () => {
    await using server = await RedisServer.start();
    const store = { kind: 'redis', url: server.url, command_timeout_ms: 500 };
    await using scene = await Scene.open({ store, keys: { secret: 'a secret of thirty-two characters or more' } });
    const { world } = scene;
    const second = await world.secondGate('gw-second');
    const task = await world.task();
    // Two answers that end at once are both remembered.
    world.model.reply = (request, response, body) => {
      const { input } = JSON.parse(String(body)) as { input: string };
      return responseReply({ id: `resp_${input}`, suffix: `of_${input}` })(request, response, body);
    };
    const clients = [scene.client(task), scene.client(task, second.url)];
    await Promise.all(clients.map(({ responses }, index) => responses.create({ model: 'gpt', input: `at_${index}` })));
    for (const [index, { responses }] of clients.toReversed().entries()) {
      scene.says();
      await responses.create({ model: 'gpt', input: 'and?', previous_response_id: `resp_at_${index}` });
      assert.deepEqual(scene.lastInput, [`at_${index}`, `msg_1of_at_${index}`, 'and?']);
    }
  },
);
