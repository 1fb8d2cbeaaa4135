/** Documents with random schemas: what no author would write together is in them. */
import type { OpenApi } from './documents.ts';
import type { Schema } from './schema.ts';

const operations = 20;
const depthMax = 3;

/** An OpenAPI 3.1 document, from a seeded source. */
export function generatedDocument(random: () => number): OpenApi {
  const below = (limit: number): number => Math.floor(random() * limit);
  const name = (): string => `m_${below(1000).toString(36)}`;

  function scalar(): Schema {
    const makers: readonly (() => Schema)[] = [
      () => ({ type: 'string', minLength: below(3), maxLength: 40 }),
      () => ({ type: 'string', enum: ['one', 'two', 'three'].slice(0, 1 + below(3)) }),
      () => ({ type: ['integer', 'null'], minimum: below(5) }),
      () => ({ type: 'integer', minimum: 1, maximum: 1 + below(50) }),
      () => ({ type: 'number' }),
      () => ({ type: 'boolean' }),
      () => ({ type: 'string', format: ['date', 'uuid', 'email', 'date-time'][below(4)] }),
    ];
    return (makers[below(makers.length)] as () => Schema)();
  }

  function object(depth: number): Schema {
    const entries = Array.from({ length: 1 + below(4) }, () => [name(), schema(depth + 1)] as const);
    const properties: Schema = Object.fromEntries(entries);
    // What refers to others is not required: it might require itself.
    const plain = Object.keys(properties).filter((one) => !JSON.stringify(properties[one]).includes('$ref'));
    const required = plain.filter(() => below(2) === 0);
    return { type: 'object', properties, required, ...(below(4) === 0 ? { additionalProperties: false } : {}) };
  }

  function schema(depth: number): Schema {
    if (depth > depthMax) return scalar();
    switch (below(8)) {
      case 0:
      case 1:
        return object(depth);
      case 2:
        return { type: 'array', items: schema(depth + 1), minItems: below(2), maxItems: 5 };
      case 3:
        return { $ref: `#/components/schemas/S${below(4)}` };
      case 4:
        return { allOf: [object(depth), { $ref: `#/components/schemas/S${below(4)}` }] };
      case 5:
        return { oneOf: [alternative('left', depth), alternative('right', depth)] };
      default:
        return scalar();
    }
  }

  function alternative(kind: string, depth: number): Schema {
    const { properties, required } = object(depth) as { properties: Schema; required: string[] };
    return {
      type: 'object',
      properties: { ...properties, kind: { type: 'string', enum: [kind] } },
      required: [...required, 'kind'],
    };
  }

  const schemas = Object.fromEntries(Array.from({ length: 4 }, (_, index) => [`S${index}`, object(1)]));
  const paths = Array.from({ length: operations }, (_, index) => {
    const list = {
      name: 'ids',
      in: 'query',
      schema: { type: 'array', items: { type: 'integer' }, maxItems: 5 },
      explode: below(2) === 0,
    };
    const filter = { name: 'filter', in: 'query', style: 'deepObject', explode: true, schema: schemas[`S${below(4)}`] };
    const plain = { name: 'q', in: 'query', required: below(2) === 0, schema: scalar() };
    const id = { name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1 } };
    const requestBody = { required: true, content: { 'application/json': { schema: object(0) } } };
    const operation = {
      operationId: `o${index}`,
      parameters: [list, plain, id, ...(below(2) === 0 ? [filter] : [])],
      requestBody,
      responses: {},
    };
    return [`/o${index}/{id}`, { post: operation }];
  });
  return {
    openapi: '3.1.0',
    info: { title: 'generated', version: '1' },
    paths: Object.fromEntries(paths),
    components: { schemas },
  };
}
