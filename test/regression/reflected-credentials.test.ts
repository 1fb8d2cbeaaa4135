/**
 * A target that showed what it was called with, as echoes and the errors of AWS do, handed the credential of the gate
 * to the agent.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Target } from '../../src/call.ts';
import { allowedHost, Dialer } from '../../src/upstream/dialer.ts';
import { bodyWithout } from '../../src/upstream/reflection.ts';
import { Upstream } from '../../src/upstream/send.ts';
import { callFor } from '../contract/credential.ts';
import { ManualClock } from '../fakes/clock.ts';
import { FakeUpstream } from '../fakes/upstream.ts';

const secret = 'sk-aaab-aaac-0123456789';

async function* chunked(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('what a target shows of its credential reaches no agent, in a header or in a body of any coding', async () => {
  const clock = new ManualClock();
  await using upstream = await FakeUpstream.open();
  await using dialer = new Dialer({ clock, allow: [allowedHost(upstream.url)] });
  const credential = { grant: () => ({ headers: { authorization: `Bearer ${secret}` } }) };
  const gate = new Upstream({ dialer, clock, credentials: { get: () => credential }, txnToken: () => null });
  const timeoutMs = { connect: 5_000, firstByte: 30_000, total: 60_000 };
  const target = { name: 't', route: 'r', url: upstream.url, credential: 'it', txnToken: false, timeoutMs };
  for (const coding of ['identity', 'gzip']) {
    upstream.reply = ({ headers }, response) => {
      const body = Buffer.from(JSON.stringify({ before: 'x'.repeat(1_000), headers }));
      response.setHeader('etag', `"${headers.authorization}"`).setHeader('content-encoding', coding);
      response.end(coding === 'gzip' ? gzipSync(body) : body);
    };
    const result = await gate.attempt(callFor(), target as unknown as Target);
    assert.ok('answer' in result);
    assert.equal(result.answer.head.headers.etag, undefined);
    let read = '';
    const reading = (async () => {
      for await (const chunk of result.answer.body) read += Buffer.from(chunk).toString();
    })();
    await assert.rejects(reading, { name: 'DialError', kind: 'protocol' });
    assert.equal(read.includes('sk-'), false, read);
  }
});

test('wherever the chunks end, no byte of the secret gets out and no other byte is lost or kept waiting', async () => {
  const secrets = [Buffer.from(secret), Buffer.from('aaaaaaaaaaaaaaaab')];
  const innocent = Buffer.from(`${secret.slice(0, -1)} sk-aaab-sk-aaab-aaac- aaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaaaa sk-`);
  const read = async (bytes: Buffer, size: number) => {
    const parts: Uint8Array[] = [];
    try {
      for await (const part of bodyWithout(secrets, chunked(bytes, size))) parts.push(part);
    } catch (fault) {
      assert.equal((fault as Error).name, 'DialError');
      return { text: Buffer.concat(parts).toString(), whole: false };
    }
    return { text: Buffer.concat(parts).toString(), whole: true };
  };
  for (let size = 1; size < 60; size++) {
    assert.deepEqual(await read(innocent, size), { text: innocent.toString(), whole: true }, `${size}`);
    for (const hidden of secrets) {
      const { text, whole } = await read(Buffer.concat([Buffer.from('data: '), hidden, Buffer.from(' more')]), size);
      assert.equal(whole, false);
      assert.ok('data: '.startsWith(text), `${size}: ${text}`);
    }
  }
  const events = bodyWithout(secrets, chunked(Buffer.from('data: 1\n\ndata: 2\n\n'), 9));
  assert.equal(Buffer.from((await events.next()).value as Uint8Array).toString(), 'data: 1\n\n');
});
