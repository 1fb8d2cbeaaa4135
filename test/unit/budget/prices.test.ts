import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPrices } from '../../../src/budget/prices.ts';
import type { PriceFile } from '../../../src/budget/section.ts';
import type { ModelPlace } from '../../../src/wire/price.ts';

const url = 'https://llm.example.internal/v1';
const known: ModelPlace = { provider: 'openai', model: 'gpt-4o', url };
const unknown: ModelPlace = { provider: 'openai', model: 'our-own-7b', url };
const price = (usd: number) => ({ input_usd_per_mtok: usd, output_usd_per_mtok: usd });
const file: PriceFile = { name: 'contract', as_of: '2026-11-01', models: { openai: { 'gpt-4o': price(1.5) } } };
const shown = ({ find }: Awaited<ReturnType<typeof openPrices>>, place: ModelPlace) => {
  const found = find(place);
  return found === null ? null : [found.inputMicroUsdPerMtok, found.version];
};

test('the file is before the list, the list before the default of the file', async () => {
  const places = [known, unknown, { ...known, model: 'gpt-4o-mini' }];
  const without = await openPrices(places, file, 0);
  assert.deepEqual(shown(without, known), [1_500_000, 'contract 2026-11-01']);
  assert.deepEqual(shown(without, { ...known, model: 'gpt-4o-mini' }), [150_000, 'genai-prices 0.1.8 2026-09-23']);
  assert.equal(shown(without, unknown), null);
  const withDefault = await openPrices(places, { ...file, default: price(20) }, 0);
  assert.deepEqual(shown(withDefault, unknown), [20_000_000, 'contract 2026-11-01 default']);
  assert.deepEqual(shown(withDefault, known), [1_500_000, 'contract 2026-11-01']);
});

test('a name of the file belongs to its provider, and is no member of an object', async () => {
  const prices = await openPrices([known], file, 0);
  assert.equal(shown(prices, { ...known, provider: 'anthropic' }), null);
  assert.equal(shown(prices, { ...known, provider: 'anthropic', model: 'constructor' }), null);
  assert.equal(shown(prices, { ...known, provider: 'constructor' as ModelPlace['provider'], model: 'name' }), null);
});

test('names that are near come from the file and from the list', async () => {
  const models = { openai: { 'our-own-70b': price(1) } };
  const { near } = await openPrices([unknown], { ...file, models }, 0);
  assert.deepEqual(near(unknown), ['our-own-70b']);
  assert.ok(near({ ...known, model: 'gpt-4oo' }).includes('gpt-4o'));
});

test('a price that says nothing of the cache is that of its provider', async () => {
  const models = {
    anthropic: { c: price(4) },
    openai: { c: price(4) },
    bedrock: { c: price(4) },
    vertex: { c: price(4) },
  };
  const { find } = await openPrices([{ ...known, model: 'c' }], { ...file, models }, 0);
  const writes = (provider: ModelPlace['provider'], api?: ModelPlace['api']) => {
    const found = find({ provider, model: 'c', url, ...(api === undefined ? {} : { api }) });
    return [found?.cacheWriteMicroUsdPerMtok, found?.cacheWriteHourMicroUsdPerMtok];
  };
  assert.deepEqual(writes('anthropic'), [5_000_000, 8_000_000]);
  assert.deepEqual(writes('openai'), [4_000_000, 4_000_000]);
  // It is the model that costs more to write, whoever runs it.
  assert.deepEqual(writes('bedrock'), [5_000_000, 8_000_000]);
  assert.deepEqual(writes('vertex', 'anthropic'), [5_000_000, 8_000_000]);
  assert.deepEqual(writes('vertex', 'openai'), [4_000_000, 4_000_000]);
});
