/**
 * Shared state on Redis, for any number of gateways. What must be atomic is one Lua script on the keys of one tenant,
 * so it works on a Cluster; every failure is `StoreUnavailable` within the command's time-out. A command that timed
 * out may still run later: that is harmless, because holds are idempotent by id and writes are by version.
 */
import assert from 'node:assert/strict';
import type { Json } from '../../call.ts';
import type { Clock } from '../../clock.ts';
import { assertAmounts, assertHolder, assertMember, assertRange, assertScopes, forfeitsMax } from '../amounts.ts';
import { assertBuckets, type Bucket, type TakeResult } from '../rates.ts';
import type { RedisPlace } from '../section.ts';
import {
  type Amounts,
  type Balance,
  type CompareAndSetResult,
  type Forfeit,
  type IndexRange,
  type ReserveResult,
  type Scope,
  type SettleResult,
  type Store,
  StoreUnavailable,
  type Subscription,
  type Versioned,
} from '../store.ts';
import { type BackendParts, timed } from './backend-parts.ts';
import { type Commands, commandConnection, messageConnection } from './redis-connection.ts';
import { Deadline, unavailable } from './redis-deadline.ts';
import {
  amountsOf,
  amountsText,
  balanceOf,
  balancesOf,
  type Counter,
  counterKey,
  indexKeys,
  recordOf,
  recordText,
  scopesText,
  tenantOf,
  wholeMs,
} from './redis-encoding.ts';
import { RedisMessages } from './redis-messages.ts';
import { rateArguments, rateKey, takeResultOf } from './redis-rates.ts';
import { closedKeptMs, runScript, type Script, type Scripts, scripts } from './redis-scripts.ts';

/** How long `open` waits for Redis; a gate does not start without its store. */
const openTimeoutMs = 5_000;
/** Commands at once that wait for an answer. */
const waitingMax = 20_000;
/** Reservations of this process whose tenant it remembers; beyond it, settling one asks every tenant. */
const knownMax = 100_000;
/** Tenants that a settlement of an id from elsewhere is tried on. */
const tenantsMax = 1_000;
const tenantsKey = 'tg:@tenants';
interface Known {
  /** `tg:{tenant}`; undefined: this process closed the id before anybody reserved it. */
  readonly tenant: string | undefined;
  /** The scopes as the script takes them, once they are known to be held. */
  heldScopes: string;
  /** When it was first tried to settle it. */
  settledMs: number | undefined;
}

export class RedisStore implements Store {
  readonly #config: RedisPlace;
  readonly #clock: Clock;
  readonly #deadline: Deadline;
  readonly #scripts: Scripts;
  readonly #messages: RedisMessages;
  readonly #onConnectionFault: (error: unknown) => void;
  readonly #parts: BackendParts;
  /** What the scripts are called, by their digest. */
  readonly #names: ReadonlyMap<string, string>;
  /** The latest fault of a connection, to say why the store could not be opened. */
  #fault = 'it did not answer';
  #connection: Commands | undefined;
  /** A cache: a settlement names no tenant, and nearly always ends what this process reserved. */
  readonly #known = new Map<string, Known>();
  readonly #registered = new Set<string>();

