/**
 * What one seed of the simulation of budgets is about: whose budgets there are and how small, what targets cost, what
 * agents ask for, and how their requests go. In a scene with a `goal` one limit is for exactly so many calls, and
 * all other limits are out of reach.
 */
import type { BudgetLimits } from '../../src/budget/section.ts';
import type {
  JsonObject,
  Obligations,
  Operation,
  OperationRegistry,
  Payload,
  Route,
  Spending,
  Target,
  TaskRecord,
  WireRequest,
} from '../../src/call.ts';
import { isDenial } from '../../src/denial.ts';
import type { Amounts } from '../../src/store/store.ts';
import { templateTokens } from '../../src/wire/dialects/openai/fields.ts';
import { openai } from '../../src/wire/dialects/openai.ts';
import { modelRoutes } from '../../src/wire/model-routes.ts';
import { callPriceOf } from '../../src/wire/price.ts';
import { fakeAgent, fakeOperation, fakeTask } from '../fakes/task.ts';
import { rawRequest, registryOf } from '../unit/wire/request.ts';
import type { Draw } from './far_store.ts';
import type { Wish } from './given_rungs.ts';
import { dearest, type Manner } from './model_books.ts';

export const levels = ['task', 'parent', 'agent', 'tenant'] as const;
export const dimensions = ['calls', 'tokens', 'costMicroUsd'] as const;

/** One limit that is for exactly `k` calls. */
export interface Goal {
  readonly level: (typeof levels)[number];
  readonly dimension: (typeof dimensions)[number];
  readonly k: number;
  /** The answer tokens of the last turn that its policy grants besides; then the task ends. Undefined for none. */
  readonly wrapUp?: number;
}

/** What one client does. */
export interface ClientPlan {
  readonly wish: Wish;
  /** How its attempts go, one after the other; the last one for all that follow. */
  readonly manners: readonly Manner[];
  readonly startMs: number;
  /** When it leaves, counted from its start; null if it stays. */
  readonly leavesMs: number | null;
}

export interface Scene {
  readonly goal: Goal | null;
  readonly budget: BudgetLimits;
  readonly records: readonly TaskRecord[];
  readonly registry: OperationRegistry & { route(name: string): Route | undefined };
  readonly clients: readonly ClientPlan[];
  /** One call more like those of the clients, at once and by one that stays. */
  readonly another: () => ClientPlan;
  /** The limits of a counter, by its key. */
  readonly limitsOf: (key: string) => Amounts;
  /** How the keys begin that a call draws on, its task's first; by the key of its task. */
  readonly drawnOn: (taskKey: string) => readonly string[];
  /** Whether it was sent to targets of one price only. */
  readonly onePrice: boolean;
}

const outOfReach: Spending = { tokens: 1e9, costMicroUsd: 1e12, calls: 1e6, seconds: 86_400 };
const maxOutputTokens = 60;
/** In the key of the counter that lets a task have one last turn. */
export const wrapUpKey = ':budget:wrap-up:';
const taskKey = 'tg:{acme}:budget:task:';
/** When calls come, most of them at once. */
export const burstsMs: readonly number[] = [0, 0, 500, 1_000];
const untold: readonly Manner[] = [
  'connect',
  'silent',
  'reset',
  'late',
  'broken',
  'hold',
  'runaway',
  'error',
  'limited',
];
const any: readonly Manner[] = ['whole', 'whole', 'whole', 'runaway', ...untold];
const ofTools: readonly Manner[] = ['whole', 'error', 'reset', 'late', 'connect'];

