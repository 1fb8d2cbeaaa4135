import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { denialMembers, deny, isDenial } from '../../../../src/denial.ts';
import { DescribedBytes } from '../../../../src/wire/dialects/http/described-bytes.ts';
import { http } from '../../../../src/wire/dialects/http.ts';
import { allowed, inChunks, targetOf } from '../request.ts';
import { call, operations, outcome } from './http-tools.ts';

const order = { customer_id: 'c1', lines: [{ sku: 's1', count: 2 }] };
const payloadOf = (...args: Parameters<typeof call>) => allowed(call(...args)).payload;
const reasonsOf = (...args: Parameters<typeof call>) => {
  const denial = call(...args);
  assert.ok(isDenial(denial) && denial.code === 'args_invalid', 'the arguments are invalid');
  return denial.reasons;
};
const coded = (...args: Parameters<typeof call>) =>
  reasonsOf(...args)
    .map(({ code, path }) => `${code} ${path}`)
    .sort();

test('operations take their effect from the method, and a name where the document gives none', () => {
  assert.deepEqual(
    operations.map(({ name, effect, kind }) => `${name} ${effect} ${kind}`),
    [
      'shop.list_orders read tool',
      'shop.create_order write tool',
      'shop.latest_order read tool',
      'shop.get_order read tool',
      'shop.patch_orders_order_id write tool',
      'shop.delete_order delete tool',
      'shop.get_file read tool',
      'shop.search read tool',
    ],
  );
});

describe('arguments', () => {
  test('are typed as the document declares them, whatever order they came in', () => {
    const { args } = payloadOf(
      'GET',
      '/orders?express=true&ids=3,4&state=open&limit=10&state=sent&filter=%7B%22min_cents%22%3A5%7D',
      undefined,
      {
        'x-region': 'eu',
        'user-agent': 'curl',
        authorization: 'Bearer secret',
        cookie: 'a=b',
      },
    );
    assert.deepEqual(args, {
      path: {},
      query: { limit: 10, state: ['open', 'sent'], ids: [3, 4], filter: { min_cents: 5 }, express: true },
      headers: { 'x-region': 'eu' },
    });
  });

  test('are what goes out, and nothing else does', () => {
    const payload = payloadOf('GET', '/orders?state=sent&limit=7&ids=3%2C4&', undefined, {
      'x-region': 'us',
      authorization: 'Bearer secret',
    });
    assert.deepEqual(payload.encode(targetOf(null)), {
      method: 'GET',
      path: '/orders?limit=7&state=sent&ids=3%2C4',
      headers: { accept: 'application/json', 'x-region': 'us' },
      body: null,
    });
  });

  test('of the path stand under their names', () => {
    const payload = payloadOf('GET', '/orders/a%20b/files/invoice.pdf');
    assert.deepEqual(payload.args, { path: { order_id: 'a b', name: 'invoice', kind: 'pdf' }, query: {}, headers: {} });
    assert.deepEqual([payload.method, payload.path], ['GET', '/orders/a%20b/files/invoice.pdf']);
    assert.deepEqual(payload.document(), { method: 'GET', ...payload.args });
  });

  test('that are text where a number is declared are not made into one', () => {
    for (const limit of ['010', '1e1', '0x10', '10.0', '+5', '', ' 5', '5 ', '1_0', '９', '9007199254740993', 'ten']) {
      assert.deepEqual(coded('GET', `/orders?limit=${encodeURIComponent(limit)}`), ['type /query/limit'], limit);
    }
  });

  test('keep the bytes of a JSON body that nothing changed', () => {
    const text = '{ "lines":[{"count":2,"sku":"s\\u0031"}],\n"customer_id":"c1" }';
    const out = payloadOf('POST', '/orders', text).encode(targetOf(null));
    assert.equal(String(out.body), text);
    assert.deepEqual(out.headers, { accept: '*/*', 'content-type': 'application/json' });
  });
});

