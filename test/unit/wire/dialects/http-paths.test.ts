import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDenial } from '../../../../src/denial.ts';
import { http } from '../../../../src/wire/dialects/http.ts';
import { rawRequest } from '../request.ts';
import { call, outcome, registry } from './http-tools.ts';

/** Paths below `/tools/shop`, and the code they are denied with. None may become a request. */
const hostile: readonly (readonly [string, string])[] = [
  ['/orders/..', 'request_invalid'],
  ['/orders/../admin', 'request_invalid'],
  ['/orders/.', 'request_invalid'],
  ['/./orders', 'request_invalid'],
  ['/../orders', 'request_invalid'],
  ['/orders/%2e%2e', 'request_invalid'],
  ['/orders/%2E%2e/admin', 'request_invalid'],
  ['/orders/.%2e', 'request_invalid'],
  ['/orders/%2e', 'request_invalid'],
  ['/orders/%252e%252e', 'request_invalid'],
  ['/orders/a%2Fb', 'request_invalid'],
  ['/orders/a%2fb', 'request_invalid'],
  ['/orders/a%252Fb', 'request_invalid'],
  ['/orders/a%5Cb', 'request_invalid'],
  ['/orders/a\\b', 'request_invalid'],
  ['/orders\\latest', 'request_invalid'],
  ['/orders/%00', 'request_invalid'],
  ['/orders/a%00.json', 'request_invalid'],
  ['/orders/a%0d%0aX: y', 'request_invalid'],
  ['/orders/a%0A', 'request_invalid'],
  ['/orders/a%7f', 'request_invalid'],
  ['/orders/a%C2%85', 'request_invalid'],
  ['/orders/a;admin=true', 'request_invalid'],
  ['/orders;v=1/7', 'request_invalid'],
  ['/orders/a%3Badmin', 'request_invalid'],
  ['/orders/%', 'request_invalid'],
  ['/orders/%2', 'request_invalid'],
  ['/orders/%zz', 'request_invalid'],
  ['/orders/%u002e', 'request_invalid'],
  ['/orders/%c0%ae%c0%ae', 'request_invalid'],
  ['/orders/%c0%af', 'request_invalid'],
  ['/orders/%ff', 'request_invalid'],
  ['/orders/%ed%a0%80', 'request_invalid'],
  ['/orders/é', 'request_invalid'],
  ['/orders/a b', 'request_invalid'],
  ['/orders/a"b', 'request_invalid'],
  ['/orders/<x>', 'request_invalid'],
  ['/orders/{order_id}', 'request_invalid'],
  ['/orders/a|b', 'request_invalid'],
  ['/orders/a#b', 'request_invalid'],
  ['//orders', 'request_invalid'],
  ['/orders//7', 'request_invalid'],
  ['//evil.example/orders', 'request_invalid'],
  ['/orders//', 'request_invalid'],
  [`/orders/${'a'.repeat(9000)}`, 'request_invalid'],
  [`/${'a/'.repeat(200)}`, 'request_invalid'],
  ['/orders/', 'operation_unknown'],
  ['/orders/7/', 'operation_unknown'],
  ['/search', 'operation_unknown'],
  ['/ORDERS/7', 'operation_unknown'],
  ['/', 'operation_unknown'],
  ['/orders/7/files/a', 'operation_unknown'],
  ['/orders/7/files/.pdf', 'operation_unknown'],
  ['/orders/7/files/a.', 'operation_unknown'],
  ['/orders/7/files/a.b.pdf', 'operation_unknown'],
  ['/http://evil.example/', 'request_invalid'],
];

describe('a hostile path', () => {
  for (const [path, code] of hostile) {
    test(`${JSON.stringify(path.slice(0, 40))} is ${code}`, () => {
      assert.equal(outcome('GET', path), code);
    });
  }

  test('before the route leads nowhere', () => {
    for (const path of [
      '/tools',
      '/tools/',
      '/tools//orders',
      '/tools/shop',
      '/tools/%73hop/orders',
      '/tools/../tools/shop/orders',
      '/tools/SHOP/orders',
      '/tools/shop%2Forders',
      '/tools/nope/orders',
      '/tools/gpt/orders',
    ]) {
      const parsed = http.parse(rawRequest('GET', path));
      const denial = isDenial(parsed) ? parsed : parsed.resolve(registry);
      assert.ok(isDenial(denial) && denial.code === 'route_unknown', path);
    }
  });
});

describe('a path', () => {
  test('goes out in one spelling, whatever spelling it came in', () => {
    for (const [path, sent] of [
      ['/orders/7', '/orders/7'],
      ['/%6frders/%37', '/orders/7'],
      ['/orders/a%20b', '/orders/a%20b'],
      ['/orders/%C3%A9', '/orders/%C3%A9'],
      ['/orders/%c3%a9', '/orders/%C3%A9'],
      ['/orders/a:b@c', '/orders/a%3Ab%40c'],
      ['/orders/a%3Fb%23c', '/orders/a%3Fb%23c'],
      ['/orders/a+b', '/orders/a%2Bb'],
      ['/orders/~._-', '/orders/~._-'],
      ['/orders/...', '/orders/...'],
      ['/search/', '/search/'],
      ['/orders/7/files/invoice.pdf', '/orders/7/files/invoice.pdf'],
    ] as const) {
      assert.equal(outcome('GET', path), `GET ${sent}`, path);
    }
  });

  test('of literal text beats a template, whatever the method', () => {
    const resolved = call('GET', '/orders/latest');
    assert.ok(!isDenial(resolved) && resolved.operation.name === 'shop.latest_order');
    assert.equal(outcome('DELETE', '/orders/latest'), 'operation_unknown');
    assert.equal(outcome('DELETE', '/orders/l%61test'), 'operation_unknown');
  });

  test('and a method that no operation has is denied with the operations there are', () => {
    const denial = call('PUT', '/orders/7');
    assert.ok(isDenial(denial) && denial.code === 'operation_unknown');
    assert.ok(denial.details.allowed?.includes('shop.get_order'));
    assert.equal(outcome('HEAD', '/orders/7'), 'operation_unknown');
    assert.equal(outcome('OPTIONS', '/orders/7'), 'operation_unknown');
  });
});

test('methods and headers that could turn a request into another are denied', () => {
  for (const method of ['TRACE', 'CONNECT', 'PROPFIND', 'get', '']) {
    const denial = call(method, '/orders/7');
    assert.ok(
      isDenial(denial) && denial.code === 'method_not_allowed' && denial.details.allowed?.includes('GET'),
      method,
    );
  }
  for (const name of [
    'x-http-method-override',
    'x-http-method',
    'x-method-override',
    'x-original-url',
    'x-rewrite-url',
  ]) {
    assert.equal(outcome('GET', '/orders/7', undefined, { [name]: 'DELETE' }), 'request_invalid', name);
  }
  assert.equal(
    outcome('POST', '/orders?_method=DELETE', { customer_id: 'c', lines: [{ sku: 's', count: 1 }] }),
    'args_invalid',
  );
});
