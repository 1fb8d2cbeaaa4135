/**
 * The rollout of policies, put together: where it stands for all gateways of the store, what this gateway compares, and
 * what it tells the others. It stays as long as the gate is up; the policies it is about are those of the edition in
 * force.
 */
import { recordRollout } from '../audit/stage.ts';
import type { Decision, JsonObject } from '../call.ts';
import type { Config } from '../config/schema.ts';
import { type Denial, isDenial } from '../denial.ts';
import type { Policies, PoliciesDeps, Standing } from '../policy/policies.ts';
import { finishWhereInForce } from '../policy/rollout/finish.ts';
import { GatewayReports, type ReportFacts, reportDocument } from '../policy/rollout/reports.ts';
import { RolloutDesk } from '../policy/rollout/rollout-desk.ts';
import { type RolledOut, stateDocument } from '../policy/rollout/rollout-state.ts';
import { bucketOf, inCanary } from '../policy/rollout/share.ts';
import { RolloutWatch } from '../policy/rollout/watch.ts';
import { hasFailed, type Verdict } from '../policy/verdict.ts';
import type { Person } from '../principal.ts';
import type { AdminPolicyPorts } from '../server/admin-policy.ts';
import type { RolloutRequest } from '../wire/admin-request.ts';
import type { Foundation } from './parts.ts';

export interface Rollout {
  readonly desk: RolloutDesk;
  readonly watch: RolloutWatch;
  /** Not open yet: there is nothing to report before there are policies. */
  readonly reports: GatewayReports;
}

type Ground = Pick<
  Foundation,
  'store' | 'clock' | 'log' | 'faulted' | 'place' | 'trail' | 'telemetry' | 'policyChanged'
>;

/** Opens the desk. `policies` are asked for only once the reports are open. */
export async function openRollout(
  config: Config['policy']['rollout'],
  policies: () => Policies,
  { store, clock, log, faulted, place, trail, telemetry, policyChanged }: Ground,
  opened: AsyncDisposableStack,
): Promise<Rollout> {
  const desk = opened.use(new RolloutDesk({ store, clock, faulted, log }));
  const watch = opened.use(
    new RolloutWatch({
      ...{ desk, config, clock, log, faulted, gateway: place.id },
      recordRollBack: ({ bundle, revision, reasons }) =>
        recordRollout(trail, { operation: 'policy.roll_back', accepted: false, bundle, revision, reasons }),
      counted: (outcome) => telemetry.compared(outcome),
    }),
  );
  const reports: GatewayReports = opened.use(
    new GatewayReports({
      ...{ store, clock, faulted, gateway: place },
      facts: () => factsOf(policies(), desk),
      renewed: async (own) => {
        const recordFinished = ({ revision }: { readonly revision: string }) =>
          recordRollout(trail, {
            ...{ operation: 'policy.rollout_finished', accepted: true, bundle: own.bundle, revision },
            reasons: [
              { code: 'in_force_everywhere', message: 'The candidate is the bundle in force at every gateway.' },
            ],
          });
        await finishWhereInForce({ desk, reports: () => reports.list(), recordFinished }, own);
      },
    }),
  );
  policyChanged.add(() => void reports.refresh());
  desk.onChange(() => {
    for (const tell of policyChanged) tell();
  });
  await desk.open();
  return { desk, watch, reports };
}

/** What policies are handed of the rollout. */
export function portsOf({
  desk,
  watch,
}: Pick<Rollout, 'desk' | 'watch'>): Pick<PoliciesDeps, 'standing' | 'rolledOut' | 'takenBack' | 'compared'> {
  return {
    standing: (content): Standing => {
      const { stage, percent, id } = desk.standing(content);
      return { stage, includes: (principal) => inCanary(bucketOf(id, principal), percent) };
    },
    rolledOut: () => {
      const { state } = desk;
      return state !== null && desk.standing(state.content).stage === 'full' ? state.content : null;
    },
    takenBack: (content) => desk.standing(content).stage === 'rolled_back',
    compared: ({ phase, input, acting, atMs }, { stable, candidate }) => {
      const { agent, call } = input as { agent?: { id?: unknown }; call?: { id?: unknown; operation?: unknown } };
      const text = (value: unknown) => (typeof value === 'string' ? value : null);
      watch.add(
        {
          ...{ acting, phase, atMs, stable: saidBy(stable), candidate: saidBy(candidate) },
          ...{ operation: text(call?.operation), agent: text(agent?.id), callId: text(call?.id) },
        },
        { stable: originOf(stable.decision), candidate: originOf(candidate.decision) },
      );
    },
  };
}

