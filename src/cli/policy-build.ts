/** `tollgate policy build`: compiles a policy folder, and gives it out only if it decides as OPA does. */
import { copyFile, rename, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { buildBundle } from '../policy/build.ts';
import { faultText } from '../policy/lint/fault.ts';
import { lintBundle } from '../policy/lint/lint.ts';
import { seededBytes } from '../policy/proof/chooser.ts';
import { prove } from '../policy/proof/prove.ts';
import { oneSided, proofLines } from '../policy/proof/report.ts';
import { readSources } from '../policy/sources.ts';
import type { Command } from './command.ts';
import {
  bundleAndWorld,
  folderHelp,
  folderOptions,
  inputHelp,
  inputOptions,
  inputsOf,
  withOpa,
} from './policy-folder.ts';

export const policyBuild: Command = {
  help: `usage: tollgate policy build [--out FILE] [--strict] [--inputs N] [--seed N] [--bundle DIR] [--config F]

Compiles the folder to WASM, and proves it: inputs made from the input schemas and from the words of the policies are
decided by the WASM and by \`opa eval\`, and whole decisions compared. One that differs, or that fails, refuses the build,
as does what \`tollgate policy check\` finds beyond OPA. Notes in the manifest what of the input no rule refers to.
Prints for each rule on how many inputs it fired and on how many not, and warns of rules that came out one way only.

  --out FILE        where the bundle goes, bundle.tar.gz without it
  --strict          warnings refuse the build too
${inputHelp}
${folderHelp}

Exit 0 built and proved, 1 refused, 2 usage.`,
  async run(argv, surroundings) {
    const options = {
      ...folderOptions,
      ...inputOptions,
      out: { type: 'string', short: 'o', default: 'bundle.tar.gz' },
      strict: { type: 'boolean', default: false },
    } as const;
    const { values } = parseArgs({ args: [...argv], options });
    const { inputs, seed } = inputsOf(values);
    const { bundle, world, unknownOperations } = await bundleAndWorld(values, surroundings);
    const files = await readSources(bundle);
    return withOpa(surroundings, async (access, folder) => {
      const { file } = await buildBundle({ ...access, files, dataDir: folder, opa: async () => access.opa });
      const faults = await lintBundle({ ...access, files, world, unknownOperations });
      for (const fault of faults)
        surroundings.out(`${fault.severity === 'error' ? 'refused' : 'warning'}: ${faultText(fault)}`);
      if (faults.some(({ severity }) => severity === 'error')) return 1;
      const proof = await prove({ ...access, files, folder, inputs, random: seededBytes(seed) }, file);
      for (const line of proofLines(proof, seed)) surroundings.out(line);
      if (proof.mismatched > 0) return 1;
      if (values.strict && (oneSided(proof.rules).length > 0 || proof.odd > 0)) {
        surroundings.out('refused: there are warnings, and --strict');
        return 1;
      }
      await placeFile(file, values.out);
      surroundings.out(`built ${values.out}`);
      return 0;
    });
  },
};

/** Renamed when whole: a gate that watches the file never reads half of it. */
async function placeFile(from: string, to: string): Promise<void> {
  const half = `${to}.${process.pid}.part`;
  try {
    await copyFile(from, half);
    await rename(half, to);
  } finally {
    await rm(half, { force: true });
  }
}
