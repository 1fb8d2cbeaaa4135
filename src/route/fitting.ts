/**
 * Which targets of its route a call may reach: those that lie where the policy lets it go, that gave what the call names
 * of what lies at a provider, and whose API has a place for everything it asks for. Budgets reckon with these targets and
 * no others, so both rungs ask here.
 */
import type { DecisionFact, EntryFact, OperationFact, Target } from '../call.ts';
import { type Denial, deny } from '../denial.ts';
import { permittedTargets } from './residency.ts';

/**
 * Those of `targets`, in their order; empty where none is permitted. Denies `residency_violation` where what is named lies
 * at none of those, and `args_invalid` where the call fits none of them: as the first of them has it.
 */
export function reachableTargets(
  targets: readonly Target[],
  { resolved, decision, entry }: OperationFact & DecisionFact & EntryFact,
): readonly Target[] | Denial {
  const permitted = permittedTargets(targets, decision.obligations);
  const { named } = entry;
  const giving = named === undefined ? permitted : permitted.filter(({ name }) => named.targets.includes(name));
  if (giving.length === 0 && permitted.length > 0) {
    const message = 'What the call names lies at no target that the policy lets it go to.';
    return deny('residency_violation', message, { reasons: [{ code: 'provider_id_elsewhere', message }] });
  }
  let refusal: Denial | undefined;
  const fitting = giving.filter((target) => {
    const denial = resolved.payload.unfit?.(target);
    refusal ??= denial;
    return denial === undefined;
  });
  return fitting.length > 0 ? fitting : (refusal ?? []);
}
