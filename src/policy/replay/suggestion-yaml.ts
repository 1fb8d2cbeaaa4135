/**
 * A suggestion as a block for `purposes/data.yaml`, with how often each thing was seen beside it. Every name in it came
 * from outside at some time: what is not plainly a word is quoted as JSON, which YAML reads alike, and comments keep
 * to one line.
 */
import type { Seen, SuggestedOperation, Suggestion } from './suggestion.ts';

const listedMax = 50;

/** Words that YAML 1.1 or 1.2 reads as something else than text. */
const notText = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

function text(value: string): string {
  if (/^[A-Za-z][\w-]*(?:\.[\w-]+)*$/.test(value) && !notText.test(value)) return value;
  return oneLine(JSON.stringify(value));
}

/** JSON leaves some line ends and marks that turn the text around as they are. */
function oneLine(value: string): string {
  return value.replaceAll(
    /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const list = (names: readonly string[]): string => `[${names.slice(0, listedMax).map(text).join(', ')}]`;
const namesOf = (seen: readonly Seen[]): string => list(seen.map(({ name }) => name));
const countsOf = (seen: readonly Seen[]): string =>
  seen
    .slice(0, listedMax)
    .map(({ name, count }) => `${oneLine(name)} ${count}`)
    .join(', ');

function commented(line: string, comment: string): string {
  return comment === '' ? line : `${line} # ${comment}`;
}

/** The block, and around it what does not belong into it. `period` says over which time it was gathered. */
export function yamlOf(suggestion: Suggestion, period: string): string {
  const { purpose, calls, tasks, unknown_calls: unknown, never_used: never, refused } = suggestion;
  const lines = [
    `# What ${oneLine(purpose)} used ${period}: ${calls} calls in ${tasks} tasks.`,
    '# A proposal: it lists what happened, right or wrong, and misses what is rare. Read it before it goes into',
    '# purposes/data.yaml, and try it with `tollgate policy replay`.',
  ];
  if (unknown > 0) lines.push(`# Left out: ${unknown} calls of any purpose whose input was erased or not kept whole.`);
  lines.push(`${text(purpose)}:`, ...headOf(suggestion), '  operations:');
  for (const operation of suggestion.operations) lines.push(...operationLines(operation).map((line) => `    ${line}`));
  if (never !== null) {
    lines.push(
      '#',
      never.length === 0 ? '# Everything the purpose allows now was used.' : '# Allowed now and never used:',
    );
    lines.push(...never.map((name) => `#   ${oneLine(name)}`));
  }
  if (refused.length > 0) lines.push('#', `# Only ever refused, and not proposed: ${countsOf(refused)}`);
  return lines.join('\n');
}

function headOf(suggestion: Suggestion): string[] {
  const { part_of: parts, wholes, subject, per_task: per, same_subject: same } = suggestion;
  const lines = [
    commented(`issuers: ${namesOf(suggestion.issuers)}`, `tasks: ${countsOf(suggestion.issuers)}`),
    commented(`agents: ${namesOf(suggestion.agents)}`, `tasks: ${countsOf(suggestion.agents)}`),
  ];
  if (suggestion.agents.length > listedMax)
    lines.push(`# and ${suggestion.agents.length - listedMax} more agents: use a pattern`);
  if (parts.length > 0 && wholes === 0)
    lines.push(commented(`part_of: ${namesOf(parts)}`, `tasks: ${countsOf(parts)}`));
  else if (parts.length > 0) lines.push(`# ${wholes} tasks stood by themselves, and were part of: ${countsOf(parts)}`);
  if (subject.types.length > 0) {
    lines.push('subject:', commented(`  types: ${namesOf(subject.types)}`, `tasks: ${countsOf(subject.types)}`));
    if (subject.issuers.length > 0) {
      lines.push(commented(`  issuers: ${namesOf(subject.issuers)}`, `proved: ${countsOf(subject.issuers)}`));
    }
    if (subject.asserted_by.length > 0) {
      lines.push(
        commented(`  asserted_by: ${namesOf(subject.asserted_by)}`, `only said: ${countsOf(subject.asserted_by)}`),
      );
    }
  }
  const spread = ({ p50, p99, max }: { p50: number; p99: number; max: number }) => `p50 ${p50}, p99 ${p99}, max ${max}`;
  const ttl = Math.max(60, Math.ceil(per.seconds.max / 60) * 60);
  lines.push(
    'task:',
    commented(`  ttl_seconds: ${ttl}`, `from opened to the last call: ${spread(per.seconds)}`),
    commented(`  budget: { calls: ${per.calls.max} }`, `calls of a task: ${spread(per.calls)}`),
    `  # cost_micro_usd of a task: ${spread(per.cost_micro_usd)}; tokens: ${spread(per.tokens)}. A budget needs room`,
    '  # beyond these: each call holds its dearest case until it is settled.',
    commented(
      `regions: ${namesOf(suggestion.regions)}`,
      suggestion.regions.length === 0 ? 'no call came to a target' : `calls: ${countsOf(suggestion.regions)}`,
    ),
    commented(
      `same_subject: ${namesOf(same)}`,
      same.length === 0 ? 'no argument always held the subject' : `always the subject: ${countsOf(same)}`,
    ),
  );
  return lines.map((line) => `  ${line}`);
}

function operationLines(operation: SuggestedOperation): string[] {
  const { name, calls, tasks, effects, refused, limits, other_amounts: others, model } = operation;
  const comment = `${calls} calls in ${tasks} tasks${refused === 0 ? '' : `, ${refused} refused`}`;
  const several = effects.length > 1 ? countsOf(effects) : '';
  const lines = [commented(`${text(name)}:`, comment), commented(`  effects: ${namesOf(effects)}`, several)];
  if (operation.sends !== null) lines.push(commented(`  sends: ${text(operation.sends)}`, 'as it stands now'));
  if (operation.subject_at.length > 0) lines.push(`  subject_at: ${list(operation.subject_at)}`);
  if (model !== null) {
    const { asked_max: asked, unlimited, longest_answer: longest } = model;
    lines.push(
      commented(
        `  max_tokens: ${model.max_tokens}`,
        `asked for at most ${asked}, ${unlimited} calls named no limit; the longest answer had ${longest}`,
      ),
      commented(
        `  tool_kinds: ${namesOf(model.tool_kinds)}`,
        model.tool_kinds.length === 0 ? '' : countsOf(model.tool_kinds),
      ),
    );
  } else if (effects.some(({ name: effect }) => effect !== 'read')) {
    if (limits.length === 0) lines.push('  limits: []');
    else lines.push('  limits:');
    for (const limit of limits) {
      lines.push(
        `    - name: ${text(limit.name)}`,
        `      argument: ${text(limit.argument)}`,
        `      unit: ${text(limit.unit)}`,
        commented(`      each: ${limit.each}`, 'the largest'),
        commented(`      task_sum: ${limit.task_sum}`, 'the largest of a task'),
      );
    }
    for (const { argument, each, task_sum: sum, seen } of others) {
      lines.push(
        `  # ${oneLine(argument)} was at most ${each}, ${sum} in a task (${seen} of ${calls} calls); to limit it, every call must have it and the route remember it`,
      );
    }
  }
  return lines;
}
