import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, TaskRecord } from '../../../src/call.ts';
import type { TaskId } from '../../../src/clock.ts';
import { isDenial } from '../../../src/denial.ts';
import { KeySeal } from '../../../src/identity/key-seal.ts';
import { MemoryStore } from '../../../src/store/backends/memory.ts';
import { StoreUnavailable, storeKey } from '../../../src/store/store.ts';
import { Checkpoints, type CheckpointsParts } from '../../../src/task/checkpoint.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { fakeTask } from '../../fakes/task.ts';

const first = { match: null, noneMatch: '*' } as const;
const anything = { match: '*', noneMatch: null } as const;
const text = '{ "step": 3, "note": "ä" }';
const secret = 'a secret of all gateways, 32 bytes';

async function opened(over: Partial<CheckpointsParts> = {}) {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  const sealOf = (id: string) => new KeySeal(secret, clock, `checkpoint of ${id}`);
  const at = (more: Partial<CheckpointsParts> = {}) =>
    new Checkpoints({ store, clock, sealOf, region: 'westeurope', keepMs: 3_600_000, ...over, ...more });
  const task = fakeTask({ expiresAtMs: clock.nowMs() + 60_000, taint: ['private'] });
  return { clock, store, at, task, checkpoints: at() };
}

const keyOf = ({ tenant, id }: TaskRecord) => storeKey(tenant, 'checkpoint', id);

async function code(answer: Promise<unknown>): Promise<string> {
  const given = await answer;
  return isDenial(given) ? `${given.code} ${given.reasons[0]?.code}` : 'fine';
}

/** Puts `value` in place of what stands, as whoever can write to the store. */
async function forge(store: MemoryStore, task: TaskRecord, change: (stored: Record<string, Json>) => Json) {
  const found = await store.get(keyOf(task));
  assert.ok(found);
  const changed = change({ ...(found.value as Record<string, Json>) });
  assert.ok((await store.compareAndSet(keyOf(task), found.version, changed, 60_000)).ok);
}

test('[task.checkpoint-sealed] a checkpoint comes back byte for byte with what its task had caught, and none of it can be read in the store', async () => {
  const { store, task, checkpoints } = await opened();
  const written = await checkpoints.write(task, text, task, first);
  assert.ok(!isDenial(written) && written.first);
  const read = await checkpoints.read(task);
  assert.ok(read !== undefined && !isDenial(read));
  assert.deepEqual([read.text, read.etag, read.caught], [text, written.head.etag, { taint: ['private'] }]);
  const stored = JSON.stringify((await store.get(keyOf(task)))?.value);
  assert.ok(!stored.includes('step') && !stored.includes(Buffer.from(text).toString('base64url').slice(0, 12)));
});

test('[task.checkpoint-sealed] what was changed in the store, or put under another task, does not open', async () => {
  const { store, task, at, checkpoints } = await opened();
  const other = fakeTask({ ...task, id: 'task_00000000000000000000000002' as TaskId });
  const forgeries: Record<string, (stored: Record<string, Json>) => Json> = {
    'a byte of the text': (stored) => {
      const bytes = Buffer.from(String(stored.sealed), 'base64url');
      bytes[20] = (bytes[20] as number) ^ 1;
      return { ...stored, sealed: bytes.toString('base64url') };
    },
    'cut short': (stored) => ({ ...stored, sealed: String(stored.sealed).slice(0, 20) }),
    'the taint taken off': (stored) => ({ ...stored, caught: { taint: [] } }),
    'the regions opened': (stored) => ({ ...stored, caught: { taint: ['private'], regions: [['*']] } }),
    'another tag': (stored) => ({ ...stored, etag: '"mine"' }),
    'another time': (stored) => ({ ...stored, writtenAtMs: 1 }),
    'another region': (stored) => ({ ...stored, region: 'eastus' }),
    'no head': (stored) => ({ v: 1, sealed: stored.sealed as Json }),
    'no object': () => 'text',
    nothing: () => null,
  };
  for (const [what, change] of Object.entries(forgeries)) {
    await checkpoints.write(task, text, task, anything);
    if ((await store.get(keyOf(task))) === undefined) await checkpoints.write(task, text, task, first);
    await forge(store, task, change);
    assert.equal(await code(checkpoints.read(task)), 'store_unavailable checkpoint_unreadable', what);
  }
  await checkpoints.write(task, text, task, anything);
  await checkpoints.write(other, text, other, first);
  const stolen = (await store.get(keyOf(task)))?.value ?? null;
  await forge(store, other, () => stolen);
  assert.equal(await code(checkpoints.read(other)), 'store_unavailable checkpoint_unreadable');
  const clock = new ManualClock();
  const elsewhere = at({ sealOf: (id) => new KeySeal(`${secret}.`, clock, `checkpoint of ${id}`) });
  assert.equal(await code(elsewhere.read(task)), 'store_unavailable checkpoint_unreadable');
  assert.equal(await code(elsewhere.write(task, text, task, anything)), 'fine', 'who may write it can put it right');
});

