/** Policy sets for tests: a stable engine, and a candidate whose rollout stands where the test says. */
import type { TestContext } from 'node:test';
import type { JsonObject } from '../../../src/call.ts';
import type { Pair } from '../../../src/policy/beside.ts';
import { PastRevisions } from '../../../src/policy/past-revisions.ts';
import { Policies, type PoliciesDeps, type Principal, type Standing } from '../../../src/policy/policies.ts';
import { Verdicts } from '../../../src/policy/verdict.ts';
import { engineOn, type Running, temporaryFolder } from './bundles.ts';

export interface PolicySet {
  readonly policies: Policies;
  readonly running: Running;
  readonly past: PastRevisions;
  /** Where the rollout stands; the test changes it. */
  readonly rollout: {
    stage: Standing['stage'];
    /** What is rolled out, if not the candidate. */
    content?: string;
    canary: (principal: Principal) => boolean;
    takenBack: Set<string>;
  };
  readonly compared: { readonly pair: Pair; readonly stable: boolean; readonly candidate: boolean }[];
}

/** A set over folders, not opened yet; closed when the test is over. */
export async function policySetOn(
  test: TestContext,
  stable: string,
  options: { readonly candidate?: string; readonly dataDir?: string } = {},
): Promise<PolicySet> {
  const dataDir = options.dataDir ?? (await temporaryFolder(test));
  const log = () => undefined;
  const kept: { past?: PastRevisions } = {};
  const remembering = {
    dataDir,
    keep: async (...what: Parameters<PastRevisions['keep']>) => kept.past?.keep(...what),
    changed: (_active: unknown, before: Parameters<PastRevisions['remember']>[0] | null) => {
      if (before !== null) kept.past?.remember(before);
    },
  };
  const running = await engineOn(test, stable, remembering);
  const { clock } = running;
  const past = new PastRevisions({ dataDir, clock, log });
  kept.past = past;
  const candidate =
    options.candidate === undefined
      ? null
      : (await engineOn(test, options.candidate, { ...remembering, clock, optional: true })).engine;
  const rollout: PolicySet['rollout'] = { stage: 'shadow', canary: () => false, takenBack: new Set() };
  const compared: PolicySet['compared'] = [];
  const deps: PoliciesDeps = {
    ...{ stable: running.engine, candidate, past, clock },
    verdicts: new Verdicts({ clock, log }),
    standing: () => ({ stage: rollout.stage, includes: (principal) => rollout.canary(principal) }),
    rolledOut: () =>
      rollout.stage === 'full' ? (rollout.content ?? candidate?.revision?.loaded.content ?? null) : null,
    takenBack: (content) => rollout.takenBack.has(content),
    compared: (pair, verdicts) =>
      compared.push({
        pair,
        stable: verdicts.stable.decision.allow,
        candidate: verdicts.candidate.decision.allow,
      }),
  };
  const policies = new Policies(deps);
  test.after(() => policies[Symbol.asyncDispose]());
  return { policies, running, past, rollout, compared };
}

/** What a panel says of a call document. */
export function decided(policies: Policies, record: Parameters<Policies['panel']>[0], input: unknown) {
  return policies.panel(record).decide('call', input as JsonObject);
}
