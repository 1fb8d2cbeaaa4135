/** `tollgate agent ls`: what is suspended now. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import type { Command } from './command.ts';
import type { Suspension } from './suspended.ts';
import { table } from './table.ts';

export const agentLs: Command = {
  help: `usage: tollgate agent ls [--json] (--config F | --admin-url U)

Lists what is suspended now, the latest first: agents, tenants, issuers and routes. Takes the role operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const { values } = parseArgs({ args: [...argv], options: adminOptions });
    const client = await connect(values, surroundings);
    const found = await client.get<{ suspensions: readonly Suspension[] }>('/suspensions');
    if (values.json) surroundings.out(JSON.stringify(found, null, 2));
    else {
      const rows = found.suspensions.map(({ kind, id, issuer, tenant, reason, by, at, until }) => [
        ...[kind, id, issuer, tenant, at, until, by, reason],
      ]);
      surroundings.out(table(['KIND', 'ID', 'ISSUER', 'TENANT', 'SINCE', 'UNTIL', 'BY', 'REASON'], rows));
    }
    return 0;
  },
};
