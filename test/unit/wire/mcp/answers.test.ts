import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JsonObject, Resolved } from '../../../../src/call.ts';
import { type Denial, denialMembers, deny, isDenial } from '../../../../src/denial.ts';
import { mcpReply } from '../../../../src/wire/dialects/mcp/reply.ts';
import { mcp } from '../../../../src/wire/dialects/mcp.ts';
import { isMcpFault } from '../../../../src/wire/mcp/fault.ts';
import { allowed, registryOf, targetOf } from '../request.ts';
import {
  type Asked,
  answered,
  ask,
  client,
  codeOf,
  everything,
  gate,
  legacy,
  mail,
  modern,
  named,
  result,
  routes,
  wire,
} from './mcp-calls.ts';

describe('an answer of a server', () => {
  const asks = {
    ...mail,
    client: client(modern, { capabilities: { elicitation: {} } }),
    headers: { 'mcp-param-to': 'ann' },
  };

  test('comes with the id and in the version of the client', () => {
    const content = [{ type: 'text', text: 'hello' }];
    assert.deepEqual(answered(mail, result({ content, resultType: 'complete' })).told(), {
      status: 200,
      body: { jsonrpc: '2.0', id: 5, result: { content } },
    });
    const { result: told } = answered(asks, result({ content })).told().body;
    assert.deepEqual([told.resultType, told._meta['io.modelcontextprotocol/serverInfo']], ['complete', gate]);
  });

  test('is looked at wherever it says something', () => {
    const blob = Buffer.from('secret text').toString('base64');
    const image = Buffer.alloc(300, 255).toString('base64');
    const value = {
      content: [
        { type: 'text', text: '{"a":"\\u0061nn"}' },
        { type: 'image', data: image, mimeType: 'image/png' },
        { type: 'resource', resource: { uri: 'file:///a', blob } },
      ],
    };
    const texts = answered(mail, result(value))
      .answer.segments()
      .map(({ text }) => text);
    assert.deepEqual(texts, ['text', 'ann', 'image', 'image/png', 'resource', 'file:///a', 'secret text']);
  });

  test('says the same in its text and in what is structured, whatever is taken out', () => {
    const structuredContent = { name: 'Ann', ssn: '123' };
    const twin = { type: 'text', text: JSON.stringify(structuredContent, null, 2) };
    const value = { content: [{ type: 'text', text: 'Found:' }, twin], structuredContent };
    const untouched = answered(mail, result(value));
    assert.deepEqual(untouched.told().body.result, value);
    assert.equal(
      untouched.answer.segments().some(({ where }) => where === '/content/1/text'),
      false,
    );
    const { answer, told } = answered(mail, result(value));
    answer.drop('/structuredContent/ssn');
    answer.drop('/content/0');
    assert.deepEqual(told().body.result, {
      content: [{ type: 'text', text: '{"name":"Ann"}' }],
      structuredContent: { name: 'Ann' },
    });
    const gone = answered(mail, result(value));
    gone.answer.drop('/structuredContent');
    assert.deepEqual(gone.told().body.result, { content: [{ type: 'text', text: 'Found:' }] });
    const written = answered(mail, result(value));
    written.answer
      .segments()
      .find(({ where }) => where === '/structuredContent/ssn')
      ?.write('[x]');
    assert.equal(written.told().body.result.content[1].text, '{"name":"Ann","ssn":"[x]"}');
  });

  test('keeps numbers beyond 2^53, and takes no two of them for one', () => {
    const text =
      '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\\"n\\":9007199254740993}"}],"structuredContent":{"n":9007199254740992}}}';
    const { answer } = answered(mail, text);
    assert.ok(String(answer.encode().body).includes('"structuredContent":{"n":9007199254740992}'));
    assert.equal(
      answer.segments().some(({ text: said }) => said === '9007199254740993'),
      true,
    );
  });

  test('that is an error passes as it is, and counts as failed', () => {
    const error = { code: -32002, message: 'no such thing', data: { uri: 'file:///a' } };
    const older = answered(mail, { jsonrpc: '2.0', id: 1, error });
    assert.deepEqual(older.told(), { status: 200, body: { jsonrpc: '2.0', id: 5, error } });
    assert.equal(older.answer.failed, true);
    assert.deepEqual(
      older.answer.segments().map(({ where }) => where),
      ['/error/message', '/error/data/uri'],
    );
    assert.equal(answered(asks, { jsonrpc: '2.0', id: 1, error }).told().body.error.code, -32602);
    const unknown = { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'none' } };
    assert.deepEqual([answered(asks, unknown).told().status, answered(mail, unknown).told().status], [404, 200]);
    assert.equal(answered(mail, result({ content: [], isError: true })).answer.failed, true);
    assert.equal(answered(mail, result({ content: [] })).answer.failed, false);
  });

  for (const nonsense of [
    '<html>',
    '',
    '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1,"result":1}',
  ]) {
    test(`that is none is an error of the gate, and nothing of it is told: ${nonsense.slice(0, 20)}`, () => {
      const { answer, told } = answered(mail, nonsense);
      assert.deepEqual([told().body.error.code, told().body.id, answer.body, answer.failed], [-32603, 5, null, true]);
      assert.equal(String(answer.encode().body).includes('html'), false);
    });
  }

  test('with questions passes to a modern client that can be asked, and to no other', () => {
    const value = {
      resultType: 'input_required',
      inputRequests: { q: { method: 'elicitation/create', params: { message: 'Who?' } } },
    };
    const { answer, told } = answered(asks, result(value));
    assert.equal(told().body.result.resultType, 'input_required');
    assert.ok(answer.segments().some(({ text }) => text === 'Who?'));
    const mute = answered({ ...asks, client: client(modern) }, result(value)).told();
    assert.deepEqual([mute.status, mute.body.error.code], [400, -32021]);
    assert.deepEqual(mute.body.error.data, { requiredCapabilities: { elicitation: { form: {} } } });
    assert.equal(
      answered({ ...mail, client: client(legacy, { capabilities: { elicitation: {} } }) }, result(value)).told().body
        .error.code,
      -32603,
    );
  });

  test('names resources as a client of many routes knows them', () => {
    const value = {
      content: [
        { type: 'resource_link', uri: 'file:///a', name: 'a' },
        { type: 'resource', resource: { uri: 'file:///b', text: 'b' } },
      ],
    };
    const { content } = answered(mail, result(value)).told().body.result;
    assert.deepEqual([content[0].uri, content[1].resource.uri], ['tollgate:crm/file:///a', 'tollgate:crm/file:///b']);
    const single = { ...named('mail.send', { to: 'a' }), route: 'crm', aggregated: false };
    assert.equal(answered(single, result(value)).told().body.result.content[0].uri, 'file:///a');
  });

  test('read as it flows is one frame', async () => {
    const { payload } = allowed(ask(mail));
    async function* body() {
      const bytes = Buffer.from(JSON.stringify(result({ content: [{ type: 'text', text: 'ann' }] })));
      yield bytes.subarray(0, 9);
      yield bytes.subarray(9);
    }
    const frames = [];
    for await (const frame of payload.readStream({ status: 200, headers: {} }, body(), targetOf(null)))
      frames.push(frame);
    const [frame] = frames;
    assert.deepEqual(
      frame?.pieces().map(({ text }) => text),
      ['text', 'ann'],
    );
    const changed = JSON.parse(String(Buffer.from(frame?.rewrite(['text', '***']).bytes ?? [])));
    assert.deepEqual([frames.length, changed.result.content[0].text, changed.id], [1, '***', 5]);
  });
});