describe('bodies', () => {
  const patch = (body: string, type: string) => payloadOf('PATCH', '/orders/7', body, { 'content-type': type });

  test('of forms are typed, and written anew', () => {
    const payload = patch('tags=a+b&count=3&tags=c%26d', 'application/x-www-form-urlencoded');
    assert.deepEqual(payload.args.body, { count: 3, tags: ['a b', 'c&d'] });
    const out = payload.encode(targetOf(null));
    assert.equal(String(out.body), 'count=3&tags=a%20b&tags=c%26d');
    assert.equal(out.headers['content-type'], 'application/x-www-form-urlencoded');
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    assert.deepEqual(coded('PATCH', '/orders/7', 'note=a&note=b', form), ['duplicate /body/note']);
    assert.deepEqual(coded('PATCH', '/orders/7', 'nota=a', form), ['unknown_member /body/nota']);
    assert.equal(outcome('PATCH', '/orders/7', 'note=%00', form), 'request_invalid');
  });

  test('of text are one string', () => {
    const payload = patch('grün', 'text/plain');
    assert.deepEqual(
      payload.segments().map(({ where, text }) => [where, text]),
      [
        ['/path/order_id', '7'],
        ['/body', 'grün'],
      ],
    );
    payload.segments()[1]?.write('red');
    const out = payload.encode(targetOf(null));
    assert.deepEqual([String(out.body), out.headers['content-type']], ['red', 'text/plain; charset=utf-8']);
    assert.deepEqual(coded('PATCH', '/orders/7', 'x'.repeat(21), { 'content-type': 'text/plain' }), ['length /body']);
  });

  test('may be left out where they are not required, and only there', () => {
    assert.equal(outcome('PATCH', '/orders/7'), 'PATCH /orders/7');
    assert.deepEqual(coded('POST', '/orders'), ['missing /body']);
  });

  test('of other media types, charsets and encodings are denied', () => {
    const type = (value: string, more = {}) => outcome('POST', '/orders', order, { 'content-type': value, ...more });
    assert.equal(type('application/json; charset=UTF-8'), 'POST /orders');
    assert.equal(type('text/plain'), 'media_type_unsupported');
    assert.equal(type('application/json; charset=utf-16'), 'media_type_unsupported');
    assert.equal(type('json'), 'media_type_unsupported');
    assert.equal(type('application/json', { 'content-encoding': 'gzip' }), 'media_type_unsupported');
  });

  test('where none is declared are a fault', () => {
    assert.deepEqual(coded('GET', '/orders/7', { a: 1 }), ['unknown_member /body']);
  });

  test('that are not strict JSON are request_invalid', () => {
    for (const body of [
      '{',
      '{"customer_id":"a","customer_id":"b"}',
      '[9007199254740993]',
      '"\\ud800"',
      '{"__proto__":{}}',
    ]) {
      assert.equal(outcome('POST', '/orders', body), 'request_invalid', body);
    }
  });
});