test('[task.checkpoint-one-writer] of twenty writers that name one tag exactly one wins, and the others are told', async () => {
  const { task, at, checkpoints } = await opened();
  const begun = await checkpoints.write(task, text, task, first);
  assert.ok(!isDenial(begun));
  const tag = { match: [begun.head.etag], noneMatch: null };
  const gateways = [at(), at()] as const;
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      gateways[(index % 2) as 0 | 1].write(task, `{"writer":${index}}`, task, tag),
    ),
  );
  const won = answers.findIndex((answer) => !isDenial(answer));
  assert.deepEqual(
    answers.filter(isDenial).map((denial) => denial.code),
    Array.from({ length: 19 }, () => 'precondition_failed'),
  );
  const stands = await checkpoints.read(task);
  assert.ok(stands !== undefined && !isDenial(stands));
  assert.equal(stands.text, `{"writer":${won}}`);
});

test('without a word about what stands nothing is written over, and each refusal says why', async () => {
  const { task, checkpoints } = await opened();
  const silent = { match: null, noneMatch: null };
  assert.equal(await code(checkpoints.write(task, text, task, anything)), 'precondition_failed checkpoint_absent');
  assert.equal(await code(checkpoints.write(task, text, task, silent)), 'fine');
  assert.equal(await code(checkpoints.write(task, text, task, silent)), 'precondition_failed precondition_missing');
  assert.equal(await code(checkpoints.write(task, text, task, first)), 'precondition_failed etag_differs');
  const wrong = { match: ['"wrong"'], noneMatch: null };
  assert.equal(await code(checkpoints.write(task, text, task, wrong)), 'precondition_failed etag_differs');
});

test('[task.checkpoint-regions] a checkpoint is written and read only where the decisions on its task let its data be', async () => {
  const { task, at, checkpoints } = await opened();
  const european = { ...task, regions: [['west*', 'north*']] };
  const american = at({ region: 'eastus' });
  assert.equal(await code(american.write(european, text, european, first)), 'residency_violation checkpoint_region');
  assert.equal(await checkpoints.read(european), undefined, 'nothing was written');
  assert.equal(await code(checkpoints.write(european, text, european, first)), 'fine');
  assert.equal(
    await code(american.read(task)),
    'residency_violation checkpoint_region',
    'by what was known at writing',
  );
  assert.equal(await code(at({ region: 'northeurope' }).read(task)), 'fine');
  const since = { ...task, regions: [['westeurope']] };
  assert.equal(
    await code(at({ region: 'northeurope' }).read(since)),
    'residency_violation checkpoint_region',
    'by what was decided since',
  );
});

test('a checkpoint outlives its task by the time that is configured', async () => {
  const { clock, task, checkpoints } = await opened({ keepMs: 5_000 });
  await checkpoints.write(task, text, task, first);
  assert.equal(checkpoints.readableUntilMs(task), task.expiresAtMs + 5_000);
  await clock.advance(64_999);
  assert.equal(await code(checkpoints.read(task)), 'fine');
  await clock.advance(1);
  assert.equal(await checkpoints.read(task), undefined);
});

test('[task.checkpoint-sealed] without a secret that all gateways share nothing is kept, and the operator is told what is missing', async () => {
  const { store, task, at } = await opened();
  const none = at({ sealOf: null });
  for (const answer of [none.write(task, text, task, first), none.read(task)]) {
    const denial = await answer;
    assert.ok(isDenial(denial));
    assert.deepEqual([denial.code, denial.retryable], ['store_unavailable', false]);
    assert.equal(denial.reasons[0]?.code, 'checkpoint_secret_missing');
  }
  assert.equal(await store.get(keyOf(task)), undefined);
});

test('a store that cannot be asked is an error', async () => {
  const away = () => Promise.reject(new StoreUnavailable('away'));
  const { task, at } = await opened();
  const lost = at({ store: { get: away, compareAndSet: away } });
  await assert.rejects(lost.read(task), StoreUnavailable);
  await assert.rejects(lost.write(task, text, task, first), StoreUnavailable);
});
