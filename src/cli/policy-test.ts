/** `tollgate policy test`: the Rego tests of a policy folder, with what they cover. */
import { parseArgs } from 'node:util';
import { testPolicies } from '../policy/proof/rego-tests.ts';
import type { Command } from './command.ts';
import { bundleFolder, folderHelp, folderOptions, wholeNumber, withOpa } from './policy-folder.ts';
import { table } from './table.ts';

export const policyTest: Command = {
  help: `usage: tollgate policy test [--coverage PERCENT] [--bundle DIR | --config F]

Runs the tests (\`*_test.rego\`) with OPA and prints those that fail with what they printed, and the coverage of each
file, tests themselves left out.

  --coverage PERCENT  less than that of all lines together is a failure
${folderHelp}

Exit 0 if all pass, 1 if one fails, if there is none or too little is covered, 2 usage.`,
  async run(argv, surroundings) {
    const options = { ...folderOptions, coverage: { type: 'string', default: '0' } } as const;
    const { values } = parseArgs({ args: [...argv], options });
    const least = wholeNumber('--coverage', values.coverage, 0, 100);
    const bundle = await bundleFolder(values, surroundings);
    const run = await withOpa(surroundings, (access) => testPolicies(access, bundle));
    const { out } = surroundings;
    for (const { place, name, output } of run.failed) {
      out(`failed: ${place} ${name}`);
      for (const line of output.split('\n').filter((text) => text !== '')) out(`  ${line}`);
    }
    if (run.coverage.length > 0) {
      const rows = run.coverage.map(({ file, percent, uncovered }) => [file, `${percent} %`, uncovered.join(' ')]);
      out(table(['FILE', 'COVERED', 'LINES NOT REACHED'], rows));
    }
    const total = run.passed + run.failed.length;
    out(`${run.passed} passed, ${run.failed.length} failed, ${run.skipped} skipped, ${run.percent} % covered`);
    if (total === 0) out('there is no test');
    const covered = run.failed.length > 0 || run.percent >= least;
    if (!covered) out(`less than ${least} % is covered`);
    return total > 0 && run.failed.length === 0 && covered ? 0 : 1;
  },
};
