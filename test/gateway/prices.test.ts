/** What a call has cost: settled usage times the price of the model that served it, and the trail says by which list. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { message, messageReply } from './message.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
const listed = 'genai-prices 0.1.8 2026-09-23';

const chatUsage = {
  ...{ prompt_tokens: 90, completion_tokens: 50 },
  prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 20 },
  completion_tokens_details: { reasoning_tokens: 30 },
};
const messageUsage = {
  ...{ input_tokens: 10, cache_read_input_tokens: 30, cache_creation_input_tokens: 20, output_tokens: 9 },
  cache_creation: { ephemeral_5m_input_tokens: 15, ephemeral_1h_input_tokens: 5 },
  output_tokens_details: { thinking_tokens: 4 },
};

describe('prices', options, () => {
  /** Spends `ask` in a task of its own: what the task has spent, and how the trail tells it. */
  async function spend(world: World, ask: (task: OpenedTask) => Promise<Response>) {
    const task = await world.task();
    const response = await ask(task);
    assert.equal(response.status, 200, await response.clone().text());
    await response.text();
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.equal(reserved.cost_usd, 0);
    const [outcome] = await world.events({ task: task.id, type: 'outcome' });
    assert.equal(outcome?.cost_usd, spent.cost_usd, 'the trail says what was settled');
    assert.equal(world.model.received.length, 1, 'the model was asked once');
    world.model.received.length = 0;
    return { microUsd: Math.round(spent.cost_usd * 1e6), usage: outcome?.usage, version: outcome?.price_version };
  }

  test('[budget.priced-by-service] what is served apart from the list is held and charged apart, as it was served or else as it was asked for', async () => {
    await using world = await World.open();
    const cost = async (stream: boolean, asked: string | undefined, served: string | undefined) => {
      world.model.reply = chatReply({ more: served === undefined ? {} : { service_tier: served } });
      const more = asked === undefined ? {} : { service_tier: asked };
      const { microUsd, usage } = await spend(world, ({ token }) => world.chat(token, { stream, ...more }));
      return [microUsd, usage?.services];
    };
    for (const stream of [false, true]) {
      // 10 tokens at 1 and 5 at 2 dollars a million.
      assert.deepEqual(await cost(stream, undefined, undefined), [20, undefined]);
      assert.deepEqual(await cost(stream, 'priority', undefined), [40, ['priority']]);
      assert.deepEqual(await cost(stream, 'priority', 'default'), [20, undefined]);
      assert.deepEqual(await cost(stream, 'auto', 'priority'), [40, ['priority']]);
      assert.deepEqual(await cost(stream, 'flex', 'flex'), [20, ['flex']]);
    }
    const needed = async (more: object) => {
      const task = await world.task({ budget: { cost_usd: 0.000_001 } });
      const refused = await world.chat(task.token, { ...more });
      const { error } = (await refused.json()) as { error: { reasons: { message: string }[] } };
      assert.equal(refused.status, 402);
      return Number(/needed ([\d.]+) /.exec(error.reasons[0]?.message ?? '')?.[1]);
    };
    const held = await needed({});
    assert.ok(Math.abs((await needed({ service_tier: 'priority' })) - 2 * held) < 1e-9 && held > 0);
  });

  test('a target may have its own percentage for a way of being served', async () => {
    const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 2, service_percent: { flex: 50 } };
    await using world = await World.open({ gpt: { price } });
    world.model.reply = chatReply({ more: { service_tier: 'flex' } });
    const { microUsd } = await spend(world, ({ token }) => world.chat(token, { service_tier: 'flex' }));
    assert.equal(microUsd, 10);
  });

  for (const stream of [false, true]) {
    const way = stream ? 'as a stream' : 'whole';

    test(`[budget.priced-by-kind] a chat answer ${way} costs what the list says of each kind of its tokens`, async () => {
      await using world = await World.open({ gpt: { model: 'gpt-6-sol', price: undefined } });
      world.model.reply = chatReply({ usage: chatUsage });
      const { microUsd, usage, version } = await spend(world, ({ token }) => world.chat(token, { stream }));
      // 30 plain at 2, 40 read at 0.2, 20 written at 2.5, 50 answered at 10 dollars a million.
      assert.equal(microUsd, 60 + 8 + 50 + 500);
      assert.deepEqual(usage, {
        ...{ input_tokens: 90, output_tokens: 50, cached_input_tokens: 40 },
        ...{ cache_write_tokens: 20, reasoning_tokens: 30 },
      });
      assert.equal(version, listed);
    });

    test(`a message ${way} costs what the list says of each kind of its tokens`, async () => {
      await using world = await World.open({ claude: { model: 'claude-sonnet-4-5', price: undefined } });
      world.model.reply = messageReply({ usage: messageUsage });
      const { microUsd, usage, version } = await spend(world, ({ token }) => message(world, token, { stream }));
      // 10 plain at 3, 30 read at 0.3, 15 written at 3.75 and 5 at 6, 9 answered at 15 dollars a million: 259.25.
      assert.equal(microUsd, Math.ceil(30 + 9 + 56.25 + 30 + 135));
      assert.deepEqual(usage, {
        ...{ input_tokens: 60, output_tokens: 9, cached_input_tokens: 30 },
        ...{ cache_write_tokens: 20, cache_write_1h_tokens: 5, reasoning_tokens: 4 },
      });
      assert.equal(version, listed);
    });

    test(`stated prices ${way} go over the list on both surfaces, reasoning and cached writes included`, async () => {
      const price = {
        ...{ input_usd_per_mtok: 100, cached_input_usd_per_mtok: 10, output_usd_per_mtok: 200 },
        ...{
          cached_write_usd_per_mtok: 300,
          cached_write_1h_usd_per_mtok: 400,
          reasoning_usd_per_mtok: 500,
          call_usd: 0.001,
        },
      };
      await using world = await World.open({
        gpt: { model: 'gpt-6-sol', price },
        claude: { model: 'claude-sonnet-4-5', price },
      });
      world.model.reply = chatReply({ usage: chatUsage });
      const chat = await spend(world, ({ token }) => world.chat(token, { stream }));
      assert.equal(chat.microUsd, 30 * 100 + 40 * 10 + 20 * 300 + 20 * 200 + 30 * 500 + 1_000);
      world.model.reply = messageReply({ usage: messageUsage });
      const said = await spend(world, ({ token }) => message(world, token, { stream }));
      assert.equal(said.microUsd, 10 * 100 + 30 * 10 + 15 * 300 + 5 * 400 + 5 * 200 + 4 * 500 + 1_000);
      assert.deepEqual([chat.version, said.version], ['config', 'config']);
    });
  }

  describe('in a file', () => {
    let directory = '';
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'tollgate-prices-'));
    });
    after(() => rm(directory, { recursive: true, force: true }));

    test('prices change without a restart, and the trail says which of them a call was charged by', async () => {
      const path = join(directory, 'prices.json');
      const write = (day: string, usd: number, more = {}) =>
        writeFile(
          path,
          JSON.stringify({
            ...{ name: 'contract', as_of: day, ...more },
            models: { openai: { 'gpt-real': { input_usd_per_mtok: usd, output_usd_per_mtok: 0 } } },
          }),
        );
      await write('2026-11-01', 5);
      await using world = await World.open({ gpt: { price: undefined }, config: { budget: { prices: path } } });
      const chat = () => spend(world, ({ token }) => world.chat(token));
      const first = await chat();
      assert.deepEqual([first.microUsd, first.version], [50, 'contract 2026-11-01']);

      await write('2026-11-20', 6);
      assert.equal((await world.gate.reload('signal')).outcome, 'applied');
      const second = await chat();
      assert.deepEqual([second.microUsd, second.version], [60, 'contract 2026-11-20']);

      await write('2026-11-21', -1);
      const refused = await world.gate.reload('signal');
      assert.deepEqual([refused.outcome, refused.faults[0]?.file], ['refused', path]);
      assert.equal((await chat()).version, 'contract 2026-11-20', 'the running prices stay');
    });
  });
});
