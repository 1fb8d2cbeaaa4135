/**
 * What the surfaces of OpenAI's SDKs have in common: which request is for which of them, and how a denial looks. They
 * differ in how a stream tells of an error.
 */
import type { Operation, Payload, WireRequest } from '../../../call.ts';
import { type Denial, type DenialMembers, denialHeaders, deny, isDenial } from '../../../denial.ts';
import type { EncodedDenial, RawRequest } from '../../dialect.ts';
import { type ModelBody, modelCall, readModelBody } from '../../model-request.ts';

/** One operation of a surface, made with POST at its path. */
export interface ModelSurface {
  /** As in `{route}.{id}`. */
  readonly id: string;
  /** In words, for faults. */
  readonly what: string;
  readonly payloadOf: (body: ModelBody, operation: Operation) => Payload | Denial;
}

/** Denies what is no POST without a query of a JSON object that names a model. */
export function parseModelCall(request: RawRequest, { id, what, payloadOf }: ModelSurface): WireRequest | Denial {
  if (request.method !== 'POST') return deny('method_not_allowed', `${what} are made with POST`, { allowed: ['POST'] });
  if (request.query !== '') return deny('request_invalid', `${what} take no query`);
  const read = readModelBody(request);
  if (isDenial(read)) return read;
  return modelCall({ route: read.route, id, what }, (operation) => payloadOf(read, operation));
}

export function encodeDenial(denial: Denial, members: DenialMembers): EncodedDenial {
  return {
    status: denial.status,
    headers: { 'content-type': 'application/json', ...denialHeaders(denial) },
    body: Buffer.from(JSON.stringify(errorDocument(members))),
  };
}

/** OpenAI's error object; SDKs keep its extra members. */
export function errorDocument(members: DenialMembers): { readonly error: Readonly<Record<string, unknown>> } {
  const { message, code, ...rest } = members;
  return { error: { message, type: code, param: null, code, ...rest } };
}
