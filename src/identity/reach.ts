/**
 * How far a token reaches: the rung right behind the one that has named the operation. A token that is narrowed to
 * other operations, or that belongs to no key where one is asked for, ends here, before anything is remembered of the
 * call. Both are the token's fault and not the policy's: another token helps, hence the challenge.
 */
import type { BindingRequired, CallerFact, OperationFact, ReachFact, TaskFact } from '../call.ts';
import { deny } from '../denial.ts';
import type { Stage } from '../stage.ts';
import { inToolset } from '../toolset.ts';
import { meets } from './binding.ts';
import { refusals } from './refusal.ts';

type Named = CallerFact & TaskFact & OperationFact;

/**
 * Lets a call go on whose token covers the operation. Denies 403 `insufficient_scope`: `not_in_scope` with what the
 * token does cover, `binding_required` where it does not meet all that `required` gives.
 */
export function reachStage(required: (call: Named) => readonly BindingRequired[]): Stage<Named, ReachFact> {
  return {
    name: 'identity',
    fault: 'policy_unavailable',
    gives: { reached: (value) => value === true },
    admit: (call) => {
      const { operation } = call.resolved;
      const { scope, binding } = call.caller;
      if (!inToolset(scope, operation)) {
        return deny('insufficient_scope', 'The token is narrowed to other operations.', {
          reasons: [{ code: 'not_in_scope', message: `The token does not cover ${operation.name}.` }],
          allowed: scope ?? [],
          scope: operation.name,
        });
      }
      if (!required(call).every((one) => meets(one, binding))) {
        return deny('insufficient_scope', 'The token must belong to a key to be used for this operation.', {
          reasons: [{ code: 'binding_required', message: refusals.binding_required }],
          scope: operation.name,
        });
      }
      return { reached: true };
    },
  };
}
