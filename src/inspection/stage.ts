/**
 * The two stages of this room: `scanStage` finds, before the policy decides; `obeyStage` does what the decision says
 * of the findings. Both stand on the ladder as `inspection`, and both refuse where they fail: a payload that could
 * not be looked through is not sent.
 */
import type { Arrival, DecisionFact, FindingsFact, ObeyedFact, OperationFact, TaskFact } from '../call.ts';
import { deny, isDenial } from '../denial.ts';
import type { Stage } from '../stage.ts';
import { findingsMax } from './finding_limit.ts';
import { obey } from './obey.ts';
import type { Inspector } from './scan.ts';

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Adds what is found in everything that would be sent. Denies `pii_blocked` beyond `findingsMax` places. */
export function scanStage(inspector: Inspector): Stage<Arrival & OperationFact, FindingsFact> {
  return {
    name: 'inspection',
    fault: 'policy_unavailable',
    gives: { inspection: (value) => isObject(value) && Array.isArray(value.findings) },
    admit: (call) => {
      const findings = inspector.scan(call.resolved.payload.segments());
      if (findings.length > findingsMax) {
        return deny('pii_blocked', `More than ${findingsMax} places hold personal data or secrets; send fewer at once`);
      }
      return { inspection: { findings } };
    },
  };
}

/**
 * Meets the obligations about findings, and has the arguments validated again where it changed them. Denies
 * `pii_blocked` and `secret_blocked`, and passes on the payload's own denial (422) where the rest is no longer valid.
 */
export function obeyStage(
  inspector: Inspector,
): Stage<Arrival & TaskFact & OperationFact & FindingsFact & DecisionFact, ObeyedFact> {
  return {
    name: 'inspection',
    fault: 'policy_unavailable',
    gives: {
      obeyed: (value) => isObject(value) && typeof value.changed === 'boolean' && Array.isArray(value.unhandled),
    },
    admit: (call) => {
      const { payload } = call.resolved;
      const obeyed = obey(inspector, payload, call.inspection.findings, call.decision, call.task.record.digestKey);
      if (isDenial(obeyed)) return obeyed;
      const invalid = obeyed.changed ? payload.validate() : undefined;
      return invalid ?? { obeyed };
    },
  };
}
