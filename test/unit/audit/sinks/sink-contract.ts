/** What every sink must do; each backend's test runs it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { genesisHash, hashOf } from '../../../../src/audit/chain.ts';
import { type Jwks, openCheckpoint } from '../../../../src/audit/checkpoint.ts';
import type { EventType } from '../../../../src/audit/event.ts';
import type { Draft, EventFilter, Sink, Written } from '../../../../src/audit/sinks/sink.ts';
import { commitment, type PayloadKind } from '../../../../src/audit/task-key.ts';
import { event } from '../fixture.ts';

export interface SinkUnderTest {
  /** A new handle on the same store; the one before has been disposed of. */
  readonly sink: () => Sink;
  readonly keys: Jwks;
}

let drafts = 0;

export function draft(type: EventType, over: Partial<Draft['event']> = {}, more: Partial<Draft> = {}): Draft {
  const { proposed: _, sent: __, ...facts } = event({ type });
  const id = `evt_${String(++drafts).padStart(6, '0')}`;
  const time = new Date(Date.UTC(2026, 10, 2) + drafts * 1000).toISOString();
  return {
    event: { v: 1, id, time, gateway: 'gate-1', region: 'westeurope', ...facts, ...over },
    proposed: null,
    sent: null,
    payloads: [],
    freshTaskKey: over.task == null ? null : new Uint8Array(randomBytes(32)),
    ...more,
  };
}

function seqOf(written: Written | undefined): number {
  assert.ok(written !== undefined && 'seq' in written, `not written: ${JSON.stringify(written)}`);
  return written.seq;
}

const everything = { filter: {}, limit: 1000, afterSeq: null, order: 'oldest_first' } as const;

