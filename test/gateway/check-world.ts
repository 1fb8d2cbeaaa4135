/** A gate on a Redis of its own, for tests of checks: calls as an agent intends them, and what it is told of them. */
import assert from 'node:assert/strict';
import { RedisServer } from '../fakes/redis-server.ts';
import { World } from './world.ts';

export interface Intended {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

export interface Verdict {
  readonly operation: string | null;
  readonly decision: 'allow' | 'deny';
  readonly code?: string;
  readonly message?: string;
  readonly reasons: { code: string }[];
  readonly obligations: Record<string, unknown>;
  readonly estimate: { tokens: number; cost_usd: number } | null;
  readonly allowed?: string[];
  readonly remaining?: Record<string, number>;
  readonly retryable?: boolean;
}

export const json = { 'content-type': 'application/json' };
export const email = 'anna.schmidt@customer-mail.com';
export const apiKey = `ghp_${'x9Qf2LmT7vKc4RbW8nYd3HsJ6pZgA1eUoXiB'}`;
export const read = (id = 'O-1'): Intended => ({ method: 'GET', path: `/tools/orders/orders/${id}` });
export const refund = (body: unknown): Intended => ({
  method: 'POST',
  path: '/tools/orders/refunds',
  headers: json,
  body,
});
export const chat = (over: Record<string, unknown> = {}): Intended => ({
  ...{ method: 'POST', path: '/v1/chat/completions', headers: json },
  body: { model: 'gpt', messages: [{ role: 'user', content: 'hello' }], max_tokens: 50, ...over },
});
export const say = (content: string) => ({ messages: [{ role: 'user', content }] });
export const oblige = (obligations: object) => ({ labels: { oblige: JSON.stringify(obligations) } });

/** Every key of the store with a digest of its value and when it ends; but for those by which a gateway says it lives. */
const dump = `local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if not string.find(key, 'gate-keys', 1, true) then
    found[#found + 1] = key .. ' ' .. redis.sha1hex(redis.call('DUMP', key)) .. ' ' .. redis.call('PEXPIRETIME', key)
  end
end
table.sort(found)
return table.concat(found, '\\n')`;

export class CheckWorld implements AsyncDisposable {
  readonly world: World;
  readonly redis: RedisServer;

  private constructor(world: World, redis: RedisServer) {
    this.world = world;
    this.redis = redis;
  }

  static async open(): Promise<CheckWorld> {
    const redis = await RedisServer.start();
    const world = await World.open({
      config: {
        store: { kind: 'redis', url: redis.url, command_timeout_ms: 500 },
        task: {
          ...{ loop: { repeats: 2, failures_in_a_row: 2 }, budget: { cost_usd: 1 } },
          binding: { delete: 'any' },
        },
        budget: { tenants: { small: { per: 'month', calls: 1 } } },
      },
    });
    return new CheckWorld(world, redis);
  }

  /** Makes a call for real. */
  send(token: string, { method, path, headers = {}, body }: Intended): Promise<Response> {
    return this.world.fetch(path, token, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  ask(id: string, token: string, calls: readonly unknown[]): Promise<Response> {
    return this.world.fetch(`/tasks/${id}/check`, token, {
      ...{ method: 'POST', headers: json },
      body: JSON.stringify({ calls }),
    });
  }

  async verdicts(id: string, token: string, ...calls: readonly Intended[]): Promise<Verdict[]> {
    const response = await this.ask(id, token, calls);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return (JSON.parse(text) as { calls: Verdict[] }).calls;
  }

  /** Everything in the store but what a gateway says of itself from time to time: that it lives, and its policies. */
  async stored(): Promise<string> {
    const whole = String(await this.redis.command('EVAL', dump, '0'));
    const own = /^tg:\{(?:@gateways|%40)?\}(?:@index(?:-due)?)?:(?:alive|known|policy-reports?)\b/;
    return whole
      .split('\n')
      .filter((line) => !own.test(line))
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
  }
}
