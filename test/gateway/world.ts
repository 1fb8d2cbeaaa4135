/**
 * A whole gate in process, with witnesses for targets: what gateway tests stand on. Policies are those of
 * `test/fixtures/policy`, steered by the labels of a task. Every test asserts three things with it: the answer, what
 * the target received, and the audit event.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { AuditEvent } from '../../src/audit/event.ts';
import type { Clock } from '../../src/clock.ts';
import { type Gate, startGate } from '../../src/main.ts';
import type { Rooms } from '../../src/pipeline.ts';
import type { Log } from '../../src/telemetry/log.ts';
import { FakeIssuer } from '../fakes/issuer.ts';
import { FakeUpstream } from '../fakes/upstream.ts';
import { chatReply } from './chat.ts';
import { bringCompiled, keepCompiled } from './compiled.ts';

export interface WorldOptions {
  /** Goes over the configuration, section by section; a list takes the place of the section. */
  readonly config?: Record<string, Record<string, unknown> | readonly unknown[]>;
  readonly alterRooms?: (rooms: Rooms) => Rooms;
  /** Further targets of the model route. */
  readonly modelTargets?: readonly Record<string, unknown>[];
  /** Goes over the first target of the model route. */
  readonly gpt?: Record<string, unknown>;
  /** Adds the model route `claude`, on the same witness, which then is to answer as Anthropic does; goes over its target. */
  readonly claude?: Record<string, unknown>;
  /** Goes over the first target of all routes. */
  readonly target?: Record<string, unknown>;
  /** Goes over the issuer, and over the rows of the two routes. */
  readonly rows?: Partial<Record<'issuer' | 'gpt' | 'orders', Record<string, unknown>>>;
  readonly clock?: Clock;
  /** Policies named in `config` are kept for other worlds once they are compiled, as those of the fixture always are. */
  readonly keepCompiled?: boolean;
  /** Gets every line as the log of a gate would, besides `logs`. */
  readonly log?: Log;
}

export interface OpenedTask {
  readonly id: string;
  readonly token: string;
  readonly status: number;
  readonly body: Record<string, unknown>;
}

const openapi = {
  openapi: '3.1.0',
  info: { title: 'Orders', version: '1' },
  paths: {
    '/orders/{order_id}': {
      parameters: [{ name: 'order_id', in: 'path', required: true, schema: { type: 'string' } }],
      get: { operationId: 'get_order', responses: { 200: { description: 'the order' } } },
      delete: { operationId: 'delete_order', responses: { 204: { description: 'gone' } } },
    },
    '/refunds': {
      post: {
        operationId: 'create_refund',
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: {
                type: 'object',
                required: ['amount_cents'],
                additionalProperties: false,
                properties: { amount_cents: { type: 'integer' }, note: { type: 'string' } },
              },
            },
          },
        },
        responses: { 201: { description: 'paid' } },
      },
    },
  },
};

const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 2 };

/** Tests make the same few calls over and over; what is about loops names the limits that it is about. */
export const unboundedLoop = {
  ...{ repeats: 49, same_prompt: 49, ping_pong: 25, denials: 10_000 },
  agent: { repeats: 1_000_000, failures_in_a_row: 1_000_000, denials: 1_000_000, tasks_per_minute: 1_000_000 },
};

function claudeRoute(url: string, target: Record<string, unknown>): object {
  const own = { name: 'one', provider: 'anthropic', url, model: 'claude-real', max_output_tokens: 1000, price };
  return { name: 'claude', kind: 'model', targets: [{ ...own, credential: 'key', ...target }] };
}

/** Set by the test that runs gateway tests on Redis; each gate then has an id of its own, as its keys lie there. */
const redisUrl = process.env.TOLLGATE_TEST_REDIS;

interface Places {
  readonly gatewayId: string;
  readonly issuer: Pick<FakeIssuer, 'url' | 'audience'>;
  readonly modelUrl: string;
  readonly ordersUrl: string;
}