/** Runs the contract; `make` gives a fresh store for a test and cleans up behind it. */
export function sinkContract(name: string, make: (t: TestContext) => SinkUnderTest): void {
  test(`${name}: events get numbers without gaps, and each hash covers the one before`, async (t) => {
    await using sink = make(t).sink();
    await sink.open();
    await sink.write([draft('admin'), draft('task', { task: 't1' })]);
    await sink.write([draft('admin', { task: 't2' }), draft('task', { task: 't1' })]);
    const events = await sink.events(everything);
    assert.deepEqual(
      events.map(({ seq, task_seq }) => [seq, task_seq]),
      [
        [1, null],
        [2, 1],
        [3, 1],
        [4, 2],
      ],
    );
    let previous = genesisHash;
    for (const written of events) {
      assert.equal(written.prev_hash, previous);
      assert.equal(written.hash, hashOf(written));
      previous = written.hash;
    }
  });

  test(`${name}: to write an event again changes nothing and gives the same answer`, async (t) => {
    await using sink = make(t).sink();
    await sink.open();
    const batch = [draft('admin'), draft('admin')];
    const first = await sink.write(batch);
    assert.deepEqual(await sink.write(batch), first);
    assert.equal((await sink.events(everything)).length, 2);
  });

  test(`${name}: an outcome carries the hash of its intent; without an intent it is refused, and only it`, async (t) => {
    await using sink = make(t).sink();
    await sink.open();
    const [intent, stray, other, outcome, second] = await sink.write([
      draft('intent', { call: 'c1' }),
      draft('outcome', { call: 'c2' }),
      draft('admin'),
      draft('outcome', { call: 'c1' }),
      draft('outcome', { call: 'c1' }),
    ]);
    assert.ok(intent !== undefined && 'hash' in intent);
    assert.ok(stray !== undefined && 'refused' in stray);
    assert.ok(second !== undefined && 'refused' in second);
    assert.deepEqual([seqOf(other), seqOf(outcome)], [2, 3]);
    const events = await sink.events(everything);
    assert.deepEqual(
      events.map(({ type, intent_hash }) => [type, intent_hash]),
      [
        ['intent', null],
        ['admin', null],
        ['outcome', intent.hash],
      ],
    );
  });

  test(`${name}: opened again it goes on where it was, and names the intents that are still open`, async (t) => {
    const under = make(t);
    const first = under.sink();
    await first.open();
    const reserved = { id: 'rsv_c2', tokens: 60, costMicroUsd: 90 };
    const intents = [
      draft('intent', { call: 'c1', task: 't1' }),
      draft('intent', { call: 'c2', task: 't1' }, { reserved }),
    ];
    await first.write(intents);
    await first.write([draft('outcome', { call: 'c1', task: 't1' })]);
    await first[Symbol.asyncDispose]();

    await using again = under.sink();
    const { openIntents } = await again.open();
    assert.deepEqual(
      openIntents.map((open) => [open.event.call, open.reserved]),
      [['c2', reserved]],
    );
    assert.equal(seqOf((await again.write([draft('interrupted', { call: 'c2', task: 't1' })]))[0]), 4);
    assert.equal((await again.events(everything)).at(-1)?.task_seq, 4);
  });

  test(`${name}: the head signs the last event after each write, and every fifth is kept`, async (t) => {
    const under = make(t);
    await using sink = under.sink();
    await sink.open();
    const empty = openCheckpoint(await sink.head(), under.keys);
    assert.ok(!('fault' in empty));
    assert.deepEqual([empty.seq, empty.hash], [0, genesisHash]);
    for (let count = 0; count < 12; count++) await sink.write([draft('admin')]);
    const events = await sink.events(everything);
    const head = openCheckpoint(await sink.head(), under.keys);
    assert.ok(!('fault' in head));
    assert.deepEqual([head.seq, head.hash, head.origin], [12, events.at(-1)?.hash, 'gate-1']);
    const kept = await sink.checkpoints({ limit: 10, afterSeq: null });
    assert.deepEqual(
      kept.map((jws) => {
        const opened = openCheckpoint(jws, under.keys);
        assert.ok(!('fault' in opened));
        assert.equal(opened.hash, events[opened.seq - 1]?.hash);
        return opened.seq;
      }),
      [5, 10],
    );
    assert.equal((await sink.checkpoints({ limit: 10, afterSeq: 5 })).length, 1);
  });

  test(`${name}: every filter finds its events, and pages go both ways`, async (t) => {
    await using sink = make(t).sink();
    await sink.open();
    const refused = {
      id: 'dec_1',
      allow: false,
      reasons: [{ code: 'circuit_open', message: 'Too many failures.' }],
      obligations: {},
      bundle: null,
      revision: null,
    };
    const denial = draft('denial', {
      task: 't1',
      agent: 'a1',
      tenant: 'acme',
      subject: { id: 'C-1', type: 'customer', assurance: 'verified' },
      operation: 'orders.get',
      trace_id: 'f'.repeat(32),
      call: 'c1',
      decision: refused,
    });
    const others = Array.from({ length: 6 }, () => draft('admin', { operation: 'other' }));
    await sink.write([...others.slice(0, 3), denial, ...others.slice(3)]);
    const timeMs = Date.parse(denial.event.time);
    const filters: EventFilter[] = [
      { task: 't1' },
      { agent: 'a1' },
      { tenant: 'acme' },
      { subject: 'C-1' },
      { operation: 'orders.get' },
      { decision: 'dec_1' },
      { decision: 'deny' },
      { code: 'circuit_open' },
      { trace_id: 'f'.repeat(32) },
      { call: 'c1' },
      { type: 'denial' },
      { fromMs: timeMs, toMs: timeMs + 1 },
      { id: denial.event.id },
      { types: ['denial', 'intent'] },
    ];
    for (const filter of filters) {
      const found = await sink.events({ ...everything, filter });
      assert.deepEqual([found.length, found[0]?.id], [1, denial.event.id], JSON.stringify(filter));
    }
    assert.deepEqual(await sink.events({ ...everything, filter: { task: 't1', agent: 'nobody' } }), []);
    assert.deepEqual(await sink.events({ ...everything, filter: { decision: 'allow' } }), []);
    const seqs = async (order: 'oldest_first' | 'newest_first', afterSeq: number | null) =>
      (await sink.events({ filter: {}, limit: 3, afterSeq, order })).map(({ seq }) => seq);
    assert.deepEqual(await seqs('oldest_first', 3), [4, 5, 6]);
    assert.deepEqual(await seqs('newest_first', null), [7, 6, 5]);
    assert.deepEqual(await seqs('newest_first', 3), [2, 1]);
  });

  test(`${name}: commitments are made under the task's first key, payloads come back, an erasure ends both`, async (t) => {
    await using sink = make(t).sink();
    await sink.open();
    const key = new Uint8Array(randomBytes(32));
    const payload = (text: string) => ({
      kind: 'arguments' as const,
      text,
      truncated: false,
      nonce: new Uint8Array(randomBytes(12)),
    });
    const facts = { task: 't1', call: 'c1' };
    const first = { proposed: '{"a":1}', sent: '{}', payloads: [payload('"one"')] };
    await sink.write([draft('denial', facts, { ...first, freshTaskKey: key })]);
    await sink.write([draft('denial', facts, { proposed: '{"a":1}', payloads: [payload('"two"')] })]);
    const query = { task: 't1', limit: 10, afterSeq: null };
    assert.deepEqual(
      (await sink.payloads(query)).map(({ text, seq, call }) => [text, seq, call]),
      [
        ['"one"', 1, 'c1'],
        ['"two"', 2, 'c1'],
      ],
    );
    assert.deepEqual(await sink.payloads({ ...query, kind: 'thought' }), []);
    await sink.write([draft('denial', facts, { ...first, payloads: [{ ...payload('"cu'), truncated: true }] })]);
    const having = async (...kept: PayloadKind[]) =>
      (await sink.events({ ...everything, filter: { kept } })).map(({ seq }) => seq);
    assert.deepEqual([await having('arguments'), await having('thought'), await having()], [[1, 2], [], []]);
    const committed = async () => (await sink.events(everything)).map(({ proposed_commitment: made }) => made);
    const expected = commitment(key, '{"a":1}');
    assert.deepEqual(await committed(), [expected, expected, expected]);
    assert.equal((await sink.events(everything))[0]?.sent_commitment, commitment(key, '{}'));

    assert.equal(await sink.erase('t1', 0), true);
    assert.equal(await sink.erase('t1', 0), false);
    assert.deepEqual(await sink.payloads(query), []);
    assert.deepEqual(await having('arguments'), [], 'an erased one is not kept');
    // What comes late is recorded, under a key that nobody has.
    await sink.write([draft('denial', facts, { ...first, payloads: [payload('"late"')] })]);
    assert.deepEqual(await sink.payloads(query), []);
    assert.notEqual((await committed())[3], expected);
  });

  test(`${name}: half a surrogate pair in what an agent chose does not stop the trail`, async (t) => {
    await using sink = make(t).sink();
    await sink.open();
    await sink.write([draft('admin', { operation: 'half \ud800 pair' })]);
    const [written] = await sink.events(everything);
    assert.ok(written !== undefined);
    assert.equal(written.operation, 'half \ufffd pair');
    assert.equal(hashOf(written), written.hash);
  });
}
