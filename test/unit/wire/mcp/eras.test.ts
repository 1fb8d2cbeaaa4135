import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject } from '../../../../src/call.ts';
import { isMcpFault } from '../../../../src/wire/mcp/fault.ts';
import { metaKeys, requestMeta } from '../../../../src/wire/mcp/meta.ts';
import {
  aggregatedName,
  aggregatedUri,
  isAggregable,
  isShortened,
  readAggregatedName,
  readAggregatedUri,
} from '../../../../src/wire/mcp/names.ts';
import { noticeFor, withId, withInputs } from '../../../../src/wire/mcp/outbound.ts';
import { errorFor, missingFor, resultFor, statusOfError, urlQuestions } from '../../../../src/wire/mcp/translate.ts';
import { agreedVersion, isModern } from '../../../../src/wire/mcp/versions.ts';

const modern = '2026-07-28';
const gate = { name: 'tollgate', version: '1' };
const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const codeOf = (value: unknown) => (isMcpFault(value) ? value.code : undefined);

describe('names among many routes', () => {
  test('are told apart, however they look', () => {
    const pairs: [string, string][] = [];
    for (const route of ['a', 'a_b', 'crm', 'crm-2', 'x'.repeat(64)]) {
      for (const tool of ['b', '_b', 'b__c', 'get.one', 'größe', 'a b', 'a/b', 'y'.repeat(128), `y_${'0'.repeat(12)}`])
        pairs.push([route, tool]);
    }
    const names = pairs.map(([route, tool]) => aggregatedName(route, tool));
    assert.equal(new Set(names).size, pairs.length);
    for (const name of names) assert.match(name, /^[A-Za-z0-9_.-]{1,64}$/);
    // What one tool is shortened to, another may not be called.
    const short = aggregatedName('a', 'größe').slice('a__'.length);
    assert.notEqual(aggregatedName('a', short), aggregatedName('a', 'größe'));
  });

  test('are taken apart where they were put together', () => {
    for (const [route, tool] of [
      ['crm', 'get'],
      ['a_b', '_x__y'],
      ['a-1', 'x.y'],
    ] as const) {
      const name = aggregatedName(route, tool);
      assert.equal(isShortened(name), false);
      assert.deepEqual(readAggregatedName(name), { route, name: tool });
    }
    assert.deepEqual(['a', 'a__', '__b', ''].map(readAggregatedName), [undefined, undefined, undefined, undefined]);
    assert.deepEqual(['a__b', 'a_', 'a', '_a'].map(isAggregable), [false, false, true, true]);
  });

  test('of resources keep the URI of their server whole', () => {
    const uri = 'file:///a/../b?x={y}';
    assert.deepEqual(readAggregatedUri(aggregatedUri('crm', uri)), { route: 'crm', uri });
    assert.deepEqual([readAggregatedUri('file:///a'), readAggregatedUri('tollgate:crm/')], [undefined, undefined]);
  });
});

