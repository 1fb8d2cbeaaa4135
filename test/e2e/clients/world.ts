/**
 * What the clients of these tests stand before: a whole gate with the shipped rules, inspection with every recognizer,
 * and a trail that is on disk before anything is sent, reads included; providers of every wire format behind it, each as
 * a route and two of them mixed in one; and a service whose answers hold what must not go on to a model.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeUpstream } from '../../fakes/upstream.ts';
import { type OpenedTask, World } from '../../gateway/world.ts';
import { awsKey, awsRegion, bedrockModel, keys, location, Models, type Turn } from './models.ts';
import { type Api, writePolicies } from './policy.ts';

export const email = 'anna.schmidt@customer-mail.com';
export const card = '4111 1111 1111 1111';
export const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
/** What the user says: where the order is, and an address that no model needs. */
export const question = `Where is order O-1? Write to ${email}.`;
export const answer = 'It is shipped.';
export const callId = 'call_1';

/** Routes by the wire format of their targets; `mixed` has one of each. */
export const chatRoutes = ['gpt', 'azure'] as const;
export const messageRoutes = ['claude', 'bedrock', 'vertex'] as const;
export const routes = [...chatRoutes, ...messageRoutes, 'mixed'] as const;

/** A turn that calls the tool, and the one after it. */
export function loopTurns(tool: string, thinking?: string): readonly Turn[] {
  const call = { id: callId, name: tool, input: { order_id: 'O-1' } };
  return [{ text: 'Let me look.', calls: [call], ...(thinking === undefined ? {} : { thinking }) }, { text: answer }];
}

interface ModelTarget {
  readonly provider: string;
  readonly [member: string]: unknown;
}

export class ClientWorld implements AsyncDisposable {
  readonly world: World;
  readonly models: Models;
  readonly #orders: FakeUpstream;
  readonly #folder: string;

  private constructor(parts: Pick<ClientWorld, 'world' | 'models'>, orders: FakeUpstream, folder: string) {
    this.world = parts.world;
    this.models = parts.models;
    this.#orders = orders;
    this.#folder = folder;
  }

