import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestAnswer, upperBound } from '../../../src/budget/estimate.ts';
import { costOf } from '../../../src/budget/price.ts';
import type { Price } from '../../../src/call.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { askOf, targetOf } from './call.ts';

test('the bound is the prompt and the longest answer at the dearest target', () => {
  const targets = [targetOf(1_000_000, 2_000_000), targetOf(3_000_000, 1_000_000)];
  assert.deepEqual(upperBound(askOf(100, 50), targets), {
    tokens: 150,
    costMicroUsd: 350,
    maxTokens: 50,
    answerTokens: 50,
  });
  assert.deepEqual(upperBound(askOf(10, 500), targets), {
    tokens: 510,
    costMicroUsd: 1_010,
    maxTokens: 500,
    answerTokens: 500,
  });
});

test('without a limit of the client each target may write as much as it can', () => {
  const targets = [targetOf(0, 1_000_000, 4_000), targetOf(0, 10_000_000, 300)];
  assert.deepEqual(upperBound(askOf(100, null), targets), {
    tokens: 4_100,
    costMicroUsd: 4_000,
    maxTokens: 4_000,
    answerTokens: 4_000,
  });
});

test('several answers at once may each be that long', () => {
  assert.deepEqual(upperBound(askOf(100, 50, 3), [targetOf(0, 1_000_000)]), {
    tokens: 250,
    costMicroUsd: 150,
    maxTokens: 50,
    answerTokens: 150,
  });
});

test('a call that is not to a model costs the dearest price of a call, and no tokens', () => {
  const targets = [targetOf(9, 9, 1, 20), targetOf(9, 9, 1, 500)];
  assert.deepEqual(upperBound(null, targets), { tokens: 0, costMicroUsd: 500, maxTokens: 0, answerTokens: 0 });
});

test('the longest answer fits every target, and hardly more would', () => {
  const random = new ManualClock(0, 5);
  const draw = (max: number): number => random.randomBytes(4).readUInt32BE() % max;
  for (let round = 0; round < 500; round++) {
    const targets = Array.from({ length: 1 + draw(3) }, () =>
      targetOf(draw(9_000_000), 1 + draw(30_000_000), 1, draw(50)),
    );
    const ask = askOf(draw(2_000), null, 1 + draw(3));
    const room = { tokens: draw(20_000), costMicroUsd: draw(200_000) };
    const longest = longestAnswer(ask, targets, room);
    if (longest < 1) continue;
    const fits = (maxTokens: number): boolean => {
      const bound = upperBound({ ...ask, maxTokens }, targets);
      return bound.tokens <= room.tokens && bound.costMicroUsd <= room.costMicroUsd;
    };
    assert.ok(fits(longest), `round ${round}`);
    assert.ok(!fits(longest + 2), `round ${round}`);
  }
});

test('whatever is cached, written, thought, or in a dearer tier, no call costs more than its bound', () => {
  const random = new ManualClock(0, 7);
  const draw = (max: number): number => random.randomBytes(4).readUInt32BE() % max;
  const rates = () => ({
    ...{ inputMicroUsdPerMtok: draw(9_000_000), outputMicroUsdPerMtok: draw(9_000_000) },
    ...{ cachedInputMicroUsdPerMtok: draw(9_000_000), cacheWriteMicroUsdPerMtok: draw(9_000_000) },
    ...{ cacheWriteHourMicroUsdPerMtok: draw(9_000_000), reasoningMicroUsdPerMtok: draw(9_000_000) },
  });
  for (let round = 0; round < 2_000; round++) {
    const tiers = [500, 1_500].slice(draw(3)).map((aboveInputTokens) => ({ ...rates(), aboveInputTokens }));
    const price: Price = { ...rates(), tiers, callMicroUsd: draw(50), version: 'v' };
    const target = { ...targetOf(0, 0), price };
    const ask = askOf(1 + draw(2_000), draw(1_000));
    const inputTokens = draw(ask.promptTokensMax + 1);
    const cachedInputTokens = draw(inputTokens + 1);
    const cacheWriteTokens = draw(inputTokens - cachedInputTokens + 1);
    const outputTokens = draw((ask.maxTokens ?? 0) + 1);
    const usage = {
      ...{ inputTokens, cachedInputTokens, cacheWriteTokens, cacheWriteHourTokens: draw(cacheWriteTokens + 1) },
      ...{ outputTokens, reasoningTokens: draw(outputTokens + 1) },
    };
    const bound = upperBound(ask, [target]);
    assert.ok(costOf(usage, price) <= bound.costMicroUsd, `round ${round}`);
    const longest = longestAnswer(ask, [target], { tokens: undefined, costMicroUsd: bound.costMicroUsd + 1 });
    assert.ok(
      longest >= (ask.maxTokens ?? 0),
      `round ${round}: what is reserved has room for what it was reserved for`,
    );
  }
});

test('what writing to a cache costs is held unless the request asks for none of it', () => {
  const { price } = targetOf(1_000_000, 1_000_000);
  const target = { ...targetOf(0, 0), price: { ...price, cacheWriteHourMicroUsdPerMtok: 2_000_000 } };
  const held = (cacheWrites?: boolean) =>
    upperBound({ ...askOf(1_000, 10), ...(cacheWrites === undefined ? {} : { cacheWrites }) }, [target]).costMicroUsd;
  assert.deepEqual([held(), held(true), held(false)], [2_010, 2_010, 1_010]);
  assert.equal(
    longestAnswer({ ...askOf(1_000, 10), cacheWrites: false }, [target], { tokens: undefined, costMicroUsd: 1_500 }),
    500,
  );
});

test('the rates of a tier that the prompt cannot reach are not held', () => {
  const { price } = targetOf(1_000_000, 1_000_000);
  const tiers = [{ ...targetOf(9_000_000, 9_000_000).price, aboveInputTokens: 1_000 }];
  const target = { ...targetOf(0, 0), price: { ...price, tiers } };
  assert.equal(upperBound(askOf(1_000, 10), [target]).costMicroUsd, 1_010);
  assert.equal(upperBound(askOf(1_001, 10), [target]).costMicroUsd, 9 * 1_011);
});

test('no answer fits where the prompt alone does not', () => {
  const targets = [targetOf(1_000_000, 1_000_000)];
  assert.ok(longestAnswer(askOf(100, null), targets, { tokens: 99, costMicroUsd: undefined }) < 1);
  assert.ok(longestAnswer(askOf(100, null), targets, { tokens: undefined, costMicroUsd: 99 }) < 1);
});
