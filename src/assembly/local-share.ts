/**
 * What goes on when the shared store is gone, if the configuration lets anything: calls that can do without a write that
 * all gateways see. Everything else, and every call of a task that this gateway has not just seen, is refused as ever.
 */
import type { Operation } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { type Denial, deny } from '../denial.ts';
import { LocalShareStore } from '../store/local-share.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';

type Doing = Pick<Operation, 'kind' | 'effect'>;

/** Null where the configuration refuses calls without the store, which is the default. */
export function localShareOf(
  { store: config, limits }: Pick<Config, 'store' | 'limits'>,
  { store, clock, log }: { readonly store: Store; readonly clock: Clock; readonly log: Log },
): LocalShareStore | null {
  if (config.kind === 'memory' || config.when_lost === 'deny') return null;
  const { share, window_ms: windowMs, seen_ms: seenMs } = config.local_share;
  return new LocalShareStore({ inner: store, clock, log, share, windowMs, seenMs, forMs: limits.store_lost_ms });
}

/** Whether a call may be made now without a write that all gateways see: a read, or a call of a model. */
export function goesOnWithout(local: LocalShareStore | null, { kind, effect }: Doing): boolean {
  return local?.active === true && (kind === 'model' || effect === 'read');
}

/** Before anything is sent: what changes something does not go while the store is gone. Denies `store_unavailable`. */
export function denyWithoutStore(local: LocalShareStore | null, operation: Doing): Denial | undefined {
  if (local?.active !== true || goesOnWithout(local, operation)) return undefined;
  return deny('store_unavailable', 'The shared state is away. Only reads and calls of models go on for now.');
}