describe('faults of arguments', () => {
  test('are all listed, each by its place and what was expected', () => {
    const reasons = reasonsOf('POST', '/orders?expres=true', {
      custmer_id: 'c',
      lines: [{ sku: 1, count: 0, colour: 'red' }],
      ship_to: { zip: 'x', town: 'y' },
      priority: 'urgent',
      email: 'nobody',
    });
    assert.deepEqual(Object.fromEntries(reasons.map(({ code, path, message }) => [`${path} ${code}`, message])), {
      '/query/expres unknown_parameter': 'expres is not known: nothing is taken here',
      '/body/customer_id missing': 'customer_id is required: expected string',
      '/body/custmer_id unknown_member': 'custmer_id is not known: did you mean customer_id?',
      '/body/lines/0/sku type': 'expected string',
      '/body/lines/0/count range': 'must be >= 1',
      '/body/lines/0/colour unknown_member': 'colour is not known: known are sku, count, parts',
      '/body/ship_to/city missing': 'city is required: expected string',
      '/body/ship_to/zip pattern': 'expected to match ^[0-9]{5}$',
      '/body/ship_to/town unknown_member': 'town is not known: known are city, zip',
      '/body/priority enum': 'expected one of "low", "high"',
      '/body/email format': 'expected the format email',
    });
  });

  test('name the nearest parameter', () => {
    assert.match(reasonsOf('GET', '/orders?limt=5')[0]?.message ?? '', /did you mean limit\?/);
    assert.match(reasonsOf('GET', '/orders?deep[b]=1')[0]?.message ?? '', /b is not known/);
  });

  test('never repeat what was sent as a value, nor a name that could be data', () => {
    const body = { ...order, 'ann@example.com': 1, priority: '4111111111111111' };
    const denial = call('POST', '/orders?4111111111111111=5', body);
    assert.ok(isDenial(denial));
    assert.doesNotMatch(JSON.stringify([denial.message, denial.reasons]), /ann@|4111/);
  });

  test('are found for parameters given twice, and for headers that are not ASCII', () => {
    assert.deepEqual(coded('GET', '/orders?limit=1&limit=2'), ['duplicate /query/limit']);
    assert.deepEqual(coded('GET', '/orders', undefined, { 'x-region': ['eu', 'us'] }), ['duplicate /headers/x-region']);
    assert.deepEqual(coded('GET', '/orders', undefined, { 'x-region': 'e\u00fc' }), ['format /headers/x-region']);
    assert.deepEqual(coded('GET', '/orders?filter={'.replace('{', '%7B')), ['json /query/filter']);
  });

  test('are few for a body with very many', () => {
    const lines = Array.from({ length: 20_000 }, () => ({ sku: 1, count: 'x' }));
    assert.ok(reasonsOf('POST', '/orders', { customer_id: 'c', lines }).length <= 20);
  });
});

describe('objects', () => {
  test('are closed, through allOf and $ref, also deep inside and in cycles', () => {
    const nested = { ...order, lines: [{ sku: 'a', count: 1, parts: [{ sku: 'b', count: 1, parts: [] }] }] };
    assert.equal(outcome('POST', '/orders', nested), 'POST /orders');
    const part = { sku: 'b', count: 1, surprise: true };
    assert.deepEqual(coded('POST', '/orders', { ...order, lines: [{ sku: 'a', count: 1, parts: [part] }] }), [
      'unknown_member /body/lines/0/parts/0/surprise',
    ]);
  });

  test('that name no properties are open, and read-only members are not the agent’s to set', () => {
    assert.equal(outcome('POST', '/orders', { ...order, attributes: { any: { thing: 1 } } }), 'POST /orders');
    assert.deepEqual(coded('POST', '/orders', { ...order, id: 'x' }), ['unknown_member /body/id']);
  });
});

describe('obligations', () => {
  test('change what is sent and seen, and it is validated again', () => {
    const payload = payloadOf('POST', '/orders', { ...order, email: 'ann@example.com', priority: 'low' });
    const seen = payload.args;
    payload
      .segments()
      .find(({ where }) => where === '/body/priority')
      ?.write('[gone]');
    assert.equal(payload.validate()?.reasons[0]?.path, '/body/priority');
    payload.drop('/body/priority');
    payload.drop('/body/email');
    assert.equal(payload.validate(), undefined);
    assert.deepEqual(JSON.parse(String(payload.encode(targetOf(null)).body)), order);
    assert.deepEqual((seen.body as { email: string }).email, 'ann@example.com');
  });

  test('with stars take away what all elements have, files of a form too', () => {
    const lines = ['a', 'b'].map((sku) => ({ sku, count: 1, parts: [{ sku: 'p', count: 1 }] }));
    const payload = payloadOf('POST', '/orders', { ...order, lines });
    payload.drop('/body/lines/*/parts');
    assert.equal(payload.validate(), undefined);
    const sent = lines.map(({ sku, count }) => ({ sku, count }));
    assert.deepEqual(JSON.parse(String(payload.encode(targetOf(null)).body)).lines, sent);
    const contentType = 'text/plain';
    const filesOf = () =>
      ['/body/files/0', '/body/files/1', '/body/note'].map((where) => ({
        ...{ where, contentType, content: Buffer.from(where) },
      }));
    for (const [where, left] of [
      ['/body/files/*', ['/body/note']],
      ['/body/*/1', ['/body/files/0', '/body/note']],
      ['/*', []],
      ['/body/files/1/*', ['/body/files/0', '/body/files/1', '/body/note']],
    ] as const) {
      const bytes = new DescribedBytes(filesOf());
      bytes.drop(where);
      assert.deepEqual(
        bytes.all().map(({ content }) => content.toString()),
        left,
        where,
      );
    }
  });

  test('cannot lead a path elsewhere', () => {
    for (const text of ['..', '.', 'a/b', 'a\\b', '', 'a%2fb', '\0', ';']) {
      const payload = payloadOf('GET', '/orders/7');
      payload.segments()[0]?.write(text);
      assert.equal(payload.validate()?.code, 'args_invalid', text);
      assert.throws(() => payload.encode(targetOf(null)));
    }
    const payload = payloadOf('GET', '/orders/7');
    payload.segments()[0]?.write('[id 1]');
    assert.equal(payload.encode(targetOf(null)).path, '/orders/%5Bid%201%5D');
  });
});

