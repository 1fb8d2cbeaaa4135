/**
 * The rows of the table: what stands between the load and the upstream, and what of the gate is on. From the least
 * gate down each row has on what the row before it has, and one thing more.
 */
import { resolve } from 'node:path';
import type { RoomOff } from './gates/tollgate.ts';

const root = resolve(import.meta.dirname, '..');

/** How many calls a task makes, and how many before the measurement starts. */
export interface TaskShape {
  readonly calls: number;
  readonly before: number;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  /** None for the way without anything in between, and for programs that are no gate. */
  readonly gate?: {
    readonly off: readonly RoomOff[];
    /** Goes over the sections of the least configuration. */
    readonly config: Readonly<Record<string, object>>;
    readonly txnToken: boolean;
    readonly task: TaskShape;
  };
  /** The program that is measured, where it is no gate. */
  readonly program?: string;
}

/** Addresses and folders that a configuration needs. */
export interface Places {
  readonly worldUrl: string;
  readonly dataDir: string;
}

const usual: TaskShape = { calls: 24, before: 0 };
const longTask: TaskShape = { calls: 48, before: 60 };

const noInspection = { recognizers: [] };
const largeWindow = { per: 'day', cost_usd: 1_000_000, calls: 1_000_000_000 };
const threeLevels = { tenants: { acme: largeWindow }, agents: { coordinator: largeWindow } };
const noPolicies = { bundle: resolve(import.meta.dirname, 'policy') };
// They speak of more routes than a bench has.
const shipped = { bundle: resolve(root, 'policies'), unknown_operations: 'warn' };
const full = { budget: threeLevels, policy: shipped };

/** Patient, because a machine that is short of time must not look like a Redis that is away. */
const slowRedis = (url: string) => ({ kind: 'redis', url, command_timeout_ms: 5000 });

export const proxyRow = 'proxy';
export const governedRow = 'governed';
/** Not a way for calls: one decision by itself. */
export const decisionRow = 'decision';

/** Enough to see that every part of a run works. */
export const quickRows: readonly string[] = ['direct', proxyRow, 'least', governedRow, 'redis'];

/** Redis is put in by its URL, once a server runs. */
export function rows(redisUrl: string): readonly Row[] {
  return [
    { id: 'direct', title: 'nothing in between' },
    { id: proxyRow, title: 'bare @fastify/http-proxy', program: 'gates/proxy.ts' },
    { id: 'undici', title: 'undici by hand, JSON parsed', program: 'gates/undici.ts' },
    {
      id: 'least',
      title:
        'the gate with budgets, trail, Txn-Tokens, inspection and policies off: server, wire, task token, task and its history, route, breaker',
      gate: {
        off: ['budget', 'audit'],
        config: { inspection: noInspection, policy: noPolicies },
        txnToken: false,
        task: usual,
      },
    },
    {
      id: 'budget',
      title: '+ budgets of task, agent and tenant',
      gate: {
        off: ['audit'],
        config: { budget: threeLevels, inspection: noInspection, policy: noPolicies },
        txnToken: false,
        task: usual,
      },
    },
    {
      id: 'pass',
      title:
        '+ audit trail, reads relaxed, writes and chat strict (the gate as pass-through: all that a config can turn off is off)',
      gate: {
        off: [],
        config: { budget: threeLevels, inspection: noInspection, policy: noPolicies },
        txnToken: false,
        task: usual,
      },
    },
    {
      id: 'txn',
      title: '+ a Txn-Token for every tool call',
      gate: {
        off: [],
        config: { budget: threeLevels, inspection: noInspection, policy: noPolicies },
        txnToken: true,
        task: usual,
      },
    },
    {
      id: 'inspection',
      title: '+ inspection, all recognizers, both ways',
      gate: { off: [], config: { budget: threeLevels, policy: noPolicies }, txnToken: true, task: usual },
    },
    {
      id: governedRow,
      title: '+ the policies as shipped: **fully governed**',
      gate: { off: [], config: full, txnToken: true, task: usual },
    },
    {
      id: 'long',
      title: 'fully governed, late in a long task (history full)',
      gate: { off: [], config: full, txnToken: true, task: longTask },
    },
    {
      id: 'redis',
      title: 'fully governed, state in Redis',
      gate: { off: [], config: { ...full, store: slowRedis(redisUrl) }, txnToken: true, task: usual },
    },
    {
      id: 'traces',
      title: 'fully governed, 1 % of traces sent',
      gate: { off: [], config: { ...full, telemetry: { log: 'error', sample: 0.01 } }, txnToken: true, task: usual },
    },
  ];
}

/** The tollgate.yaml of a row, as JSON. */
export function configOf(row: Row, { worldUrl, dataDir }: Places): object {
  const { config = {}, txnToken = false } = row.gate ?? {};
  const target = { name: 'one', cloud: 'azure', region: 'westeurope', credential: 'key' };
  const openapi = (name: string) => resolve(root, 'examples/return-exceptions/openapi', `${name}.yaml`);
  const tool = (name: string) => ({
    name,
    kind: 'http',
    openapi: openapi(name),
    targets: [{ ...target, url: worldUrl, txn_token: txnToken }],
  });
  const base = {
    gateway: {
      id: 'bench',
      cloud: 'azure',
      region: 'westeurope',
      trust_domain: 'example.internal',
      listen: '127.0.0.1:0',
      admin: '127.0.0.1:0',
      public_url: 'http://gate.bench',
      data_dir: dataDir,
    },
    issuers: [
      {
        name: 'azure',
        issuer: worldUrl,
        audiences: ['api://tollgate'],
        algorithms: ['ES256'],
        agent: 'claims.sub',
        tenant: 'claims.tid',
        cloud: 'azure',
      },
    ],
    // Nothing runs out while it is measured; that it would is what the tests are for.
    task: {
      ttl_seconds: 3600,
      token_ttl_seconds: 3600,
      budget: { tokens: 1e9, cost_usd: 100_000, calls: 1_000_000, seconds: 3600 },
    },
    credentials: { key: { kind: 'header', name: 'x-service-key', value: 'the-key-of-the-gate' } },
    routes: [
      {
        name: 'planner',
        kind: 'model',
        targets: [
          {
            ...target,
            provider: 'openai',
            url: `${worldUrl}/v1`,
            model: 'gpt-4.1',
            max_output_tokens: 1024,
            price: { input_usd_per_mtok: 2, output_usd_per_mtok: 8 },
          },
        ],
      },
      { ...tool('orders'), operations: { get_order: { reads: ['private'], sends: 'inside' } } },
      {
        ...tool('refunds'),
        operations: {
          create_refund: { remember: ['body.amount_cents', 'body.order_id'], reads: [], sends: 'inside' },
        },
      },
    ],
    telemetry: { log: 'error' },
  };
  const whole = { ...base, ...config } as typeof base & { telemetry: object };
  const traced = 'sample' in whole.telemetry ? { ...whole.telemetry, otlp: { url: worldUrl } } : whole.telemetry;
  return { ...whole, telemetry: traced };
}
