import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { SqliteSink } from '../../../../src/audit/sinks/sqlite.ts';
import { storeFiles } from '../../../../src/audit/sinks/sqlite-schema.ts';
import { WorkerLink } from '../../../../src/audit/sinks/worker-link.ts';
import { keysOf, newSigner, temporaryFolder } from '../fixture.ts';
import { draft, sinkContract } from './sink-contract.ts';

const everything = { filter: {}, limit: 1000, afterSeq: null, order: 'oldest_first' } as const;

sinkContract('sqlite', (t) => {
  const dataDir = temporaryFolder(t);
  const signer = newSigner();
  return {
    sink: () => new SqliteSink({ dataDir, origin: 'gate-1', signer, signEvery: 5 }),
    keys: keysOf(signer),
  };
});

test('one data_dir has one writer: a second gateway is refused by name', async (t) => {
  const settings = { dataDir: temporaryFolder(t), origin: 'gate-1', signer: newSigner(), signEvery: 5 };
  await using first = new SqliteSink(settings);
  await first.open();
  await using second = new SqliteSink(settings);
  await assert.rejects(second.open(), /held open by another gateway/);
  await first.write([draft('admin')]);
});

test('what the trail keeps is for its owner only', async (t) => {
  const dataDir = join(temporaryFolder(t), 'data');
  await using sink = new SqliteSink({ dataDir, origin: 'gate-1', signer: newSigner(), signEvery: 5 });
  await sink.open();
  await sink.write([draft('admin')]);
  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
  for (const file of readdirSync(dataDir)) {
    assert.equal(statSync(join(dataDir, file)).mode & 0o777, 0o600, file);
  }
});

test('a trail that was begun before reservations were kept beside intents goes on', async (t) => {
  const dataDir = temporaryFolder(t);
  const settings = { dataDir, origin: 'gate-1', signer: newSigner(), signEvery: 5 };
  const first = new SqliteSink(settings);
  await first.open();
  await first.write([draft('intent', { call: 'c1', task: 't1' })]);
  await first[Symbol.asyncDispose]();
  const database = new DatabaseSync(storeFiles(dataDir).database);
  database.exec('ALTER TABLE open_intents DROP COLUMN reserved');
  database.close();

  await using again = new SqliteSink(settings);
  const { openIntents } = await again.open();
  assert.deepEqual([openIntents.length, openIntents[0]?.reserved], [1, undefined]);
  const reserved = { id: 'rsv_c2', tokens: 1, costMicroUsd: 2 };
  await again.write([draft('intent', { call: 'c2', task: 't1' }, { reserved })]);
});

test('an erased key is in no file of the store any more', async (t) => {
  const dataDir = temporaryFolder(t);
  await using sink = new SqliteSink({ dataDir, origin: 'gate-1', signer: newSigner(), signEvery: 5 });
  await sink.open();
  const key = new Uint8Array(Buffer.from('a key that can be found in files'));
  await sink.write([draft('denial', { task: 't1' }, { proposed: '{}', freshTaskKey: key })]);
  const holds = () => readdirSync(dataDir).filter((file) => readFileSync(join(dataDir, file)).includes(key));
  assert.notDeepEqual(holds(), [], 'the key was never there');
  await sink.erase('t1', 0);
  assert.deepEqual(holds(), []);
});

test('a write fails while the head cannot be signed, and goes on when it can', async (t) => {
  const dataDir = temporaryFolder(t);
  await using sink = new SqliteSink({ dataDir, origin: 'gate-1', signer: newSigner(), signEvery: 5 });
  await sink.open();
  const inTheWay = `${storeFiles(dataDir).head}.tmp`;
  mkdirSync(inTheWay);
  // A commit is safe before its head is due; the store may be ahead, but not for longer than the head may lag.
  await sink.write([draft('admin')]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await assert.rejects(sink.write([draft('admin')]), /EISDIR/);
  await assert.rejects(sink.probe(), /EISDIR/);
  rmdirSync(inTheWay);
  await sink.probe();
  await sink.write([draft('admin')]);
  assert.equal((await sink.events(everything)).length, 2);
});

test('a writer that died rejects what was asked of it, and a probe brings it back with the lock', async (t) => {
  const dataDir = temporaryFolder(t);
  const links: WorkerLink[] = [];
  const file = new URL('../../../../src/audit/sinks/sqlite-worker.ts', import.meta.url);
  await using sink = new SqliteSink(
    { dataDir, origin: 'gate-1', signer: newSigner(), signEvery: 5 },
    (role, settings) => {
      const link = new WorkerLink(file, { role, settings }, 8);
      links.push(link);
      return link;
    },
  );
  await sink.open();
  await sink.write([draft('admin')]);
  const answer = sink.write([draft('admin')]);
  await Promise.all([links[0]?.stop(), answer.catch(() => undefined)]);
  await assert.rejects(sink.write([draft('admin')]), /has ended/);
  await sink.probe();
  await sink.write([draft('admin')]);
  assert.equal((await sink.events(everything)).at(-1)?.type, 'admin');
  assert.equal(links.length, 3, 'a second writer and a reader');
});

test('a worker that is asked too much at once says so', async (t) => {
  const file = new URL('../../../../src/audit/sinks/sqlite-worker.ts', import.meta.url);
  const settings = { dataDir: temporaryFolder(t), origin: 'gate-1', signer: newSigner(), signEvery: 5 };
  const link = new WorkerLink(file, { role: 'writer', settings }, 2);
  t.after(() => link.stop());
  const asked = [link.request('open'), link.request('probe'), link.request('probe')];
  const ends = await Promise.allSettled(asked);
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
});
