/**
 * The open price list that comes with the gate: a package with its data in it, loaded where a model needs it and never
 * asked over the network. What a reader would get wrong: a target speaks the API of one vendor and may be another's, so
 * the host of its URL says whose price it is; and the list guesses at names it does not know, which no price is taken from.
 */
import type { MatchLogic, ModelInfo, ModelPrice, Provider } from '@pydantic/genai-prices';
import type { Price, Rates } from '../call.ts';
import { microUsdFromUsd } from '../wire/money.ts';
import type { ModelPlace, ModelPrices } from '../wire/price.ts';
import { nearest } from '../wire/schema-faults.ts';

/** The version in the lock file, and the day it was published. */
export const priceList = { name: 'genai-prices 0.1.8', asOf: '2026-09-23' } as const;

const nearMax = 3;
/** What may follow a name that the list knows the beginning of: a date or an alias, and never another number or word. */
const sameModel = /^(?:[-@:]?(?:latest|preview|default|\d{4,8}(?:-\d{2}){0,2}))?$/;
/** What may stand before a name that the list knows the end of: the vendor, and the regions Bedrock has it served in. */
const sameVendor = /^(?:(?:[a-z]+(?:-[a-z]+)*\.)?anthropic\.)?$/;

/** The list as it holds at `nowMs`; a price that begins later is not taken. Loading it takes about 50 ms. */
export async function openPriceList(nowMs: number): Promise<ModelPrices> {
  const { findProvider } = await import('@pydantic/genai-prices');
  const today = new Date(nowMs).toISOString().slice(0, 10);
  const providersOf = ({ provider, url }: ModelPlace): readonly Provider[] => {
    // A server that the list does not know is taken for a way to the vendor whose API it speaks.
    const first = findProvider({ providerApiUrl: url }) ?? findProvider({ providerId: provider });
    const others = first?.fallback_model_providers ?? [];
    const ids = others.map((providerId) => findProvider({ providerId }));
    return [first, ...ids].filter((one) => one !== undefined);
  };
  return {
    find: (place) => {
      const names = listedNames(place);
      for (const { models } of providersOf(place)) {
        const model = models.find(({ match }) => names.some((name) => isCertain(match, name)));
        if (model !== undefined) return priceOf(pricesOn(today, model));
      }
      return null;
    },
    near: (place) => nearNames(place.model, providersOf(place).flatMap(namesOf)),
  };
}

/** Up to three of `known` that are like `name`, the nearest first. */
export function nearNames(name: string, known: readonly string[]): readonly string[] {
  const near: string[] = [];
  while (near.length < nearMax) {
    const next = nearest(
      name,
      known.filter((one) => !near.includes(one)),
    );
    if (next === undefined) break;
    near.push(next);
  }
  return near;
}

/** Whether the list means this very model, and not any whose name begins alike. */
function isCertain(match: MatchLogic, name: string): boolean {
  if ('or' in match) return match.or.some((one) => isCertain(one, name));
  if ('equals' in match) return match.equals.toLowerCase() === name;
  if ('regex' in match) return new RegExp(match.regex).test(name);
  if ('and' in match) return match.and.every((one) => isCertain(one, name));
  if ('starts_with' in match) return isNamed(match.starts_with.toLowerCase(), name, 0);
  const part = 'contains' in match ? match.contains : 'ends_with' in match ? match.ends_with : null;
  if (part === null) return false;
  const at = name.indexOf(part.toLowerCase());
  return at !== -1 && sameVendor.test(name.slice(0, at)) && isNamed(part.toLowerCase(), name, at);
}

function isNamed(known: string, name: string, at: number): boolean {
  return name.startsWith(known, at) && sameModel.test(name.slice(at + known.length));
}

