import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../../../src/call.ts';
import { isMcpFault, McpFault } from '../../../../src/wire/mcp/fault.ts';
import {
  decodeHeaderValue,
  encodeHeaderValue,
  paramHeaderFault,
  paramHeaders,
  standardHeaderFault,
  standardHeaders,
  writeParamHeaders,
} from '../../../../src/wire/mcp/headers.ts';
import { errorText, faultReply, messageOf, type RpcRequest, readMessages } from '../../../../src/wire/mcp/message.ts';
import { modernClient } from '../../../../src/wire/mcp/meta.ts';

const modern = '2026-07-28';
const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const codeOf = (value: unknown) => (isMcpFault(value) ? value.code : undefined);
const call = (params: JsonObject = {}, method = 'tools/call'): RpcRequest => ({
  kind: 'request',
  id: 1,
  method,
  params,
});

describe('a JSON-RPC message', () => {
  const refused: readonly (readonly [string, unknown, number])[] = [
    ['that is no JSON', '{', -32700],
    ['that names a member twice', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700],
    ['that is a number', 7, -32600],
    ['of another version', { jsonrpc: '1.0', id: 1, method: 'ping' }, -32600],
    ['without a method', { jsonrpc: '2.0', id: 1 }, -32600],
    ['whose id is null', { jsonrpc: '2.0', id: null, method: 'ping' }, -32600],
    ['whose id is a fraction', { jsonrpc: '2.0', id: 1.5, method: 'ping' }, -32600],
    ['whose params are a list', { jsonrpc: '2.0', id: 1, method: 'ping', params: [] }, -32600],
    ['that asks and answers', { jsonrpc: '2.0', id: 1, method: 'ping', result: {} }, -32600],
    ['with a result and an error', { jsonrpc: '2.0', id: 1, result: {}, error: { code: 1, message: '' } }, -32600],
    ['whose result is a text', { jsonrpc: '2.0', id: 1, result: 'x' }, -32600],
    ['whose error has no code', { jsonrpc: '2.0', id: 1, error: { message: 'x' } }, -32600],
    ['whose id is endless', { jsonrpc: '2.0', id: 'x'.repeat(300), method: 'ping' }, -32600],
  ];
  for (const [name, value, code] of refused) {
    test(`${name} is refused with 400 and ${code}`, () => {
      const fault = readMessages(bytes(value), null);
      assert.ok(fault instanceof McpFault);
      assert.deepEqual([fault.code, fault.status], [code, 400]);
    });
  }

  test('is a request, a notification or a response', () => {
    const kinds = [
      { jsonrpc: '2.0', id: 'a', method: 'ping' },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 2, result: {} },
      { jsonrpc: '2.0', id: null, error: { code: -1, message: 'x' } },
    ].map((one) => (messageOf(one) as { kind: string }).kind);
    assert.deepEqual(kinds, ['request', 'notification', 'response', 'response']);
  });

  test('may come with others in 2025-03-26 alone, and never with initialize', () => {
    const batch = bytes([
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { jsonrpc: '2.0', id: 2, method: 'ping' },
    ]);
    assert.equal((readMessages(batch, '2025-03-26') as readonly unknown[]).length, 2);
    for (const version of ['2025-06-18', '2025-11-25', modern, null])
      assert.equal(codeOf(readMessages(batch, version)), -32600);
    const others = [
      [],
      [{ jsonrpc: '2.0', id: 1, method: 'initialize' }],
      [
        { jsonrpc: '2.0', id: 1, method: 'ping' },
        { jsonrpc: '2.0', id: 1, method: 'ping' },
      ],
      Array.from({ length: 21 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'ping' })),
    ];
    for (const other of others) assert.equal(codeOf(readMessages(bytes(other), '2025-03-26')), -32600);
  });

  test('that could not be read is answered without an id', () => {
    const { status, body } = faultReply(readMessages(bytes('{'), null) as McpFault);
    assert.deepEqual([status, 'id' in JSON.parse(body.toString())], [400, false]);
    assert.equal(JSON.parse(errorText(3, { code: 1, message: 'x' })).id, 3);
  });
});

