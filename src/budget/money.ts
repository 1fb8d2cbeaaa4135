/**
 * What a price makes of tokens, computed in BigInt and rounded up once, so that a sum of charges never falls short of
 * the truth. How dollars on the wire become micro-dollars is in `wire/money.ts`.
 */
import assert from 'node:assert/strict';
import { microUsdFromUsd } from '../wire/money.ts';

const tokensPerMtok = 1_000_000n;

/** Dollars of a checked configuration in micro-dollars; throws for what `checkBudget` would have refused. */
export function microUsd(usd: number): number {
  const exact = microUsdFromUsd(usd);
  assert.ok(exact !== undefined, 'checkBudget has found every amount good');
  return exact;
}

/** One kind of tokens and what a million of them costs, in micro-dollars. */
export interface Charge {
  readonly tokens: number;
  readonly microUsdPerMtok: number;
}

/** The micro-dollars of all `charges` together, rounded up once. Throws beyond 2^53 micro-dollars. */
export function chargeMicroUsd(charges: readonly Charge[]): number {
  let sum = 0n;
  for (const { tokens, microUsdPerMtok } of charges) sum += BigInt(tokens) * BigInt(microUsdPerMtok);
  const rounded = (sum + tokensPerMtok - 1n) / tokensPerMtok;
  assert.ok(rounded <= BigInt(Number.MAX_SAFE_INTEGER), 'a charge stays below 2^53 micro-dollars');
  return Number(rounded);
}
