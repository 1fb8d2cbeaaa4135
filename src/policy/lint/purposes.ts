/**
 * Checks `data.tollgate.purposes`: its shape by the schema, and every name in it by what it should be the name of. A
 * purpose that lists what does not exist permits nothing that anybody meant, and a limit on an argument that the gate
 * does not remember refuses the second call.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { child } from '../../wire/pointer.ts';
import { schemaFaults } from '../../wire/schema-faults.ts';
import { purposesSchema } from '../purposes-schema.ts';
import { canHave } from './arguments.ts';
import { isObject } from './data-files.ts';
import { hintOf, type LintCode } from './fault.ts';
import { namesOf } from './literals.ts';
import { type LintOperation, type LintWorld, mayBeOffered } from './world.ts';

export interface PurposeFault {
  /** Into the purposes. */
  readonly pointer: string;
  readonly code: LintCode;
  readonly message: string;
}

/** Every fault of the document. Parts of it that have not the right shape are only told of as such. */
export function purposeFaults(purposes: unknown, world: LintWorld | null): PurposeFault[] {
  return [...shapeFaults(purposes), ...nameFaults(purposes, world)];
}

function shapeFaults(purposes: unknown): PurposeFault[] {
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: false });
  const fits = ajv.compile(purposesSchema);
  if (fits(purposes)) return [];
  return schemaFaults(fits.errors ?? []).map((fault) => ({ ...fault, code: 'data_shape' as const }));
}

type Tell = (pointer: string, code: LintCode, message: string) => void;

function nameFaults(purposes: unknown, world: LintWorld | null): PurposeFault[] {
  if (!isObject(purposes)) return [];
  const faults: PurposeFault[] = [];
  const tell: Tell = (pointer, code, message) => faults.push({ pointer, code, message });
  const known = Object.keys(purposes);
  for (const [name, purpose] of Object.entries(purposes)) {
    if (!isObject(purpose)) continue;
    const at = child('', name);
    unknownTexts(purpose.part_of, `${at}/part_of`, known, 'purpose', 'purpose_unknown', tell);
    if (world === null) continue;
    unknownTexts(purpose.issuers, `${at}/issuers`, world.issuers, 'issuer of agents', 'issuer_unknown', tell);
    const { subject, operations } = purpose;
    if (isObject(subject)) {
      const pointer = `${at}/subject/issuers`;
      unknownTexts(subject.issuers, pointer, world.subjectIssuers, 'issuer of subjects', 'issuer_unknown', tell);
    }
    if (!isObject(operations)) continue;
    for (const [key, settings] of Object.entries(operations)) {
      const pointer = child(`${at}/operations`, key);
      const operation = world.operations.find(({ name: other }) => other === key);
      if (operation === undefined) {
        if (!mayBeOffered(world, key)) tell(pointer, 'operation_unknown', unknownOperation(key, world));
      } else if (isObject(settings)) argumentFaults(operation, settings, pointer, tell);
    }
  }
  return faults;
}

function unknownTexts(
  list: unknown,
  pointer: string,
  known: readonly string[],
  what: string,
  code: LintCode,
  tell: Tell,
): void {
  for (const { text, at } of textsIn(list, pointer)) {
    if (!known.includes(text)) tell(at, code, `there is no ${what} ${JSON.stringify(text)}; ${hintOf(text, known)}`);
  }
}

function unknownOperation(key: string, world: LintWorld): string {
  const told = `the routing table has no operation ${JSON.stringify(key)}`;
  return key.endsWith('*')
    ? `${told}: operations are named one by one here, without patterns`
    : `${told}; ${hintOf(key, namesOf(world))}`;
}

function argumentFaults(
  { name, remember, inputSchema }: LintOperation,
  settings: Readonly<Record<string, unknown>>,
  pointer: string,
  tell: Tell,
): void {
  const { subject_at: places, limits } = settings;
  const impossible = (path: string, at: string): boolean => {
    if (inputSchema === null || inputSchema === undefined || canHave(inputSchema, path)) return false;
    tell(at, 'argument_impossible', `${name} has no argument ${path}: its input schema is closed and does not name it`);
    return true;
  };
  for (const { text, at } of textsIn(places, `${pointer}/subject_at`)) impossible(text, at);
  for (const [index, limit] of (Array.isArray(limits) ? (limits as unknown[]) : []).entries()) {
    const argument = isObject(limit) ? limit.argument : undefined;
    const at = `${pointer}/limits/${index}/argument`;
    if (typeof argument !== 'string' || impossible(argument, at) || remember.includes(argument)) continue;
    const hint = remember.length === 0 ? 'it remembers nothing' : `it remembers ${remember.join(', ')}`;
    tell(
      at,
      'argument_not_remembered',
      `the routing table must list ${argument} under \`remember\` of ${name}; ${hint}`,
    );
  }
}

function textsIn(list: unknown, pointer: string): { readonly text: string; readonly at: string }[] {
  if (!Array.isArray(list)) return [];
  return (list as unknown[]).flatMap((item, index) =>
    typeof item === 'string' ? [{ text: item, at: `${pointer}/${index}` }] : [],
  );
}