describe('a denial', () => {
  const told = (asked: Asked, denial: Denial) => {
    const request = wire(asked);
    assert.ok(!isMcpFault(request));
    const { status, body } = request.denial?.(denial, denialMembers(denial, { call_id: 'call_1' })) ?? {};
    return { status, body: JSON.parse(String(body)) };
  };
  const no = deny('policy_denied', 'Not this one.', {
    reasons: [{ code: 'outward', message: 'It is private.', path: '/to' }],
    allowed: ['crm.read'],
  });

  test('of a tool is a result that the model can read', () => {
    const { status, body } = told(mail, no);
    assert.equal(status, 200);
    assert.deepEqual([body.id, body.result.isError, body.result.resultType], [5, true, undefined]);
    const { code, allowed: instead, reasons, call_id: id } = body.result.structuredContent;
    assert.deepEqual([code, instead, reasons[0].code, id], ['policy_denied', ['crm.read'], 'outward', 'call_1']);
    const [{ text }] = body.result.content;
    for (const part of ['policy_denied', 'Not this one.', '/to: It is private.', 'crm.read'])
      assert.ok(text.includes(part));
    assert.equal(told({ ...mail, client: client(modern) }, no).body.result.resultType, 'complete');
  });

  test('names what may be called instead as its client knows it', () => {
    const names = (asked: Asked) => {
      const request = wire(asked);
      assert.ok(!isMcpFault(request));
      const denial = request.resolve(registryOf(routes, everything));
      assert.ok(isDenial(denial));
      const body = JSON.parse(String(request.denial?.(denial, denialMembers(denial, {})).body));
      const { content, structuredContent } = body.result;
      return [/Allowed instead: (.*)/.exec(content[0].text)?.[1], structuredContent.allowed];
    };
    assert.deepEqual(names(named('crm__none')), ['crm__mail.send', ['crm.mail.send']]);
    assert.deepEqual(names({ ...named('none'), route: 'crm', aggregated: false }), ['mail.send', ['crm.mail.send']]);
  });

  test('of a method is an error outside of the reserved codes', () => {
    const { status, body } = told({ method: 'resources/read', params: { uri: 'tollgate:crm/a' } }, no);
    assert.deepEqual([status, body.id, body.error.code, body.error.data.code], [200, 5, 403, 'policy_denied']);
  });

  test('for want of a credential or a scope keeps its status', () => {
    for (const [code, status] of [
      ['unauthenticated', 401],
      ['insufficient_scope', 403],
    ] as const) {
      assert.deepEqual(
        [told(mail, deny(code, 'x')).status, told(mail, deny(code, 'x')).body.error.code],
        [status, status],
      );
    }
    const { status, body } = mcp.denial(deny('route_unknown', 'x'), denialMembers(deny('route_unknown', 'x'), {}));
    assert.deepEqual([status, 'id' in JSON.parse(String(body))], [404, false]);
  });
});

