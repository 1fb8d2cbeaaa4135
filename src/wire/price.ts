/**
 * What a model costs as people write it, in tollgate.yaml and in a file of prices, and as the gate reckons with it.
 * What a reader would get wrong: a rate that is left out is never nothing, it is that of the kind of tokens it is part of.
 */
import assert from 'node:assert/strict';
import Type from 'typebox';
import type { ModelApi, Price, Rates } from '../call.ts';
import type { ModelProvider } from './model-apis.ts';
import { microUsdFromUsd } from './money.ts';

const usd = (description: string) => Type.Number({ minimum: 0, description });

export const callUsd = Type.Optional(usd('US dollars for each call; left out: nothing.'));

const rates = {
  input_usd_per_mtok: usd('US dollars for a million tokens of prompt.'),
  output_usd_per_mtok: usd('US dollars for a million tokens of answer.'),
  cached_input_usd_per_mtok: Type.Optional(
    usd('US dollars for a million tokens of prompt that the provider had in its cache; left out: as input.'),
  ),
  cached_write_usd_per_mtok: Type.Optional(
    usd(
      'US dollars for a million tokens of prompt that the provider wrote to its cache; left out: as input, for models with the API of Anthropic 1.25 times as much.',
    ),
  ),
  cached_write_1h_usd_per_mtok: Type.Optional(
    usd(
      'US dollars for a million tokens of prompt that were written to the cache for an hour; left out: as cached_write_usd_per_mtok, for models with the API of Anthropic 1.6 times as much.',
    ),
  ),
  reasoning_usd_per_mtok: Type.Optional(
    usd('US dollars for a million tokens of hidden reasoning, which are part of the answer; left out: as output.'),
  ),
};

export const modelPrice = Type.Object(
  {
    ...rates,
    call_usd: callUsd,
    service_percent: Type.Optional(
      Type.Record(Type.String({ pattern: '^[a-z_]{1,32}$' }), Type.Integer({ minimum: 0, maximum: 10_000 }), {
        maxProperties: 16,
        description:
          'Percent of these rates for calls served in a way that is priced apart: flex, priority (OpenAI), fast, us (Anthropic). Left out: priority 200, fast 600, us 110, others 100.',
      }),
    ),
    tiers: Type.Optional(
      Type.Array(
        Type.Object(
          {
            above_input_tokens: Type.Integer({
              minimum: 1,
              maximum: 1_000_000_000,
              description: 'These rates are those of a call with a longer input than this, for all its tokens.',
            }),
            ...rates,
          },
          { additionalProperties: false },
        ),
        { maxItems: 8, description: 'Rates of calls with a long input; left out: there are no others.' },
      ),
    ),
  },
  {
    additionalProperties: false,
    description: 'What the model costs; amounts have six decimals at most. Two zeros for a model that costs nothing.',
  },
);

export type ModelPriceConfig = Type.Static<typeof modelPrice>;
type RatesConfig = Omit<ModelPriceConfig, 'call_usd' | 'service_percent' | 'tiers'>;

/** Which model, and where: what a price is looked up by. */
export interface ModelPlace extends ModelProvider {
  readonly url: string;
  readonly model: string;
}

/** Prices that the routing table does not say itself. */
export interface ModelPrices {
  /** Null for a model that nobody knows the price of. */
  find(place: ModelPlace): Price | null;
  /** Names of models with a price that are like this one's, the nearest first. */
  near(place: ModelPlace): readonly string[];
}

/** What no schema can say: amounts have six decimals at most, and tiers begin at different lengths. */
export function priceFaults(
  price: Readonly<Record<string, unknown>>,
  pointer: string,
): { readonly pointer: string; readonly message: string }[] {
  const tiers = Array.isArray(price.tiers) ? (price.tiers as Readonly<Record<string, unknown>>[]) : [];
  const amounts = Object.entries(price).filter(([key]) => key.includes('_usd'));
  const faults = amounts.flatMap(([key, value]) => {
    if (typeof value === 'number' && microUsdFromUsd(value) !== undefined) return [];
    return [{ pointer: `${pointer}/${key}`, message: `expected dollars with six decimals at most, found ${value}` }];
  });
  for (const [index, tier] of tiers.entries()) {
    const at = `${pointer}/tiers/${index}`;
    faults.push(...priceFaults(tier, at));
    const { above_input_tokens: above } = tier;
    if (tiers.findIndex(({ above_input_tokens }) => above_input_tokens === above) === index) continue;
    faults.push({ pointer: `${at}/above_input_tokens`, message: `expected tiers that differ, found ${above} again` });
  }
  return faults;
}

/** A checked price (`priceFaults` has found none) of a model with `api`; `version` is where it was written. */
export function priceOf(written: ModelPriceConfig, api: ModelApi | null, version: string): Price {
  const tiers = (written.tiers ?? []).map((tier) => ({
    aboveInputTokens: tier.above_input_tokens,
    ...ratesOf(tier, api),
  }));
  return {
    ...ratesOf(written, api),
    tiers: tiers.toSorted((left, right) => left.aboveInputTokens - right.aboveInputTokens),
    ...(written.service_percent === undefined ? {} : { servicePercent: written.service_percent }),
    callMicroUsd: microUsd(written.call_usd ?? 0),
    version,
  };
}

/** The price of something that is paid by the call and has no tokens. */
export function callPriceOf(usdOfCall: number, version: string): Price {
  return priceOf({ input_usd_per_mtok: 0, output_usd_per_mtok: 0, call_usd: usdOfCall }, null, version);
}

function ratesOf(written: RatesConfig, api: ModelApi | null): Rates {
  const input = microUsd(written.input_usd_per_mtok);
  const output = microUsd(written.output_usd_per_mtok);
  const orElse = (amount: number | undefined, other: number) => (amount === undefined ? other : microUsd(amount));
  // Anthropic's models cost more to write than to read, 1.25 and 2 times the input, whoever runs them; a silent "as input"
  // would be too little.
  const dearer = api === 'anthropic';
  const write = orElse(written.cached_write_usd_per_mtok, dearer ? Math.ceil((input * 5) / 4) : input);
  return {
    inputMicroUsdPerMtok: input,
    outputMicroUsdPerMtok: output,
    cachedInputMicroUsdPerMtok: orElse(written.cached_input_usd_per_mtok, input),
    cacheWriteMicroUsdPerMtok: write,
    cacheWriteHourMicroUsdPerMtok: orElse(
      written.cached_write_1h_usd_per_mtok,
      dearer ? Math.ceil((write * 8) / 5) : write,
    ),
    reasoningMicroUsdPerMtok: orElse(written.reasoning_usd_per_mtok, output),
  };
}

function microUsd(amount: number): number {
  const exact = microUsdFromUsd(amount);
  assert.ok(exact !== undefined, 'priceFaults has found every amount good');
  return exact;
}
