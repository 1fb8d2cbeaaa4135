/** Styles of parameters, encodings of forms, alternatives by a property, and answers, as documents describe them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../../../src/call.ts';
import { isDenial } from '../../../../src/denial.ts';
import { HttpOperation } from '../../../../src/wire/dialects/http/operation.ts';
import { http, httpTools } from '../../../../src/wire/dialects/http.ts';
import { rawRequest, registryOf, routeNamed, targetOf } from '../request.ts';

const route = routeNamed('shop', 'http');

function operationsOf(operation: object, path = '/x', method = 'get', components = {}) {
  const document = {
    openapi: '3.1.0',
    paths: { [path]: { [method]: { operationId: 'x', ...operation } } },
    components,
  };
  const { operations, faults } = httpTools.operations(route, { openapi: document, operations: {} });
  assert.deepEqual(faults, []);
  return operations;
}

/** Arguments and what goes out, or what is wrong. */
function outcome(
  operations: ReturnType<typeof operationsOf>,
  method: string,
  path: string,
  body?: string,
  type?: string,
) {
  const parsed = http.parse(
    rawRequest(method, `/tools/shop${path}`, body, type === undefined ? {} : { 'content-type': type }),
  );
  const resolved = isDenial(parsed) ? parsed : parsed.resolve(registryOf([route], operations));
  if (isDenial(resolved)) return resolved.reasons.map(({ code, path: at }) => `${code} ${at}`);
  const out = resolved.payload.encode(targetOf(null));
  return { args: resolved.payload.args, path: out.path, body: String(out.body ?? '') };
}

function argsOf(got: ReturnType<typeof outcome>): JsonObject {
  return Array.isArray(got) ? {} : (got as { readonly args: JsonObject }).args;
}

const range = {
  type: 'object',
  properties: { min: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } },
};

describe('a parameter of the query', () => {
  const cases: readonly (readonly [string, object, string, unknown, string])[] = [
    [
      'deepObject',
      { style: 'deepObject', schema: range },
      'p[min]=1&p[tags][]=a&p[tags][]=b',
      { min: 1, tags: ['a', 'b'] },
      'p%5Bmin%5D=1&p%5Btags%5D%5B0%5D=a&p%5Btags%5D%5B1%5D=b',
    ],
    [
      'deepObject with indices',
      { style: 'deepObject', schema: range },
      'p[tags][1]=b&p[tags][0]=a',
      { tags: ['a', 'b'] },
      'p%5Btags%5D%5B0%5D=a&p%5Btags%5D%5B1%5D=b',
    ],
    [
      'deepObject or a number',
      { style: 'deepObject', schema: { anyOf: [range, { type: 'integer' }] } },
      'p=5',
      5,
      'p=5',
    ],
    [
      'spaceDelimited',
      { style: 'spaceDelimited', schema: { type: 'array', items: { type: 'integer' } } },
      'p=1%202',
      [1, 2],
      'p=1%202',
    ],
    [
      'pipeDelimited',
      { style: 'pipeDelimited', schema: { type: 'array', items: { type: 'string' } } },
      'p=a%7Cb',
      ['a', 'b'],
      'p=a%7Cb',
    ],
    ['form object in one text', { explode: false, schema: range }, 'p=min,7', { min: 7 }, 'p=min%2C7'],
    ['allowReserved', { allowReserved: true, schema: { type: 'string' } }, 'p=a/b%3Fc%26d', 'a/b?c&d', 'p=a/b?c%26d'],
    ['allowEmptyValue', { allowEmptyValue: true, schema: { type: 'boolean' } }, 'p=', '', 'p='],
    ['text content', { content: { 'text/plain': { schema: { type: 'integer' } } } }, 'p=5', 5, 'p=5'],
    ['values without a type', { schema: { enum: [1, 2] } }, 'p=2', 2, 'p=2'],
  ];
  for (const [what, parameter, query, value, written] of cases) {
    test(`written as ${what}`, () => {
      const operations = operationsOf({ parameters: [{ name: 'p', in: 'query', ...parameter }] });
      assert.deepEqual(outcome(operations, 'GET', `/x?${query}`), {
        args: { path: {}, query: { p: value }, headers: {} },
        path: `/x?${written}`,
        body: '',
      });
    });
  }

  test('whose members are parameters of their own', () => {
    const operations = operationsOf({
      parameters: [
        { name: 'page', in: 'query', schema: { type: 'object', properties: { size: { type: 'integer' } } } },
        { name: 'q', in: 'query', schema: { type: 'string' } },
      ],
    });
    assert.deepEqual(outcome(operations, 'GET', '/x?size=5&q=a'), {
      args: { path: {}, query: { page: { size: 5 }, q: 'a' }, headers: {} },
      path: '/x?size=5&q=a',
      body: '',
    });
    assert.deepEqual(outcome(operations, 'GET', '/x?sise=5'), ['unknown_parameter /query/sise']);
  });

  test('that could be read in two ways is refused', () => {
    const operations = operationsOf({ parameters: [{ name: 'p', in: 'query', style: 'deepObject', schema: range }] });
    assert.deepEqual(outcome(operations, 'GET', '/x?p[min]=1&p[min]=2'), ['duplicate /query/p']);
    assert.deepEqual(outcome(operations, 'GET', '/x?p[tags][0]=a&p[tags][2]=b'), ['format /query/p']);
    assert.deepEqual(outcome(operations, 'GET', '/x?p[min]=1&p[min][a]=2'), ['duplicate /query/p']);
    assert.deepEqual(outcome(operations, 'GET', '/x?p[__proto__]=1'), ['format /query/p']);
    assert.deepEqual(outcome(operations, 'GET', '/x?p[min=1'), ['unknown_parameter /query/{}']);
  });
});

