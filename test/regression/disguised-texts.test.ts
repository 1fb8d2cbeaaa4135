/** Answers of tools that are texts, and say of themselves that they are something else; and answers beside their document. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { card, redacting, ShelfWorld } from '../gateway/shelf-world.ts';
import { part } from '../parts.ts';

const options = part('opa');
let opened: ShelfWorld;
before(async () => {
  if (options.skip === undefined) opened = await ShelfWorld.open();
});
after(async () => opened?.[Symbol.asyncDispose]());

const get = (route: string, token: string, headers: Record<string, string> = {}) =>
  opened.world.fetch(`/tools/${route}/things/a`, token, { headers });

describe('an answer', options, () => {
  test('that says it is bytes, and is a text, is inspected, whole or while it flows', async () => {
    const { id, token } = await opened.world.task({ labels: redacting });
    for (const route of ['shelf', 'pages']) {
      for (const type of ['image/png', 'application/octet-stream', 'multipart/mixed; boundary=a', 'application/rtf']) {
        opened.answers(type, `Grüße ${card} 🙂`);
        const reply = await get(route, token);
        assert.equal(reply.status, 200);
        const said = await reply.text();
        assert.match(said, /^Grüße .* 🙂$/, `${route} ${type}`);
        assert.doesNotMatch(said, /4111/, `${route} ${type}`);
      }
    }
    assert.deepEqual(
      (await opened.outcomeOf(id))?.findings.map(({ type }) => type),
      ['card'],
    );
    const bytes = Buffer.from([0x89, 0x50, 0xff, 0, 0x31]);
    opened.answers('image/png', bytes);
    assert.deepEqual(Buffer.from(await (await get('shelf', token)).arrayBuffer()), bytes, 'bytes stay as they are');
  });

  test('in a charset that inspection would read as another text does not pass', async () => {
    const { id, token } = await opened.world.task({ labels: redacting });
    const wide = Buffer.from(JSON.stringify({ card }), 'utf16le');
    for (const [type, body] of [
      ['text/plain; charset=utf-16le', wide],
      ['application/json; charset=utf-16', wide],
      ['application/json', wide],
      ['text/html; charset=utf-7', card],
      ['application/x-ndjson; charset=utf-16le', wide],
      ['text/plain', Buffer.from(card.repeat(8_000), 'utf16le')],
    ] as const) {
      opened.answers(type, body);
      const said = await get('shelf', token).then(
        async (reply) => `${reply.status === 200} ${await reply.text()}`,
        () => '',
      );
      assert.doesNotMatch(said.replaceAll('\0', ''), /4111|^true/, type);
    }
    assert.equal((await opened.outcomeOf(id))?.decision?.reasons[0]?.code, 'upstream_error');
    opened.answers('text/plain; charset=iso-8859-1', Buffer.from('Gr\u00fc\u00dfe', 'latin1'));
    assert.equal((await get('shelf', token)).status, 200);
  });

  test('beside its document does not pass by its status alone', async () => {
    const { token } = await opened.world.task();
    const range = { 'content-range': 'bytes 0-3/9' };
    opened.answers('image/png', Buffer.from([0, 1, 2, 3]), 206, range);
    assert.equal((await get('strict', token)).status, 502, 'a part that nobody asked for');
    assert.equal((await get('strict', token, { range: 'bytes=0-3' })).status, 502, 'a part of no known whole');
    opened.answers('application/octet-stream', Buffer.from([0, 1, 2, 3]), 206, range);
    assert.equal((await get('strict', token, { range: 'bytes=0-3' })).status, 206);
    opened.answers('text/plain', 'not empty at all', 205);
    assert.notEqual((await get('strict', token)).status, 205, 'nothing that is something');
  });
});
