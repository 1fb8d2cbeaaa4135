/**
 * Every fault that OPA's strict check and its formatter find in a bundle folder, with file and line, in one list. The
 * schemas and the built-ins are those of this gate, not copies that may lie beside the policies.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { capabilitiesFile, entrypointsOf } from '../build.ts';
import { runOpa } from '../opa.ts';
import type { OpaAccess } from '../rego-files.ts';
import { schemaFiles } from '../schemas.ts';
import { BundleError, readSources } from '../sources.ts';

export interface PolicyFault {
  /** Relative to the folder; empty where it is about the bundle as a whole. */
  readonly file: string;
  /** From 1; 0 where there is none. */
  readonly row: number;
  readonly message: string;
}

interface OpaError {
  readonly message?: string;
  readonly location?: { readonly file?: string; readonly row?: number };
}

/** The faults of the bundle folder `bundle`, ordered by file and line. `folder` is for what is made on the way. */
export async function checkPolicies(access: OpaAccess, bundle: string, folder: string): Promise<PolicyFault[]> {
  const faults = [...(await strictFaults(access, bundle, folder)), ...(await formatFaults(access, bundle))];
  try {
    entrypointsOf(await readSources(bundle));
  } catch (fault) {
    if (!(fault instanceof BundleError)) throw fault;
    faults.push({ file: '', row: 0, message: fault.message });
  }
  return faults.sort((left, right) =>
    left.file < right.file ? -1 : left.file > right.file ? 1 : left.row - right.row,
  );
}

async function strictFaults(access: OpaAccess, bundle: string, folder: string): Promise<PolicyFault[]> {
  await mkdir(folder, { recursive: true });
  const schemas = await mkdtemp(join(folder, 'schema-'));
  try {
    for (const [name, schema] of Object.entries(schemaFiles())) {
      await writeFile(join(schemas, name), JSON.stringify(schema));
    }
    const args = ['check', '--strict', '-f', 'json', '-m', '0', '-b', '.', '-s', schemas];
    const { code, stdout, stderr } = await runOpa({
      ...access,
      args: [...args, '--capabilities', capabilitiesFile],
      cwd: bundle,
    });
    if (code === 0) return [];
    return errorsOf(`${stdout}${stderr}`).map(({ message = 'OPA does not say what is wrong', location }) => {
      // Data that does not parse is named in the text alone.
      const file = location?.file ?? /load failed on ([^:]+):/.exec(message)?.[1] ?? '';
      const row = location?.row ?? Number(/\bline (\d+)\b/.exec(message)?.[1] ?? 0);
      return { file, row, message };
    });
  } finally {
    await rm(schemas, { recursive: true, force: true });
  }
}

function errorsOf(said: string): readonly OpaError[] {
  try {
    const { errors } = JSON.parse(said) as { errors?: readonly OpaError[] };
    if (errors !== undefined) return errors;
  } catch {
    // Not JSON: what could not even be read is said in plain words.
  }
  return [{ message: said.trim() }];
}

/** Files that `opa fmt` would write otherwise, each at its first such line. What does not parse is no matter of form. */
async function formatFaults(access: OpaAccess, bundle: string): Promise<PolicyFault[]> {
  const { stdout } = await runOpa({ ...access, args: ['fmt', '--list', '.'], cwd: bundle });
  const faults: PolicyFault[] = [];
  for (const file of stdout.split('\n').filter((line) => line !== '')) {
    const formatted = await runOpa({ ...access, args: ['fmt', file], cwd: bundle });
    const wanted = formatted.stdout.split('\n');
    const lines = (await readFile(join(bundle, file), 'utf8')).split('\n');
    const row = lines.findIndex((line, index) => line !== wanted[index]);
    faults.push({ file, row: row + 1, message: 'not as `opa fmt` writes it: run `opa fmt --write`' });
  }
  return faults;
}
