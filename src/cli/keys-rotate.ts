/** `tollgate keys rotate`: renews a key of the gate while it runs. */
import { parseArgs } from 'node:util';
import { adminHelp, adminOptions, connect } from './admin-client.ts';
import { type Command, oneArgument, Usage } from './command.ts';

export const keysRotate: Command = {
  help: `usage: tollgate keys rotate PURPOSE [--lead-seconds N] [--json] (--config F | --admin-url U)

Makes a new key for PURPOSE (task, txn or federation) and publishes it; it signs after a lead, so that whoever verifies
has it by then: the gate's own measure, or N seconds. The key before verifies until its last token has expired. While a
new key waits already, no other is made. Takes the role operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const options = { ...adminOptions, 'lead-seconds': { type: 'string' } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
    const purpose = oneArgument('PURPOSE', positionals);
    const lead = values['lead-seconds'];
    if (lead !== undefined && !/^[0-9]{1,7}$/.test(lead)) throw new Usage('--lead-seconds must be a whole number');
    const client = await connect(values, surroundings);
    const body = { purpose, ...(lead === undefined ? {} : { lead_seconds: Number(lead) }) };
    const made = await client.post<{ kid: string; signs_from: string }>('/keys/rotate', body);
    const said = `the ${purpose} key ${made.kid} signs from ${made.signs_from}`;
    surroundings.out(values.json ? JSON.stringify(made, null, 2) : said);
    return 0;
  },
};
