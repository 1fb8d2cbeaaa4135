/** What a proof, or a comparison of two bundles, tells people: plain lines, the most important first. */
import type { Mismatch } from './compare.ts';
import type { Difference } from './differ.ts';
import type { Proof, RuleCount } from './prove.ts';
import type { Answer } from './reference.ts';

/** Rules that were seen only one way; nobody has proved what they do the other way. */
export function oneSided(rules: readonly RuleCount[]): readonly RuleCount[] {
  return rules.filter(({ fired, not }) => fired === 0 || not === 0);
}

/** The report of a proof. `seed` is what repeats it. */
export function proofLines(proof: Proof, seed: number): string[] {
  const lines: string[] = [];
  for (const mismatch of proof.mismatches) lines.push(...mismatchLines(mismatch, seed), '');
  for (const { phase, inputs, allowed } of proof.packages) {
    lines.push(`tollgate.${phase}: ${inputs} inputs, ${allowed} allowed`);
  }
  lines.push('', 'rule: inputs on which it fired, and did not');
  for (const { rule, fired, not } of proof.rules) lines.push(`  ${placeOf(rule)} ${rule.name}: ${fired}, ${not}`);
  const narrow = oneSided(proof.rules);
  if (narrow.length > 0) lines.push('');
  for (const count of narrow) lines.push(`warning: ${oneSidedLine(count)}`);
  if (proof.oddExample !== null) {
    const { phase, index, problem, input } = proof.oddExample;
    lines.push(
      `warning: ${proof.odd} decisions are none that the gate can act on; it denies instead. The first:`,
      `  tollgate.${phase}, input ${index} of seed ${seed}: ${problem}`,
      `  input ${JSON.stringify(input)}`,
    );
  }
  lines.push(
    '',
    proof.mismatched === 0
      ? `proved: ${proof.compared} decisions of the WASM equal those of opa eval (seed ${seed})`
      : `refused: ${proof.mismatched} of ${proof.compared} decisions are not those of opa eval (seed ${seed})`,
  );
  return lines;
}

/** Which way a rule was never seen to come out, and why if that is known. */
function oneSidedLine({ rule, fired, not, unmet }: RuleCount): string {
  const start = `${fired === 0 ? 'never_true' : 'never_false'}: ${placeOf(rule)} ${rule.name}`;
  if (fired > 0) return `${start} fired on every one of ${fired} inputs, so it decides nothing`;
  const why =
    unmet === undefined ? '' : `; nothing met \`${unmet.text}\` (${rule.file}:${unmet.row}) with what is before it`;
  return `${start} never fired on ${not} inputs${why}`;
}

function placeOf({ file, row }: RuleCount['rule']): string {
  return `${file}:${row}`;
}

function mismatchLines({ phase, index, input, wasm, opa }: Mismatch, seed: number): string[] {
  return [
    `mismatch: tollgate.${phase}, input ${index} of seed ${seed}`,
    `  input ${JSON.stringify(input)}`,
    `  wasm  ${answerText(wasm)}`,
    `  opa   ${answerText(opa)}`,
  ];
}

function answerText(answer: Answer): string {
  if ('failed' in answer) return `fails: ${answer.failed}`;
  return answer.decision === undefined ? 'undefined' : JSON.stringify(answer.decision);
}

/** What would change, one paragraph a group. */
export function differenceLines(difference: Difference, seed: number): string[] {
  const lines: string[] = [];
  for (const { phase, change, operation, count, example } of difference.groups) {
    lines.push(
      `tollgate.${phase} ${operation}: ${change}, on ${count} inputs`,
      `  input ${JSON.stringify(example.input)}`,
      `  old   ${answerText(example.before)}`,
      `  new   ${answerText(example.after)}`,
      '',
    );
  }
  const total = `${difference.changed} of ${difference.inputs} decisions (seed ${seed})`;
  lines.push(
    difference.changed === 0 ? `no change in ${difference.inputs} decisions (seed ${seed})` : `changed: ${total}`,
  );
  return lines;
}
