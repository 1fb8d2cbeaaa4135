/**
 * Compares what the WASM decides with what OPA decides, whole decisions, input by input. What a reader would get
 * wrong: that both fail alike is no agreement. The gate would deny each such call with `policy_error`, and the policy's
 * author would not know why.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ShapeCheck } from '../check.ts';
import { faultText, type LoadedBundle, type Phase } from '../instance.ts';
import type { Answer, Question } from './reference.ts';

const examplesMax = 5;

/** An input on which WASM and OPA are not of one mind, or both fail. */
export interface Mismatch {
  readonly phase: Phase;
  /** Position among the inputs of this seed. */
  readonly index: number;
  readonly input: unknown;
  readonly wasm: Answer;
  readonly opa: Answer;
}

/** A decision that the gate would turn into a denial, since it is none or demands what cannot be done. */
export interface OddDecision {
  readonly phase: Phase;
  readonly index: number;
  readonly input: unknown;
  readonly problem: string;
}

export interface Compared {
  /** Decisions that were compared. */
  readonly compared: number;
  readonly mismatched: number;
  /** The first five. */
  readonly mismatches: readonly Mismatch[];
  readonly odd: number;
  readonly oddExample: OddDecision | null;
}

/** What the compiled bundle says to a question. */
export function askWasm(bundle: LoadedBundle, { phase, text }: Question): Answer {
  try {
    return { decision: bundle.evaluate(phase, new TextEncoder().encode(text).buffer) };
  } catch (fault) {
    return { failed: faultText(fault) };
  }
}

/** Asks `bundle` each of `questions` that OPA has answered, and compares with `answers`, those of OPA. */
export function compare(
  bundle: LoadedBundle,
  check: ShapeCheck,
  questions: readonly Question[],
  answers: readonly Answer[],
): Compared {
  const mismatches: Mismatch[] = [];
  let mismatched = 0;
  let odd = 0;
  let oddExample: OddDecision | null = null;
  for (const [index, opa] of answers.entries()) {
    const question = questions[index] as Question;
    const { phase, text } = question;
    const wasm = askWasm(bundle, question);
    if ('failed' in wasm || 'failed' in opa || !isDeepStrictEqual(wasm.decision, opa.decision)) {
      mismatched += 1;
      if (mismatches.length < examplesMax) mismatches.push({ phase, index, input: JSON.parse(text), wasm, opa });
      continue;
    }
    const checked = check.decision(phase, wasm.decision);
    if ('ruling' in checked) continue;
    odd += 1;
    oddExample ??= { phase, index, input: JSON.parse(text), problem: checked.message };
  }
  return { compared: answers.length, mismatched, mismatches, odd, oddExample };
}