describe('answers of tools', () => {
  const payload = payloadOf('GET', '/orders/7');
  const read = (type: string, body: string | Buffer, more = {}) =>
    payload.readAnswer(
      { status: 200, headers: { 'content-type': type, ...more } },
      Buffer.from(body as string),
      targetOf(null),
    );

  test('are pieces of JSON, one piece of text, or bytes', () => {
    const json = read('application/json; charset=utf-8', '{"a":"x","n":12345678901234567890}');
    assert.deepEqual(
      json.segments().map(({ where, text }) => [where, text]),
      [
        ['/a', 'x'],
        ['/n', '12345678901234567890'],
      ],
    );
    json.segments()[0]?.write('y');
    assert.equal(String(json.encode().body), '{"a":"y","n":12345678901234567890}');
    const text = read('text/csv', 'a,b', { 'content-length': '3' });
    assert.deepEqual(
      text.segments().map(({ where, text: piece }) => [where, piece]),
      [['', 'a,b']],
    );
    text.segments()[0]?.write('c');
    assert.deepEqual([String(text.encode().body), text.encode().head.headers], ['c', { 'content-type': 'text/csv' }]);
    const bytes = Buffer.from([0xff, 0xd8, 0, 1]);
    assert.deepEqual([read('image/jpeg', bytes).segments(), read('image/jpeg', bytes).encode().body], [[], bytes]);
    assert.deepEqual([read('application/json', '').segments(), read('application/json', '').body], [[], null]);
  });

  test('flow with the text they hold', async () => {
    const bytes = Buffer.from('grün');
    const head = { status: 200, headers: { 'content-type': 'text/plain' } };
    const frames = await Array.fromAsync(payload.readStream(head, inChunks(bytes, 1), targetOf(null)));
    assert.deepEqual(Buffer.concat(frames.map((frame) => frame.bytes)), bytes);
    const text = frames.flatMap((frame) => frame.pieces().map((piece) => piece.text));
    assert.equal(text.join(''), 'grün');
  });
});

test('a denial is a problem document with all members', () => {
  const denial = deny('operation_unknown', 'no such thing', { allowed: ['shop.search'] });
  const { status, headers, body } = http.denial(denial, denialMembers(denial, { task_id: 'task_1' }));
  assert.deepEqual(
    [status, headers['content-type'], headers['x-should-retry']],
    [404, 'application/problem+json', 'false'],
  );
  const problem = JSON.parse(String(body));
  assert.deepEqual(
    [problem.type, problem.title, problem.status, problem.detail, problem.code, problem.task_id, problem.allowed],
    [
      'urn:tollgate:denial:operation_unknown',
      'There is no such operation',
      404,
      'no such thing',
      'operation_unknown',
      'task_1',
      ['shop.search'],
    ],
  );
});
