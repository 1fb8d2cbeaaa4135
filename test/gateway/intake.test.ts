/** What the gate takes in at all: sizes, media types, methods and heads that two readers would read differently. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { rawHttp } from '../fakes/raw_http.ts';
import { part } from '../parts.ts';
import { World } from './world.ts';

const options = part('opa');
const json = { 'content-type': 'application/json' };

describe('what is taken in', options, () => {
  let world: World;
  let token: string;
  before(async () => {
    world = await World.open({ config: { limits: { body_bytes: 2048 } } });
    token = (await world.task()).token;
  });
  after(async () => world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    for (const witness of [world.model, world.orders]) witness.received.length = 0;
  });

  const codeOf = async (response: Response) => {
    const body = (await response.json()) as { code?: string; error?: { code: string } };
    return `${response.status} ${body.code ?? body.error?.code}`;
  };
  const post = (path: string, body: string, headers: Record<string, string> = json) =>
    world.fetch(path, token, { method: 'POST', headers, body });

  test('a body over the limit is too_large in the shape of its surface', async () => {
    assert.equal(await codeOf(await post('/tools/orders/refunds', 'x'.repeat(3000))), '413 too_large');
    assert.equal(await codeOf(await post('/v1/chat/completions', 'x'.repeat(3000))), '413 too_large');
    assert.equal(world.orders.received.length, 0);
  });

  test('a body of another media type is media_type_unsupported, one that is no JSON request_invalid', async () => {
    const text = { 'content-type': 'text/plain' };
    assert.equal(await codeOf(await post('/v1/chat/completions', '{}', text)), '415 media_type_unsupported');
    assert.equal(
      await codeOf(await post('/tools/orders/refunds', '{"amount_cents":1}', text)),
      '415 media_type_unsupported',
    );
    assert.equal(await codeOf(await post('/v1/chat/completions', '{"model":')), '400 request_invalid');
    assert.equal(
      await codeOf(await post('/v1/chat/completions', '{"model":"gpt","model":"gpt","messages":[]}')),
      '400 request_invalid',
    );
    assert.equal(world.model.received.length + world.orders.received.length, 0);
  });

  test('numbers that JSON readers round are refused, so that all see the same', async () => {
    const response = await post('/tools/orders/refunds', '{"amount_cents":9007199254740993}');
    assert.ok([400, 422].includes(response.status), String(response.status));
    assert.equal(world.orders.received.length, 0);
  });

  test('what is not there is said: routes, methods, realtime', async () => {
    assert.equal(await codeOf(await world.fetch('/nothing', token)), '404 route_unknown');
    assert.equal(await codeOf(await world.fetch('/v1/realtime', token)), '404 operation_unknown');
    assert.equal(await codeOf(await world.fetch('/v1/chat/completions', token)), '405 method_not_allowed');
    assert.equal(await codeOf(await world.fetch('/tasks', token)), '405 method_not_allowed');
    assert.equal(await codeOf(await world.fetch('/tools/nothing/x', token)), '404 route_unknown');
  });

  test('a request whose head can be read in two ways is refused', async () => {
    const own = `Authorization: Bearer ${token}\r\nConnection: close\r\n`;
    const path = '/tools/orders/orders/O-1';
    const heads = [
      `GET ${path} HTTP/1.1\r\nHost: a\r\nHost: b\r\n${own}\r\n`,
      `POST /tools/orders/refunds HTTP/1.1\r\nHost: a\r\n${own}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `POST /tools/orders/refunds HTTP/1.1\r\nHost: a\r\n${own}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
      `GET http://elsewhere${path} HTTP/1.1\r\nHost: a\r\n${own}\r\n`,
    ];
    for (const head of heads) assert.equal((await rawHttp(world.gate.url, head)).status, 400, head.slice(0, 60));
    assert.equal(world.orders.received.length, 0);
  });

  test('a path that a target might read differently reaches no target', async () => {
    for (const path of [
      '/tools/orders/orders/..%2Frefunds',
      '/tools/orders/orders/%2e%2e',
      '/tools/orders//orders/O-1',
      '/tools/orders/orders/a%00b',
    ]) {
      const text = `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`;
      const { status } = await rawHttp(world.gate.url, text);
      assert.ok(status >= 400, `${status} ${path}`);
    }
    assert.equal(world.orders.received.length, 0);
  });
});
