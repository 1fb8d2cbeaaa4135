/** Prints the story for people: what was tried, when, whether it held; and the tasks as the audit trail tells them. */
import { styleText } from 'node:util';
import type { StoryResult } from './run.ts';
import type { StepResult } from './story/step.ts';
import type { Entry } from './story/trail.ts';

const titleColumns = 74;
const noteColumns = 110;

function offset(ms: number): string {
  return `${(ms / 1000).toFixed(2).padStart(6)} s`;
}

function cut(text: string, columns: number): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > columns ? `${line.slice(0, columns - 1)}…` : line;
}

function stepLines({ startMs, title, note, problems, checks }: StepResult): string[] {
  const mark = problems.length === 0 ? styleText('green', '✓') : styleText('red', '✗');
  const lines = [`  ${offset(startMs)}  ${mark} ${title.padEnd(titleColumns)} ${String(checks).padStart(3)} checks`];
  if (note !== '') lines.push(styleText('dim', `              ${cut(note, noteColumns)}`));
  for (const problem of problems) lines.push(styleText('red', `              ${problem}`));
  return lines;
}

function entryLines(entry: Entry, depth: number): string[] {
  const { kind, operation, match, status, cost_usd: costUsd, decision, children = [] } = entry;
  const columns = [
    entry.at.slice(11, 23),
    `${'  '.repeat(depth)}${kind}`.padEnd(12),
    (operation ?? '').padEnd(22),
    (match ?? '').padEnd(9),
    String(status ?? '').padEnd(4),
    (costUsd === null || costUsd === 0 ? '' : `$${costUsd.toFixed(6)}`).padEnd(10),
    decision === null ? '' : decision.allow ? 'allowed' : `denied: ${decision.reasons[0]?.code ?? ''}`,
  ];
  return [`  ${columns.join(' ')}`.trimEnd(), ...children.flatMap((child) => entryLines(child, depth + 1))];
}

/** The whole timeline as text, a line break at its end. */
export function timeline({ ok, steps, told }: StoryResult): string {
  const lines: string[] = [];
  let chapter = '';
  for (const step of steps) {
    if (step.chapter !== chapter) lines.push('', styleText('bold', step.chapter));
    chapter = step.chapter;
    lines.push(...stepLines(step));
  }
  for (const { whose, entries } of told) {
    lines.push('', styleText('bold', `the audit trail: ${whose}`));
    lines.push(...entries.flatMap((entry) => entryLines(entry, 0)));
  }
  const failed = steps.filter(({ problems }) => problems.length > 0);
  lines.push('', ok ? `${steps.length} steps held` : `${failed.length} of ${steps.length} steps did not hold:`);
  for (const { chapter: of, title, problems } of failed) {
    lines.push(`  ${of}: ${title}`, ...problems.map((problem) => `    ${problem}`));
  }
  return `${lines.join('\n')}\n`;
}