/** What may be another once the gate runs. */
type Changed = Pick<WorldOptions, 'config' | 'modelTargets' | 'gpt' | 'rows'>;

function configFor(options: WorldOptions, { gatewayId, issuer, modelUrl, ordersUrl }: Places): object {
  const target = { cloud: 'azure', region: 'westeurope', ...options.target };
  const base: Record<string, unknown> = {
    ...(redisUrl === undefined ? {} : { store: { kind: 'redis', url: redisUrl, command_timeout_ms: 500 } }),
    gateway: {
      id: gatewayId,
      listen: '127.0.0.1:0',
      admin: '127.0.0.1:0',
      public_url: 'http://gate.test',
      trust_domain: 'example.internal',
      data_dir: './data',
    },
    policy: { bundle: resolve(import.meta.dirname, '../fixtures/policy') },
    // Tasks of one test know nothing of those of another, also where they share a store.
    task: { loop: unboundedLoop, budget: { cost_usd: 1 }, taint_seconds: 0 },
    // What a witness answers is to be seen, and not repeated; what is about that names its own.
    retry: { attempts: 1, rest_max_ms: 0 },
    issuers: [
      {
        name: 'azure',
        issuer: issuer.url,
        audiences: [issuer.audience],
        algorithms: ['ES256'],
        agent: 'claims.sub',
        tenant: 'claims.tid',
        cloud: 'azure',
        ...options.rows?.issuer,
      },
    ],
    credentials: { key: { kind: 'header', name: 'x-service-key', value: 'the-key-of-the-gate' } },
    routes: [
      {
        name: 'gpt',
        kind: 'model',
        targets: [
          {
            ...target,
            name: 'one',
            provider: 'openai',
            url: `${modelUrl}/v1`,
            model: 'gpt-real',
            max_output_tokens: 1000,
            price,
            credential: 'key',
            ...options.gpt,
          },
          ...(options.modelTargets ?? []),
        ],
        ...options.rows?.gpt,
      },
      {
        name: 'orders',
        kind: 'http',
        openapi: './orders.json',
        operations: { create_refund: { remember: ['body.amount_cents'] } },
        targets: [{ ...target, name: 'one', url: ordersUrl, credential: 'key' }],
        ...options.rows?.orders,
      },
      ...(options.claude === undefined ? [] : [claudeRoute(modelUrl, { ...target, ...options.claude })]),
    ],
  };
  for (const [section, values] of Object.entries(options.config ?? {}))
    base[section] = Array.isArray(values) ? values : { ...(base[section] as object), ...values };
  const task = base.task as { readonly loop: object };
  base.task = { ...task, loop: { ...unboundedLoop, ...task.loop } };
  return base;
}

export class World implements AsyncDisposable {
  readonly gate: Gate;
  readonly issuer: FakeIssuer;
  readonly model: FakeUpstream;
  readonly orders: FakeUpstream;
  readonly logs: string[];
  readonly configFile: string;
  readonly #directory: string;
  readonly #configOf: (changed: Changed) => object;
  readonly #others: Gate[] = [];

  private constructor(
    parts: Pick<World, 'gate' | 'issuer' | 'model' | 'orders' | 'logs'>,
    directory: string,
    configOf: (changed: Changed) => object,
  ) {
    this.#configOf = configOf;
    this.gate = parts.gate;
    this.issuer = parts.issuer;
    this.model = parts.model;
    this.orders = parts.orders;
    this.logs = parts.logs;
    this.#directory = directory;
    this.configFile = join(directory, 'tollgate.yaml');
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const [issuer, model, orders] = await Promise.all([
      FakeIssuer.open(),
      FakeUpstream.open(chatReply()),
      FakeUpstream.open(),
    ]);
    const directory = await mkdtemp(join(tmpdir(), 'tollgate-world-'));
    const configFile = join(directory, 'tollgate.yaml');
    const gatewayId = redisUrl === undefined ? 'gw-test' : `gw-test-${randomBytes(4).toString('hex')}`;
    const configOf = (changed: Changed) =>
      configFor({ ...options, ...changed }, { gatewayId, issuer, modelUrl: model.url, ordersUrl: orders.url });
    await writeFile(join(directory, 'orders.json'), JSON.stringify(openapi));
    await writeFile(configFile, JSON.stringify(configOf({})));
    const logs: string[] = [];
    const fixture = options.config?.policy === undefined || options.keepCompiled === true;
    if (fixture) await bringCompiled(join(directory, 'data'));
    const gate = await startGate({
      configFile,
      env: process.env,
      log: (level, message, fields) => {
        logs.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
        options.log?.(level, message, fields);
      },
      ...(options.alterRooms === undefined ? {} : { alterRooms: options.alterRooms }),
      ...(options.clock === undefined ? {} : { clock: options.clock }),
    });
    if (fixture) await keepCompiled(join(directory, 'data'));
    return new World({ gate, issuer, model, orders, logs }, directory, configOf);
  }

