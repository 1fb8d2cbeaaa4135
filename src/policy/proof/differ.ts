/**
 * What a new bundle would decide otherwise than an old one, on inputs made from the words of both: half of them
 * searched with the old bundle's rules, half with the new one's, since each reaches what the other does not have.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { buildBundle } from '../build.ts';
import { readBundle } from '../bundle.ts';
import { LoadedBundle, type Phase } from '../instance.ts';
import type { OpaAccess } from '../rego-files.ts';
import type { SourceFile } from '../sources.ts';
import type { RandomBytes } from './chooser.ts';
import { askWasm } from './compare.ts';
import { questionsFor, study } from './prove.ts';
import type { Answer } from './reference.ts';

export interface DiffOptions extends OpaAccess {
  readonly before: readonly SourceFile[];
  readonly after: readonly SourceFile[];
  /** A folder for what is made on the way; the caller takes it away. */
  readonly folder: string;
  /** Inputs a package. */
  readonly inputs: number;
  readonly random: RandomBytes;
}

export interface ChangedDecision {
  readonly input: unknown;
  readonly before: Answer;
  readonly after: Answer;
}

/** Decisions that change in one way about one operation; for `tollgate.task` the purpose stands for it. */
export interface ChangeGroup {
  readonly phase: Phase;
  /** For example `deny → allow, no longer office_hours`. */
  readonly change: string;
  readonly operation: string;
  readonly count: number;
  /** The one with the shortest input. */
  readonly example: ChangedDecision;
}

export interface Difference {
  readonly inputs: number;
  readonly changed: number;
  /** The largest first. */
  readonly groups: readonly ChangeGroup[];
}

/** Compiles both bundles and has both decide the same inputs. Throws BundleError for one that does not compile. */
export async function differ(options: DiffOptions): Promise<Difference> {
  const { folder, inputs, random } = options;
  const open = async (files: readonly SourceFile[], name: string) => {
    const own = { ...options, files, folder: join(folder, name) };
    const { file } = await buildBundle({ ...own, dataDir: own.folder, opa: async () => options.opa });
    return { bundle: await LoadedBundle.load(await readBundle(file)), studied: await study(own, file) };
  };
  const old = await open(options.before, 'old');
  const next = await open(options.after, 'new');
  const half = Math.ceil(inputs / 2);
  const questions = [
    ...questionsFor(old.studied, half, random, next.studied).questions,
    ...questionsFor(next.studied, half, random, old.studied).questions,
  ];
  const groups = new Map<string, ChangeGroup & { readonly chars: number }>();
  let changed = 0;
  for (const question of questions) {
    const before = old.bundle.has(question.phase) ? askWasm(old.bundle, question) : { decision: undefined };
    const after = next.bundle.has(question.phase) ? askWasm(next.bundle, question) : { decision: undefined };
    if (isDeepStrictEqual(before, after)) continue;
    changed += 1;
    const { phase, text } = question;
    const input = JSON.parse(text) as unknown;
    const change = changeOf(before, after);
    const operation = operationOf(input);
    const key = JSON.stringify([phase, change, operation]);
    const known = groups.get(key);
    const example = { input, before, after };
    groups.set(
      key,
      known !== undefined && known.chars <= text.length
        ? { ...known, count: known.count + 1 }
        : { phase, change, operation, count: (known?.count ?? 0) + 1, example, chars: text.length },
    );
  }
  const sorted = [...groups.values()].sort((left, right) => right.count - left.count);
  return { inputs: questions.length, changed, groups: sorted.map(({ chars: _chars, ...group }) => group) };
}

interface Said {
  readonly allow?: unknown;
  readonly reasons?: readonly { readonly code?: unknown }[];
  readonly obligations?: Readonly<Record<string, unknown>>;
  readonly grant?: Readonly<Record<string, unknown>>;
}

function saidIn(answer: Answer): Said {
  const decision = 'decision' in answer ? answer.decision : null;
  return typeof decision === 'object' && decision !== null ? decision : {};
}

function verdictOf(answer: Answer): string {
  if ('failed' in answer) return 'fails';
  if (answer.decision === undefined) return 'undefined';
  return saidIn(answer).allow === true ? 'allow' : 'deny';
}

function codesOf({ reasons }: Said): Set<string> {
  return new Set((Array.isArray(reasons) ? reasons : []).map(({ code }) => String(code)));
}

/** The members of two documents that differ. */
function members(name: string, before: unknown, after: unknown): string[] {
  const left = (before ?? {}) as Record<string, unknown>;
  const right = (after ?? {}) as Record<string, unknown>;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].filter((key) => !isDeepStrictEqual(left[key], right[key])).map((key) => `${name} ${key}`);
}

function changeOf(before: Answer, after: Answer): string {
  const verdicts = [verdictOf(before), verdictOf(after)];
  const parts = verdicts[0] === verdicts[1] ? [`still ${verdicts[0]}`] : [verdicts.join(' → ')];
  const [old, next] = [saidIn(before), saidIn(after)];
  const [had, has] = [codesOf(old), codesOf(next)];
  for (const code of [...has.difference(had)].sort()) parts.push(`now ${code}`);
  for (const code of [...had.difference(has)].sort()) parts.push(`no longer ${code}`);
  const other = [
    ...members('obligation', old.obligations, next.obligations),
    ...members('grant', old.grant, next.grant),
  ];
  for (const name of other.sort()) parts.push(`other ${name}`);
  if (parts.length === 1 && verdicts[0] === verdicts[1]) parts.push('other words');
  return parts.join(', ');
}

function operationOf(input: unknown): string {
  const { call, task } = input as { call?: { operation?: unknown }; task?: { purpose?: unknown } };
  return JSON.stringify(call?.operation ?? task?.purpose ?? null);
}
