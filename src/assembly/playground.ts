/** The playground over the parts: the policies of the edition in force, and an OPA that this machine has already. */
import { knownOpa } from '../../scripts/opa.js';
import type { JsonObject } from '../call.ts';
import { deny } from '../denial.ts';
import { RuleExplainer } from '../policy/explain.ts';
import { InputFaults, missingParts } from '../policy/input-faults.ts';
import { knownParts } from '../policy/input-parts.ts';
import type { Policies } from '../policy/policies.ts';
import type { AdminPlaygroundPorts, TriedOut } from '../server/admin-playground.ts';
import { recordedInputs } from '../server/recorded-inputs.ts';
import type { Foundation } from './parts.ts';

/** The ports of the playground; `policies` gives those of the edition in force. */
export function playgroundOf(
  { trail, clock, env }: Pick<Foundation, 'trail' | 'clock' | 'env'>,
  policies: () => Policies,
): AdminPlaygroundPorts {
  const faults = new InputFaults();
  // Only a look: nobody's question in a browser makes the gate fetch a compiler.
  const explainer = new RuleExplainer({ opa: () => knownOpa({ env }), clock });
  return {
    inputs: recordedInputs(trail),
    faults: (phase, input) => faults.of(phase, input),
    tryOut: (phase, input) => {
      const missing = missingParts(phase, input);
      const tried = policies().tryOut(phase, input, knownParts(missing));
      if (tried.length === 0)
        return deny('policy_unavailable', 'No policy is in force: none is loaded, or it has expired.');
      return tried.map(({ side, decision, ruling, revision: { loaded } }): TriedOut => {
        const grant = decision.allow ? ruling?.grant : undefined;
        return {
          ...{ side, decision, sources: loaded.sources },
          wanting: missing.filter((part) => !loaded.unusedInput.has(part)),
          ...(grant === undefined ? {} : { grant: grant as unknown as JsonObject }),
        };
      });
    },
    explain: (question) => explainer.explain(question),
  };
}