  /** Opens a task for `agent`; labels steer the policy of the tests. */
  async task(body: Record<string, unknown> = {}, agent = 'coordinator'): Promise<OpenedTask> {
    const response = await fetch(`${this.gate.url}/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.issuer.token(agent)}` },
      body: JSON.stringify({ purpose: 'test', ...body }),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    return { id: String(answer.task_id), token: String(answer.task_token), status: response.status, body: answer };
  }

  /** A request to the data plane with `token` as its bearer. */
  fetch(path: string, token: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.gate.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) },
    });
  }

  chat(token: string, body: Record<string, unknown> = {}, init: RequestInit = {}): Promise<Response> {
    const whole = { model: 'gpt', messages: [{ role: 'user', content: 'hello' }], max_tokens: 50, ...body };
    return this.fetch('/v1/chat/completions', token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(whole),
      ...init,
    });
  }

  refund(token: string, amountCents: number, extra: Record<string, unknown> = {}): Promise<Response> {
    return this.fetch('/tools/orders/refunds', token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ amount_cents: amountCents, ...extra }),
    });
  }

  admin(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.gate.adminUrl}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${this.gate.adminToken}`, ...(init.headers as Record<string, string>) },
    });
  }

  /** All audit events that fit the query, oldest first. */
  async events(query: Record<string, string> = {}): Promise<AuditEvent[]> {
    const response = await this.admin(`/audit/events?${new URLSearchParams({ limit: '1000', ...query })}`);
    return ((await response.json()) as { events: AuditEvent[] }).events;
  }

  async taskDocument(task: OpenedTask): Promise<{
    state: string;
    budget: Record<'limit' | 'spent' | 'reserved' | 'remaining', { tokens: number; cost_usd: number; calls: number }>;
  }> {
    const response = await this.fetch(`/tasks/${task.id}`, task.token);
    return (await response.json()) as Awaited<ReturnType<World['taskDocument']>>;
  }

  /** Another gate of the same configuration, in a data folder of its own: a second machine, where the store is shared. */
  async secondGate(id: string): Promise<Gate> {
    const config = JSON.parse(await readFile(this.configFile, 'utf8')) as { gateway: Record<string, unknown> };
    config.gateway = { ...config.gateway, id, data_dir: `./data-${id}` };
    const configFile = join(this.#directory, `${id}.yaml`);
    await writeFile(configFile, JSON.stringify(config));
    const gate = await startGate({ configFile, env: process.env, log: () => undefined });
    this.#others.push(gate);
    return gate;
  }

  /** Puts the configuration in force that a world opened with these options as well would have. */
  async change(changed: Changed): Promise<void> {
    await writeFile(this.configFile, JSON.stringify(this.#configOf(changed)));
    const { outcome, faults } = await this.gate.reload('signal');
    assert.equal(outcome, 'applied', JSON.stringify(faults));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#others.map((gate) => gate.close()));
    await this.gate.close();
    await Promise.all([this.issuer, this.model, this.orders].map((part) => part[Symbol.asyncDispose]()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}
