/**
 * Generated calls to the warehouse: a valid one must pass and come out as it was meant, one with a single fault must be
 * denied for it. The generator knows the document by hand, not through the code under test.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDenial } from '../../../../src/denial.ts';
import { http } from '../../../../src/wire/dialects/http.ts';
import { openai } from '../../../../src/wire/dialects/openai.ts';
import { rawRequest, registryOf, routeNamed, seeded, targetOf } from '../request.ts';
import { call, registry } from './http-tools.ts';

interface Line {
  sku: string;
  count: number;
  parts?: Line[];
}
type Order = Record<string, unknown> & { lines: Line[] };

const seed = 20261121;

function generator(random: () => number) {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item;
  const text = (): string =>
    Array.from({ length: 1 + below(8) }, () => pick([...'abcXYZ019 _~:@?#&=+é😀"\\/\n%'])).join('');
  const line = (depth: number): Line => ({
    sku: text(),
    count: 1 + below(1000),
    ...(depth < 3 && random() < 0.4 ? { parts: Array.from({ length: below(3) }, () => line(depth + 1)) } : {}),
  });
  const order = (): Order => ({
    customer_id: text(),
    lines: Array.from({ length: 1 + below(3) }, () => line(0)),
    ...(random() < 0.5
      ? { ship_to: { city: text(), ...(random() < 0.5 ? { zip: String(10000 + below(89999)) } : {}) } }
      : {}),
    ...(random() < 0.5 ? { priority: pick(['low', 'high']) } : {}),
    ...(random() < 0.3 ? { email: 'someone@example.com' } : {}),
    ...(random() < 0.3 ? { attributes: { [text()]: text(), deep: { er: [1, null] } } } : {}),
  });
  return { below, pick, text, order };
}

test('2000 valid orders pass, byte for byte', () => {
  const { order } = generator(seeded(seed));
  for (let count = 0; count < 2000; count++) {
    const body = order();
    const resolved = call('POST', '/orders', body);
    assert.ok(
      !isDenial(resolved),
      `${JSON.stringify(body)} ${isDenial(resolved) ? JSON.stringify(resolved.reasons) : ''}`,
    );
    assert.deepEqual(resolved.payload.args.body, body);
    assert.equal(String(resolved.payload.encode(targetOf(null)).body), JSON.stringify(body));
  }
});

test('5000 orders with one fault are denied, and the fault is named', () => {
  const { order, pick, below } = generator(seeded(seed + 1));
  const oddLine = (body: Order): string => {
    const at = below(body.lines.length);
    const [name, value] = pick([
      ...[['count', 0] as const, ['count', 1.5] as const, ['count', '1'] as const],
      ...[['sku', 5] as const, ['extra', 1] as const, ['parts', {}] as const],
    ]);
    Object.assign(body.lines[at] as Line, { [name]: value });
    return `/body/lines/${at}/${name}`;
  };
  const odd = (path: string, members: () => object) => (body: Order) => {
    Object.assign(body, members());
    return path;
  };
  const mutations: readonly ((body: Order) => string)[] = [
    odd('/body/customer_id', () => ({ customer_id: undefined })),
    odd('/body/customer_id', () => ({ customer_id: pick([1, null, true, [], {}]) })),
    odd('/body/lines', () => ({ lines: [] })),
    odd('/body/priority', () => ({ priority: pick(['LOW', '', 'medium', 1, null]) })),
    odd('/body/hallucinated', () => ({ hallucinated: 1 })),
    odd('/body/ship_to/city', () => ({ ship_to: {} })),
    odd('/body/ship_to/zip', () => ({ ship_to: { city: 'x', zip: '1234' } })),
    odd('/body/email', () => ({ email: 'no address' })),
    oddLine,
  ];
  for (let count = 0; count < 5000; count++) {
    const body = order();
    const path = pick(mutations)(body);
    const resolved = call('POST', '/orders', body);
    assert.ok(isDenial(resolved) && resolved.code === 'args_invalid', JSON.stringify(body));
    assert.ok(
      resolved.reasons.some((reason) => reason.path === path),
      `${path} in ${JSON.stringify(resolved.reasons)}`,
    );
  }
});

test('3000 path values come out as what was read, or are denied', () => {
  const { text, pick, below } = generator(seeded(seed + 2));
  const odd = ['..', '.', '%2e', '%2f', ';', '\\', '\0', '//', '%', '%25', '?', '#', 'é', '%C3%A9', '%c3', ' '];
  let passed = 0;
  for (let count = 0; count < 3000; count++) {
    const value = Array.from({ length: 1 + below(3) }, () =>
      below(2) === 0 ? encodeURIComponent(text()) : pick(odd),
    ).join('');
    const resolved = call('GET', `/orders/${value.replaceAll('?', '%3F')}`);
    if (isDenial(resolved)) continue;
    passed += 1;
    const { path } = resolved.payload.encode(targetOf(null));
    const read = (resolved.payload.args.path as { order_id?: string }).order_id;
    if (read === undefined) continue;
    // What a target makes of the path, decoding it once or twice and resolving dots, is what the policy read.
    const { pathname } = new URL(path, 'http://service');
    assert.equal(pathname, path);
    assert.equal(decodeURIComponent(pathname), `/orders/${read}`);
    assert.equal(decodeURIComponent(decodeURIComponent(pathname)), `/orders/${read}`);
    assert.equal(pathname.split('/').length, 3);
  }
  assert.ok(passed > 500, `${passed} passed`);
});

test('no bytes make a dialect throw', () => {
  const random = seeded(seed + 3);
  const { below, pick, text } = generator(random);
  const models = registryOf([routeNamed('gpt', 'model')], []);
  const good = Buffer.from(
    '{"model":"gpt","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}],"tools":[{"type":"function","function":{"name":"f"}}]}',
  );
  for (let count = 0; count < 3000; count++) {
    const body = Buffer.from(good);
    for (let changes = below(4); changes >= 0; changes--) body[below(body.length)] = below(256);
    const value = pick([null, 1, 'x', [], {}, [null], [[]], { role: 1 }, { type: 'function' }]);
    const typed = {
      model: 'gpt',
      [pick(['messages', 'tools', 'functions', 'n', 'stream', 'stream_options', 'max_tokens', 'metadata'])]: pick([
        value,
        [value],
      ]),
    };
    for (const bytes of [body, Buffer.from(JSON.stringify(typed))]) {
      const parsed = openai.parse(rawRequest('POST', '/v1/chat/completions', bytes));
      if (!isDenial(parsed)) parsed.resolve(models);
    }
    const method = pick(['GET', 'POST', 'PATCH', 'DELETE', '\0']);
    const path = `/tools/${pick(['shop', '', '%', text()])}/orders${pick(['', '/', `/${text()}`])}?${text()}`;
    const type = pick([
      undefined,
      'application/json',
      'text/plain',
      'application/x-www-form-urlencoded',
      text(),
      ['a', 'b'],
    ]);
    const parsed = http.parse(rawRequest(method, path, body, { 'content-type': type, 'x-region': text() }));
    if (!isDenial(parsed)) parsed.resolve(registry);
  }
});
