/**
 * From a request to its arguments: `{path, query, headers, body}`, typed as the operation declares. Everything that was
 * sent is either an argument or a fault; only headers that are not declared are left behind, as every client sends
 * some. Members stand in the order of the document, so that equal calls have equal arguments.
 */
import type { JsonObject } from '../../../call.ts';
import { type Denial, deny, isDenial, type Reason } from '../../../denial.ts';
import type { RawRequest } from '../../dialect.ts';
import { child } from '../../pointer.ts';
import { type Bytes, readBody } from './body.ts';
import { readConditions } from './conditions.ts';
import type { BodyForm } from './document.ts';
import { type Pair, readPairs } from './form.ts';
import type { Match } from './operation.ts';
import type { Parameter } from './parameters.ts';
import { isHeaderText, readPlace } from './place.ts';

export interface Arguments {
  readonly args: JsonObject;
  /** In which form the body came; null if there was none. */
  readonly form: BodyForm | null;
  /** What of the body is described in the arguments, and is not in them. Absent: nothing. */
  readonly bytes?: readonly Bytes[];
  readonly faults: readonly Reason[];
}

/** Reads the arguments of a call. Denies 400 for what cannot be read at all, and 415. */
export function readArguments(request: RawRequest, { operation, values }: Match): Arguments | Denial {
  const { parameters } = operation.draft;
  const faults: Reason[] = [];
  const of = (place: Parameter['place']): readonly Parameter[] => parameters.filter((one) => one.place === place);
  const path = readPlace(
    of('path'),
    Object.entries(values).map(([name, value]) => ({ name, value })),
    '/path',
    faults,
  );
  const pairs = readPairs(request.query);
  if (typeof pairs === 'string') return deny('request_invalid', `the query ${pairs}`);
  const query = readPlace(of('query'), pairs, '/query', faults);
  const declared = readPlace(of('headers'), headerPairs(request, of('headers'), faults), '/headers', faults);
  const headers = { ...declared, ...readConditions(request, operation, faults) };
  const body = readBody(request, operation.draft.body, faults);
  if (isDenial(body)) return body;
  return {
    args: { path, query, headers, ...(body === null ? {} : { body: body.value }) },
    form: body?.form ?? null,
    bytes: body?.bytes ?? [],
    faults,
  };
}

function headerPairs(request: RawRequest, parameters: readonly Parameter[], faults: Reason[]): Pair[] {
  const pairs: Pair[] = [];
  for (const { name } of parameters) {
    const value = request.headers[name];
    if (value === undefined) continue;
    for (const text of typeof value === 'string' ? [value] : value) {
      if (isHeaderText(text)) pairs.push({ name, value: text.trim() });
      else faults.push({ code: 'format', message: `${name} must be ASCII text`, path: child('/headers', name) });
    }
  }
  return pairs;
}