describe('an answer to a question of a server', () => {
  const reply = (method: string, value: JsonObject) => {
    const request = mcpReply({ route: 'crm', method, id: 'q1', result: value, client: client(legacy), gate });
    return isMcpFault(request) ? request : request.resolve(registryOf(routes, everything));
  };

  test('is a call of its own, with what was answered as its arguments', () => {
    const { operation, payload } = allowed(
      reply('elicitation/create', { action: 'accept', content: { name: 'Ann' } }),
    ) as Resolved;
    assert.deepEqual(
      [operation.name, operation.effect, payload.method],
      ['crm.elicitation/create', 'write', 'elicitation/create'],
    );
    payload
      .segments()
      .find(({ where }) => where === '/content/name')
      ?.write('***');
    assert.deepEqual(payload.args, { action: 'accept', content: { name: '***' } });
    const { headers, body } = payload.encode({ ...targetOf(null), mcp: { version: legacy, sessionId: 's' } });
    assert.deepEqual([JSON.parse(String(body)).id, headers['mcp-session-id']], ['q1', 's']);
    assert.equal(
      payload.readAnswer({ status: 202, headers: {} }, Buffer.from('x'), targetOf(null)).encode().head.status,
      202,
    );
  });

  test('that does not fit the question is refused', () => {
    assert.equal(codeOf(reply('elicitation/create', { action: 'maybe' })), 'args_invalid');
    assert.equal(codeOf(reply('roots/list', { roots: [{ name: 'x' }] })), 'args_invalid');
    assert.equal(codeOf(reply('sampling/createMessage', { role: 'assistant', content: {}, model: 'm' })), 'passed');
    assert.equal(codeOf(reply('tools/call', {})), -32602);
  });
});