export function sceneOf(draw: Draw, nowMs: number, mayHaveGoal: boolean): Scene {
  const targets = Array.from({ length: 1 + draw(2) }, (_, index) => targetOf(draw, `model-${index}`));
  const tool = { ...targetOf(draw, 'tool'), kind: 'tool' as const, route: 'shop', api: null, model: null };
  const shop = { ...tool, provider: 'http', price: callPriceOf((100 + draw(2_000)) / 1e6, 'config') };
  const goal = mayHaveGoal && draw(3) > 0 ? goalOf(draw) : null;
  const uniform = goal !== null && goal.dimension !== 'calls';
  const text = 'x'.repeat(1 + draw(60));
  const most = 17 + draw(30);
  const bound = boundOf(targets, text, most);

  const size: Amounts = { calls: 1, ...bound };
  const limits = (level: Goal['level']): Amounts => {
    const ofWindow = level === 'agent' || level === 'tenant';
    if (goal === null) return draw(3) === 0 ? {} : { ...loose(draw, size), ...(ofWindow ? someSeconds(draw) : {}) };
    if (goal.level !== level) return {};
    const each = size[goal.dimension] as number;
    return { [goal.dimension]: goal.k * each + draw(each) };
  };
  const windows = (amounts: Amounts) => {
    const { tokens, costMicroUsd, calls, seconds } = amounts;
    const limit = {
      ...(tokens === undefined ? {} : { tokens }),
      ...(costMicroUsd === undefined ? {} : { cost_usd: costMicroUsd / 1e6 }),
      ...(calls === undefined ? {} : { calls }),
      ...(seconds === undefined ? {} : { seconds }),
    };
    const per = (['hour', 'day', 'month'] as const)[draw(3)] as 'hour';
    return Object.keys(limit).length === 0 ? {} : { '*': { per, ...limit } };
  };
  const [ofAgent, ofTenant] = [limits('agent'), limits('tenant')];
  const budget: BudgetLimits = { agents: windows(ofAgent), tenants: windows(ofTenant) };
  const whole = recordOf('whole', nowMs, 'agent-1', limits(goal?.level === 'task' ? 'task' : 'parent'));
  const { id, agent, purpose, budget: drawsOn, expiresAtMs } = whole;
  const above = { id, agent: agent.id, issuer: agent.issuer, purpose, budget: drawsOn, expiresAtMs };
  const part = recordOf('part', nowMs, 'agent-1', goal === null ? limits('task') : {}, [above]);
  const other = recordOf(
    'other',
    nowMs,
    goal?.level === 'agent' ? 'agent-1' : 'agent-2',
    goal === null ? limits('task') : {},
  );
  // All calls of a goal draw on the one limit.
  const callers = { task: [whole], parent: [part, whole], agent: [whole, part, other], tenant: [whole, part, other] };
  const records = callers[goal?.level ?? 'tenant'];
  const lowers = goal === null && draw(2) === 0;
  const value = draw(2) === 0 ? { value: 10 + draw(50) } : {};
  const obligations: Obligations = {
    ...(lowers ? { max_tokens: { ...value, on_excess: 'lower' } } : {}),
    ...(goal?.wrapUp === undefined ? {} : { wrap_up: { tokens: goal.wrapUp } }),
  };

  const { registry, toolRequest } = registryOfScene(targets, shop);
  const planOf = (startMs: number, stays: boolean): ClientPlan => {
    const isTool = !uniform && !(stays && goal?.wrapUp !== undefined) && draw(4) === 0;
    const body = uniform
      ? bodyOf(text, most, 1, draw)
      : bodyOf('y'.repeat(1 + draw(120)), draw(5) === 0 ? null : 1 + draw(59), 1 + (draw(4) === 0 ? 1 : 0), draw);
    const list = isTool ? ofTools : uniform ? untold : any;
    return {
      wish: {
        record: records[draw(records.length)] as TaskRecord,
        request: isTool ? toolRequest(draw(2) === 0) : chatRequest(body),
        obligations,
        deadlineMs: draw(10) === 0 ? 100 + draw(400) : null,
      },
      manners: Array.from({ length: 4 }, () => list[draw(list.length)] as Manner),
      startMs,
      leavesMs: !stays && draw(10) < 3 ? draw(70) : null,
    };
  };
  const count = goal === null ? 24 : 2 * goal.k + 6;
  const budgets = new Map(records.map((record) => [record.id as string, record.budget]));
  return {
    goal,
    budget,
    records,
    registry,
    clients: Array.from({ length: count }, () => planOf((burstsMs[draw(burstsMs.length)] as number) + draw(8), false)),
    another: () => ({ ...planOf(0, true), manners: [uniform ? 'silent' : 'whole'] }),
    onePrice: targets.length === 1,
    drawnOn: (key) => {
      const record = records.find(({ id: one }) => key === `${taskKey}${one}`);
      return [
        ...(record === undefined ? [] : [record.id, ...record.ancestors.map(({ id: one }) => one)]).map(
          (one) => `${taskKey}${one}`,
        ),
        ...(Object.keys(ofAgent).length === 0 ? [] : [`tg:{acme}:budget:agent:azure%2F${record?.agent.id}:`]),
        ...(Object.keys(ofTenant).length === 0 ? [] : ['tg:{acme}:budget:tenant:acme:']),
      ];
    },
    limitsOf: (key) => {
      if (key.includes(':budget:agent:')) return ofAgent;
      if (key.includes(':budget:tenant:')) return ofTenant;
      if (key.includes(wrapUpKey)) return { calls: 1 };
      const { tokens, costMicroUsd, calls } = budgets.get(key.slice(key.lastIndexOf(':') + 1)) ?? outOfReach;
      return { tokens, costMicroUsd, calls: goal?.wrapUp === undefined ? calls : calls + 1 };
    },
  };
}

