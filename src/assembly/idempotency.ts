/**
 * Marks of calls over the parts: in the shared store, so that every gateway on it knows what was made, and their answers
 * sealed under `keys.secret` as kept answers are. What a call is found by is the same on a trial, which leaves nothing.
 */
import type { Admitted, CallerFact, Operation, TaskFact } from '../call.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { HeldBytes } from '../idempotency/held-bytes.ts';
import { Marks } from '../idempotency/marks.ts';
import { inDoubt } from '../idempotency/refusals.ts';
import { type IdempotencyParts, idempotencyStage } from '../idempotency/stage.ts';
import { KeySeal } from '../identity/key-seal.ts';
import type { Tried } from '../outcome.ts';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { inToolset } from '../toolset.ts';
import type { Parts } from './parts.ts';

/** So many reads are named to an agent that has to find out what came of a call. */
const readsMax = 20;

/** What is there of marks as long as the gate is up. */
export interface CallMarks {
  readonly marks: Marks;
  readonly held: HeldBytes;
  /** Null where no secret is configured that all gateways share. */
  readonly seal: IdempotencyParts['seal'];
}

export interface MarksGround {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** Marks in the store; what still waits for it when the gate stops is tried once more. */
export function openMarks(
  { keys, store: kind }: Pick<Config, 'keys' | 'store'>,
  { store, clock, log }: MarksGround,
  opened: AsyncDisposableStack,
): CallMarks {
  const secret = keys.secret ?? (kind.kind === 'memory' ? clock.randomBytes(32).toString('base64url') : null);
  if (secret === null) {
    log('warn', 'answers to calls with an idempotency key are not kept: in a shared store that needs keys.secret', {});
  }
  return {
    marks: opened.use(new Marks({ store, clock, log })),
    held: new HeldBytes(clock),
    seal: secret === null ? null : new KeySeal(secret, clock, 'answers to calls that may be repeated'),
  };
}

/** The reads of a route that the task may call: by these its agent can find out what came of a write. */
function readsOf({ table }: Parts, { task, caller }: TaskFact & CallerFact, route: string): readonly string[] {
  const may = (one: Operation) => inToolset(task.record.tools, one) && inToolset(caller.scope, one);
  const reads = table.ofRoute(route).filter((one) => one.effect === 'read' && may(one));
  return reads.slice(0, readsMax).map(({ name }) => name);
}

/** A write that was sent and not answered says so, however it is named. */
export function tellDoubt(parts: Parts, call: Admitted, tried: Tried): Tried {
  const { kind, effect, route } = call.resolved.operation;
  if (!('failed' in tried) || !tried.failed.sent || kind === 'model' || effect === 'read') return tried;
  return { ...tried, denial: inDoubt(tried.denial, readsOf(parts, call, route)) };
}

/** The rung over `marks`: those of the gate, or of a trial. `callMsMax`: longer than any call may run. */
export function idempotencyRung(
  parts: Parts,
  marks: IdempotencyParts['marks'],
  callMsMax: number,
): ReturnType<typeof idempotencyStage> {
  const { callMarks, config, clock, life, presence, table } = parts;
  return idempotencyStage({
    ...{ marks, seal: callMarks.seal, held: callMarks.held, config: config.idempotency, clock, callMsMax },
    holder: life.holder,
    isAlive: async (holder) => holder === life.holder || (presence !== null && (await presence.isAlive(holder))),
    targetsOf: (route) => table.route(route)?.targets ?? [],
    readsOf: (call, route) => readsOf(parts, call, route),
  });
}
