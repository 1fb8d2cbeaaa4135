/**
 * The catalogue on the ladder: a tool whose definition has changed goes no further before somebody has accepted that. What
 * a reader would get wrong: arguments of such a call are not judged, for the schema they would be judged by is in doubt.
 */
import type { OperationFact } from '../call.ts';
import { deny } from '../denial.ts';
import type { Stage } from '../stage.ts';

/** The operation is defined as it was accepted, or its route lets it go on all the same. */
export interface DefinedFact {
  readonly defined: true;
}

/** Denies `tool_drifted`. The agent can do nothing about it, and is told who can. */
export function catalogueStage(): Stage<OperationFact, DefinedFact> {
  return {
    name: 'catalogue',
    fault: 'tool_drifted',
    gives: { defined: (value) => value === true },
    admit: ({ resolved }) => {
      const { name, route, drift } = resolved.operation;
      if (drift !== 'blocked') return { defined: true };
      const message = `The server of ${route} has changed the definition of ${name}, and nobody has accepted the new one yet, so it is not called. Go on without it; an operator can look at the change and accept it.`;
      const changed = 'Name, description, schemas or annotations are not those that were accepted.';
      return deny('tool_drifted', message, { reasons: [{ code: 'definition_changed', message: changed }] });
    },
  };
}