  static async open(): Promise<ClientWorld> {
    const [models, orders, folder] = await Promise.all([
      Models.open(),
      FakeUpstream.open((_request, response) => {
        const order = JSON.stringify({ order_id: 'O-1', state: 'shipped', contact: email, paid_with: card });
        response.writeHead(200, { 'content-type': 'application/json' }).end(order);
      }),
      mkdtemp(join(tmpdir(), 'tollgate-clients-')),
    ]);
    const { openai, azure, anthropic, bedrock, vertex } = models.servers;
    const place = { cloud: 'azure', region: 'westeurope' };
    const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 2 };
    const of = (name: string, own: ModelTarget): ModelTarget => ({
      name,
      ...place,
      max_output_tokens: 1000,
      price,
      ...own,
    });
    const ofOpenai = of('openai', {
      provider: 'openai',
      url: `${openai.url}/v1`,
      model: 'gpt-real',
      credential: 'plain',
    });
    const ofAnthropic = of('anthropic', {
      ...{ provider: 'anthropic', url: anthropic.url, model: 'claude-real', credential: 'plain' },
    });
    const row = (name: string, ...targets: readonly ModelTarget[]) => ({ name, kind: 'model', targets });
    const rows = [
      row('gpt', ofOpenai),
      { ...row('kept', ofOpenai), operations: { responses: { keeps_unasked: true } } },
      row(
        'azure',
        of('azure', { provider: 'azure', url: `${azure.url}/openai/v1`, model: 'our-gpt', credential: 'azure' }),
      ),
      row('claude', ofAnthropic),
      row('bedrock', of('bedrock', { provider: 'bedrock', url: bedrock.url, model: bedrockModel, credential: 'aws' })),
      row(
        'vertex',
        of('vertex', {
          ...{ provider: 'vertex', api: 'anthropic', url: `${vertex.url}${location}`, credential: 'google' },
          model: 'claude-sonnet-4-5@20250929',
        }),
      ),
      row('mixed', ofOpenai, ofAnthropic),
      row('slow', { ...ofOpenai, limits: { requests_per_minute: 1 } }),
    ];
    const header = (name: string, value: string) => ({ kind: 'header', name, value });
    const { id: access_key_id, secret: secret_access_key } = awsKey;
    const speaks = (provider: string): Api => (/^(?:openai|azure)$/.test(provider) ? 'openai' : 'anthropic');
    await writePolicies(
      folder,
      Object.fromEntries(rows.map(({ name, targets }) => [name, targets.map(({ provider }) => speaks(provider))])),
    );
    const world = await World.open({
      keepCompiled: true,
      config: {
        policy: { bundle: folder },
        inspection: {},
        // What is remembered of a task lies where its data may be.
        gateway: { region: 'westeurope' },
        audit: { durability: { read: 'strict', write: 'strict' } },
        budget: { queue: { wait_ms: 0 } },
        credentials: {
          plain: header('x-service-key', keys.plain),
          google: header('authorization', `Bearer ${keys.vertex}`),
          azure: header('api-key', keys.azure),
          aws: { kind: 'aws-keys', access_key_id, secret_access_key, region: awsRegion, service: 'bedrock' },
        },
        routes: [
          ...rows,
          {
            ...{ name: 'orders', kind: 'http', openapi: './orders.json' },
            operations: { get_order: { reads: ['private'], sends: 'inside' } },
            targets: [{ name: 'one', ...place, url: orders.url, credential: 'plain' }],
          },
        ],
      },
    });
    return new ClientWorld({ world, models }, orders, folder);
  }

  /** The base that clients of OpenAI's wire format are given; those of Anthropic's differ in whether `/v1` is in it. */
  get v1(): string {
    return `${this.world.gate.url}/v1`;
  }

  /** A task of a customer, with whatever of a budget. */
  async task(budget: Record<string, number> = {}): Promise<OpenedTask> {
    const task = await this.world.task({ subject: { id: 'C-1', type: 'customer' }, budget });
    assert.equal(task.status, 201, JSON.stringify(task.body));
    return task;
  }

  /** What the agent does when its client says that a model called the tool: it goes through the gate, too. */
  async lookUp(task: OpenedTask, orderId: string, toolCallId: string): Promise<string> {
    const headers = { 'x-tollgate-tool-call-id': toolCallId };
    const response = await this.world.fetch(`/tools/orders/orders/${orderId}`, task.token, { headers });
    assert.equal(response.status, 200);
    return response.text();
  }

  /**
   * What holds after a loop of two turns and one call of a tool, whoever made it: that is what reached the targets and
   * the trail. `operation` is that of the model.
   */
  async looped(task: OpenedTask, operation: string): Promise<void> {
    const { models, world } = this;
    assert.equal(models.turns.length, 0, 'all was said');
    assert.equal(models.received.length, 2, 'two turns');
    assert.equal(this.#orders.received.length, 1, 'one call of the tool');
    this.#orders.received.length = 0;
    for (const { headers, body } of models.received) {
      const sent = `${JSON.stringify(headers)} ${body}`;
      assert.ok(!sent.includes(task.token), 'the token of the task stays here');
      assert.ok(!sent.includes(email), 'an address does not go out');
      assert.ok(!sent.includes('1111'), 'nor a number of a card');
    }
    const [first, second] = models.received.map(({ body }) => String(body));
    assert.match(first ?? '', /Where is order O-1/);
    assert.ok(!first?.includes('shipped') && second?.includes('shipped'), 'the second turn has what the tool said');
    const [action] = await world.events({ task: task.id, operation: 'orders.get_order', type: 'intent' });
    assert.equal(action?.match, 'exact', 'the action is linked to its thought');
    const events = (await world.events({ task: task.id, operation })).map(({ type }) => type);
    assert.deepEqual(
      events.filter((type) => type !== 'thought'),
      ['intent', 'outcome', 'intent', 'outcome'],
    );
    const { spent, reserved } = (await world.taskDocument(task)).budget;
    assert.deepEqual([spent.tokens, spent.calls, reserved.tokens], [30, 3, 0]);
  }

  /** What is recorded of a call that was refused once, and not tried again: one denial, and nothing sent. */
  async refusedOnce(task: OpenedTask, code: string): Promise<void> {
    const denials = await this.world.events({ task: task.id, type: 'denial' });
    assert.deepEqual(
      denials.map(({ decision }) => decision?.reasons[0]?.code),
      [code],
    );
    assert.equal(this.models.received.length, 0);
  }

  /** A model that speaks slowly for so long that its task can be killed meanwhile. */
  speakSlowly(): void {
    this.models.say({ text: 'word '.repeat(300), paceMs: 10 });
  }

  /** Kills `task`, as soon as its agent has got something of a stream. */
  async kill(task: OpenedTask): Promise<void> {
    await this.world.fetch(`/tasks/${task.id}/kill`, task.token, { method: 'POST' });
  }

  /** What is recorded of a stream that the kill of its task has cut: the one model call, ended for that. */
  async cutByKill(task: OpenedTask): Promise<void> {
    assert.equal(this.models.received.length, 1, 'it is not asked again');
    const [outcome] = await this.world.events({ task: task.id, type: 'outcome' });
    assert.equal(outcome?.decision?.reasons[0]?.code, 'task_killed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await Promise.all([this.models, this.#orders].map((part) => part[Symbol.asyncDispose]()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}
