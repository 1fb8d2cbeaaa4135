/** `tollgate agent resume`: ends a suspension. */
import { parseArgs } from 'node:util';
import { adminHelp, connect } from './admin-client.ts';
import type { Command } from './command.ts';
import { named, selectors, textOf, whom } from './suspended.ts';

export const agentResume: Command = {
  help: `usage: tollgate agent resume WHOM [--reason TEXT] (--config F | --admin-url U)

Ends exactly this suspension; tasks that are still alive go on. WHOM is one of:

${whom}

Exit 1 if it was not suspended. Takes the role operator.

${adminHelp}`,
  async run(argv, surroundings) {
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options: selectors });
    const what = named(positionals, values);
    const client = await connect(values, surroundings);
    const body = { ...what, ...(values.reason === undefined ? {} : { reason: values.reason }) };
    const ended = await client.post<{ resumed: boolean }>('/suspensions/resume', body);
    const said = ended.resumed ? `resumed: ${textOf(what)}` : `was not suspended: ${textOf(what)}`;
    surroundings.out(values.json ? JSON.stringify(ended, null, 2) : said);
    return ended.resumed ? 0 : 1;
  },
};
