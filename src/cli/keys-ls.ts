/** `tollgate keys ls`: the gate's own keys, by what they sign. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import type { Command } from './command.ts';
import { table } from './table.ts';

interface KeyDocument {
  readonly kid: string;
  readonly purpose: string;
  readonly alg: string;
  readonly state: string;
  readonly created_at: string;
  readonly signs_from: string | null;
  readonly verifies_until: string | null;
}

export const keysLs: Command = {
  help: `usage: tollgate keys ls [--json] (--config F | --admin-url U)

Lists the keys of the gate by what they sign: \`signing\` signs now, \`next\` is published and signs later, \`verifying\` only
verifies what it has signed. Takes the role operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const { values } = parseArgs({ args: [...argv], options: adminOptions });
    const client = await connect(values, surroundings);
    const found = await client.get<{ keys: readonly KeyDocument[] }>('/keys');
    if (values.json) surroundings.out(JSON.stringify(found, null, 2));
    else {
      const rows = found.keys.map((key) => [
        ...[key.purpose, key.state, key.alg, key.kid, key.created_at, key.signs_from, key.verifies_until],
      ]);
      const headings = ['PURPOSE', 'STATE', 'ALG', 'KID', 'CREATED', 'SIGNS FROM', 'VERIFIES UNTIL'];
      surroundings.out(table(headings, rows));
    }
    return 0;
  },
};
