import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDenial } from '../../../../src/denial.ts';
import { httpTools } from '../../../../src/wire/dialects/http.ts';
import { dialects, operationSources } from '../../../../src/wire/dialects/index.ts';
import { registryOf } from '../request.ts';
import { call, route, settings } from './http-tools.ts';

const documentWith = (paths: object, more: object = {}) => ({ openapi: '3.1.0', info: {}, paths, ...more });
const withBody = (schema: unknown, more: object = {}) =>
  documentWith(
    { '/x': { post: { operationId: 'x', requestBody: { content: { 'application/json': { schema } } } } } },
    more,
  );
const param = (name: string) => ({ name, in: 'path', required: true, schema: { type: 'string' } });
const faultsOf = (openapi: unknown, overrides = {}) => httpTools.operations(route, settings(openapi, overrides)).faults;

function codes(openapi: unknown, body: unknown): readonly string[] {
  const { operations } = httpTools.operations(route, settings(openapi));
  const resolved = call('POST', '/x', body, {}, registryOf([route], operations));
  if (!isDenial(resolved)) return [];
  return resolved.reasons.map(({ code, path }) => `${code} ${path}`).sort();
}

describe('a document is refused', () => {
  const path = (item: object, template = '/x') => documentWith({ [template]: item });
  const parameter = (more: object, template = '/x') =>
    path({ get: { parameters: [{ name: 'p', in: 'query', schema: {}, ...more }] } }, template);
  const cases: readonly (readonly [string, unknown, RegExp, string])[] = [
    ['that is none', null, /version 3\.0 or 3\.1/, '/openapi/openapi'],
    ['of version 2', { swagger: '2.0', paths: {} }, /version/, '/openapi/openapi'],
    ['with a remote $ref', withBody({ $ref: 'https://evil.example/schema.json' }), /out of the document/, 'schema'],
    ['with a $ref to a file', withBody({ $ref: './other.yaml#/a' }), /out of the document/, 'schema'],
    [
      'with a remote $ref that nothing uses',
      documentWith({}, { components: { schemas: { A: { $ref: 'http://x/' } } } }),
      /out of/,
      '/openapi/components/schemas/A',
    ],
    ['with a $ref to nothing', withBody({ $ref: '#/components/schemas/None' }), /names nothing/, 'schema'],
    [
      'with a schema that leads out by its base',
      withBody({ $id: 'https://evil.example/a', properties: { a: { $ref: 'b' } } }),
      /out of the document/,
      'schema',
    ],
    ['with a dynamic reference', withBody({ $dynamicRef: '#node' }), /\$dynamicRef is not supported/, 'schema'],
    ['with a $ref to no anchor', withBody({ $ref: '#nowhere' }), /names nothing/, 'schema'],
    [
      'with a pattern that is none',
      withBody({ type: 'string', pattern: '(' }),
      /is no pattern/,
      '/openapi/paths/~1x/post',
    ],
    [
      'with a wrong schema of an answer',
      documentWith({
        '/x': { get: { responses: { 200: { content: { 'application/json': { schema: { minLength: 'x' } } } } } } },
      }),
      /schema is wrong/,
      'responses/200',
    ],
    [
      'with a wrong schema that several refer to',
      withBody({ $ref: '#/components/schemas/A' }, { components: { schemas: { A: { required: 5 } } } }),
      /schema is wrong/,
      '/openapi/components/schemas/A',
    ],
    ['with a schema that is none', withBody({ type: 'strange' }), /schema is wrong/, '/openapi/paths/~1x/post'],
    ['with a path that is none', path({ get: {} }, '/a/{b'), /braces/, '/openapi/paths/~1a~1{b'],
    ['with a dot segment', path({ get: {} }, '/a/../b'), /dot segment/, 'paths'],
    ['with an undeclared path parameter', path({ get: {} }, '/a/{b}'), /not declared/, 'get'],
    [
      'with two names for one path',
      documentWith({
        '/a/{b}': { get: { parameters: [param('b')] } },
        '/a/{c}': { get: { operationId: 'o', parameters: [param('c')] } },
      }),
      /same requests/,
      '/openapi/paths/~1a~1{c}',
    ],
    [
      'with two operations of one name',
      documentWith({ '/a': { get: { operationId: 'o' } }, '/b': { get: { operationId: 'o' } } }),
      /two operations/,
      '/openapi/paths/~1b/get',
    ],
    ['that requires a cookie', parameter({ in: 'cookie', required: true }), /not supported/, 'parameters/0'],
    [
      'that requires a header written like a query',
      parameter({ in: 'header', style: 'form', required: true }),
      /not supported/,
      'parameters/0',
    ],
    [
      'with a matrix path parameter',
      parameter({ in: 'path', style: 'matrix' }, '/x/{p}'),
      /not supported/,
      'parameters/0',
    ],
  ];
  for (const [what, document, message, pointer] of cases) {
    test(what, () => {
      const [fault] = faultsOf(document);
      assert.match(fault?.message ?? '', message);
      assert.ok(fault?.pointer.includes(pointer), fault?.pointer ?? 'no fault');
    });
  }

  test('with every fault listed', () => {
    assert.equal(faultsOf(documentWith({ '/a/{b': {}, '/c/{d}': { get: {} } })).length, 2);
  });
});

