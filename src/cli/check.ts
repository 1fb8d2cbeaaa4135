/** `tollgate check`: every fault of a configuration, each with its line, without starting anything. */
import { parseArgs } from 'node:util';
import { faultLine } from '../config/load.ts';
import { checkConfig } from '../main.ts';
import { type Command, Usage } from './command.ts';

export const check: Command = {
  help: `usage: tollgate check --config FILE

Reads FILE as \`tollgate start\` would: substitutes, validates every section, reads the OpenAPI documents it names and
builds the routing table. Prints each fault as file:line:column. Exit 0 if there is none, 1 if there are, 2 usage.`,
  async run(argv, { env, out }) {
    const { values } = parseArgs({ args: [...argv], options: { config: { type: 'string', short: 'c' } } });
    if (values.config === undefined) throw new Usage('--config FILE is missing');
    const checked = await checkConfig(values.config, env);
    if ('faults' in checked) {
      for (const fault of checked.faults) out(faultLine(fault));
      out(`${values.config}: ${checked.faults.length} ${checked.faults.length === 1 ? 'fault' : 'faults'}`);
      return 1;
    }
    out(
      `${values.config}: good (${checked.routes} routes, ${checked.operations} operations, ${checked.issuers} issuers)`,
    );
    return 0;
  },
};
