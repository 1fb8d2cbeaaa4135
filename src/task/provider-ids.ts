/**
 * Ids that a provider gave in answers to a task (stored responses, containers, files): they are good in the task that got
 * them, and at the target that gave them. What a reader would get wrong: this is no secret of the provider's; whoever
 * knows such an id could read with the gate's credential what another task left there.
 */
import type { GivenId, NamedId, NamedThings, Target, TaskRecord, Usage } from '../call.ts';
import { digestOf } from './digest.ts';

/** How many a task remembers; whoever comes back to an older one is refused. */
export const givenIdsMax = 256;
/** Characters of a digest that are kept: 132 bits. */
const digestChars = 22;

/** What `named` is to the task of `record` on `route`; undefined where nothing is named. */
export function namedThings(
  record: Pick<TaskRecord, 'digestKey' | 'givenIds'>,
  route: string,
  named: readonly NamedId[],
): NamedThings | undefined {
  if (named.length === 0) return undefined;
  const known = new Map<string, GivenId[]>();
  for (const given of record.givenIds ?? []) known.set(given.digest, [...(known.get(given.digest) ?? []), given]);
  const foreign: string[] = [];
  let targets: readonly string[] | null = null;
  let tokens: number | undefined = 0;
  for (const { where, id, standsFor } of named) {
    const given = known.get(idDigest(record.digestKey, id));
    if (given === undefined) {
      foreign.push(where);
      continue;
    }
    const from = given.map(({ target }) => target);
    targets = (targets ?? from).filter((target) => from.includes(target));
    if (standsFor !== undefined) tokens = sum(tokens, longest(given, standsFor));
  }
  const prefix = `${route}/`;
  const here = (targets ?? []).filter((target) => target.startsWith(prefix));
  const size = tokens === undefined || foreign.length > 0 ? {} : { tokens };
  return { foreign, targets: here.map((target) => target.slice(prefix.length)), ...size };
}

/** How many tokens it can be; undefined where one that gave it did not count. */
function longest(given: readonly GivenId[], standsFor: 'conversation' | 'answer'): number | undefined {
  let most: number | undefined = 0;
  for (const { tokens } of given) {
    const all = tokens === undefined ? undefined : tokens.output + (standsFor === 'conversation' ? tokens.input : 0);
    most = most === undefined || all === undefined ? undefined : Math.max(most, all);
  }
  return most;
}

function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}

/** The ids that `target` gave, as a task keeps them; `usage` is what it counted for the answer. */
export function givenBy(
  target: Pick<Target, 'route' | 'name'>,
  digestKey: string,
  ids: readonly string[],
  usage: Usage | null,
): readonly GivenId[] {
  const from = `${target.route}/${target.name}`;
  const tokens = usage === null ? {} : { tokens: { input: usage.inputTokens, output: usage.outputTokens } };
  return ids.slice(0, givenIdsMax).map((id) => ({ digest: idDigest(digestKey, id), target: from, ...tokens }));
}

/** The record with more of them; the oldest fall off, and one that comes again counts as new. */
export function withGivenIds(record: TaskRecord, given: readonly GivenId[]): TaskRecord {
  if (given.length === 0) return record;
  const keyOf = ({ digest, target }: GivenId): string => `${digest} ${target}`;
  const newer = new Map(given.map((one) => [keyOf(one), one]));
  const older = (record.givenIds ?? []).filter((one) => !newer.has(keyOf(one)));
  return { ...record, givenIds: [...older, ...newer.values()].slice(-givenIdsMax) };
}

function idDigest(digestKey: string, id: string): string {
  return digestOf(digestKey, ['provider id', id]).slice(0, digestChars);
}