describe('schemas', () => {
  test('of OpenAPI 3.0 may be nullable and have exclusive limits', () => {
    const schema = {
      type: 'object',
      properties: {
        a: { type: 'string', nullable: true },
        b: { type: 'integer', minimum: 0, exclusiveMinimum: true },
        c: { $ref: '#/components/schemas/C', description: 'ignored beside $ref' },
        d: { nullable: true, allOf: [{ $ref: '#/components/schemas/C' }] },
      },
    };
    const document = {
      ...withBody(schema, {
        components: { schemas: { C: { type: 'object', properties: { e: { type: 'string' } } } } },
      }),
      openapi: '3.0.3',
    };
    assert.deepEqual(codes(document, { a: null, b: 1, c: { e: 'x' }, d: null }), []);
    assert.deepEqual(codes(document, { b: 0 }), ['range /body/b']);
    assert.deepEqual(codes(document, { c: null }), ['type /body/c']);
    assert.deepEqual(codes(document, { c: { f: 1 } }), ['unknown_member /body/c/f']);
  });

  test('that say additionalProperties themselves keep their word', () => {
    assert.deepEqual(
      codes(withBody({ type: 'object', properties: { a: {} }, additionalProperties: true }), { a: 1, b: 2 }),
      [],
    );
    assert.deepEqual(codes(withBody({ type: 'object', additionalProperties: { type: 'integer' } }), { b: 'x' }), [
      'type /body/b',
    ]);
    assert.deepEqual(codes(withBody({ type: 'object', additionalProperties: false }), { b: 1 }), [
      'unknown_member /body/b',
    ]);
  });

  test('of alternatives are closed around the one that fits', () => {
    const cat = { type: 'object', required: ['meow'], properties: { meow: { type: 'boolean' } } };
    const dog = { type: 'object', required: ['bark'], properties: { bark: { type: 'boolean' } } };
    const document = withBody({ oneOf: [cat, dog] });
    assert.deepEqual(codes(document, { bark: true }), []);
    assert.ok(codes(document, { bark: true, other: 1 }).includes('unknown_member /body/other'));
    assert.ok(codes(document, {}).includes('shape /body'));
  });

  test('do not accept more below a test for what must not be', () => {
    const document = withBody({
      type: 'object',
      properties: { a: { type: 'object' } },
      not: { properties: { a: { properties: { bad: { const: 1 } }, required: ['bad'] } }, required: ['a'] },
    });
    assert.deepEqual(codes(document, { a: { bad: 1, more: 2 } }), ['constraint /body']);
    assert.deepEqual(codes(document, { a: { bad: 2 } }), []);
  });

  test('may refer to themselves and to each other', () => {
    const schemas = {
      Tree: {
        type: 'object',
        properties: { left: { $ref: '#/components/schemas/Tree' }, value: { $ref: '#/components/schemas/Value' } },
      },
      Value: { anyOf: [{ type: 'integer' }, { $ref: '#/components/schemas/Tree' }] },
    };
    const document = withBody({ $ref: '#/components/schemas/Tree' }, { components: { schemas } });
    assert.deepEqual(codes(document, { left: { left: { value: { value: 1 } } } }), []);
    assert.ok(codes(document, { left: { left: { right: {} } } }).includes('unknown_member /body/left/left/right'));
  });

  test('for long lists of unique objects have a bound', () => {
    const document = withBody({ type: 'array', uniqueItems: true, items: { type: 'object' } });
    assert.deepEqual(
      codes(
        document,
        Array.from({ length: 1001 }, (_, n) => ({ n })),
      ),
      ['length /body'],
    );
  });

  test('stand by themselves in the operation, for whoever shows them', () => {
    const document = withBody(
      { $ref: '#/components/schemas/A' },
      { components: { schemas: { A: { type: 'string' }, B: {} } } },
    );
    const [operation] = httpTools.operations(route, settings(document)).operations;
    assert.deepEqual(operation?.inputSchema?.$defs, { A: { type: 'string' } });
  });
});

describe('what the routing table says of operations', () => {
  test('overrides the effect and names what to remember', () => {
    const overrides = {
      create_order: { effect: 'delete', remember: ['body.customer_id', 'body.lines.0.count', 'body.attributes.any'] },
    } as const;
    const { operations, faults } = httpTools.operations(route, settings(undefined, overrides));
    assert.deepEqual(faults, []);
    const operation = operations.find(({ name }) => name === 'shop.create_order');
    assert.deepEqual([operation?.effect, operation?.remember], ['delete', overrides.create_order.remember]);
  });

  test('labels what is read and where it is sent, and takes what it does not say for the worst', () => {
    const overrides = { get_order: { reads: ['private'], sends: 'inside' }, create_order: { reads: [] } } as const;
    const { operations } = httpTools.operations(route, settings(undefined, overrides));
    const labelsOf = (id: string) => {
      const operation = operations.find(({ name }) => name === `shop.${id}`);
      return [operation?.reads, operation?.sends];
    };
    assert.deepEqual(labelsOf('get_order'), [['private'], 'inside']);
    assert.deepEqual(labelsOf('create_order'), [[], 'outside']);
    const unsaid = httpTools.operations(route, settings(undefined, {})).operations;
    for (const { reads, sends } of unsaid) assert.deepEqual([reads, sends], [['untrusted'], 'outside']);
  });

  test('is a fault where no argument has the name', () => {
    const overrides = {
      get_order: { remember: ['path.order', 'path.order_id', 'body.x', 'path..', 'nothing'] },
    };
    assert.deepEqual(
      faultsOf(undefined, overrides).map(({ pointer }) => pointer),
      [
        '/operations/get_order/remember/0',
        '/operations/get_order/remember/2',
        '/operations/get_order/remember/3',
        '/operations/get_order/remember/4',
      ],
    );
  });
});

test('the dialects do not claim each other’s paths', () => {
  for (const path of ['/v1/chat/completions', '/tools/x/y', '/mcp', '/tasks', '/v1/messages', '/']) {
    assert.ok(dialects.filter((dialect) => dialect.handles(path, {})).length <= 1, path);
  }
  assert.deepEqual(
    operationSources.map(({ kind }) => kind),
    ['model', 'http', 'mcp'],
  );
});
