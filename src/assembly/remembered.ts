/**
 * Remembered answers over the parts: sealed with what seals checkpoints, so that every gateway on a store with
 * `keys.secret` opens them, and none is kept in a shared store without it.
 */
import type { Clock } from '../clock.ts';
import type { Store } from '../store/store.ts';
import type { SealOf } from '../task/checkpoint.ts';
import { RememberedAnswers } from '../task/remembered/answers.ts';
import { Room } from '../task/remembered/room.ts';
import type { RecallParts } from '../task/remembered/stage.ts';
import type { Log } from '../telemetry/log.ts';
import type { Parts } from './parts.ts';

export interface RememberedGround {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** The answers in the store; null where nothing can be sealed, which is logged. */
export function rememberedAnswersOf(sealOf: SealOf | null, { store, clock, log }: RememberedGround) {
  if (sealOf === null) {
    log('warn', 'responses are not remembered for their tasks: in a shared store that needs keys.secret', {});
    return null;
  }
  return new RememberedAnswers({ store, clock, sealOf, room: new Room({ store, clock }) });
}

export function recallOf({ rememberedAnswers: answers, place, config, faulted }: Parts): RecallParts {
  return { answers, region: place.region, bytesMax: config.limits.body_bytes, faulted };
}
