/** What models cost, from the files that say so: their faults, each with its file and line, before anything starts. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tableOf } from '../../../src/assembly/table.ts';
import { faultLine, loadConfig } from '../../../src/config/load.ts';
import { checkConfig } from '../../../src/main.ts';
import { ManualClock } from '../../fakes/clock.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tollgate-prices-'));
});
after(() => rm(directory, { recursive: true }));

const head = `gateway: { data_dir: ./data }
issuers:
  - { name: azure, issuer: https://login.example, audiences: [a], tenant: claims.tid, cloud: azure }
policy: { bundle: ./policies }
`;
const targetAt = (model: string, more = '') =>
  `      - { name: t-${model.replaceAll('.', '-')}, cloud: c, region: r, provider: openai, url: https://m.example/v1, model: ${model}, max_output_tokens: 9${more} }\n`;
const routesOf = (...targets: string[]) => `routes:\n  - name: gpt\n    kind: model\n    targets:\n${targets.join('')}`;
const stated = ', price: { input_usd_per_mtok: 3, output_usd_per_mtok: 4 }';

async function write(name: string, source: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, source);
  return path;
}

async function faultsOf(source: string): Promise<string[]> {
  const checked = await checkConfig(await write('tollgate.yaml', source), {});
  return 'faults' in checked ? checked.faults.map((fault) => faultLine(fault).replaceAll(`${directory}/`, '')) : [];
}

async function pricesOf(source: string): Promise<(readonly [number, string])[]> {
  const loaded = await loadConfig(await write('tollgate.yaml', source), {});
  assert.ok('config' in loaded, 'faults' in loaded ? loaded.faults.map(faultLine).join('\n') : '');
  const table = await tableOf(loaded, new ManualClock(Date.parse('2026-11-21T00:00:00Z')));
  assert.ok(!('faults' in table), 'the table is good');
  return (table.route('gpt')?.targets ?? []).map(({ price }) => [price.inputMicroUsdPerMtok, price.version] as const);
}

test('[budget.no-model-without-price] a model that nobody knows the price of is a fault with its line, the nearest names, and what to write', async () => {
  const faults = await faultsOf(
    head + routesOf(targetAt('gpt-4o'), targetAt('gpt-4oo'), targetAt('our-own-7b', stated)),
  );
  assert.equal(faults.length, 1, faults.join('\n'));
  assert.match(faults[0] ?? '', /^tollgate\.yaml:10:\d+ \/routes\/0\/targets\/1\/model: no price is known of gpt-4oo /);
  assert.match(
    faults[0] ?? '',
    /\(known are gpt-4o, .*\); give its target or its route price: \{input_usd_per_mtok: …/,
  );
});

test('the price of a target is before that of its route, and both before the file and the list', async () => {
  const price = '    price: { input_usd_per_mtok: 7, output_usd_per_mtok: 8 }\n';
  const prices = 'budget: { prices: ./prices.yaml }\n';
  await write(
    'prices.yaml',
    'name: contract\nas_of: 2026-11-01\nmodels: { openai: { gpt-4o: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } }\n',
  );
  const both = routesOf(targetAt('gpt-4o'), targetAt('gpt-4.1', stated));
  assert.deepEqual(await pricesOf(head + prices + both), [
    [1_000_000, 'contract 2026-11-01'],
    [3_000_000, 'config'],
  ]);
  const ofRoute = both.replace('    targets:\n', `${price}    targets:\n`);
  assert.deepEqual(await pricesOf(head + prices + ofRoute), [
    [7_000_000, 'config'],
    [3_000_000, 'config'],
  ]);
  assert.deepEqual(await pricesOf(head + routesOf(targetAt('gpt-4o'))), [[2_500_000, 'genai-prices 0.1.8 2026-09-23']]);
});

test('every fault of the file of prices is told with the line of that file, beside those of tollgate.yaml', async () => {
  const prices = 'budget: { prices: ./prices.yaml }\n';
  const routes = routesOf(targetAt('gpt-4o'));
  await write(
    'prices.yaml',
    `name: my prices
as_of: yesterday
models:
  openai:
    gpt-4o: { input_usd_per_mtok: 1, output_usd: 2 }
`,
  );
  const faults = await faultsOf(head + prices + routes);
  assert.deepEqual(
    faults.map((fault) => fault.split(' ').slice(0, 2).join(' ')).toSorted(),
    [
      'prices.yaml:1:1 /name:',
      'prices.yaml:2:1 /as_of:',
      'prices.yaml:5:38 /models/openai/gpt-4o/output_usd:',
      'prices.yaml:5:5 /models/openai/gpt-4o:',
    ],
    faults.join('\n'),
  );
  await write(
    'prices.yaml',
    'name: p\nas_of: 2026-11-01\ndefault: { input_usd_per_mtok: 0.0000001, output_usd_per_mtok: 2 }\n',
  );
  assert.match(
    (await faultsOf(head + prices + routes)).join(),
    /^prices\.yaml:3:12 \/default\/input_usd_per_mtok: expected dollars with six decimals at most, found 1e-7$/,
  );
  await rm(join(directory, 'prices.yaml'));
  assert.match(
    (await faultsOf(head + prices + routes)).join(),
    /^prices\.yaml the file of prices cannot be read: ENOENT/,
  );
});

test('amounts and tiers of a stated price are judged wherever they stand', async () => {
  const tiers =
    'tiers: [{ above_input_tokens: 5, input_usd_per_mtok: 1, output_usd_per_mtok: 1.0000001 }, { above_input_tokens: 5, input_usd_per_mtok: 1, output_usd_per_mtok: 1 }]';
  const price = `price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2, ${tiers} }`;
  const faults = await faultsOf(
    head + routesOf(targetAt('m', `, ${price}`)).replace('    targets:\n', `    ${price}\n    targets:\n`),
  );
  assert.deepEqual(
    faults.map((fault) => fault.replace(/^\S+ /, '').replace(/:.*/, '')),
    [
      '/routes/0/price/tiers/0/output_usd_per_mtok',
      '/routes/0/price/tiers/1/above_input_tokens',
      '/routes/0/targets/0/price/tiers/0/output_usd_per_mtok',
      '/routes/0/targets/0/price/tiers/1/above_input_tokens',
    ],
  );
});
