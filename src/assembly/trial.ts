/**
 * Calls that are judged and not made: the rungs of admission over a store on which nothing is left behind. The rungs
 * are those of a real call (`judgementOf`), so a rule that is added there holds here, too.
 */
import type { Arrival, Caller } from '../call.ts';
import { Marks } from '../idempotency/marks.ts';
import type { Judgement } from '../server/check.ts';
import { climb } from '../stage.ts';
import { TrialStore } from '../store/trial.ts';
import type { TaskStages } from '../task/stage.ts';
import { Tasks } from '../task/tasks.ts';
import type { Parts } from './parts.ts';
import { judgementOf } from './rooms.ts';
import { spentOnTrial } from './spent.ts';

/** The stages of the task room over a trial: what they write, only they see. */
export function trialStages(
  { stages, agentLoops, clock }: Parts,
  store: TrialStore,
): TaskStages & { readonly tasks: Tasks } {
  return {
    ...stages,
    tasks: new Tasks({ store, clock }),
    // What an agent would have read it has not.
    carried: { keep: async () => undefined },
    agentLoops: agentLoops.onTrial(),
    // A call that was never made has nothing to settle.
    endings: { settle: async () => undefined, later: () => undefined },
  };
}

/** What a call of `caller` would be told if it came now. Each is judged by itself, on the state as it is. */
export async function judgeOnTrial(parts: Parts, arrival: Arrival, caller: Caller): Promise<Judgement> {
  const { clock, config, faulted } = parts;
  const store = new TrialStore(parts.store);
  const ladder = judgementOf(parts, {
    tokens: { verify: async () => caller },
    stages: trialStages(parts, store),
    marks: new Marks({ store, clock, log: parts.log }),
    budgets: store,
    spent: spentOnTrial,
    compare: false,
  });
  const { call, denial } = await climb(ladder, arrival, { clock, stageMs: config.limits.stage_ms, faulted });
  // What would be answered with a kept answer would cost nothing.
  const asked = call.cache?.state === 'hit' ? { tokens: 0, costMicroUsd: 0 } : store.asked;
  const estimate = asked === null ? null : { tokens: asked.tokens ?? 0, costMicroUsd: asked.costMicroUsd ?? 0 };
  return { call, denial, estimate };
}
