import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { trackedBody } from '../../../src/server/answer-body.ts';

function source(settled: string[]): AsyncIterable<Uint8Array> {
  return (async function* () {
    try {
      yield Buffer.from('a');
      yield Buffer.from('b');
    } finally {
      await Promise.resolve();
      settled.push('settled');
    }
  })();
}

test('a body that is read to its end has ended when its maker has', async () => {
  const settled: string[] = [];
  const { body, ended } = trackedBody(source(settled));
  const read: string[] = [];
  for await (const chunk of body) read.push(Buffer.from(chunk).toString());
  await ended;
  assert.deepEqual([read, settled], [['a', 'b'], ['settled']]);
});

test('a body that is closed before it began lets its maker settle all the same', async () => {
  const settled: string[] = [];
  const { body, ended } = trackedBody(source(settled));
  Readable.from(body, { objectMode: false }).destroy();
  await ended;
  assert.deepEqual(settled, ['settled']);
});

test('a body that is closed in the middle, or breaks, ends', async () => {
  const settled: string[] = [];
  const middle = trackedBody(source(settled));
  for await (const _ of middle.body) break;
  await middle.ended;
  assert.deepEqual(settled, ['settled']);
  const broken = trackedBody(
    (async function* (): AsyncIterable<Uint8Array> {
      yield Buffer.from('a');
      throw new Error('broke off');
    })(),
  );
  await assert.rejects(Array.fromAsync(broken.body), /broke off/);
  await broken.ended;
});
