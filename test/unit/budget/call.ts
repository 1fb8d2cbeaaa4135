/** What a call brings to the budget stage: a task record, targets, and a payload that notes the limit it is given. */
import type {
  Arrival,
  CacheFact,
  DecisionFact,
  EntryFact,
  ModelAsk,
  ObeyedFact,
  Obligations,
  OperationFact,
  Spending,
  Target,
  TaskRecord,
} from '../../../src/call.ts';
import type { Clock } from '../../../src/clock.ts';
import { newId } from '../../../src/clock.ts';

export type BudgetCall = Arrival & OperationFact & EntryFact & DecisionFact & ObeyedFact & CacheFact;

export const noLimit: Spending = { tokens: 1e9, costMicroUsd: 1e12, calls: 1e6, seconds: 3_600 };

/** A target with prices in micro-dollars for a million tokens. */
export function targetOf(input: number, output: number, maxOutputTokens = 1_000, callMicroUsd = 0): Target {
  return {
    name: `t${input}-${output}`,
    route: 'gpt',
    kind: 'model',
    cloud: 'azure',
    region: 'eu',
    provider: 'openai',
    api: 'openai',
    url: 'http://127.0.0.1',
    model: 'm',
    weight: 1,
    credential: null,
    maxOutputTokens,
    price: {
      inputMicroUsdPerMtok: input,
      outputMicroUsdPerMtok: output,
      cachedInputMicroUsdPerMtok: input,
      cacheWriteMicroUsdPerMtok: input,
      cacheWriteHourMicroUsdPerMtok: input,
      reasoningMicroUsdPerMtok: output,
      tiers: [],
      callMicroUsd,
      version: 'config',
    },
    timeoutMs: { connect: 1, firstByte: 1, total: 1 },
    txnToken: false,
  };
}

export function askOf(promptTokensMax: number, maxTokens: number | null, choices = 1): ModelAsk {
  return { name: 'gpt', maxTokens, tools: [], promptTokensMax, choices };
}

export function recordOf(clock: Clock, budget: Partial<Spending> = {}, agent = 'agent-1'): TaskRecord {
  const nowMs = clock.nowMs();
  return {
    id: newId(clock, 'task'),
    tenant: 'acme',
    agent: { id: agent, issuer: 'i', tenant: 'acme', cloud: 'azure', claims: {}, actors: [], verifiedAtMs: nowMs },
    ancestors: [],
    createdAtMs: nowMs,
    expiresAtMs: nowMs + 3_600_000,
    budget: { ...noLimit, ...budget },
  } as unknown as TaskRecord;
}

export interface BudgetCallParts {
  readonly clock: Clock;
  readonly record: TaskRecord;
  readonly ask: ModelAsk | null;
  readonly obligations?: Obligations;
}

/** The call, and the limit that was written into its payload: null if none was. */
export function callOf({ clock, record, ask, obligations = {} }: BudgetCallParts): {
  call: BudgetCall;
  limited: () => number | null;
} {
  let limit: number | null = null;
  const payload = {
    get model() {
      return ask === null || limit === null ? ask : { ...ask, maxTokens: limit };
    },
    limitTokens: (maxTokens: number) => {
      limit = maxTokens;
    },
    validate: () => undefined,
  };
  const call = {
    id: newId(clock, 'call'),
    resolved: { operation: { route: 'gpt', kind: ask === null ? 'tool' : 'model' }, payload },
    entry: { task: { record, remaining: record.budget } },
    decision: { obligations },
    obeyed: { changed: false, unhandled: [] },
    cache: { state: 'not_granted' },
  } as unknown as BudgetCall;
  return { call, limited: () => limit };
}