describe('a modern request', () => {
  const meta = (more: JsonObject = {}) => ({
    _meta: {
      'io.modelcontextprotocol/protocolVersion': modern,
      'io.modelcontextprotocol/clientCapabilities': {},
      ...more,
    },
  });
  const cases: readonly (readonly [string, JsonObject, number])[] = [
    ['without _meta', {}, -32602],
    ['without a version', { _meta: {} }, -32602],
    ['of an unknown version', meta({ 'io.modelcontextprotocol/protocolVersion': '2099-01-01' }), -32022],
    ['of an older version', meta({ 'io.modelcontextprotocol/protocolVersion': '2025-11-25' }), -32022],
    ['without capabilities', meta({ 'io.modelcontextprotocol/clientCapabilities': null }), -32602],
    ['whose client has no name', meta({ 'io.modelcontextprotocol/clientInfo': { version: '1' } }), -32602],
    ['with a level that is none', meta({ 'io.modelcontextprotocol/logLevel': 'loud' }), -32602],
  ];
  for (const [name, params, code] of cases) {
    test(`${name} is refused with 400 and ${code}`, () => {
      const fault = modernClient(1, params) as McpFault;
      assert.deepEqual([fault.code, fault.status, fault.id], [code, 400, 1]);
    });
  }

  test('names its version, what it can do and who it is', () => {
    const info = { name: 'c', version: '2' };
    const params = meta({ 'io.modelcontextprotocol/clientInfo': info, 'io.modelcontextprotocol/logLevel': 'error' });
    assert.deepEqual(modernClient(1, params), { version: modern, capabilities: {}, info, logLevel: 'error' });
    const unknown = modernClient(1, { _meta: { 'io.modelcontextprotocol/protocolVersion': 'x' } }) as McpFault;
    assert.deepEqual(unknown.data, {
      supported: [modern, '2025-11-25', '2025-06-18', '2025-03-26'],
      requested: 'x',
    });
  });

  const name = 'crm.get';
  const good = { 'mcp-protocol-version': modern, 'mcp-method': 'tools/call', 'mcp-name': name };
  const headers: readonly (readonly [string, Record<string, string | string[] | undefined>, RegExp | undefined])[] = [
    ['that say the same pass', good, undefined],
    ['in base64 pass', { ...good, 'mcp-name': `=?base64?${Buffer.from(name).toString('base64')}?=` }, undefined],
    ['without a version', { ...good, 'mcp-protocol-version': undefined }, /Version is missing/],
    ['of another version', { ...good, 'mcp-protocol-version': '2025-11-25' }, /not the version/],
    ['without a method', { ...good, 'mcp-method': undefined }, /Method is missing/],
    ['of another method', { ...good, 'mcp-method': 'ping' }, /not the method/],
    ['in other letters', { ...good, 'mcp-method': 'Tools/Call' }, /not the method/],
    ['without a name', { ...good, 'mcp-name': undefined }, /Name is missing/],
    ['of another name', { ...good, 'mcp-name': 'crm.delete' }, /not the name/],
    ['with base64 that is none', { ...good, 'mcp-name': '=?base64?*?=' }, /cannot be read/],
    ['that came twice', { ...good, 'mcp-name': [name, name] }, /cannot be read/],
  ];
  for (const [what, given, wrong] of headers) {
    test(`headers ${what}`, () => {
      const fault = standardHeaderFault(given, call({ name }), modern);
      assert.equal(fault?.code, wrong === undefined ? undefined : -32020);
      if (wrong !== undefined) assert.match(fault?.message ?? '', wrong);
    });
  }

  test('headers of servers are what clients are asked for', () => {
    for (const named of ['plain', ' padded ', 'größe', '=?base64?x?=', 'a\nb', '']) {
      const params = { name: named };
      assert.equal(standardHeaderFault(standardHeaders(modern, 'tools/call', params), call(params), modern), undefined);
      assert.equal(decodeHeaderValue(encodeHeaderValue(named)), named);
      assert.match(encodeHeaderValue(named), /^[\x20-\x7e]*$/);
    }
    assert.equal(encodeHeaderValue('Hello, 世界'), '=?base64?SGVsbG8sIOS4lueVjA==?=');
    assert.equal(encodeHeaderValue(' padded '), '=?base64?IHBhZGRlZCA=?=');
    assert.equal(standardHeaders(modern, 'resources/read', { uri: 'file:///a' })['mcp-name'], 'file:///a');
    assert.equal(standardHeaders(modern, 'tools/list', {})['mcp-name'], undefined);
  });
});

describe('arguments in headers', () => {
  const schema = (properties: JsonObject, more: JsonObject = {}) => ({ type: 'object', properties, ...more });
  const string = { type: 'string', 'x-mcp-header': 'Region' };
  const faulty: readonly (readonly [string, JsonObject])[] = [
    ['at the root', { type: 'object', 'x-mcp-header': 'A' }],
    ['without a name', schema({ a: { type: 'string', 'x-mcp-header': '' } })],
    ['with a name that is no token', schema({ a: { type: 'string', 'x-mcp-header': 'a b' } })],
    ['at a number', schema({ a: { type: 'number', 'x-mcp-header': 'A' } })],
    ['at an object', schema({ a: { type: 'object', 'x-mcp-header': 'A' } })],
    ['in items', schema({ a: { type: 'array', items: string } })],
    ['in a definition', schema({}, { $defs: { a: string } })],
    ['in a choice', schema({ a: { anyOf: [string] } })],
    ['twice by one name', schema({ a: string, b: { ...string, 'x-mcp-header': 'REGION' } })],
  ];
  for (const [where, one] of faulty)
    test(`${where} make a tool unfit for use`, () => assert.equal(typeof paramHeaders(one), 'string'));

  const declared = paramHeaders(
    schema({
      region: string,
      'x-mcp-header': { type: 'string' },
      deep: schema({ count: { type: 'integer', 'x-mcp-header': 'Count' } }),
    }),
  );
  assert.ok(typeof declared !== 'string');

  test('are found, written, and checked', () => {
    assert.deepEqual(
      declared.map(({ header, path }) => [header, path.join('.')]),
      [
        ['mcp-param-region', 'region'],
        ['mcp-param-count', 'deep.count'],
      ],
    );
    const args = { region: 'eu ', deep: { count: 42 } };
    const written = writeParamHeaders(declared, args);
    assert.deepEqual(written, { 'mcp-param-region': '=?base64?ZXUg?=', 'mcp-param-count': '42' });
    assert.equal(paramHeaderFault(written, declared, args, call()), undefined);
    assert.equal(paramHeaderFault({ ...written, 'mcp-param-count': '42.0' }, declared, args, call()), undefined);
    assert.equal(paramHeaderFault({}, declared, { region: null }, call()), undefined);
    for (const wrong of [
      {},
      { ...written, 'mcp-param-count': '43' },
      { ...written, 'mcp-param-region': '=?base64?!?=' },
    ]) {
      assert.equal(paramHeaderFault(wrong, declared, args, call())?.code, -32020);
    }
  });
});
