/** `tollgate policy check`: every fault of a policy folder, each with its line. */
import { parseArgs } from 'node:util';
import { checkPolicies } from '../policy/proof/strict.ts';
import type { Command } from './command.ts';
import { bundleFolder, folderHelp, folderOptions, withOpa } from './policy-folder.ts';

export const policyCheck: Command = {
  help: `usage: tollgate policy check [--bundle DIR | --config F]

Runs OPA's strict check with this gate's input schemas and built-ins, and its formatter, and prints every fault as
file:line: message.

${folderHelp}

Exit 0 if there is none, 1 if there are, 2 usage.`,
  async run(argv, surroundings) {
    const { values } = parseArgs({ args: [...argv], options: folderOptions });
    const bundle = await bundleFolder(values, surroundings);
    const faults = await withOpa(surroundings, (access, folder) => checkPolicies(access, bundle, folder));
    for (const { file, row, message } of faults) {
      const place = file === '' ? bundle : row === 0 ? file : `${file}:${row}`;
      surroundings.out(`${place}: ${message}`);
    }
    const count = faults.length === 0 ? 'good' : `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`;
    surroundings.out(`${bundle}: ${count}`);
    return faults.length === 0 ? 0 : 1;
  },
};