/** As the list may name it: what a provider puts around the name of a model is no part of it. */
function listedNames({ provider, model }: ModelPlace): readonly string[] {
  const name = model.toLowerCase();
  // The endpoint of Vertex wants the publisher before it.
  if (provider === 'vertex') return [name.replace(/^google\//, '')];
  if (provider !== 'bedrock') return [name];
  // An ARN ends in the model or in a profile of it; a model of Bedrock, in its versions there.
  const last = name.slice(name.lastIndexOf('/') + 1);
  return [last, last.replace(/:\d+$/, ''), last.replace(/-v\d+(?::\d+)?$/, '')];
}

function namesOf({ models }: Provider): readonly string[] {
  return models.filter((model) => model.id !== '').map(({ id }) => id);
}

/** The rows that can hold on a day: the newest that has begun, and those of an hour, because a call may come at any. */
function pricesOn(today: string, { prices }: ModelInfo): readonly ModelPrice[] {
  if (!Array.isArray(prices)) return [prices];
  const ofHours = prices.filter(({ constraint }) => constraint?.type === 'time_of_date');
  const current = prices.findLast(({ constraint }) => {
    return constraint === undefined || (constraint.type === 'start_date' && constraint.start_date <= today);
  });
  return [...(current === undefined ? [] : [current]), ...ofHours].map((row) => row.prices);
}

/** Null for what is not paid by tokens. Where kinds of media cost differently the dearest holds for all. */
function priceOf(rows: readonly ModelPrice[]): Price | null {
  const rates = ratesAt(rows, 0);
  if (rates === null) return null;
  const starts = new Set(rows.flatMap((row) => Object.values(row).flatMap(startsOf)));
  const tiers = [...starts]
    .toSorted((left, right) => left - right)
    .map((aboveInputTokens) => ({ aboveInputTokens, ...(ratesAt(rows, aboveInputTokens + 1) ?? rates) }));
  const ofCalls = dearest(rows, /^requests_kcount$/, 0);
  return {
    ...rates,
    tiers,
    callMicroUsd: ofCalls === undefined ? 0 : Math.ceil(ofCalls / 1000),
    version: `${priceList.name} ${priceList.asOf}`,
  };
}

function ratesAt(rows: readonly ModelPrice[], inputTokens: number): Rates | null {
  const input = dearest(rows, /^input_(?:\w+_)?mtok$/, inputTokens);
  if (input === undefined) return null;
  // Only what answers with no tokens, an embedding, has no price for them.
  const output = dearest(rows, /^output_(?:\w+_)?mtok$/, inputTokens) ?? 0;
  const write = dearest(rows, /^cache_write_mtok$/, inputTokens) ?? input;
  return {
    inputMicroUsdPerMtok: input,
    outputMicroUsdPerMtok: output,
    cachedInputMicroUsdPerMtok: dearest(rows, /^cache_(?:\w+_)?read_mtok$/, inputTokens) ?? input,
    cacheWriteMicroUsdPerMtok: write,
    cacheWriteHourMicroUsdPerMtok: dearest(rows, /^cache_write_1h_mtok$/, inputTokens) ?? write,
    reasoningMicroUsdPerMtok: dearest(rows, /^output_reasoning_mtok$/, inputTokens) ?? output,
  };
}

/** The highest amount, in micro-dollars, of all members that fit. */
function dearest(rows: readonly ModelPrice[], members: RegExp, inputTokens: number): number | undefined {
  const amounts = rows.flatMap((row) =>
    Object.entries(row).flatMap(([member, value]) => {
      if (value === undefined || !members.test(member)) return [];
      const usd = typeof value === 'number' ? value : usdAt(value, inputTokens);
      // Finer than a micro-dollar: rounded up, so that no bound falls short.
      return [microUsdFromUsd(usd) ?? Math.ceil(usd * 1_000_000)];
    }),
  );
  return amounts.length === 0 ? undefined : Math.max(...amounts);
}

type Tiered = Exclude<ModelPrice[string], number | undefined>;

function usdAt({ base, tiers }: Tiered, inputTokens: number): number {
  const reached = tiers.filter(({ start }) => inputTokens > start);
  return reached.toSorted((left, right) => left.start - right.start).at(-1)?.price ?? base;
}

function startsOf(value: ModelPrice[string]): readonly number[] {
  return typeof value === 'object' ? value.tiers.map(({ start }) => start) : [];
}
