/**
 * What one revision says of one input: the shape of the input is checked, the module evaluates, the shape of the
 * decision is checked. What a reader would get wrong: whatever fails on the way is a decision that denies, with a code
 * that says how; nothing here throws but for a bug of the gate.
 */
import type { Decision, JsonObject } from '../call.ts';
import { type Clock, newId } from '../clock.ts';
import { inputBytesMax, ShapeCheck } from './check.ts';
import { decisionOf, type Ruling, refusal, type Source } from './decision.ts';
import { type LeftOut, wholeInput } from './input-parts.ts';
import { faultText, type LoadedBundle, type Phase } from './instance.ts';

/** A decision, and what the policy said of it as it stood; `ruling` is null where the gate speaks in its place. */
export interface Verdict {
  readonly decision: Decision;
  readonly ruling: Ruling | null;
  /** Of the input as JSON; where it was not made into one, as many as there may be. */
  readonly inputBytes: number;
}

/** A bundle that may decide, and the name of where it came from. */
export interface Deciding {
  readonly bundle: string;
  readonly loaded: LoadedBundle;
}

export interface VerdictDeps {
  readonly clock: Clock;
  readonly log: (level: 'error', message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Codes of the decisions that the gate makes where a policy failed. */
export const failureCodes: ReadonlySet<string> = new Set([
  'input_invalid',
  'policy_error',
  'policy_undefined',
  'decision_invalid',
  'obligation_unknown',
]);

/** Whether the policy failed, instead of saying no. */
export function hasFailed({ decision, ruling }: Verdict): boolean {
  return ruling === null && decision.reasons.some(({ code }) => failureCodes.has(code));
}

export class Verdicts {
  readonly #deps: VerdictDeps;
  readonly #check = new ShapeCheck();
  readonly #names = new WeakMap<LeftOut, readonly string[]>();

  constructor(deps: VerdictDeps) {
    this.#deps = deps;
  }

  /** What a decision says of its origin. */
  source({ bundle, loaded }: Deciding, input: JsonObject, leftOut: LeftOut = wholeInput): Source {
    const { revision, content } = loaded;
    const id = newId(this.#deps.clock, 'decision');
    return { id, bundle, revision, content, input, leftOut: this.#namesOf(leftOut) };
  }

  /**
   * What `deciding` says of `input`, in which `leftOut` is not there. A bundle without `tollgate.response` lets every
   * answer to an allowed call pass.
   */
  of(deciding: Deciding, phase: Phase, input: JsonObject, leftOut: LeftOut = wholeInput): Verdict {
    const { loaded } = deciding;
    const source = this.source(deciding, input, leftOut);
    if (phase === 'response' && !loaded.has('response')) {
      return { decision: decisionOf(source, { allow: true, reasons: [] }), ruling: null, inputBytes: inputBytesMax };
    }
    let inputBytes = inputBytesMax;
    const refuse = (code: string, message: string): Verdict => {
      return { decision: refusal(source, code, message), ruling: null, inputBytes };
    };
    const checked = this.#check.input(phase, input, leftOut);
    if ('problem' in checked) {
      return refuse(
        'input_invalid',
        `What the policy would have to see of this is not a document for it: ${checked.problem}.`,
      );
    }
    inputBytes = checked.bytes.byteLength;
    let given: unknown;
    try {
      given = loaded.evaluate(phase, checked.bytes);
    } catch (fault) {
      // The agent learns that it failed; what failed may quote the input, and is for the operator.
      this.#failed(deciding, phase, 'the policy failed while it decided', { fault: faultText(fault) });
      return refuse('policy_error', 'The policy failed while it decided. The same call will fail again.');
    }
    const judged = this.#check.decision(phase, given);
    if ('ruling' in judged) {
      return { decision: decisionOf(source, judged.ruling), ruling: judged.ruling, inputBytes };
    }
    this.#failed(deciding, phase, judged.message, { code: judged.code });
    return refuse(judged.code, judged.message);
  }

  /** Sorted names; there are as many sets as there are bundles in force. */
  #namesOf(leftOut: LeftOut): readonly string[] {
    let names = this.#names.get(leftOut);
    if (names === undefined) {
      names = [...leftOut].sort();
      this.#names.set(leftOut, names);
    }
    return names;
  }

  #failed({ bundle, loaded }: Deciding, phase: Phase, message: string, fields: Record<string, unknown>): void {
    this.#deps.log('error', message, { phase, bundle, revision: loaded.revision, ...fields });
  }
}
