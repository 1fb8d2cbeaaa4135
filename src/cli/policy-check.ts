/** `tollgate policy check`: every fault of a policy folder, each with its line. */
import { parseArgs } from 'node:util';
import { faultText, type LintFault } from '../policy/lint/fault.ts';
import { lintBundle } from '../policy/lint/lint.ts';
import { checkPolicies, type PolicyFault } from '../policy/proof/strict.ts';
import type { OpaAccess } from '../policy/rego-files.ts';
import { BundleError, readSources } from '../policy/sources.ts';
import type { Command } from './command.ts';
import { bundleAndWorld, folderHelp, folderOptions, type NamedFolder, withOpa } from './policy-folder.ts';

export const policyCheck: Command = {
  help: `usage: tollgate policy check [--bundle DIR] [--config F]

Runs OPA's strict check with this gate's input schemas and built-ins, its formatter, and the gate's own lint: data of the
wrong shape, places that the input does not have, names that exist nowhere, writes that rest on assertions alone. Prints
every fault as file:line: message. Operations, routes and issuers are known only with --config.

${folderHelp}

Exit 0 if there is none, 1 if there are, 2 usage.`,
  async run(argv, surroundings) {
    const { values } = parseArgs({ args: [...argv], options: folderOptions });
    const named = await bundleAndWorld(values, surroundings);
    const { bundle } = named;
    const [faults, found] = await withOpa(surroundings, async (access, folder) => [
      await checkPolicies(access, bundle, folder),
      await linted(access, named),
    ]);
    const lint = found.filter((fault) => !isTold(fault, faults));
    const lines = [
      ...faults.map(({ file, row, message }) => ({ file, row, line: `${place(bundle, file, row)}: ${message}` })),
      ...lint.map((fault) => ({ file: fault.file, row: fault.line, line: `${weight(fault)}${faultText(fault)}` })),
    ].sort((left, right) => (left.file === right.file ? left.row - right.row : left.file < right.file ? -1 : 1));
    for (const { line } of lines) surroundings.out(line);
    const errors = faults.length + lint.filter(({ severity }) => severity === 'error').length;
    surroundings.out(`${bundle}: ${errors === 0 ? 'good' : `${errors} ${errors === 1 ? 'fault' : 'faults'}`}`);
    return errors === 0 ? 0 : 1;
  },
};

/** What the lint finds; nothing where the folder is no Rego, which the strict check has told. */
async function linted(
  access: OpaAccess,
  { bundle, world, unknownOperations }: NamedFolder,
): Promise<readonly LintFault[]> {
  try {
    return await lintBundle({ ...access, files: await readSources(bundle), world, unknownOperations });
  } catch (fault) {
    if (fault instanceof BundleError) return [];
    throw fault;
  }
}

/** OPA finds some places that are not there, too. */
function isTold({ code, file, line }: LintFault, faults: readonly PolicyFault[]): boolean {
  return (
    (code === 'input_unknown' &&
      faults.some((one) => one.file === file && one.row === line && /undefined ref/.test(one.message))) ||
    (code === 'data_syntax' && faults.some((one) => one.file === file))
  );
}

function place(bundle: string, file: string, row: number): string {
  return file === '' ? bundle : row === 0 ? file : `${file}:${row}`;
}

function weight({ severity }: LintFault): string {
  return severity === 'warning' ? 'warning: ' : '';
}
