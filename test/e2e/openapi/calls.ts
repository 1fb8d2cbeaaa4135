/**
 * Calls to the operations of a real document, read from it without any code of the gate: what the arguments may be, as
 * one schema, and how they are written into a request (OpenAPI 3.1 §4.8.12).
 */
import { Buffer } from 'node:buffer';
import type { OpenApi } from './documents.ts';
import { Conversion, followed, isObject, type Judge, type Schema } from './schema.ts';

export interface Parameter {
  readonly name: string;
  readonly place: 'path' | 'query' | 'headers';
  readonly style: string;
  readonly explode: boolean;
  readonly schema: Schema | boolean;
}

export interface Arguments {
  readonly path: Schema;
  readonly query: Schema;
  readonly headers: Schema;
  readonly body?: unknown;
}

/** A request as it is sent, without the place of its route. */
export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

export interface CallTo {
  readonly method: string;
  readonly template: string;
  readonly parameters: readonly Parameter[];
  readonly contentType: string | null;
  /** Of the arguments. */
  readonly judge: Judge;
}

const methods = ['get', 'post', 'put', 'patch', 'delete'];
/** Headers that the gate never takes from agents, whatever a document says. */
const notArguments =
  /^(?:accept|authorization|content-type|cookie|host|x-api-key|api-key|range|content-encoding|traceparent)$/;

/** The operations of `document` that can be called with JSON or without a body; others are not what this is about. */
export function callsTo(document: OpenApi): readonly CallTo[] {
  const conversion = new Conversion(document);
  const calls: CallTo[] = [];
  for (const [template, item] of Object.entries(document.paths as Record<string, Schema>)) {
    if (/[?#]/.test(template)) continue;
    const pathItem = followed(document, item);
    for (const method of methods) {
      const operation = pathItem[method];
      if (!isObject(operation)) continue;
      const call = callTo(document, conversion, template, method, operation, pathItem.parameters);
      if (call !== undefined) calls.push(call);
    }
  }
  return calls;
}

function callTo(
  document: OpenApi,
  conversion: Conversion,
  template: string,
  method: string,
  operation: Schema,
  shared: unknown,
): CallTo | undefined {
  const declared = new Map<string, { readonly parameter: Parameter; readonly required: boolean }>();
  for (const one of [shared, operation.parameters].flat()) {
    const source = followed(document, one);
    const place = ({ path: 'path', query: 'query', header: 'headers' } as const)[String(source.in)];
    if (place === undefined || source.content !== undefined) {
      if (source.required === true) return undefined;
      continue;
    }
    const name = place === 'headers' ? String(source.name).toLowerCase() : String(source.name);
    if (place === 'headers' && notArguments.test(name)) continue;
    const style = String(source.style ?? (place === 'query' ? 'form' : 'simple'));
    const explode = (source.explode ?? style === 'form') === true;
    const schema =
      source.allowEmptyValue === true
        ? { anyOf: [conversion.value(source.schema ?? true), { const: '' }] }
        : conversion.value(source.schema ?? true);
    declared.set(`${place} ${name}`, {
      parameter: { name, place, style, explode, schema },
      required: place === 'path' || source.required === true,
    });
  }
  const properties: Schema = {};
  const all = [...declared.values()].filter(
    ({ parameter: { place, name } }) => place !== 'path' || template.includes(`{${name}}`),
  );
  for (const place of ['path', 'query', 'headers'] as const) {
    const own = all.filter(({ parameter }) => parameter.place === place);
    properties[place] = {
      type: 'object',
      properties: Object.fromEntries(own.map(({ parameter }) => [parameter.name, parameter.schema])),
      required: own.filter(({ required }) => required).map(({ parameter }) => parameter.name),
      additionalProperties: false,
    };
  }
  const body = followed(document, operation.requestBody);
  const contents = Object.entries((body.content ?? {}) as Record<string, Schema>);
  const json = contents.find(([type]) => /^application\/(?:.*\+)?json/.test(type));
  if (json === undefined && body.required === true) return undefined;
  if (json !== undefined) properties.body = conversion.value(json[1].schema ?? true);
  const required = ['path', 'query', 'headers', ...(json === undefined ? [] : ['body'])];
  const judge = conversion.judge({ type: 'object', properties, required, additionalProperties: false });
  const contentType = json === undefined ? null : (json[0].split(';')[0] as string);
  return {
    method: method.toUpperCase(),
    template,
    parameters: all.map(({ parameter }) => parameter),
    contentType,
    judge,
  };
}

/** The request of `args`; undefined where text could not say what they are, so that no client could send them. */
export function written({ method, template, parameters, contentType }: CallTo, args: Arguments): Sent | undefined {
  let path = template;
  const query: string[] = [];
  const headers: Record<string, string> = {};
  for (const parameter of parameters) {
    const value = args[parameter.place][parameter.name];
    if (value === undefined) continue;
    const pairs = pairsOf(parameter, value);
    if (pairs === undefined) return undefined;
    const text = pairs[0]?.[1] ?? '';
    if (parameter.place === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(text));
    else if (parameter.place === 'headers') headers[parameter.name] = text;
    else query.push(...pairs.map(([name, one]) => `${encodeURIComponent(name)}=${encodeURIComponent(one)}`));
  }
  for (const [name, value] of Object.entries(args.query)) {
    if (!parameters.some((one) => one.place === 'query' && one.name === name)) query.push(`${name}=${String(value)}`);
  }
  if (/[{}]/.test(path)) return undefined;
  const body =
    args.body === undefined || contentType === null ? Buffer.alloc(0) : Buffer.from(JSON.stringify(args.body));
  return {
    method,
    path,
    query: query.join('&'),
    headers: body.length === 0 || contentType === null ? headers : { ...headers, 'content-type': contentType },
    body,
  };
}

function pairsOf(
  { name, place, style, explode }: Parameter,
  value: unknown,
): readonly (readonly [string, string])[] | undefined {
  const delimiter = ({ spaceDelimited: ' ', pipeDelimited: '|' } as Record<string, string>)[style] ?? ',';
  const isScalar = (one: unknown) => one !== null && typeof one !== 'object';
  if (style === 'deepObject') return deep(name, value);
  if (Array.isArray(value)) {
    if (value.length === 0 || !value.every(isScalar) || value.some((one) => String(one).includes(delimiter)))
      return undefined;
    return place === 'query' && explode
      ? value.map((one) => [name, String(one)] as const)
      : [[name, value.join(delimiter)]];
  }
  if (isObject(value)) {
    const members = Object.entries(value);
    if (members.length === 0 || !members.every(([, one]) => isScalar(one))) return undefined;
    if (place === 'query' && explode) return members.map(([key, one]) => [key, String(one)] as const);
    return [
      [
        name,
        members.map(([key, one]) => (explode ? `${key}=${String(one)}` : `${key},${String(one)}`)).join(delimiter),
      ],
    ];
  }
  return isScalar(value) ? [[name, String(value)]] : undefined;
}

function deep(name: string, value: unknown): readonly (readonly [string, string])[] | undefined {
  if (value === null) return undefined;
  if (typeof value !== 'object') return [[name, String(value)]];
  const members = Object.entries(value).map(([key, one]) => deep(`${name}[${key}]`, one));
  return members.length === 0 || members.includes(undefined) ? undefined : members.flatMap((one) => one ?? []);
}