  constructor(config: RedisPlace, parts: BackendParts) {
    this.#config = config;
    this.#clock = parts.clock;
    this.#deadline = new Deadline(parts.clock, config.command_timeout_ms, waitingMax);
    this.#scripts = scripts();
    this.#names = new Map(Object.entries(this.#scripts).map(([name, { sha }]) => [sha, name]));
    this.#parts = parts;
    this.#onConnectionFault = (error) => {
      const { message } = unavailable(error);
      this.#fault = message;
      parts.onConnectionFault?.(new StoreUnavailable(message));
    };
    this.#messages = new RedisMessages({
      clock: parts.clock,
      deadline: this.#deadline,
      connection: (attempt) => messageConnection(config, attempt),
      onListenerFault: parts.onListenerFault ?? (() => {}),
      onConnectionFault: this.#onConnectionFault,
    });
  }

  /** Rejects if Redis is not there within five seconds, and says why. */
  async open(): Promise<void> {
    const connection = commandConnection(this.#config);
    this.#connection = connection;
    const ready = new Promise<void>((resolve) => {
      connection.on('ready', () => {
        // The server may be another one now, or have lost what it knew.
        this.#registered.clear();
        resolve();
      });
    });
    connection.on('error', this.#onConnectionFault);
    connection.on('node error', this.#onConnectionFault);
    connection.connect().catch(() => undefined);
    const opened = Promise.all([ready, this.#messages.open()]).then(() => true);
    const late = Promise.withResolvers<false>();
    const timer = this.#clock.after(openTimeoutMs, () => late.resolve(false));
    if (await Promise.race([opened, late.promise])) return timer.cancel();
    await this[Symbol.asyncDispose]();
    throw new StoreUnavailable(`The store could not be opened: ${this.#fault}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection?.disconnect();
    this.#connection = undefined;
    await this.#messages[Symbol.asyncDispose]();
  }

  /** Both connections: a gateway that hears no messages would miss a kill. */
  async ping(): Promise<void> {
    await Promise.all([this.#send('ping', (redis) => redis.ping()), this.#messages.ping()]);
  }

  async get(key: string): Promise<Versioned | undefined> {
    return recordOf(await this.#send('get', (redis) => redis.get(key)));
  }

  async compareAndSet(key: string, expectedVersion: number, value: Json, ttlMs: number): Promise<CompareAndSetResult> {
    const version = expectedVersion + 1;
    const text = recordText(version, value);
    const standing = await this.#run(this.#scripts.compareAndSet, [key], [expectedVersion, text, wholeMs(ttlMs)]);
    return standing === null ? { ok: true, version } : { ok: false, current: recordOf(standing) };
  }

  async delete(key: string): Promise<void> {
    await this.#send('delete', (redis) => redis.unlink(key));
  }

  async reserve(
    id: string,
    scopes: readonly Scope[],
    amounts: Amounts,
    ttlMs: number,
    holder = '',
  ): Promise<ReserveResult> {
    assertAmounts(amounts);
    assertScopes(scopes);
    if (holder !== '') assertHolder(holder);
    const tenant = tenantOf(scopes.map(({ key }) => key));
    const known = this.#known.get(id) ?? { tenant, heldScopes: '', settledMs: undefined };
    if (known.tenant === undefined) return { ok: false, reason: 'settled' };
    assert.equal(known.tenant, tenant, 'an id is reserved in one tenant');
    this.#remember(id, known);
    await this.#register(tenant);
    const asked = scopesText(tenant, scopes);
    const reply = (await this.#run(
      this.#scripts.reserve,
      [`${tenant}@due`, `${tenant}@hold:${id}`],
      [id, wholeMs(ttlMs), asked, amountsText(amounts), holder],
    )) as string;
    const told = reply.slice(1);
    if (reply.startsWith('L')) {
      known.heldScopes = asked;
      return { ok: true, balances: balancesOf(told) };
    }
    this.#known.delete(id);
    if (reply.startsWith('C')) return { ok: false, reason: 'settled' };
    const [scope, dimension, counter] = JSON.parse(told) as [number, string, Counter];
    return { ok: false, reason: 'exceeded', scope, dimension, balance: balanceOf(counter) };
  }

  async settle(id: string, actual: Amounts): Promise<SettleResult> {
    assertAmounts(actual);
    const known = this.#known.get(id);
    if (known === undefined) return this.#settleAnywhere(id, actual);
    if (known.tenant === undefined) return { settled: false, balances: [] };
    const nowMs = this.#clock.monotonicMs();
    known.settledMs ??= nowMs;
    // Later than this an unknown id may be one that an attempt of ours closed: its spending must not count twice.
    const mayBeLost = nowMs - known.settledMs < closedKeptMs / 2;
    const settled = await this.#settleIn(known.tenant, id, actual, mayBeLost ? known.heldScopes : '');
    this.#known.delete(id);
    return resultOf(settled);
  }

  async forfeit(holder: string): Promise<number> {
    assertHolder(holder);
    let count = 0;
    for (const tenant of await this.#tenants()) {
      await this.#walk(tenant, this.#scripts.forfeit, holder, ([more]) => {
        count += more as number;
      });
    }
    return count;
  }

  async forfeited(prefix: string): Promise<readonly Forfeit[]> {
    const found = new Map<string, Forfeit>();
    for (const tenant of await this.#tenants()) {
      await this.#walk(tenant, this.#scripts.forfeited, prefix, (texts) => {
        for (let place = 0; place < texts.length && found.size < forfeitsMax; place += 3) {
          const [id, holder, amounts] = texts.slice(place, place + 3) as [string, string, string];
          found.set(id, { id, holder, amounts: amountsOf(amounts) ?? {} });
          // So that settling it need not ask every tenant.
          this.#remember(id, { tenant, heldScopes: '', settledMs: undefined });
        }
      });
    }
    return [...found.values()];
  }

  async balance(keys: readonly string[]): Promise<readonly Balance[]> {
    const found = new Map<string, Balance>();
    const groups = Map.groupBy(keys, (key) => tenantOf([key]));
    const asked = [...groups].map(async ([tenant, own]) => {
      const counters = own.map((key) => counterKey(tenant, key));
      const reply = await this.#run(this.#scripts.balance, [`${tenant}@due`, ...counters], []);
      for (const [index, balance] of balancesOf(reply as string).entries()) found.set(own[index] as string, balance);
    });
    await Promise.all(asked);
    return keys.map((key) => found.get(key) ?? { spent: {}, reserved: {} });
  }

  async take(buckets: readonly Bucket[]): Promise<TakeResult> {
    assertBuckets(buckets, 0);
    return takeResultOf(buckets, await this.#rates(this.#scripts.takeRates, buckets));
  }

  async correct(buckets: readonly Bucket[]): Promise<void> {
    assertBuckets(buckets, -1);
    await this.#rates(this.#scripts.correctRates, buckets);
  }

  async #rates(script: Script, buckets: readonly Bucket[]): Promise<unknown> {
    const slot = tenantOf(buckets.map(({ key }) => key));
    const keys = buckets.map(({ key }) => rateKey(slot, key));
    return this.#run(script, keys, rateArguments(buckets));
  }

  async indexAdd(key: string, member: string, ttlMs: number): Promise<void> {
    assertMember(member);
    await this.#run(this.#scripts.indexAdd, indexKeys(key), [member, wholeMs(ttlMs)]);
  }

  async indexRemove(key: string, member: string): Promise<void> {
    assertMember(member);
    await this.#run(this.#scripts.indexRemove, indexKeys(key), [member]);
  }

  async indexRange(key: string, range: IndexRange): Promise<readonly string[]> {
    assertRange(range);
    const upTo = range.below === undefined ? '+' : `(${range.below}`;
    return (await this.#run(this.#scripts.indexRange, indexKeys(key), [upTo, range.limit])) as string[];
  }

  async publish(channel: string, message: Json): Promise<void> {
    await this.#send('publish', (redis) => redis.publish(RedisMessages.channelName(channel), JSON.stringify(message)));
  }

  async subscribe(channel: string, listener: (message: Json) => void): Promise<Subscription> {
    return this.#messages.subscribe(channel, listener);
  }

  async #settleIn(tenant: string, id: string, actual: Amounts, heldScopes: string) {
    const keys = [`${tenant}@due`, `${tenant}@hold:${id}`];
    const reply = (await this.#run(this.#scripts.settle, keys, [id, amountsText(actual), heldScopes])) as string;
    const [told, before = ''] = reply.slice(1).split('\n');
    return { state: reply.charAt(0), balances: balancesOf(told as string), before: amountsOf(before) };
  }

  /** All pages of what `script` finds in a tenant. */
  async #walk(tenant: string, script: Script, what: string, take: (rest: unknown[]) => void): Promise<void> {
    const keys = [`${tenant}@due`, `${tenant}@forfeited`];
    let cursor = '0';
    do {
      const [next, ...rest] = (await this.#run(script, keys, [what, cursor])) as [string, ...unknown[]];
      take(rest);
      cursor = next;
    } while (cursor !== '0');
  }

  #tenants(): Promise<string[]> {
    return this.#send('tenants', (redis) => redis.smembers(tenantsKey));
  }

  /** An id that another process reserved, or nobody: it is settled where it is found, and closed everywhere else. */
  async #settleAnywhere(id: string, actual: Amounts): Promise<SettleResult> {
    const tenants = await this.#tenants();
    if (tenants.length > tenantsMax)
      throw new StoreUnavailable('There are too many tenants to look for the reservation');
    const answers = await Promise.all(tenants.map((tenant) => this.#settleIn(tenant, id, actual, '')));
    const found = answers.find(({ state }) => state === 'S') ?? answers.find(({ state }) => state === 'C');
    if (found !== undefined) return resultOf(found);
    this.#remember(id, { tenant: undefined, heldScopes: '', settledMs: undefined });
    return { settled: true, balances: [] };
  }

  /** Before the first hold of a tenant, so that whoever settles an id unknown to it finds the tenant. */
  async #register(tenant: string): Promise<void> {
    if (this.#registered.has(tenant)) return;
    await this.#send('tenants', (redis) => redis.sadd(tenantsKey, tenant));
    if (this.#registered.size >= knownMax) this.#registered.clear();
    this.#registered.add(tenant);
  }

  #remember(id: string, known: Known): void {
    if (this.#known.size >= knownMax) {
      const oldest = this.#known.keys().next();
      if (!oldest.done) this.#known.delete(oldest.value);
    }
    this.#known.set(id, known);
  }

  #send<T>(name: string, command: (redis: Commands) => Promise<T>): Promise<T> {
    return timed(this.#parts, name, () => {
      const redis = this.#connection;
      if (redis?.status === 'ready') return this.#deadline.run(() => command(redis));
      return Promise.reject(new StoreUnavailable('The store is not connected to Redis'));
    });
  }

  #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#send(this.#names.get(script.sha) ?? 'script', (redis) => runScript(redis, script, keys, args));
  }
}

interface Settled {
  readonly state: string;
  readonly balances: readonly Balance[];
  readonly before: Amounts | undefined;
}

function resultOf({ state, balances, before }: Settled): SettleResult {
  return { settled: state !== 'C', balances, ...(before === undefined ? {} : { before }) };
}