test('a label stands in the path with its dot', () => {
  const parameter = (schema: object, explode = false) => ({
    parameters: [{ name: 'p', in: 'path', required: true, style: 'label', explode, schema }],
  });
  const list = { type: 'array', items: { type: 'integer' } };
  const read = (operations: ReturnType<typeof operationsOf>, path: string) => outcome(operations, 'GET', path);
  assert.deepEqual(read(operationsOf(parameter(list, true), '/x/{p}'), '/x/.1.2'), {
    args: { path: { p: [1, 2] }, query: {}, headers: {} },
    path: '/x/.1.2',
    body: '',
  });
  assert.deepEqual(read(operationsOf(parameter({ type: 'string' }), '/x/{p}'), '/x/a'), [
    'format /path/p',
    'missing /path/p',
  ]);
});

test('fields of a form are written by their encoding, else a list by elements and an object as JSON', () => {
  const schema = {
    type: 'object',
    properties: { card: range, address: range, expand: { type: 'array', items: { type: 'string' } } },
  };
  const content = {
    'application/x-www-form-urlencoded': { schema, encoding: { card: { style: 'deepObject', explode: true } } },
  };
  const operations = operationsOf({ requestBody: { content } }, '/x', 'post');
  const form = 'card[min]=1&card[tags][0]=a&expand=b&expand=c&address=%7B%22min%22%3A2%7D';
  const got = outcome(operations, 'POST', '/x', form, 'application/x-www-form-urlencoded');
  assert.deepEqual(got, {
    args: {
      path: {},
      query: {},
      headers: {},
      body: { card: { min: 1, tags: ['a'] }, address: { min: 2 }, expand: ['b', 'c'] },
    },
    path: '/x',
    body: 'card%5Bmin%5D=1&card%5Btags%5D%5B0%5D=a&address=%7B%22min%22%3A2%7D&expand=b&expand=c',
  });
  assert.deepEqual(outcome(operations, 'POST', '/x', 'card[max]=1', 'application/x-www-form-urlencoded'), [
    'unknown_member /body/card/max',
  ]);
});

