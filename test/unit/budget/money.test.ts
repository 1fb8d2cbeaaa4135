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

test('a provider that counts cached input apart from input is charged for both', () => {
  const { price } = targetOf(1_000_000, 1_000_000);
  const usage = { inputTokens: 10, outputTokens: 0, cachedInputTokens: 400 };
  assert.equal(costOf(usage, price), 400);
  assert.equal(tokensOf(usage), 400);
});