/** What a task is granted is compared like what a call is obliged to. */
function saidBy(verdict: Verdict) {
  const { allow, reasons, obligations } = verdict.decision;
  const grant = verdict.ruling?.grant;
  return { allow, reasons, failed: hasFailed(verdict), obligations: { ...obligations, ...(grant && { grant }) } };
}

function originOf({ bundle, revision, content }: Decision) {
  return { bundle, revision, content: content ?? '' };
}

/** The candidate that is loaded; null where there is none, or it is what is in force anyway. */
function candidateOf({ engines: { stable, candidate } }: Policies): RolledOut | null {
  const loaded = candidate?.revision?.loaded;
  if (loaded === undefined || loaded.content === stable.revision?.loaded.content) return null;
  return { content: loaded.content, revision: loaded.revision };
}

function factsOf(policies: Policies, desk: RolloutDesk): ReportFacts {
  const { stable, candidate } = policies.engines;
  const tried = candidateOf(policies);
  const { revision } = stable;
  return {
    ...{
      bundle: stable.bundle,
      revision: revision?.loaded.revision ?? null,
      content: revision?.loaded.content ?? null,
    },
    ...{ candidate: tried, standing: desk.standing(tried?.content ?? null) },
    ...{ lastError: stable.lastError, candidateError: candidate?.lastError ?? null },
    note: policies.note ?? (desk.note === null ? null : `rollout_${desk.note}`),
  };
}

/** Where the candidate of this gateway stands, for the metrics. */
export function stageOf(policies: Policies, { desk }: Pick<Rollout, 'desk'>): { stage: string; percent: number } {
  const { stage, percent } = desk.standing(candidateOf(policies)?.content ?? null);
  return { stage, percent: stage === 'full' ? 100 : percent };
}

/** What the admin plane is handed of the rollout; `policies` are those of the edition in force. */
export function adminRolloutOf(
  { desk, watch, reports }: Rollout,
  policies: () => Policies,
): Pick<AdminPolicyPorts, 'own' | 'reports' | 'rollout' | 'comparison' | 'change'> {
  return {
    own: () => reportDocument(reports.own()),
    reports: async () => (await reports.list()).map(reportDocument),
    rollout: () => ({ state: desk.state === null ? null : stateDocument(desk.state), note: desk.note }),
    comparison: () => comparisonDocument(watch, policies()),
    change: (asked, by) => change(desk, candidateOf(policies()), asked, by),
  };
}

async function change(
  desk: RolloutDesk,
  candidate: RolledOut | null,
  { reason, ...asked }: RolloutRequest,
  by: Person['id'],
): Promise<JsonObject | Denial> {
  const why = reason === undefined ? {} : { reason: { code: 'operator', message: reason } };
  const changed = await desk.change({ ...asked, ...why }, { by, candidate });
  return isDenial(changed) ? changed : stateDocument(changed.state);
}

function comparisonDocument(watch: RolloutWatch, policies: Policies): JsonObject {
  const { windowSeconds, bounds, breach, acted, shadowed, samples } = watch.shown();
  return {
    ...{ window_seconds: windowSeconds, bounds: { ...bounds }, acted: { ...acted }, shadowed: { ...shadowed } },
    breach: { acted: breach.acted.map(reasonOf), shadowed: breach.shadowed.map(reasonOf) },
    dropped: policies.comparisonsDropped,
    samples,
  };
}

function reasonOf({ code, message }: { readonly code: string; readonly message: string }): JsonObject {
  return { code, message };
}
