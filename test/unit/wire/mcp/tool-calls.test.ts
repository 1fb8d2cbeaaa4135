import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject, ToolDefinition } from '../../../../src/call.ts';
import { denialMembers, isDenial } from '../../../../src/denial.ts';
import { type McpToolOptions, mcpToolOperation } from '../../../../src/wire/dialects/mcp/operation.ts';
import { toolEntry } from '../../../../src/wire/dialects/mcp/tool-entry.ts';
import { isMcpFault } from '../../../../src/wire/mcp/fault.ts';
import { allowed, registryOf, targetOf } from '../request.ts';
import {
  type Asked,
  ask,
  client,
  codeOf,
  everything,
  gate,
  legacy,
  mail,
  modern,
  named,
  reasonsOf,
  routes,
  sendMail,
  sent,
  toolOf,
  wire,
} from './mcp-calls.ts';

describe('arguments of a tool', () => {
  const cases: readonly (readonly [string, JsonObject, readonly string[]])[] = [
    ['that fit pass', { to: 'ann', body: { text: 'x', tone: 'kind' }, copies: [{ mail: 'b' }] }, []],
    ['that are missing', {}, ['missing /to']],
    ['that were made up', { to: 'ann', subjekt: 'x' }, ['unknown_member /subjekt']],
    ['that were made up inside of others', { to: 'ann', body: { txt: 'x' } }, ['unknown_member /body/txt']],
    ['that were made up behind a reference', { to: 'ann', copies: [{ male: 'b' }] }, ['unknown_member /copies/0/male']],
    ['of another type', { to: 7 }, ['type /to']],
    ['that are none of a choice', { to: 'ann', body: { tone: 'rude' } }, ['enum /body/tone']],
  ];
  for (const [what, args, reasons] of cases) {
    test(`${what}${reasons.length > 0 ? ' are refused' : ''}`, () => {
      assert.deepEqual(reasonsOf(ask(named('crm__mail.send', args))), reasons);
    });
  }

  test('are told of the nearest name', () => {
    const denial = ask(named('crm__mail.send', { to: 'ann', copis: [] }));
    assert.ok(isDenial(denial));
    assert.match(denial.message, /did you mean copies\?/);
  });

  const schemas: readonly (readonly [string, JsonObject, JsonObject, string])[] = [
    [
      'closed by additionalProperties',
      { properties: { a: {} }, additionalProperties: false },
      { b: 1 },
      'args_invalid',
    ],
    ['open by its own word', { properties: { a: {} }, additionalProperties: true }, { b: 1 }, 'passed'],
    ['that names nothing', {}, { b: 1 }, 'passed'],
    ['that takes nothing', { properties: {} }, { b: 1 }, 'args_invalid'],
    [
      'put together by allOf',
      { allOf: [{ properties: { a: {} } }, { properties: { b: {} } }] },
      { a: 1, b: 1 },
      'passed',
    ],
    ['put together by allOf, with more', { allOf: [{ properties: { a: {} } }] }, { a: 1, c: 1 }, 'args_invalid'],
    [
      'of draft-07 with a list of items',
      {
        $schema: 'http://json-schema.org/draft-07/schema#',
        properties: {
          a: { items: [{ type: 'string' }], additionalItems: false },
          b: { $ref: '#/definitions/n', type: 'string' },
        },
        definitions: { n: { type: 'integer' } },
      },
      { a: ['x'], b: 1 },
      'passed',
    ],
    [
      'of draft-07 with too many items',
      {
        $schema: 'http://json-schema.org/draft-07/schema#',
        properties: { a: { items: [{}], additionalItems: false } },
      },
      { a: [1, 2] },
      'args_invalid',
    ],
    ['that goes in circles', { properties: { a: { $ref: '#' } } }, { a: { a: { b: 1 } } }, 'args_invalid'],
    [
      'with an anchor',
      { properties: { a: { $ref: '#n' } }, $defs: { n: { $anchor: 'n', properties: { c: {} } } } },
      { a: { c: 1 } },
      'passed',
    ],
    [
      'closed behind an anchor',
      { properties: { a: { $ref: '#n' } }, $defs: { n: { $anchor: 'n', properties: { c: {} } } } },
      { a: { b: 1 } },
      'args_invalid',
    ],
    [
      'with a pattern that never ends',
      { properties: { a: { pattern: '^(a+)+$' } } },
      { a: `${'a'.repeat(40)}!` },
      'passed',
    ],
  ];
  for (const [what, schema, args, code] of schemas) {
    test(`by a schema ${what}: ${code}`, () => {
      const operations = [toolOf({ name: 't', inputSchema: { type: 'object', ...schema } })];
      assert.equal(codeOf(ask({ ...named('crm__t', args), operations })), code);
    });
  }

  const unfit: readonly (readonly [string, Partial<ToolDefinition>])[] = [
    ['whose schema leads out of it', { inputSchema: { properties: { a: { $ref: 'https://evil.example/a' } } } }],
    ['whose schema names nothing there', { inputSchema: { $ref: '#/$defs/none' } }],
    [
      'whose schema names no anchor there',
      { inputSchema: { properties: { a: { $ref: '#n', const: { $anchor: 'n' } } } } },
    ],
    ['whose schema is of an unknown draft', { inputSchema: { $schema: 'https://example.com/mine' } }],
    ['whose schema is none', { inputSchema: { properties: { a: { type: 'strange' } } } }],
    ['whose schema has a base of its own inside', { inputSchema: { properties: { a: { $id: 'x' } } } }],
    ['whose name is a star', { name: '*' }],
    ['with the name of a method', { name: 'resources/read' }],
    ['whose headers are wrong', { inputSchema: { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } } }],
  ];
  for (const [what, more] of unfit) {
    test(`a tool ${what} is not offered`, () => {
      assert.ok('fault' in mcpToolOperation('crm', { name: 't', inputSchema: {}, ...more }));
    });
  }

  test('what a tool does is what the table says, not its server', () => {
    const { effect, reads, sends } = toolOf(sendMail);
    assert.deepEqual([effect, reads, sends], ['delete', ['untrusted'], 'outside']);
    const settings = { effect: 'read', reads: [], sends: 'inside' } as const;
    assert.equal(toolOf(sendMail, { settings }).effect, 'read');
  });
});

