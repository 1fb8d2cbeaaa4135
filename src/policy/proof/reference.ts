/**
 * What OPA itself decides: one `opa eval` over a whole batch of inputs. Where the evaluation of a batch fails, which is
 * the fault of one input in it, the batch is halved until that input is found. After a few such inputs no more is asked.
 */

import type { Phase } from '../instance.ts';
import { runOpa } from '../opa.ts';
import type { OpaAccess } from '../rego-files.ts';
import { BundleError } from '../sources.ts';
import { phases } from './probes.ts';

const batchMax = 2_000;
/** Each takes about a dozen runs to find. */
const failuresMax = 3;

/** A document, and the package that is asked about it. */
export interface Question {
  readonly phase: Phase;
  /** JSON text of the input. */
  readonly text: string;
}

/** A decision (`undefined` where there is none), or why the evaluation failed. */
export type Answer = { readonly decision: unknown } | { readonly failed: string };

function queryOf(present: readonly Phase[]): string {
  const answers = present.map(
    (phase) => `"${phase}": {i: decision |
      some i, question in input
      question[0] == "${phase}"
      document := question[1]
      decision := data.tollgate.${phase}.decision with input as document
    }`,
  );
  return `{${answers.join()}}`;
}

/** OPA's answers to `questions`, in their order; fewer if it failed on three. `folder` holds the sources. */
export async function askOpa(access: OpaAccess, folder: string, questions: readonly Question[]): Promise<Answer[]> {
  const batches: (readonly Question[])[] = [];
  for (let from = 0; from < questions.length; from += batchMax) batches.push(questions.slice(from, from + batchMax));
  const answers: Answer[] = [];
  const failures = { left: failuresMax };
  for (const batch of batches) {
    for (const answer of await askBatch(access, folder, batch, failures)) answers.push(answer);
  }
  return answers;
}

async function askBatch(
  access: OpaAccess,
  folder: string,
  batch: readonly Question[],
  failures: { left: number },
): Promise<readonly Answer[]> {
  if (failures.left === 0) return [];
  const present = phases.filter((phase) => batch.some((question) => question.phase === phase));
  const args = ['eval', '-b', '.', '--stdin-input', '-f', 'json', queryOf(present)];
  const stdin = `[${batch.map(({ phase, text }) => `["${phase}",${text}]`).join()}]`;
  const { code, stdout, stderr } = await runOpa({ ...access, args, cwd: folder, stdin });
  if (code === 0) return answersOf(batch, stdout);
  if (batch.length === 1) {
    failures.left -= 1;
    return [{ failed: failureOf(stdout) ?? stderr.trim().slice(0, 2_000) }];
  }
  const half = Math.ceil(batch.length / 2);
  const left = await askBatch(access, folder, batch.slice(0, half), failures);
  return [...left, ...(await askBatch(access, folder, batch.slice(half), failures))];
}

function answersOf(batch: readonly Question[], stdout: string): Answer[] {
  const { result } = JSON.parse(stdout) as { result?: [{ expressions: [{ value: unknown }] }] };
  const value = result?.[0].expressions[0].value as Record<Phase, Record<string, unknown>> | undefined;
  if (value === undefined) throw new BundleError('OPA gave no result for the generated inputs');
  return batch.map(({ phase }, index) => ({ decision: value[phase][index] }));
}

function failureOf(stdout: string): string | undefined {
  try {
    const { errors } = JSON.parse(stdout) as { errors?: readonly { message?: string }[] };
    return errors?.map(({ message }) => message).join('; ');
  } catch {
    return undefined;
  }
}