describe('alternatives that a property tells apart', () => {
  const kind = (name: string, more: object) => ({
    type: 'object',
    required: ['kind', ...Object.keys(more)],
    properties: { kind: { const: name }, ...more },
  });
  const schemas = { Cat: kind('cat', { lives: { type: 'integer' } }), Dog: kind('dog', { bark: { type: 'boolean' } }) };
  const schema = {
    oneOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }],
    discriminator: { propertyName: 'kind', mapping: { cat: '#/components/schemas/Cat', dog: 'Dog' } },
  };
  const operations = operationsOf({ requestBody: { content: { 'application/json': { schema } } } }, '/x', 'post', {
    schemas,
  });
  const told = (body: object) => outcome(operations, 'POST', '/x', JSON.stringify(body));
  test('are told of as the one that was meant', () => {
    assert.deepEqual(argsOf(told({ kind: 'cat', lives: 9 })).body, {
      kind: 'cat',
      lives: 9,
    });
    assert.deepEqual(told({ kind: 'cat', lives: 'nine' }), ['type /body/lives']);
    assert.deepEqual(told({ kind: 'dog' }), ['missing /body/bark']);
    assert.deepEqual(told({ kind: 'cow' }), ['enum /body/kind']);
    assert.deepEqual(told({ lives: 9 }), ['missing /body/kind']);
  });

  test('do not let through what belongs to another one', () => {
    const any = {
      anyOf: [
        { properties: { kind: { type: 'string' } } },
        { required: ['lives'], properties: { lives: { type: 'integer' } } },
      ],
    };
    const loose = operationsOf({ requestBody: { content: { 'application/json': { schema: any } } } }, '/x', 'post');
    assert.deepEqual(outcome(loose, 'POST', '/x', '{"kind":"a","lives":"nine"}'), ['shape /body/lives']);
  });
});

test('answers are known by status and media type, and judged as the service writes them', () => {
  const schemas = {
    Order: {
      type: 'object',
      required: ['id'],
      properties: { id: { type: 'string', readOnly: true }, secret: { type: 'string', writeOnly: true } },
    },
  };
  const json = { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } };
  const [operation] = operationsOf(
    { responses: { 200: { content: json }, '4XX': { content: { 'application/*': {} } }, 204: {} } },
    '/x',
    'get',
    { schemas },
  );
  assert.ok(operation instanceof HttpOperation);
  assert.deepEqual(operation.answerFaults(200, 'application/json', { id: 'a', more: 1 }), []);
  assert.deepEqual(
    operation.answerFaults(200, 'application/json', {})?.map(({ code, path }) => `${code} ${path}`),
    ['missing /id'],
  );
  assert.deepEqual(operation.answerFaults(404, 'application/json', {}), []);
  assert.equal(operation.answerFaults(500, 'application/json', {}), undefined);
  assert.equal(operation.answerFaults(200, 'text/html', 'x'), undefined);
  assert.deepEqual(operation.outputSchema?.$ref, '#/$defs/Order');
});

test('paths that differ by nothing but names may share the methods', () => {
  const parameter = (name: string) => ({ name, in: 'path', required: true, schema: { type: 'string' } });
  const paths = {
    '/boards/{id}': { get: { operationId: 'get', parameters: [parameter('id')] } },
    '/boards/{name}': { put: { operationId: 'put', parameters: [parameter('name')] } },
    '/boards/{id}#again': { get: { operationId: 'again', parameters: [parameter('id')] } },
  };
  const { operations, faults } = httpTools.operations(route, { openapi: { openapi: '3.0.3', paths }, operations: {} });
  assert.deepEqual([faults, operations.map(({ name }) => name)], [[], ['shop.get', 'shop.put']]);
  assert.deepEqual(argsOf(outcome(operations, 'PUT', '/boards/a')).path, {
    name: 'a',
  });
});
