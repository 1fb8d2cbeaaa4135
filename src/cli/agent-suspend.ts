/** `tollgate agent suspend`: stops an agent, a tenant, an issuer or a route at every gateway. */
import { parseArgs } from 'node:util';
import { adminHelp, connect } from './admin-client.ts';
import { type Command, Usage } from './command.ts';
import { named, type Suspension, selectors, textOf, whom } from './suspended.ts';

export const agentSuspend: Command = {
  help: `usage: tollgate agent suspend WHOM --reason TEXT [--until TIME | --for 30m|8h|7d] (--config F | --admin-url U)

Suspends at every gateway of the store: running calls are aborted, and no later one is admitted, until it is resumed or
TIME (RFC 3339) has come. WHOM is one of:

${whom}

TEXT and your name stand in the list of suspensions and in the audit trail; agents are not told. Takes the role operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const options = { ...selectors, until: { type: 'string' }, for: { type: 'string' } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
    const what = named(positionals, values);
    const { reason } = values;
    if (reason === undefined) throw new Usage('--reason TEXT is missing: others will ask why');
    const until = untilOf(values.until, values.for);
    const client = await connect(values, surroundings);
    const body = { ...what, reason, ...(until === undefined ? {} : { until }) };
    const made = await client.post<Suspension>('/suspensions', body);
    const end = made.until === null ? 'until it is resumed' : `until ${made.until}`;
    surroundings.out(values.json ? JSON.stringify(made, null, 2) : `suspended: ${textOf(what)}, ${end}`);
    return 0;
  },
};

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function untilOf(until: string | undefined, span: string | undefined): string | undefined {
  if (span === undefined) return until;
  if (until !== undefined) throw new Usage('one of --until and --for');
  const [, count, unit] = /^([1-9][0-9]{0,5})([mhd])$/.exec(span) ?? [];
  if (count === undefined || unit === undefined) throw new Usage('--for takes a span such as 30m, 8h or 7d');
  return new Date(Date.now() + Number(count) * (unitMs[unit] as number)).toISOString();
}
