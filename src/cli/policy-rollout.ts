/**
 * `tollgate policy rollout`: where the candidate stands, and its way through shadow, canary and full, or back. What a
 * reader would get wrong: a step is in force everywhere once it is acknowledged; `--wait` waits until every gateway has
 * said so, and finds those that have another candidate, or none.
 */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type AdminClient, adminHelp, adminOptions, connect } from './admin-client.ts';
import { type Command, type Surroundings, Usage } from './command.ts';
import { list, table } from './table.ts';

interface Report {
  readonly gateway: string;
  readonly cloud: string;
  readonly region: string;
  readonly revision: string | null;
  readonly content: string | null;
  readonly candidate: { readonly revision: string; readonly content: string } | null;
  readonly stage: string;
  readonly percent: number;
  readonly last_error: string | null;
  readonly candidate_error: string | null;
  readonly note: string | null;
  readonly at: string;
}

interface State {
  readonly content: string;
  readonly revision: string;
  readonly stage: string;
  readonly percent: number;
  readonly by: string;
  readonly at_ms: number;
  readonly reason?: { readonly code: string; readonly message: string };
}

interface Counts {
  readonly decisions: number;
  readonly agree: number;
  readonly new_deny: number;
  readonly new_allow: number;
  readonly other_obligations: number;
  readonly error: number;
}

interface PolicyDocument {
  readonly gateway: Report;
  readonly gateways: readonly Report[];
  readonly gateways_known: boolean;
  readonly rollout: State | null;
  readonly rollout_note: string | null;
  readonly comparison: {
    readonly window_seconds: number;
    readonly acted: Counts;
    readonly shadowed: Counts;
    readonly breach: Readonly<Record<'acted' | 'shadowed', readonly { readonly message: string }[]>>;
  };
}

