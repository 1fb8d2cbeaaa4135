/** `tollgate policy diff`: what a changed policy folder would decide otherwise. */
import { parseArgs } from 'node:util';
import { seededBytes } from '../policy/proof/chooser.ts';
import { differ } from '../policy/proof/differ.ts';
import { differenceLines } from '../policy/proof/report.ts';
import { readSources } from '../policy/sources.ts';
import { type Command, Usage } from './command.ts';
import { inputHelp, inputOptions, inputsOf, policyFolder, withOpa } from './policy-folder.ts';

export const policyDiff: Command = {
  help: `usage: tollgate policy diff OLD NEW [--json] [--inputs N] [--seed N]

Compiles both policy folders, has both decide the same inputs, made from the words of both, and prints what changes,
grouped by reason code and operation (for tasks: purpose), each with an example.

${inputHelp}
  --json            the whole of it as JSON

Exit 0 nothing changes on these inputs, 1 something does, 2 usage.`,
  async run(argv, surroundings) {
    const options = { ...inputOptions, json: { type: 'boolean', default: false } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const [old, next, ...more] = positionals;
    if (old === undefined || next === undefined || more.length > 0) {
      throw new Usage(`two folders, OLD and NEW, found ${positionals.length}`);
    }
    const { inputs, seed } = inputsOf(values);
    const before = await readSources(await policyFolder(old));
    const after = await readSources(await policyFolder(next));
    const difference = await withOpa(surroundings, (access, folder) =>
      differ({ ...access, before, after, folder, inputs, random: seededBytes(seed) }),
    );
    if (values.json) surroundings.out(JSON.stringify({ seed, ...difference }, null, 2));
    else for (const line of differenceLines(difference, seed)) surroundings.out(line);
    return difference.changed === 0 ? 0 : 1;
  },
};