describe('a request to a server', () => {
  test('in a modern version carries what each request has to', () => {
    const capabilities = { elicitation: {}, experimental: { x: {} }, extensions: {} };
    const asked = {
      ...mail,
      client: client(legacy, { capabilities }),
      params: { ...mail.params, _meta: { progressToken: 1, secret: 'x' } },
    };
    const { headers, message, path } = sent(ask(asked), modern);
    assert.deepEqual(headers, {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': modern,
      'mcp-method': 'tools/call',
      'mcp-name': 'mail.send',
      'mcp-param-to': 'ann',
    });
    assert.deepEqual(message, {
      jsonrpc: '2.0',
      id: 'k.1',
      method: 'tools/call',
      params: {
        name: 'mail.send',
        arguments: { to: 'ann' },
        _meta: {
          progressToken: 'k.1',
          'io.modelcontextprotocol/protocolVersion': modern,
          'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
          'io.modelcontextprotocol/clientInfo': gate,
        },
      },
    });
    assert.equal(path, '');
    assert.equal(sent(ask(mail), modern, { url: 'https://a.example/mcp/' }).path, '/');
  });

  test('in an older version carries its session', () => {
    const { headers, message } = sent(ask(mail), legacy);
    assert.equal(headers['mcp-session-id'], 's1');
    assert.equal(headers['mcp-protocol-version'], legacy);
    assert.equal(headers['mcp-param-to'], undefined);
    assert.deepEqual(message.params, { name: 'mail.send', arguments: { to: 'ann' } });
    assert.equal(sent(ask(mail), '2025-03-26').headers['mcp-protocol-version'], undefined);
    const { payload } = allowed(ask(mail));
    const target = { ...targetOf(null), mcp: { version: legacy } };
    const ids = [1, 2].map(() => JSON.parse(String(payload.encode(target).body)).id);
    assert.deepEqual(ids, ['k.1', 'k.2']);
    assert.throws(() => payload.encode(targetOf(null)));
  });

  test('goes where its name says, by the name that the server knows', () => {
    const read = { method: 'resources/read', params: { uri: 'tollgate:crm/file:///a' } };
    assert.equal(sent(ask(read), legacy).message.params.uri, 'file:///a');
    const prompt = { method: 'prompts/get', params: { name: 'crm__hello', arguments: { a: 'b' } } };
    assert.deepEqual(sent(ask(prompt), modern).headers['mcp-name'], 'hello');
    const complete = (ref: JsonObject) => ({
      method: 'completion/complete',
      params: { ref, argument: { name: 'a', value: '' } },
    });
    const one = sent(ask(complete({ type: 'ref/resource', uri: 'tollgate:crm/x:{a}' })), legacy);
    assert.equal(one.message.params.ref.uri, 'x:{a}');
    const own = {
      route: 'crm',
      aggregated: false,
      method: 'resources/read',
      params: { uri: 'tollgate:crm/file:///a' },
    };
    assert.equal(sent(ask(own), legacy).message.params.uri, 'tollgate:crm/file:///a');
    assert.equal(codeOf(ask({ ...read, params: { uri: 'file:///a' } })), 'route_unknown');
    assert.equal(codeOf(ask({ ...read, params: { uri: 'tollgate:crm/a', more: 1 } })), 'args_invalid');
    // The list of one route is of that route, whatever it is asked with.
    assert.equal(allowed(ask({ route: 'crm', method: 'resources/list' })).operation.name, 'crm.resources/list');
  });

  test('takes no tool for another one', () => {
    const cases: readonly (readonly [Asked, string])[] = [
      [{ ...named('mail.send', { to: 'a' }), route: 'crm', aggregated: false }, 'crm.mail.send'],
      [{ ...named('crm__mail.send', { to: 'a' }), route: 'crm', aggregated: false }, 'operation_unknown'],
      [named('mail.send', { to: 'a' }), 'operation_unknown'],
      [named('crm__resources/read', { uri: 'a' }), 'operation_unknown'],
      [named('shop__getOrder', { path: { id: 1 } }), 'shop.getOrder'],
      [named('shop__setPicture'), 'operation_unknown'],
      [named('none__a'), 'operation_unknown'],
    ];
    for (const [asked, expected] of cases) {
      const found = ask(asked);
      assert.equal(isDenial(found) ? found.code : found.operation.name, expected);
    }
    const long = toolOf({ name: 'x'.repeat(100), inputSchema: {} });
    const name = String(toolEntry(long, { aggregated: true, version: modern })?.name);
    assert.ok(name.length <= 64);
    assert.equal(allowed(ask({ ...named(name), operations: [long] })).operation, long);
  });

  test('with params that cannot be read is an error of the protocol', () => {
    for (const params of [
      {},
      { name: 1 },
      { name: 'a', arguments: [] },
      { name: 'a', task: {} },
      { name: 'a', inputResponses: {} },
    ]) {
      assert.equal(codeOf(wire({ params })), -32602);
    }
    const twice = { client: client(modern), params: { name: 'a', inputResponses: { q: 'text' } } };
    assert.equal(codeOf(wire(twice)), -32602);
    assert.equal(codeOf(wire({ method: 'tools/list' })), -32601);
  });

  test('of a modern client whose headers say something else is refused as the standard has it', () => {
    const asked = { ...mail, client: client(modern) };
    const registry = registryOf(routes, everything);
    const request = wire({ ...asked, headers: { 'mcp-param-to': 'bob' } });
    assert.ok(!isMcpFault(request));
    const denial = request.resolve(registry);
    assert.ok(isDenial(denial));
    const { status, body } = request.denial?.(denial, denialMembers(denial, {})) ?? {};
    assert.deepEqual([status, JSON.parse(String(body)).error.code, JSON.parse(String(body)).id], [400, -32020, 5]);
    assert.equal(codeOf(ask({ ...asked, headers: { 'mcp-param-to': 'ann' } })), 'passed');
    assert.equal(codeOf(ask(mail)), 'passed');
  });

  test('that is made again with answers has them looked at, and not among its arguments', () => {
    const state = Buffer.from('{"mail":"ann@example.com"}').toString('base64');
    const inputs = { inputResponses: { q: { action: 'accept', content: { iban: 'DE00' } } }, requestState: state };
    const { payload } = allowed(
      ask({
        ...named('crm__mail.send', { to: 'ann' }, inputs),
        client: client(modern),
        headers: { 'mcp-param-to': 'ann' },
      }),
    );
    assert.deepEqual(payload.args, { to: 'ann' });
    const segments = payload.segments();
    assert.deepEqual(
      segments.map(({ where, text }) => `${where} ${text}`),
      [
        '/to ann',
        '/$inputs/inputResponses/q/action accept',
        '/$inputs/inputResponses/q/content/iban DE00',
        '/$inputs/requestState {"mail":"ann@example.com"}',
      ],
    );
    segments[2]?.write('***');
    payload.drop('/$inputs/requestState');
    const { params } = JSON.parse(String(payload.encode({ ...targetOf(null), mcp: { version: modern } }).body));
    assert.deepEqual([params.inputResponses.q.content, 'requestState' in params], [{ iban: '***' }, false]);
  });

  test('goes to no target whose tool is another one, or that has none', () => {
    const standing = (name: string) => (({ a: 'offered', b: 'drifted', c: 'missing' }) as const)[name] ?? 'offered';
    const of = (options: McpToolOptions, name: string) => {
      const operations = [toolOf(sendMail, options)];
      return codeOf(allowed(ask({ ...mail, operations })).payload.unfit?.({ ...targetOf(null), name }) ?? 'passed');
    };
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => of({ standing }, name)),
      ['passed', 'tool_drifted', 'operation_unknown'],
    );
    assert.equal(of({ drift: 'blocked' }, 'a'), 'tool_drifted');
    assert.equal(of({ drift: 'flagged' }, 'a'), 'passed');
  });
});
