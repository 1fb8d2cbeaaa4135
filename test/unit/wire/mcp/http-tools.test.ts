import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Answer, Json, JsonObject } from '../../../../src/call.ts';
import { isDenial } from '../../../../src/denial.ts';
import { toolEntry } from '../../../../src/wire/dialects/mcp/tool-entry.ts';
import { mcp } from '../../../../src/wire/dialects/mcp.ts';
import { allowed, rawRequest, registryOf, targetOf } from '../request.ts';
import {
  type Asked,
  ask,
  codeOf,
  everything,
  legacy,
  modern,
  named,
  type Read,
  reasonsOf,
  routes,
  sendMail,
  toolOf,
} from './mcp-calls.ts';

describe('an operation of an HTTP service as a tool', () => {
  const entry = (name: string, version = modern) => {
    const operation = everything.find((one) => one.name === name);
    return operation === undefined ? undefined : (toolEntry(operation, { aggregated: true, version }) as Read);
  };

  test('is listed with what it takes, without places that take nothing', () => {
    const get = entry('shop.getOrder');
    assert.equal(get.name, 'shop__getOrder');
    assert.match(get.description, /^One order\. Reads data of shop \(GET \/orders\/\{id\}\)\.$/);
    assert.deepEqual(
      [Object.keys(get.inputSchema.properties), get.inputSchema.required],
      [['path', 'query'], ['path']],
    );
    assert.deepEqual(get.annotations, {
      readOnlyHint: true,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: true,
    });
    assert.deepEqual(entry('shop.addOrder').inputSchema.required, ['body']);
    // Bytes cannot be said in arguments.
    assert.equal(entry('shop.setPicture'), undefined);
    assert.equal(entry('crm.resources/read'), undefined);
  });

  test('is listed with an output schema that refusals fit as well', () => {
    for (const version of [modern, legacy]) {
      const { outputSchema } = entry('shop.getOrder', version);
      assert.deepEqual([outputSchema.type, outputSchema.anyOf.length], ['object', 3]);
    }
    const schema = { type: 'object', properties: { a: { $ref: '#/$defs/a' } }, $defs: { a: { type: 'string' } } };
    const shown = toolEntry(toolOf({ ...sendMail, outputSchema: schema }), {
      aggregated: false,
      version: legacy,
    }) as Read;
    assert.equal(shown.outputSchema.anyOf[0].properties.a.$ref, '#/anyOf/0/$defs/a');
    assert.equal(shown.annotations.readOnlyHint, false);
    assert.equal(shown.title, 'Send');
    const list = toolOf({ ...sendMail, outputSchema: { type: 'array' } });
    assert.equal('outputSchema' in (toolEntry(list, { aggregated: false, version: legacy }) ?? {}), false);
    assert.equal('outputSchema' in (toolEntry(list, { aggregated: false, version: modern }) ?? {}), true);
  });

  test('makes the request that the surface of HTTP makes', () => {
    const { operation, payload } = allowed(ask(named('shop__getOrder', { path: { id: 7 }, query: { full: true } })));
    const { method, path } = payload.encode(targetOf(null));
    assert.deepEqual([operation.name, method, path], ['shop.getOrder', 'GET', '/orders/7?full=true']);
    assert.deepEqual(payload.args, { path: { id: 7 }, query: { full: true }, headers: {} });
    const add = allowed(ask(named('shop__addOrder', { body: { item: 'x' } }))).payload;
    assert.equal(String(add.encode(targetOf(null)).body), '{"item":"x"}');
    add
      .segments()
      .find(({ where }) => where === '/body/item')
      ?.write('***');
    assert.equal(String(add.encode(targetOf(null)).body), '{"item":"***"}');
  });

  const cases: readonly (readonly [JsonObject, string])[] = [
    [{ path: { id: 'seven' } }, 'type /path/id'],
    [{ path: { id: 1 }, query: { ful: true } }, 'unknown_member /query/ful'],
    [{ path: { id: 1 }, querry: {} }, 'unknown_member /querry'],
    [{ path: { id: 1 }, body: {} }, 'unknown_member /body'],
    [{ path: 7 }, 'type /path'],
    [{}, 'missing /path/id'],
  ];
  for (const [args, reason] of cases) {
    test(`refuses ${reason}`, () => assert.ok(reasonsOf(ask(named('shop__getOrder', args))).includes(reason)));
  }

  const answers = (
    asked: Asked,
    status: number,
    type: string,
    text: string | Buffer,
  ): { answer: Answer; told: () => Read } => {
    const { payload } = allowed(ask(asked));
    const head = { status, headers: { 'content-type': type, location: '/orders/8', 'set-cookie': 'x' } };
    const answer = payload.readAnswer(head, Buffer.from(text), targetOf(null));
    return { answer, told: () => JSON.parse(String(answer.encode().body)) };
  };
  const get = named('shop__getOrder', { path: { id: 7 } });

  test('answers with what the service said, inspected as over HTTP', () => {
    const { answer, told } = answers(get, 200, 'application/json', '{"id":7,"mail":"ann@example.com"}');
    assert.deepEqual(answer.body as Json, { id: 7, mail: 'ann@example.com' });
    answer.drop('/mail');
    const { result: value, id } = told();
    assert.deepEqual(
      [id, value.structuredContent, value.content],
      [5, { id: 7 }, [{ type: 'text', text: '{"id":7}' }]],
    );
    assert.deepEqual(value._meta['tollgate/http'], { status: 200, headers: { location: '/orders/8' } });
  });

  test('says that it failed, and how', () => {
    const { content, isError, structuredContent } = answers(get, 404, 'application/json', '{"error":"none"}').told()
      .result;
    assert.deepEqual(
      [content[0].text, content[1].text, isError, structuredContent],
      ['HTTP 404', '{"error":"none"}', true, undefined],
    );
    const nothing = answers(get, 204, 'text/plain', '').told().result;
    assert.deepEqual(
      [nothing.content, nothing.structuredContent],
      [[{ type: 'text', text: 'HTTP 204' }], { status: 204 }],
    );
    const picture = answers(get, 200, 'image/png', Buffer.from([1, 2])).told().result;
    assert.deepEqual(picture.content, [{ type: 'image', data: 'AQI=', mimeType: 'image/png' }]);
    const bytes = answers(get, 200, 'application/pdf', Buffer.from([1, 2])).told().result;
    assert.deepEqual(bytes.content[0].resource.blob, 'AQI=');
  });
});

