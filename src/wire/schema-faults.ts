/**
 * Turns what the schema validator says into what a person needs: which key, what was expected, what was found, and
 * the nearest name for a misspelt one. Of a value that may have several shapes, only the shape it tried to be is
 * complained of.
 */
import type { ErrorObject } from 'ajv';

export interface SchemaFault {
  readonly pointer: string;
  readonly message: string;
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Edits that turn `left` into `right`: for "did you mean". Both are short: names of keys. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const substituted = (row[j - 1] as number) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[right.length] as number;
}

/** The name of `known` that a misspelt `name` most likely means, if any is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((left, right) => left.edits - right.edits);
  return best !== undefined && best.edits <= Math.max(2, Math.floor(name.length / 3)) ? best.candidate : undefined;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function messageOf(error: ErrorObject): SchemaFault {
  const { keyword, instancePath, params } = error;
  // A secret is marked in its schema, and is never told.
  const untold = error.data === undefined || typeof error.data === 'object' || error.parentSchema?.writeOnly === true;
  const found = untold ? '' : `, found ${shown(error.data)}`;
  switch (keyword) {
    case 'additionalProperties': {
      const name = String(params.additionalProperty);
      const known = Object.keys((error.parentSchema?.properties ?? {}) as object);
      const guess = nearest(name, known);
      const hint = guess === undefined ? `expected one of: ${known.join(', ')}` : `did you mean ${guess}?`;
      return { pointer: `${instancePath}/${escapePointer(name)}`, message: `unknown key ${name}; ${hint}` };
    }
    case 'required':
      return { pointer: instancePath, message: `${String(params.missingProperty)} is missing` };
    case 'type':
      return {
        pointer: instancePath,
        message: `expected ${String(params.type)}${found || (typeof error.data === 'object' ? ', found an object or list' : '')}`,
      };
    case 'const':
      return { pointer: instancePath, message: `expected ${shown(params.allowedValue)}${found}` };
    case 'enum':
      return {
        pointer: instancePath,
        message: `expected one of: ${(params.allowedValues as unknown[]).join(', ')}${found}`,
      };
    case 'discriminator': {
      const { tag, tagValue } = params as { tag: string; tagValue: unknown };
      const branches = (error.parentSchema?.oneOf ?? []) as { properties?: Record<string, { const?: unknown }> }[];
      const known = branches.map(({ properties }) => properties?.[tag]?.const).filter((one) => one !== undefined);
      const message = `expected one of: ${known.join(', ')}, found ${shown(tagValue)}`;
      return { pointer: `${instancePath}/${escapePointer(tag)}`, message };
    }
    case 'pattern':
      return { pointer: instancePath, message: `expected text of the form ${String(params.pattern)}${found}` };
    default:
      return { pointer: instancePath, message: `${error.message ?? keyword}${found}` };
  }
}

/** The faults behind `errors`, in the order of the file's pointers, each told once. */
export function schemaFaults(errors: readonly ErrorObject[]): readonly SchemaFault[] {
  // A union reports every branch. The branch whose `const` or `enum` tag fits is the one that was meant.
  const unions = errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf');
  const dropped = new Set<ErrorObject>();
  for (const union of unions) {
    // Of a map every value is checked by one schema: the errors of others are not this one's.
    const isHere = ({ instancePath }: ErrorObject) => `${instancePath}/`.startsWith(`${union.instancePath}/`);
    const inside = errors.filter(
      (error) => error !== union && error.schemaPath.startsWith(`${union.schemaPath}/`) && isHere(error),
    );
    const branches = Map.groupBy(inside, (error) => error.schemaPath.slice(union.schemaPath.length + 1).split('/')[0]);
    const ranked = [...branches.values()].sort(
      (left, right) =>
        otherShape(left, union) - otherShape(right, union) ||
        tagErrors(left) - tagErrors(right) ||
        left.length - right.length,
    );
    const consts = inside.filter(
      ({ keyword, instancePath }) => keyword === 'const' && instancePath === union.instancePath,
    );
    if (consts.length > 0 && consts.length === inside.length) {
      for (const error of inside) dropped.add(error);
      union.keyword = 'enum';
      union.params = { allowedValues: consts.map(({ params }) => params.allowedValue) };
      continue;
    }
    for (const branch of ranked.slice(1)) for (const error of branch) dropped.add(error);
    if (ranked.length > 0) dropped.add(union);
  }
  const faults = errors.filter((error) => !dropped.has(error)).map(messageOf);
  const told = new Map(faults.map((fault) => [`${fault.pointer} ${fault.message}`, fault]));
  return [...told.values()];
}

/** 1 for a branch of another type altogether: an object was not meant as a list. */
function otherShape(branch: readonly ErrorObject[], { instancePath }: ErrorObject): number {
  return branch.some((error) => error.keyword === 'type' && error.instancePath === instancePath) ? 1 : 0;
}

function tagErrors(branch: readonly ErrorObject[]): number {
  return branch.filter(({ keyword }) => keyword === 'const' || keyword === 'enum').length;
}
