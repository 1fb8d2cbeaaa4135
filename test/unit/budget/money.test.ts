import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chargeMicroUsd, microUsd } from '../../../src/budget/money.ts';
import { costOf, tokensOf } from '../../../src/budget/price.ts';
import { microUsdFromUsd, usdFromMicroUsd } from '../../../src/wire/money.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { targetOf } from './call.ts';

const exact: readonly [usd: number, micro: number | undefined][] = [
  [0, 0],
  [0.000001, 1],
  [0.1, 100_000],
  [0.29, 290_000],
  [0.3, 300_000],
  [1.005, 1_005_000],
  [1.1, 1_100_000],
  [2.675, 2_675_000],
  [4.35, 4_350_000],
  [8.2, 8_200_000],
  [19.99, 19_990_000],
  [1e-6, 1],
  [1234567.891234, 1_234_567_891_234],
  [0.1 + 0.2, undefined],
  [0.0000001, undefined],
  [1.0000005, undefined],
  [-0.01, undefined],
  [1e300, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [Number.NaN, undefined],
];
for (const [usd, micro] of exact) {
  test(`${usd} dollars are ${micro === undefined ? 'no amount' : `exactly ${micro} micro-dollars`}`, () => {
    assert.equal(microUsdFromUsd(usd), micro);
    if (micro === undefined) assert.throws(() => microUsd(usd));
    else assert.equal(microUsd(usd), micro);
  });
}

test('every decimal with six places comes in exactly as its digits say, and prints back the same', () => {
  const random = new ManualClock(0, 11);
  for (let round = 0; round < 5_000; round++) {
    const micro = random.randomBytes(6).readUIntBE(0, 6) % 10 ** (1 + (round % 14));
    const digits = `${micro}`.padStart(7, '0');
    const usd = Number(`${digits.slice(0, -6)}.${digits.slice(-6)}`);
    assert.equal(microUsdFromUsd(usd), micro);
    assert.equal(usdFromMicroUsd(micro), usd);
  }
});

const charges: readonly [tokens: number, perMtok: number, cost: number][] = [
  [0, 5_000_000, 0],
  [1, 1, 1],
  [1, 1_000_000, 1],
  [1, 1_000_001, 2],
  [999_999, 1, 1],
  [1_000_000, 1, 1],
  [1_000_001, 1, 2],
  [3, 150_000, 1],
  [7, 150_000, 2],
  [1_000, 2_500_000, 2_500],
  [123_456_789, 75_000_000, 9_259_259_175],
];
for (const [tokens, microUsdPerMtok, cost] of charges) {
  test(`${tokens} tokens at ${microUsdPerMtok} a million cost ${cost}, rounded up`, () => {
    assert.equal(chargeMicroUsd([{ tokens, microUsdPerMtok }]), cost);
  });
}

test('parts of one charge are rounded up together, not each', () => {
  const half = { tokens: 1, microUsdPerMtok: 500_000 };
  assert.equal(chargeMicroUsd([half, half]), 1);
  assert.equal(chargeMicroUsd([half, half, half]), 2);
});

test('usage costs input, cached input and output each at its price, and the call', () => {
  const price = { ...targetOf(2_000_000, 8_000_000).price, cachedInputMicroUsdPerMtok: 500_000, callMicroUsd: 7 };
  assert.equal(costOf({ inputTokens: 1_000, outputTokens: 100, cachedInputTokens: 400 }, price), 1_200 + 200 + 800 + 7);
  assert.equal(tokensOf({ inputTokens: 1_000, outputTokens: 100, cachedInputTokens: 400 }), 1_100);
});

test('tokens written to a cache, for minutes and for an hour, and reasoning have prices of their own', () => {
  const price = {
    ...targetOf(2_000_000, 8_000_000).price,
    ...{ cachedInputMicroUsdPerMtok: 200_000, cacheWriteMicroUsdPerMtok: 2_500_000 },
    ...{ cacheWriteHourMicroUsdPerMtok: 4_000_000, reasoningMicroUsdPerMtok: 10_000_000 },
  };
  const usage = {
    ...{ inputTokens: 1_000, cachedInputTokens: 400, cacheWriteTokens: 300, cacheWriteHourTokens: 100 },
    ...{ outputTokens: 100, reasoningTokens: 60 },
  };
  // 300 plain, 400 read, 200 and 100 written; 40 said, 60 thought.
  assert.equal(costOf(usage, price), 600 + 80 + 500 + 400 + 320 + 600);
  assert.equal(tokensOf(usage), 1_100);
  assert.equal(costOf({ ...usage, cacheWriteHourTokens: 900, reasoningTokens: 900 }, price), 600 + 80 + 1_200 + 1_000);
});

test('a longer input has the rates of its tier for all tokens of the call, cached ones counted in its length', () => {
  const { price } = targetOf(1_000_000, 2_000_000);
  const tier = (above: number, input: number) => ({ ...targetOf(input, 9_000_000).price, aboveInputTokens: above });
  const tiered = { ...price, tiers: [tier(1_000, 3_000_000), tier(5_000, 6_000_000)] };
  const cost = (inputTokens: number, cachedInputTokens = 0) =>
    costOf({ inputTokens, outputTokens: 10, cachedInputTokens }, tiered);
  assert.deepEqual([cost(1_000), cost(1_001), cost(5_000), cost(5_001)], [1_020, 3_093, 15_090, 30_096]);
  assert.equal(cost(10, 1_001), 3_003 + 90);
});

test('a provider that counts cached input apart from input is charged for both', () => {
  const { price } = targetOf(1_000_000, 1_000_000);
  const usage = { inputTokens: 10, outputTokens: 0, cachedInputTokens: 400 };
  assert.equal(costOf(usage, price), 400);
  assert.equal(tokensOf(usage), 400);
});
