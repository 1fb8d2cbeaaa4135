/** The open price list as the gate reads it: by hand for some models, and by the list's own arithmetic for all. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { calcPrice, findProvider } from '@pydantic/genai-prices';
import { costOf } from '../../../src/budget/price.ts';
import { openPriceList, priceList } from '../../../src/budget/price-list.ts';
import type { Price, Usage } from '../../../src/call.ts';
import type { ProviderName } from '../../../src/wire/model-apis.ts';
import { ManualClock } from '../../fakes/clock.ts';

const nowMs = Date.parse('2026-11-21T12:00:00Z');
const list = await openPriceList(nowMs);
const urls: Readonly<Record<string, string>> = {
  openai: 'https://api.openai.com/v1',
  anthropic: 'https://api.anthropic.com',
  azure: 'https://we.openai.azure.com/openai/v1',
  bedrock: 'https://bedrock-runtime.eu-central-1.amazonaws.com',
  vertex: 'https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1',
};
const find = (provider: ProviderName, model: string, url = urls[provider] as string) =>
  list.find({ provider, model, url });
const usageOf = (inputTokens: number, outputTokens: number, more: Partial<Usage> = {}): Usage => ({
  ...{ inputTokens, outputTokens, cachedInputTokens: 0 },
  ...more,
});

// Dollars for a million tokens are micro-dollars for one: each sum can be done by hand.
const bills: readonly (readonly [ProviderName, string, Usage, number])[] = [
  ['openai', 'gpt-4o', usageOf(10_000, 1_000, { cachedInputTokens: 4_000 }), 6_000 * 2.5 + 4_000 * 1.25 + 1_000 * 10],
  [
    'openai',
    'gpt-5',
    usageOf(8_000, 500, { cachedInputTokens: 8_000, reasoningTokens: 400 }),
    8_000 * 0.125 + 500 * 10,
  ],
  ['openai', 'gpt-4.1-2025-04-14', usageOf(1_000, 2_000), 1_000 * 2 + 2_000 * 8],
  ['openai', 'gpt-5.4', usageOf(271_999, 100), 271_999 * 2.5 + 100 * 15 + 0.5],
  ['openai', 'gpt-5.4', usageOf(272_000, 100), 272_000 * 5 + 100 * 22.5],
  ['openai', 'text-embedding-3-small', usageOf(50_000, 0), 50_000 * 0.02],
  [
    ...(['anthropic', 'claude-haiku-4-5-20251001'] as const),
    usageOf(10_000, 300, { cachedInputTokens: 2_000, cacheWriteTokens: 6_000, cacheWriteHourTokens: 1_000 }),
    2_000 * 1 + 2_000 * 0.1 + 5_000 * 1.25 + 1_000 * 2 + 300 * 5,
  ],
  [
    'anthropic',
    'claude-sonnet-4-5',
    usageOf(200_001, 10, { cacheWriteTokens: 200_001 }),
    200_001 * 7.5 + 10 * 22.5 + 0.5,
  ],
];
for (const [index, [provider, model, usage, cost]] of bills.entries()) {
  test(`bill ${index + 1}: ${model} costs what the list says`, () => {
    assert.equal(costOf(usage, find(provider, model) as Price), cost);
  });
}

test('every model is charged as the list itself reckons, and never less', () => {
  const random = new ManualClock(0, 3);
  const draw = (max: number): number => random.randomBytes(4).readUInt32BE() % max;
  let compared = 0;
  for (const provider of ['openai', 'anthropic'] as const) {
    for (const { id } of findProvider({ providerId: provider })?.models ?? []) {
      const price = find(provider, id);
      if (price === null) continue;
      for (const length of [100, 100_000, 199_999, 210_000, 271_998, 300_000]) {
        const input = length + draw(3);
        const read = draw(input >> 1);
        const written = draw(input >> 1);
        const hour = draw(written + 1);
        const output = draw(20_000);
        const usage = { inputTokens: input, outputTokens: output, cachedInputTokens: read, cacheWriteTokens: written };
        const own = costOf({ ...usage, cacheWriteHourTokens: hour }, price);
        const usages = { input_tokens: input, output_tokens: output, cache_read_tokens: read };
        const writes = { cache_write_tokens: written, cache_write_1h_tokens: hour };
        const options = { providerId: provider, timestamp: new Date(nowMs) };
        const model = calcPrice({}, id, options)?.model_price ?? {};
        // The list charges nothing for what it names no price of; the gate takes it for plain input.
        const known = 'cache_write_1h_mtok' in model ? writes : {};
        const theirs = (calcPrice({ ...usages, ...known }, id, options)?.total_price ?? 0) * 1_000_000;
        assert.ok(own >= theirs - 0.01, `${provider} ${id} at ${input}: ${own} and ${theirs}`);
        const plain = Object.keys(model).every((key) => !/_(audio|image)_/.test(key));
        const simple = 'cache_read_mtok' in model && 'cache_write_1h_mtok' in model;
        if (plain && simple) assert.ok(own <= theirs + 1.01, `${provider} ${id} at ${input}: ${own} and ${theirs}`);
        if (plain && simple) compared++;
      }
    }
  }
  assert.ok(compared >= 60, `${compared} bills were compared exactly`);
});

test('what the list only guesses at has no price; the date of a model and its alias are no guess', () => {
  for (const name of ['claude-haiku-4-5', 'claude-haiku-4-5-latest', 'claude-haiku-4-5-20251001', 'CLAUDE-HAIKU-4-5']) {
    assert.equal(find('anthropic', name)?.inputMicroUsdPerMtok, 1_000_000, name);
  }
  for (const name of [
    'claude-haiku-4-5-1',
    'claude-sonnet-5-5',
    'claude-haiku-4-55',
    'claude-haiku-4-5-turbo',
    'x',
    '',
  ]) {
    assert.equal(find('anthropic', name), null, name);
  }
  for (const name of ['gpt-5-nano-turbo', 'whisper-1', 'claude-haiku-4-5', '__proto__']) {
    assert.equal(find('openai', name), null, name);
  }
  assert.deepEqual(list.near({ provider: 'openai', model: 'gpt4o', url: urls.openai as string })[0], 'gpt-4o');
});

test('the host says whose price it is; a host that nobody knows is a way to the vendor of the API', () => {
  const { inputMicroUsdPerMtok: reseller } = find('openai', 'deepseek-chat', 'https://api.deepseek.com/v1') as Price;
  assert.ok(reseller > 0);
  assert.equal(find('openai', 'deepseek-chat'), null);
  assert.equal(find('openai', 'gpt-4o', 'https://api.deepseek.com/v1'), null);
  assert.equal(find('openai', 'gpt-4o', 'https://we.openai.azure.com/openai/v1')?.inputMicroUsdPerMtok, 2_500_000);
  assert.equal(find('openai', 'gpt-4o', 'https://llm.example.internal/v1')?.inputMicroUsdPerMtok, 2_500_000);
});

test('clouds name models in their own ways, and have prices of their own', () => {
  const inputOf = (provider: ProviderName, model: string, url?: string) =>
    find(provider, model, url)?.inputMicroUsdPerMtok ?? null;
  const arn = 'arn:aws:bedrock:eu-central-1:123456789012:inference-profile';
  const prices = [
    // In one region Bedrock takes a tenth more than anywhere in the world, for models from 4.5 on.
    ...(['anthropic.', 'eu.anthropic.', `${arn}/eu.anthropic.`].map((before) => [before, 3_300_000]) as [
      string,
      number,
    ][]),
    ['global.anthropic.', 3_000_000] as const,
  ];
  for (const [before, price] of prices) {
    assert.equal(inputOf('bedrock', `${before}claude-sonnet-4-5-20250929-v1:0`), price, before);
    assert.equal(
      inputOf('bedrock', `${before}claude-sonnet-4-5-20250929-v1:0`, 'https://vpce-1.example'),
      price,
      before,
    );
  }
  assert.equal(inputOf('bedrock', 'anthropic.claude-3-5-sonnet-20241022-v2:0'), 3_000_000);
  assert.equal(inputOf('bedrock', 'eu.anthropic.claude-opus-4-5-20251101-v1:0'), 5_500_000);
  assert.equal(inputOf('vertex', 'claude-sonnet-4-5@20250929'), 3_000_000);
  assert.equal(inputOf('vertex', 'claude-haiku-4-5@20251001'), 1_000_000);
  // Sound costs more than words, and the dearest holds.
  assert.equal(inputOf('vertex', 'google/gemini-2.5-flash'), 1_000_000);
  assert.equal(inputOf('azure', 'gpt-4o', 'https://models.example/openai/v1'), 2_500_000);
  for (const guess of [
    'anthropic.claude-sonnet-4-5-20250929-v1:0-ours',
    'my.claude-3-5-sonnet-20241022',
    `${arn}/abc123`,
  ]) {
    assert.equal(inputOf('bedrock', guess), null, guess);
  }
  assert.equal(inputOf('openai', 'gpt-4o-v2'), null);
});

test('a price that begins on a day is that of calls from then on', async () => {
  const inputAt = async (day: string) => {
    const then = await openPriceList(Date.parse(`${day}T00:00:00Z`));
    const place = { provider: 'openai', model: 'gpt-5.6-luna', url: urls.openai as string } as const;
    return then.find(place)?.inputMicroUsdPerMtok;
  };
  assert.deepEqual([await inputAt('2026-07-29'), await inputAt('2026-07-30')], [1_000_000, 200_000]);
});

test('the trail names the version of the list that is in place', () => {
  const file = new URL('../../../node_modules/@pydantic/genai-prices/package.json', import.meta.url);
  const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string };
  assert.equal(priceList.name, `${name.split('/')[1]} ${version}`, 'with a newer list comes the day it was published');
  assert.match(priceList.asOf, /^20\d{2}-\d{2}-\d{2}$/);
  assert.equal(find('openai', 'gpt-4o')?.version, `${priceList.name} ${priceList.asOf}`);
});