describe('between the eras', () => {
  const told = (version: string, method: string, result: JsonObject) =>
    resultFor(version, method, result, 1, gate) as unknown as Record<string, unknown>;

  test('a modern client is told of the gate, of the kind of result, and to keep lists for itself', () => {
    assert.deepEqual(told(modern, 'tools/call', { content: [], _meta: { x: 1 } }), {
      content: [],
      resultType: 'complete',
      _meta: { x: 1, 'io.modelcontextprotocol/serverInfo': gate },
    });
    const list = told(modern, 'resources/read', { contents: [], ttlMs: 5, cacheScope: 'public' });
    assert.deepEqual([list.ttlMs, list.cacheScope], [5, 'private']);
    assert.equal(told(modern, 'resources/list', {}).ttlMs, 0);
  });

  test('an older client is told nothing that is newer than it', () => {
    const result = {
      ...{ resultType: 'complete', ttlMs: 5, cacheScope: 'private', structuredContent: [1], content: [] },
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 's' }, x: 1 },
    };
    assert.deepEqual(told('2025-11-25', 'tools/call', result), { content: [], _meta: { x: 1 } });
    assert.deepEqual(told('2025-06-18', 'tools/call', { structuredContent: { a: 1 } }).structuredContent, { a: 1 });
    const link = { type: 'resource_link', uri: 'file:///a', name: 'a', description: 'b' };
    assert.deepEqual(told('2025-03-26', 'tools/call', { content: [link] }).content, [
      { type: 'text', text: 'a: b <file:///a>' },
    ]);
    assert.deepEqual(told('2025-06-18', 'tools/call', { content: [link] }).content, [link]);
  });

  test('a kind of result that the client does not take is an error', () => {
    const asks = { resultType: 'input_required', inputRequests: {} };
    assert.equal(told(modern, 'tools/call', asks).resultType, 'input_required');
    for (const [version, method, result] of [
      ['2025-11-25', 'tools/call', asks],
      [modern, 'resources/list', asks],
      [modern, 'tools/call', { resultType: 'task', taskId: 'x' }],
    ] as const) {
      assert.equal(codeOf(resultFor(version, method, result, 1, gate)), -32603);
    }
  });

  test('errors keep their code where the version has it', () => {
    assert.equal(errorFor(modern, { code: -32002, message: 'x' }).code, -32602);
    assert.equal(errorFor('2025-11-25', { code: -32002, message: 'x' }).code, -32002);
    assert.deepEqual(
      [-32601, -32021, -32602, 7].map((code) => statusOfError(modern, code)),
      [404, 400, 200, 200],
    );
    assert.equal(statusOfError('2025-11-25', -32601), 200);
  });

  test('pages that a user is to visit are a question to a modern client', () => {
    const data = { elicitations: [{ mode: 'url', elicitationId: 'e', url: 'https://a.example/', message: 'Sign in' }] };
    const asked = urlQuestions({ code: -32042, message: 'x', data });
    assert.deepEqual(asked?.inputRequests, {
      url_1: { method: 'elicitation/create', params: { mode: 'url', message: 'Sign in', url: 'https://a.example/' } },
    });
    assert.equal(urlQuestions({ code: -32042, message: 'x' }), undefined);
    assert.equal(urlQuestions({ code: -32603, message: 'x', data }), undefined);
  });

  test('no server asks what its client has not said it can do', () => {
    const asks = (method: string, params: JsonObject = {}) => ({ inputRequests: { a: { method, params } } });
    const form = asks('elicitation/create');
    const url = asks('elicitation/create', { mode: 'url' });
    assert.deepEqual(missingFor(form, {}), { elicitation: { form: {} } });
    assert.deepEqual(missingFor(form, { elicitation: {} }), {});
    assert.deepEqual(missingFor(form, { elicitation: { url: {} } }), { elicitation: { form: {} } });
    assert.deepEqual(missingFor(url, { elicitation: {} }), { elicitation: { url: {} } });
    assert.deepEqual(missingFor(asks('sampling/createMessage'), { roots: {} }), { sampling: {} });
    assert.deepEqual(missingFor(asks('roots/list'), { roots: {} }), {});
    assert.deepEqual(missingFor(asks('tools/call'), {}), { 'tools/call': {} });
    assert.deepEqual(
      [agreedVersion('2025-06-18'), agreedVersion(modern), isModern('2025-11-25')],
      ['2025-06-18', '2025-11-25', false],
    );
  });

  test('a request goes out again with another id, and with answers', () => {
    const params = { name: 'a', _meta: { progressToken: 'k.1' } };
    const request = {
      method: 'POST',
      path: '',
      headers: {},
      body: bytes({ jsonrpc: '2.0', id: 'k.1', method: 'tools/call', params }),
    };
    const read = (one: { body: Buffer | null }) => JSON.parse(String(one.body));
    assert.deepEqual([read(withId(request, 9)).id, read(withId(request, 9)).params._meta.progressToken], [9, 9]);
    const again = read(withInputs(request, 'k.2', { a: {} }, 'state'));
    assert.deepEqual(
      [again.id, again.params.name, again.params.inputResponses, again.params.requestState],
      ['k.2', 'a', { a: {} }, 'state'],
    );
  });

  test('progress is told by the token of the client, and by none where it gave none', () => {
    const notice = { method: 'notifications/progress', params: { progressToken: 'k.1', progress: 1 } };
    assert.deepEqual(noticeFor(notice, { progressToken: 7 })?.params.progressToken, 7);
    assert.equal(noticeFor(notice, {}), undefined);
    const changed = { method: 'notifications/resources/updated', params: { uri: 'file:///a' } };
    assert.equal(noticeFor(changed, { aggregatedRoute: 'crm' })?.params.uri, 'tollgate:crm/file:///a');
    assert.deepEqual(requestMeta({ _meta: { progressToken: 1.5, traceparent: 7, [metaKeys.toolCallId]: 'call_1' } }), {
      toolCallId: 'call_1',
    });
  });
});