function goalOf(draw: Draw): Goal {
  if (draw(5) === 0) return { level: 'task', dimension: 'calls', k: 2 + draw(5), wrapUp: 5 + draw(20) };
  const level = levels[draw(levels.length)] as Goal['level'];
  return { level, dimension: dimensions[draw(dimensions.length)] as Goal['dimension'], k: 2 + draw(7) };
}

/** For some ten calls of the common size, in some dimensions. */
function loose(draw: Draw, size: Amounts): Amounts {
  const chosen = dimensions.filter(() => draw(2) === 0);
  return Object.fromEntries(chosen.map((name) => [name, (3 + draw(12)) * (size[name] as number) + draw(50)]));
}

/** The time of a few calls, now and then. */
function someSeconds(draw: Draw): Amounts {
  return draw(3) === 0 ? { seconds: 4 + draw(30) } : {};
}

function targetOf(draw: Draw, name: string): Target {
  const [input, output] = [100_000 + draw(5_000_000), 100_000 + draw(20_000_000)];
  return {
    ...{ name, route: 'gpt', kind: 'model', cloud: 'azure', region: 'eu', provider: 'openai', api: 'openai' },
    ...{ url: 'http://127.0.0.1/v1', model: 'm', weight: 1, credential: null, maxOutputTokens, txnToken: false },
    price: {
      inputMicroUsdPerMtok: input,
      outputMicroUsdPerMtok: output,
      cachedInputMicroUsdPerMtok: Math.floor(input / 10),
      cacheWriteMicroUsdPerMtok: input + draw(2) * Math.floor(input / 4),
      cacheWriteHourMicroUsdPerMtok: input,
      reasoningMicroUsdPerMtok: output + draw(2) * Math.floor(output / 5),
      ...{ tiers: [], callMicroUsd: 0, version: 'config' },
    },
    timeoutMs: { connect: 50, firstByte: 300, total: 1_200 },
  };
}

function recordOf(
  name: string,
  nowMs: number,
  agent: string,
  limits: Amounts,
  ancestors: TaskRecord['ancestors'] = [],
): TaskRecord {
  return fakeTask({
    ...{ id: `task_${name}` as TaskRecord['id'], agent: { ...fakeAgent, id: agent }, ancestors },
    ...{ createdAtMs: nowMs, expiresAtMs: nowMs + 3_600_000, budget: { ...outOfReach, ...limits } },
  });
}

/** What a call with this text and limit is held for, reckoned here and not by the gate. */
function boundOf(targets: readonly Target[], text: string, most: number): { tokens: number; costMicroUsd: number } {
  const promptTokens = templateTokens.request + templateTokens.message + Buffer.byteLength(`user${text}`);
  return {
    tokens: promptTokens + most,
    costMicroUsd: Math.max(...targets.map(({ price }) => dearest(price, promptTokens, most))),
  };
}

function bodyOf(content: string, most: number | null, choices: number, draw: Draw): JsonObject {
  return {
    ...{ model: 'gpt', stream: draw(2) === 0, messages: [{ role: 'user', content }] },
    ...(choices === 1 ? {} : { n: choices }),
    ...(most === null ? {} : { [draw(2) === 0 ? 'max_tokens' : 'max_completion_tokens']: most }),
  };
}

function chatRequest(body: JsonObject): WireRequest {
  const parsed = openai.parse(rawRequest('POST', '/v1/chat/completions', body));
  if (isDenial(parsed)) throw new Error(parsed.message);
  return parsed;
}

function registryOfScene(targets: readonly Target[], shop: Target) {
  const gpt: Route = { name: 'gpt', kind: 'model', targets };
  const tools: Route = { name: 'shop', kind: 'http', targets: [shop] };
  const { operations } = modelRoutes.operations(gpt, { openapi: null, operations: {} });
  const look = fakeOperation('shop.look', { effect: 'read' });
  const pay = fakeOperation('shop.pay', { effect: 'write' });
  const registry = registryOf([gpt, tools], [...operations, look, pay]);
  const toolRequest = (reads: boolean): WireRequest => {
    const operation: Operation = reads ? look : pay;
    return { kind: 'tool', route: 'shop', resolve: () => ({ operation, payload: toolPayload() }) };
  };
  return { registry, toolRequest };
}

function toolPayload(): Payload {
  return {
    ...{ args: {}, document: () => ({}), method: 'GET', path: '/', stream: false, model: null },
    ...{ segments: () => [], drop: () => undefined, limitTokens: () => undefined, validate: () => undefined },
    encode: () => ({ method: 'GET', path: '/', headers: {}, body: null }),
    readAnswer: (head, body) => ({
      ...{ head, body: null, segments: () => [], drop: () => undefined, usage: null, proposals: [], text: '' },
      encode: () => ({ head, body }),
    }),
    readStream: () => {
      throw new Error('a tool does not stream here');
    },
  };
}
