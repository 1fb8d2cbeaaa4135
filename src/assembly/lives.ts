/**
 * The lives of one gateway: what a crash left open is settled by its successor on the same data folder, by what the trail
 * there knows. What a reader would get wrong: the trail is this folder's alone, so other gateways can only charge in full
 * what a dead one held; whoever starts here afterwards corrects it.
 */
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditEvent } from '../audit/event.ts';
import type { AuditTrail, AuditTrailSettings } from '../audit/trail.ts';
import type { LateSettlements } from '../budget/late-settlement.ts';
import { type Clock, callOf } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { Presence, type PresenceParts } from '../store/presence.ts';
import type { Amounts, Forfeit, Store } from '../store/store.ts';
import { microUsdFromUsd } from '../wire/money.ts';

/** This life of a gateway, and the prefix that all lives on its data folder share. */
export interface Life {
  readonly place: string;
  readonly holder: string;
}

/** A new life on `dataDir`, which is given a name of its own at the first start. */
export async function beginLife(dataDir: string, gatewayId: string, clock: Clock): Promise<Life> {
  const file = join(dataDir, 'instance-id');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const fresh = `${file}.${clock.randomBytes(6).toString('hex')}`;
  await writeFile(fresh, `${clock.randomBytes(12).toString('hex')}\n`, { mode: 0o600 });
  try {
    await link(fresh, file);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'EEXIST') throw fault;
  } finally {
    await unlink(fresh);
  }
  const folder = (await readFile(file, 'utf8')).trim();
  const place = `${encodeURIComponent(gatewayId).slice(0, 128)}/${folder}/`;
  return { place, holder: `${place}${clock.randomBytes(8).toString('hex')}` };
}

/** For the trail: charges an intent without outcome what was reserved for it, unless it had been settled before the crash. */
export function chargeInterrupted(
  settlements: Pick<LateSettlements, 'settle'>,
): NonNullable<AuditTrailSettings['interrupted']> {
  return async ({ id, ...held }) => {
    const { costMicroUsd } = held;
    const result = await settlements.settle(id, { ...held, calls: 1 });
    if (result === undefined || result.settled) return costMicroUsd;
    return result.before?.costMicroUsd ?? costMicroUsd;
  };
}

export interface Recovery {
  readonly store: Pick<Store, 'forfeited'>;
  readonly trail: Pick<AuditTrail, 'events'>;
  readonly settlements: Pick<LateSettlements, 'settle'>;
  readonly life: Life;
  /** Whether reads are on disk before they are sent, as all other calls are. */
  readonly readsAreDurable: boolean;
}

/**
 * Settles what was charged in full for earlier lives: to the cost in the trail where a call has its outcome there, to
 * nothing where it never got as far as an intent. Idempotent.
 */
export async function settleEarlierLives(recovery: Recovery): Promise<void> {
  const { store, trail, settlements, life, readsAreDurable } = recovery;
  for (const forfeit of await store.forfeited(life.place)) {
    if (forfeit.holder === life.holder) continue;
    const { events } = await trail.events({ call: callOf(forfeit.id) });
    const actual = actualOf(forfeit, events, readsAreDurable);
    if (actual !== undefined) await settlements.settle(forfeit.id, actual);
  }
}

/** What a call used by the trail; undefined where the trail cannot tell, and it stays charged in full. */
function actualOf({ amounts }: Forfeit, events: readonly AuditEvent[], readsAreDurable: boolean): Amounts | undefined {
  const nothing = { tokens: 0, costMicroUsd: 0, calls: 0, ...(amounts.seconds === undefined ? {} : { seconds: 0 }) };
  const end = events.find(({ type }) => type === 'outcome' || type === 'interrupted');
  if (end === undefined) {
    if (events.some(({ type }) => type === 'intent')) return undefined;
    // Only models are held tokens for; of what else there is, a read may have been sent before its intent was on disk.
    return readsAreDurable || (amounts.tokens ?? 0) > 0 ? nothing : undefined;
  }
  if (end.type === 'interrupted') return amounts;
  const sent = end.attempts.findLast((attempt) => attempt.sent);
  if (sent === undefined) return nothing;
  const costMicroUsd = microUsdFromUsd(end.cost_usd ?? -1);
  if (costMicroUsd === undefined) return undefined;
  const refused = sent.status !== null && sent.status >= 400;
  const tokens = refused ? 0 : (tokensOf(end) ?? amounts.tokens ?? 0);
  return { tokens, costMicroUsd, calls: 1, ...secondsOf(end, amounts) };
}

/** The whole call, which is no less than what its target took of it. */
function secondsOf({ latency_ms: latencyMs }: AuditEvent, { seconds }: Amounts): { readonly seconds?: number } {
  if (seconds === undefined) return {};
  return { seconds: Math.min(seconds, Math.max(1, Math.ceil((latencyMs ?? Number.POSITIVE_INFINITY) / 1000))) };
}

function tokensOf({ usage }: AuditEvent): number | undefined {
  if (usage === null) return undefined;
  const cached = usage.cached_input_tokens + (usage.cache_write_tokens ?? 0);
  return Math.max(usage.input_tokens, cached) + usage.output_tokens;
}

/** Null on a store that ends with this process: there, nobody is left to hold anything. */
export function presenceOf(
  config: Pick<Config, 'store' | 'audit'>,
  parts: Pick<PresenceParts, 'store' | 'clock' | 'log'> & { readonly life: Life },
  known: () => Pick<Recovery, 'trail' | 'settlements'>,
): Presence | null {
  if (config.store.kind === 'memory') return null;
  const { life, ...ground } = parts;
  const readsAreDurable = config.audit.durability.read === 'strict';
  const recover = () => settleEarlierLives({ ...ground, ...known(), life, readsAreDurable });
  return new Presence({ ...ground, ...life, leaseMs: config.store.gateway_lease_ms, recover });
}