const options = {
  ...adminOptions,
  reason: { type: 'string' },
  revision: { type: 'string' },
  again: { type: 'boolean' },
  wait: { type: 'string' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>['values'];

const lookMs = 500;
const waitSecondsMax = 3_600;

export const policyRollout: Command = {
  help: `usage: tollgate policy rollout [status] | canary PERCENT | full | back | shadow   (--config F | --admin-url U)

The candidate (policy.shadow) decides beside the bundle in force, and acts only as far as it is let:

  status            where it stands, how it compares, what every gateway runs
  canary PERCENT    it decides for PERCENT of principals (0 to 100, two decimals), by a hash of agent and subject
  full              it decides for everybody; then publish it as policy.bundle, and the rollout ends by itself
  back              it decides for nobody from now on, at every gateway; works also while nothing can be recorded
  shadow            it decides for nobody, and is compared

  --revision R      only if the candidate is R
  --reason TEXT     stands in the state and in the audit trail
  --again           with shadow: begins anew with a candidate that was rolled back
  --wait SECONDS    waits until every gateway that reports stands there; exit 1 if one does not by then

Status takes one of the roles auditor, policy_author, operator; the others take operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
    const waitMs = waitOf(values.wait);
    const step = stepOf(positionals, values);
    if (step === null && waitMs !== null) throw new Usage('status waits for nothing: --wait goes with a step');
    const client = await connect(values, surroundings);
    if (step === null) return status(client, surroundings, values.json === true);
    const { rollout } = await client.post<{ rollout: State }>('/policy/rollout', step);
    if (values.json !== true) surroundings.out(`${rollout.revision}: ${standing(rollout)}`);
    if (waitMs === null) {
      if (values.json === true) surroundings.out(JSON.stringify({ rollout }, null, 2));
      return 0;
    }
    return awaitAll(client, surroundings, rollout, waitMs, values.json === true);
  },
};

/** What is asked of the gate; null: nothing but how it stands. */
function stepOf([word = 'status', percent, ...more]: readonly string[], values: Values): object | null {
  const { reason, revision, again } = values;
  if (more.length > 0 || (percent !== undefined && word !== 'canary')) throw new Usage('too many words');
  if (again === true && word !== 'shadow') throw new Usage('--again goes with shadow');
  const said = {
    ...(reason === undefined ? {} : { reason }),
    ...(revision === undefined ? {} : { revision }),
  };
  switch (word) {
    case 'status':
      if (Object.keys(said).length > 0) throw new Usage('--reason and --revision go with a step');
      return null;
    case 'canary':
      return { stage: 'canary', percent: percentOf(percent), ...said };
    case 'full':
      return { stage: 'full', ...said };
    case 'back':
      return { stage: 'rolled_back', ...said };
    case 'shadow':
      return { stage: 'shadow', ...said, ...(again === true ? { force: true } : {}) };
    default:
      throw new Usage(`there is no step ${word}: status, canary PERCENT, full, back or shadow`);
  }
}

function percentOf(text: string | undefined): number {
  if (text === undefined) throw new Usage('canary takes a PERCENT');
  const [, number] = /^(\d{1,3}(?:\.\d{1,2})?)%?$/.exec(text) ?? [];
  if (number === undefined || Number(number) > 100) throw new Usage('PERCENT is 0 to 100, with two decimals at most');
  return Number(number);
}

function waitOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > waitSecondsMax) {
    throw new Usage(`--wait takes seconds, 1 to ${waitSecondsMax}`);
  }
  return Number(text) * 1000;
}

async function status(client: AdminClient, { out }: Surroundings, json: boolean): Promise<number> {
  const found = await client.get<PolicyDocument>('/policy');
  out(json ? JSON.stringify(found, null, 2) : text(found));
  return 0;
}

/** Looks until every gateway stands where the rollout does; 1 where time is up before. */
async function awaitAll(
  client: AdminClient,
  { out, err }: Surroundings,
  wanted: State,
  waitMs: number,
  json: boolean,
): Promise<number> {
  const until = Date.now() + waitMs;
  for (;;) {
    const found = await client.get<PolicyDocument>('/policy');
    const behind = found.gateways.filter((report) => !standsAt(report, wanted));
    const done = behind.length === 0 && found.gateways_known;
    if (done || Date.now() >= until) {
      out(json ? JSON.stringify(found, null, 2) : text(found));
      if (!done && !found.gateways_known) err('the store is away: what the other gateways run is not known');
      else if (!done) err(`not there yet: ${behind.map(({ gateway }) => gateway).join(', ')}`);
      return done ? 0 : 1;
    }
    await setTimeout(lookMs);
  }
}

/** A gateway that runs the candidate as its bundle in force has nothing left to roll out. */
function standsAt({ content, candidate, stage, percent }: Report, wanted: State): boolean {
  if (content === wanted.content) return wanted.stage === 'full';
  if (wanted.stage === 'rolled_back' && candidate?.content !== wanted.content) return true;
  return candidate?.content === wanted.content && stage === wanted.stage && percent === wanted.percent;
}

function standing({ stage, percent }: Pick<State, 'stage' | 'percent'>): string {
  return stage === 'canary' ? `canary ${percent} %` : stage;
}

function text(found: PolicyDocument): string {
  const { rollout, rollout_note: note, comparison, gateways, gateways_known: known } = found;
  const { acted, shadowed, breach, window_seconds: seconds } = comparison;
  const parts = [
    rollout === null
      ? 'no rollout: a candidate that is loaded is in shadow'
      : list({
          candidate: rollout.revision,
          stage: standing(rollout),
          since: new Date(rollout.at_ms).toISOString(),
          by: rollout.by,
          ...(rollout.reason === undefined ? {} : { reason: rollout.reason.message }),
        }),
    ...(note === null ? [] : [`The state may be another one: ${note}.`]),
    `Compared at ${found.gateway.gateway} in the last ${seconds} s:`,
    table(
      ['', 'DECISIONS', 'AGREE', 'NEW DENIES', 'NEW ALLOWS', 'OTHER OBLIGATIONS', 'ERRORS'],
      [row('decided', acted), row('shadowed', shadowed)],
    ),
    ...[...breach.acted, ...breach.shadowed].map(({ message }) => message),
    ...(known ? [] : ['The store is away: only this gateway is known.']),
    table(
      ['GATEWAY', 'CLOUD', 'REGION', 'REVISION', 'CANDIDATE', 'STAGE', 'NOTE', 'AT'],
      gateways.map((report) => [
        ...[report.gateway, report.cloud, report.region, report.revision, report.candidate?.revision, standing(report)],
        ...[report.note ?? report.last_error ?? report.candidate_error, report.at],
      ]),
    ),
  ];
  return parts.join('\n\n');
}

function row(name: string, counts: Counts): readonly unknown[] {
  const { decisions, agree, new_deny: denies, new_allow: allows, other_obligations: other, error } = counts;
  return [name, decisions, agree, denies, allows, other, error];
}
