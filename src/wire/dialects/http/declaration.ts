/**
 * One parameter of a document as the gate reads it (OpenAPI 3.1 §4.8.12). What can only be read in more than one way is
 * left out where it is optional, and refused when it is sent; a required one is a fault of the document. Left out are
 * cookies, which carry sessions and not arguments, and the style `matrix`, as no path holds a semicolon here.
 */
import { isJsonType, isTextType } from '../../media.ts';
import type { Parameter, Place } from './parameters.ts';
import { type DocumentReader, objectIn } from './reader.ts';
import type { Schema, SchemaBundle } from './schema.ts';
import { valueShape } from './shape.ts';

export interface Declaration {
  readonly parameter: Parameter;
  readonly schema: Schema | boolean;
}

/** Headers that are the gate's or the connection's; a document that declares them does not make them the agent's. */
const gateHeaders = new Set([
  ...[
    'accept',
    'content-type',
    'content-length',
    'authorization',
    'proxy-authorization',
    'cookie',
    'host',
    'connection',
  ],
  ...['transfer-encoding', 'te', 'trailer', 'upgrade', 'keep-alive', 'expect', 'forwarded', 'via', 'x-real-ip', 'dpop'],
  ...['x-api-key', 'api-key', 'txn-token', 'traceparent', 'tracestate', 'baggage', 'content-encoding', 'range'],
]);
const gateHeaderPrefixes = ['x-tollgate-', 'x-forwarded-', 'proxy-', 'sec-'];

const places: Readonly<Record<string, Place>> = { path: 'path', query: 'query', header: 'headers' };
/** The styles of each place, with what stands between elements that are not exploded. */
const styles: Readonly<Record<Place, Readonly<Record<string, Parameter['delimiter']>>>> = {
  path: { simple: ',', label: ',' },
  query: { form: ',', spaceDelimited: ' ', pipeDelimited: '|', deepObject: ',' },
  headers: { simple: ',' },
};

/** The parameter declared by `item`; undefined for one that is not the agent's or is left out. */
export function readDeclaration(
  reader: DocumentReader,
  bundle: SchemaBundle,
  item: unknown,
  pointer: string,
): Declaration | undefined {
  const source = objectIn(reader.follow(item));
  const { in: where, name: declaredName } = source ?? {};
  if (source === undefined || typeof where !== 'string' || typeof declaredName !== 'string') {
    reader.fault(pointer, 'is not a parameter');
    return undefined;
  }
  const place = Object.hasOwn(places, where) ? places[where] : undefined;
  const name = place === 'headers' ? declaredName.toLowerCase() : declaredName;
  const gates = gateHeaders.has(name) || gateHeaderPrefixes.some((prefix) => name.startsWith(prefix));
  if (place === 'headers' && gates) return undefined;
  const required = place === 'path' || source.required === true;
  const [content] = Object.entries(objectIn(source.content) ?? {});
  const schemaSource = content === undefined ? (source.schema ?? true) : (objectIn(content[1])?.schema ?? true);
  const written =
    place === undefined
      ? undefined
      : content === undefined
        ? byStyle(reader, place, source, schemaSource)
        : byContent(reader, content[0].toLowerCase(), schemaSource);
  if (place === undefined || written === undefined) {
    if (required) reader.fault(pointer, `the required parameter ${name} is written in a way that is not supported`);
    return undefined;
  }
  const schema = bundle.value(schemaSource, `${pointer}/${content === undefined ? 'schema' : 'content'}`);
  const empty = place === 'query' && source.allowEmptyValue === true;
  return {
    parameter: { place, name, required, ...written, ...(empty ? { empty } : {}) },
    schema: empty ? { anyOf: [schema, { const: '' }] } : schema,
  };
}

type Written = Omit<Parameter, 'place' | 'name' | 'required'>;

function byContent(reader: DocumentReader, type: string, schema: unknown): Written | undefined {
  const { types } = valueShape(reader, schema);
  if (isJsonType(type)) return { shape: 'json', exploded: false, delimiter: ',', types };
  return isTextType(type) ? { shape: 'single', exploded: false, delimiter: ',', types } : undefined;
}

/**
 * How values look by `style` and `explode`; undefined for a style that is not read there. `source` is a parameter, or
 * the encoding of a field.
 */
export function byStyle(
  reader: DocumentReader,
  place: Place,
  source: Record<string, unknown>,
  schema: unknown,
): Written | undefined {
  const style = String(source.style ?? (place === 'query' ? 'form' : 'simple'));
  if (!Object.hasOwn(styles[place], style)) return undefined;
  const explode = (source.explode ?? style === 'form') === true;
  const value = valueShape(reader, schema);
  const { types } = value;
  const isLabel = style === 'label';
  const prefix = isLabel ? { prefix: '.' as const } : {};
  const reserved = place === 'query' && source.allowReserved === true ? { reserved: true } : {};
  const delimiter = isLabel && explode ? '.' : (styles[place][style] ?? ',');
  if (style === 'deepObject') return { shape: 'tree', exploded: true, delimiter, types, value };
  if (types.has('array')) {
    const exploded = explode && (place === 'query' || isLabel);
    return { shape: 'list', exploded, delimiter, types: value.element().types, ...prefix, ...reserved };
  }
  if (types.has('object') && !types.has('string')) {
    const shape = place === 'query' && explode ? 'members' : 'object';
    return { shape, exploded: explode, delimiter, types, value, ...prefix, ...reserved };
  }
  return { shape: 'single', exploded: false, delimiter, types, ...prefix, ...reserved };
}