describe('a request that is only checked', () => {
  const body = (method: string, params: JsonObject = {}) => ({ jsonrpc: '2.0', id: 1, method, params });
  const parse = (path: string, value: unknown, headers: Record<string, string> = {}) =>
    mcp.parse(rawRequest('POST', path, value, headers));

  test('is read as it would be sent', () => {
    const call = parse('/mcp/crm', body('tools/call', { name: 'mail.send', arguments: { to: 'a' } }));
    assert.ok(!isDenial(call));
    assert.equal(allowed(call.resolve(registryOf(routes, everything))).operation.name, 'crm.mail.send');
    const meta = {
      'io.modelcontextprotocol/protocolVersion': modern,
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const params = { name: 'crm__mail.send', arguments: {}, _meta: meta };
    const headers = { 'mcp-protocol-version': modern, 'mcp-method': 'tools/call', 'mcp-name': 'crm__mail.send' };
    assert.ok(!isDenial(parse('/mcp', body('tools/call', params), headers)));
    assert.equal(codeOf(parse('/mcp', body('tools/call', params))), 'request_invalid');
    assert.equal(codeOf(parse('/mcp', body('initialize'))), 'request_invalid');
    assert.equal(codeOf(parse('/mcp', '{')), 'request_invalid');
    assert.equal(codeOf(mcp.parse(rawRequest('GET', '/mcp'))), 'method_not_allowed');
    assert.deepEqual(
      ['/mcp', '/mcp/crm', '/mcp/', '/mcp/a/b', '/mcpx'].map((path) => mcp.handles(path, {})),
      [true, true, false, false, false],
    );
  });
});
