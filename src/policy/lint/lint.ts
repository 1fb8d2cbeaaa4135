/**
 * Looks through a bundle for what compiles and is wrong all the same: names that exist nowhere, places that the input does
 * not have, data that no rule reads so, and writes that nobody vouches for. It says nothing of what a bundle decides.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { parseFiles } from '../rego-files.ts';
import type { SourceFile } from '../sources.ts';
import { DataFiles, isObject } from './data-files.ts';
import { factsOf } from './facts.ts';
import { type Found, type LintFault, worldCodes } from './fault.ts';
import { inputPathFaults } from './input-paths.ts';
import { literalFaults } from './literals.ts';
import { Program } from './program.ts';
import { purposeFaults } from './purposes.ts';
import type { ParsedModule } from './syntax.ts';
import type { LintWorld } from './world.ts';
import { writeRuleFaults } from './write-rules.ts';

const purposesAt = ['tollgate', 'purposes'] as const;

/** What is made of names that the gate's configuration does not know: a fault, or a line in the log. */
export type UnknownOperations = 'refuse' | 'warn';

export interface LintOptions {
  readonly files: readonly SourceFile[];
  /** Null where it is not known: names of operations, routes and issuers are not looked at then. */
  readonly world: LintWorld | null;
  /** `refuse` without it. */
  readonly unknownOperations?: UnknownOperations;
  /** Absolute path of the compiler, which parses. */
  readonly opa: string;
  readonly clock: Pick<Clock, 'after'>;
  readonly signal: AbortSignal;
}

/** Every fault, by file and line. Throws BundleError for files that are no Rego. */
export async function lintBundle(options: LintOptions): Promise<LintFault[]> {
  const { files, world, unknownOperations } = options;
  const data = DataFiles.read(files);
  const purposes = data.document(purposesAt);
  const found: Found[] = [...data.faults];
  if (purposes !== undefined) {
    for (const { pointer, code, message } of purposeFaults(purposes, world)) {
      found.push({ ...data.place(purposesAt, pointer), code, message });
    }
  }
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-lint-'));
  try {
    const program = new Program(await parseFiles<ParsedModule>(options, files, folder));
    const facts = program.clauses.map((clause) => factsOf(program, clause));
    const words = { world, purposes: isObject(purposes) ? Object.keys(purposes) : null };
    for (const one of facts) found.push(...inputPathFaults(one), ...literalFaults(one, words));
    found.push(...writeRuleFaults(facts, world));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return judged(found, unknownOperations);
}

/** The faults of a bundle that is already compiled, of which only the data can be looked at. */
export function lintData(data: unknown, world: LintWorld | null, unknownOperations?: UnknownOperations): LintFault[] {
  const [room, name] = purposesAt;
  const own = isObject(data) ? data[room] : undefined;
  const purposes = isObject(own) ? own[name] : undefined;
  if (purposes === undefined) return [];
  const found = purposeFaults(purposes, world).map(({ pointer, code, message }) => ({
    ...{ file: 'data.json', line: 0, code, message },
    pointer: `/${purposesAt.join('/')}${pointer}`,
  }));
  return judged(found, unknownOperations);
}

/** In the order of the files, each told once. */
function judged(found: readonly Found[], unknownOperations: UnknownOperations = 'refuse'): LintFault[] {
  const faults = new Map<string, LintFault>();
  for (const fault of found) {
    const ofWorld = (worldCodes as readonly string[]).includes(fault.code);
    const severity = ofWorld && unknownOperations === 'warn' ? 'warning' : 'error';
    const key = JSON.stringify([fault.file, fault.line, fault.column, fault.pointer, fault.code, fault.message]);
    faults.set(key, { ...fault, severity });
  }
  return [...faults.values()].sort((left, right) =>
    left.file === right.file
      ? left.line - right.line || (left.column ?? 0) - (right.column ?? 0)
      : left.file < right.file
        ? -1
        : 1,
  );
}
