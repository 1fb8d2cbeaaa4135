/** What HTTP tools take beside JSON, and how their answers come back. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { FakeUpstream } from '../fakes/upstream.ts';
import { part } from '../parts.ts';
import { card, redacting, ShelfWorld, sha256 } from './shelf-world.ts';
import type { World } from './world.ts';

const options = part('opa');
let opened: ShelfWorld;
let world: World;
let shelf: FakeUpstream;
before(async () => {
  if (options.skip !== undefined) return;
  opened = await ShelfWorld.open();
  ({ world, shelf } = opened);
});
beforeEach(() => {
  if (shelf !== undefined) shelf.received.length = 0;
});
after(async () => opened?.[Symbol.asyncDispose]());

const answers: ShelfWorld['answers'] = (...said) => opened.answers(...said);
const outcomeOf = (task: string) => opened.outcomeOf(task);
const argumentsOf = (task: string) => opened.argumentsOf(task);

describe('a body', options, () => {
  test('[wire.bodies-described] of bytes is decided on by its digest, and goes on as it came', async () => {
    const { id, token } = await world.task();
    const bytes = Buffer.from([0x89, 0x50, 0, 1, 0xff]);
    const headers = { 'content-type': 'image/png' };
    const reply = await world.fetch('/tools/shelf/things/a', token, { method: 'PUT', body: bytes, headers });
    assert.equal(reply.status, 200, await reply.text());
    assert.deepEqual(shelf.received[0]?.body, bytes);
    assert.equal(shelf.received[0]?.headers['content-type'], 'image/png');
    const expected = { content_type: 'image/png', size: 5, sha256: sha256(bytes) };
    assert.deepEqual((await argumentsOf(id)).body, expected);
  });

  test('[wire.bodies-described] of bytes that are a text is inspected, and its description follows what was changed', async () => {
    const oblige = JSON.stringify({ redact: [{ type: 'card' }] });
    const { token } = await world.task({ labels: { oblige } });
    const headers = { 'content-type': 'application/octet-stream' };
    const init = { method: 'PUT', body: `pay ${card}`, headers };
    assert.equal((await world.fetch('/tools/shelf/things/a', token, init)).status, 200);
    const sent = shelf.received[0]?.body.toString() ?? '';
    assert.match(sent, /^pay /);
    assert.doesNotMatch(sent, /4111/);
    const blocked = await world.task({ labels: { oblige: JSON.stringify({ block: [{ type: 'card' }] }) } });
    shelf.received.length = 0;
    assert.equal((await world.fetch('/tools/shelf/things/a', blocked.token, init)).status, 403);
    assert.deepEqual(shelf.received, []);
    assert.equal(
      (await world.events({ task: blocked.id, type: 'denial' }))[0]?.decision?.reasons[0]?.code,
      'pii_blocked',
    );
  });

  test('[wire.bodies-described] that is a form with files is written anew, its texts inspected', async () => {
    const oblige = JSON.stringify({ redact: [{ type: 'card' }] });
    const { id, token } = await world.task({ labels: { oblige } });
    const form = new FormData();
    form.append('file', new File([Buffer.from([0, 1, 2])], 'räksmörgås.bin', { type: 'application/x-thing' }));
    form.append('title', `for ${card}`);
    form.append('count', '3');
    form.append('meta', JSON.stringify({ kind: 'a' }));
    form.append('more', new File([`card ${card}`], 'a.txt', { type: 'text/plain' }));
    form.append('more', new File(['plain'], 'b.txt'));
    const reply = await world.fetch('/tools/shelf/uploads', token, { method: 'POST', body: form });
    assert.equal(reply.status, 200, await reply.text());
    const [got] = shelf.received;
    const read = await new Response(got?.body, {
      headers: { 'content-type': String(got?.headers['content-type']) },
    }).formData();
    assert.deepEqual([...read.keys()], ['title', 'count', 'meta', 'file', 'more', 'more']);
    assert.equal(read.get('count'), '3');
    assert.doesNotMatch(got?.body.toString() ?? '', /4111/);
    const file = read.get('file') as File;
    assert.deepEqual([file.name, file.type, file.size], ['räksmörgås.bin', 'application/x-thing', 3]);
    const seen = (await argumentsOf(id)).body as Record<string, unknown>;
    assert.deepEqual(seen.file, {
      filename: 'räksmörgås.bin',
      content_type: 'application/x-thing',
      size: 3,
      sha256: sha256(Buffer.from([0, 1, 2])),
    });
    assert.deepEqual([seen.count, seen.meta], [3, { kind: 'a' }]);
  });
});

describe('an answer that flows', options, () => {
  test('comes while the target still writes, lines and events of JSON read as they mean', async () => {
    const { id, token } = await world.task({ labels: redacting });
    for (const [type, first, second] of [
      ['application/x-ndjson', '{"n":"one"}\n', `{"card":"\\u0034111111111111111"}\n`],
      ['text/event-stream', 'data: {"n":"one"}\n\n', `data: {"card":"\\u0034111111111111111"}\n\n`],
    ] as const) {
      const go = Promise.withResolvers<void>();
      shelf.reply = async (_request, response) => {
        response.writeHead(200, { 'content-type': type }).write(first);
        await go.promise;
        response.end(second);
      };
      const reply = await world.fetch('/tools/shelf/things/a', token);
      assert.equal(reply.status, 200);
      const reader = (reply.body as ReadableStream<Uint8Array>).getReader();
      const { value } = await reader.read();
      assert.equal(Buffer.from(value ?? []).toString(), first, 'before the target has ended');
      go.resolve();
      let rest = '';
      for (let next = await reader.read(); !next.done; next = await reader.read())
        rest += Buffer.from(next.value).toString();
      assert.doesNotMatch(rest, /0034|4111/, type);
      assert.deepEqual(
        (await outcomeOf(id))?.findings.map(({ type: found }) => found),
        ['card'],
      );
    }
  });

  test('of bytes, or of more text than is read whole, flows; JSON does not', async () => {
    const { id, token } = await world.task({ labels: redacting });
    const bytes = Buffer.alloc(300_000, 7);
    answers('application/octet-stream', bytes);
    assert.deepEqual(Buffer.from(await (await world.fetch('/tools/shelf/things/a', token)).arrayBuffer()), bytes);
    const text = `${'x '.repeat(60_000)}${card} ${'y '.repeat(60_000)}`;
    answers('text/plain', text);
    const said = await (await world.fetch('/tools/shelf/things/a', token)).text();
    assert.doesNotMatch(said, /4111/);
    assert.equal(said.replace(/\[.*\]/, card), text);
    answers('application/json', JSON.stringify([text]));
    const json = await world.fetch('/tools/shelf/things/a', token);
    assert.equal(((await json.json()) as { code: string }).code, 'upstream_error');
    assert.equal((await outcomeOf(id))?.decision?.reasons[0]?.code, 'upstream_error');
  });

  test('is broken off where it may not go on, and never ends as if it were whole', async () => {
    const labels = { oblige_response: JSON.stringify({ block: [{ type: 'card' }] }) };
    const { id, token } = await world.task({ labels });
    shelf.reply = async (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write('{"a":1}\n');
      setTimeout(() => response.end(`{"card":"${card}"}\n`), 20);
    };
    const reply = await world.fetch('/tools/shelf/things/a', token);
    await assert.rejects(reply.text());
    assert.equal((await outcomeOf(id))?.decision?.reasons[0]?.code, 'pii_blocked');
  });

  test('is read whole where the policy takes something out by its place', async () => {
    const asking = (obligations: object) => ({ labels: { oblige_response: JSON.stringify(obligations) } });
    const { token } = await world.task(asking({ redact: [{ path: '/iban' }] }));
    answers('application/x-ndjson', '{"a":1}\n');
    const reply = await world.fetch('/tools/shelf/things/a', token);
    assert.deepEqual([reply.status, await reply.text()], [200, '{"a":1}\n']);
    const dropping = await world.task(asking({ drop: ['/iban'] }));
    const refused = await world.fetch('/tools/shelf/things/a', dropping.token);
    const { code, reasons } = (await refused.json()) as { code: string; reasons: { code: string }[] };
    assert.deepEqual([refused.status, code, reasons[0]?.code], [403, 'policy_denied', 'obligation_unmet']);
  });

  test('waits for its reader', async () => {
    const { token } = await world.task();
    let written = 0;
    shelf.reply = async (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      const chunk = Buffer.alloc(262_144);
      const closed = once(response, 'close');
      for (; written < 400 && !response.destroyed; written++) {
        if (!response.write(chunk)) await Promise.race([once(response, 'drain'), closed]);
      }
      response.end();
    };
    const abort = new AbortController();
    const reply = await world.fetch('/tools/shelf/things/a', token, { signal: abort.signal });
    assert.equal(reply.status, 200);
    for (let before = -1; before !== written; ) {
      before = written;
      await new Promise((wait) => setTimeout(wait, 60));
    }
    assert.ok(written < 200, `${written} chunks went ahead of the reader`);
    abort.abort();
  });
});

describe('a condition, a range and a coding', options, () => {
  test('pass with what reads, and 206, 304, 412 and 416 come back', async () => {
    const { id, token } = await world.task();
    const get = (headers: Record<string, string>) => world.fetch('/tools/shelf/things/a', token, { headers });
    answers('application/octet-stream', 'ab', 206, { 'content-range': 'bytes 0-1/9', etag: '"v1"' });
    const ranged = await get({ range: 'bytes=0-1', 'if-range': '"v1"' });
    assert.deepEqual(
      [ranged.status, ranged.headers.get('content-range'), await ranged.text()],
      [206, 'bytes 0-1/9', 'ab'],
    );
    assert.deepEqual([shelf.received[0]?.headers.range, shelf.received[0]?.headers['if-range']], ['bytes=0-1', '"v1"']);
    assert.deepEqual((await argumentsOf(id)).headers, { 'if-range': '"v1"', range: 'bytes=0-1' });
    shelf.reply = (_request, response) => void response.writeHead(304, { etag: '"v1"' }).end();
    const known = await get({ 'if-none-match': '"v1"' });
    assert.deepEqual([known.status, known.headers.get('etag'), await known.text()], [304, '"v1"', '']);
    answers('application/json', '{}', 416, { 'content-range': 'bytes */9' });
    assert.equal((await get({ range: 'bytes=9-' })).status, 416);
    const put = { method: 'PUT', body: 'x', headers: { 'content-type': 'image/png', 'if-match': '"v1"' } };
    answers('application/json', '{}', 412);
    shelf.received.length = 0;
    assert.equal((await world.fetch('/tools/shelf/things/a', token, put)).status, 412);
    assert.equal(shelf.received[0]?.headers['if-match'], '"v1"', 'a write keeps its condition');
  });

  test('of a text passes no part of it, and no part in parts', async () => {
    const { token } = await world.task();
    for (const type of ['text/plain', 'application/json', 'multipart/byteranges; boundary=a']) {
      answers(type, card.slice(0, 8), 206, { 'content-range': 'bytes 0-7/16' });
      const reply = await world.fetch('/tools/shelf/things/a', token, { headers: { range: 'bytes=0-7' } });
      assert.equal(reply.status, 502, type);
      assert.doesNotMatch(await reply.text(), /41111111/);
    }
  });

  test('that compresses is taken off for inspection, a bomb ends at the bound, HEAD has no body', async () => {
    const { token } = await world.task({ labels: redacting });
    answers('application/json', gzipSync(JSON.stringify({ card })), 200, { 'content-encoding': 'gzip' });
    const reply = await world.fetch('/tools/shelf/things/a', token, { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(reply.headers.get('content-encoding'), null);
    assert.doesNotMatch(await reply.text(), /4111/);
    answers('application/json', gzipSync(`[${' '.repeat(1_000_000)}]`), 200, { 'content-encoding': 'gzip' });
    assert.equal((await world.fetch('/tools/shelf/things/a', token)).status, 502);
    shelf.reply = (_request, response) => void response.writeHead(200, { etag: '"v1"', 'content-length': 9 }).end();
    const head = await world.fetch('/tools/shelf/things/a', token, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('etag'), await head.text()], [200, '"v1"', '']);
  });
});
