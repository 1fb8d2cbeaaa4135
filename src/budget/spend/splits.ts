/**
 * Of which target and which kind a spent amount was: dimensions of their own, which only the scope that counts splits
 * takes (`Scope.splits`). They go with the settlement itself, so that a call is in all of its sums or in none.
 */
import type { Attempt, Outcome, Target, Usage } from '../../call.ts';
import type { Amounts } from '../../store/store.ts';

/** What is spent, by kind. Tokens read from and written to a cache are part of `input`, reasoning of `output`. */
export const spentKinds = ['calls', 'cost', 'tokens', 'input', 'output', 'cached', 'written', 'reasoning'] as const;
export type SpentKind = (typeof spentKinds)[number];
export type Spent = Readonly<Record<SpentKind, number>>;

export const nothingSpent: Spent = {
  ...{ calls: 0, cost: 0, tokens: 0, input: 0, output: 0, cached: 0, written: 0, reasoning: 0 },
};

/** What one target served, of one series. `model` is empty for what is none. */
export interface Split {
  readonly target: string;
  readonly model: string;
  readonly spent: Spent;
}

const splitForm = /^@([^/]*)\/([^/]*)\/([a-z]+)$/;

/** The target that a call is put down to: the one that answered, else the last one it was sent to. */
export function servedBy(
  targets: readonly Target[] | undefined,
  { target, attempts }: Pick<Outcome, 'target'> & { readonly attempts: readonly Pick<Attempt, 'target' | 'sent'>[] },
): Target | null {
  if (target !== null) return target;
  const last = attempts.findLast(({ sent }) => sent);
  return targets?.find(({ name }) => name === last?.target) ?? null;
}

/** The dimensions that say of what target and kind `actual` is; none where no target is known. */
export function splitsOf(actual: Amounts, usage: Usage | null, target: Pick<Target, 'name' | 'model'> | null): Amounts {
  if (target === null) return {};
  const spent: Spent = {
    ...{ calls: actual.calls ?? 0, cost: actual.costMicroUsd ?? 0, tokens: actual.tokens ?? 0 },
    input: usage?.inputTokens ?? 0,
    output: usage?.outputTokens ?? 0,
    cached: usage?.cachedInputTokens ?? 0,
    written: usage?.cacheWriteTokens ?? 0,
    reasoning: usage?.reasoningTokens ?? 0,
  };
  if (spent.calls === 0) return {};
  const of = `@${encodeURIComponent(target.name)}/${encodeURIComponent(target.model ?? '')}`;
  const kinds = spentKinds.filter((kind) => spent[kind] > 0);
  return Object.fromEntries(kinds.map((kind) => [`${of}/${kind}`, spent[kind]]));
}

/** The splits in what a series has spent, and what no split tells of, under an empty target. */
export function readSplits(spent: Amounts): readonly Split[] {
  const found = new Map<string, { target: string; model: string; spent: Record<SpentKind, number> }>();
  const rest = { calls: spent.calls ?? 0, cost: spent.costMicroUsd ?? 0, tokens: spent.tokens ?? 0 };
  for (const [dimension, amount] of Object.entries(spent)) {
    const [, target, model, kind] = splitForm.exec(dimension) ?? [];
    if (target === undefined || model === undefined || !isKind(kind)) continue;
    const of = `${target}/${model}`;
    const split = found.get(of) ?? {
      ...{ target: decodeURIComponent(target), model: decodeURIComponent(model) },
      spent: { ...nothingSpent },
    };
    found.set(of, split);
    split.spent[kind] += amount;
    if (kind === 'calls' || kind === 'cost' || kind === 'tokens') rest[kind] -= amount;
  }
  const splits: Split[] = [...found.values()];
  if (rest.calls > 0 || rest.cost > 0 || rest.tokens > 0) {
    splits.push({ target: '', model: '', spent: { ...nothingSpent, ...rest } });
  }
  return splits;
}

/** The sum of two. */
export function addSpent(left: Spent, right: Spent): Spent {
  return Object.fromEntries(spentKinds.map((kind) => [kind, left[kind] + right[kind]])) as unknown as Spent;
}

function isKind(kind: string | undefined): kind is SpentKind {
  return (spentKinds as readonly (string | undefined)[]).includes(kind);
}
