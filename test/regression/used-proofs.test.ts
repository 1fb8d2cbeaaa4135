/**
 * Repeated DPoP proofs counted as if they were remembered: whoever had captured one token with its used proof, and no
 * key, filled the memory for all agents of a gateway by sending it again and again. And where the memory was full or the
 * store away, the task routes took a good task token for a workload token of an unknown issuer, and answered 401.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Shown } from '../../src/call.ts';
import { deny, isDenial } from '../../src/denial.ts';
import { ProofMemory } from '../../src/identity/dpop-memory.ts';
import { refuse } from '../../src/identity/refusal.ts';
import { unauthenticated } from '../../src/identity/unauthenticated.ts';
import { MemoryStore } from '../../src/store/backends/memory.ts';
import { accessTask } from '../../src/task/access.ts';
import { Tasks } from '../../src/task/tasks.ts';
import { ManualClock } from '../fakes/clock.ts';

const shown: Shown = { scheme: 'dpop', certificate: null, proof: 'a.b.c', method: 'GET', path: '/tasks/x' };

async function openStore() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  await store.open();
  return { clock, store };
}

test('a proof that is repeated takes no room in the memory of proofs', async () => {
  const { clock, store } = await openStore();
  const memory = new ProofMemory({ store, clock, proofsMax: 2 });
  const use = async (jti: string) => (await memory.use({ jkt: 'k', jti, ath: null }))?.reason;
  assert.equal(await use('one'), undefined);
  for (let time = 0; time < 10; time++) assert.equal(await use('one'), 'proof_replayed');
  assert.equal(await use('two'), undefined);
  assert.equal(await use('three'), 'memory_full');
});

test('a task token that cannot be proved now is not taken for a workload token', async () => {
  const { clock, store } = await openStore();
  const denials = [
    deny('store_unavailable', 'Whether the proof was used before cannot be told.'),
    unauthenticated(refuse('memory_full')),
  ];
  for (const denial of denials) {
    const ports = {
      tasks: new Tasks({ store, clock }),
      verifyTask: async () => denial,
      verifyWorkload: async () => unauthenticated(refuse('issuer_unknown')),
    };
    const answer = await accessTask(ports, { token: 'a.task.token', shown }, 'task_x');
    assert.equal(isDenial(answer) && answer, denial);
  }
});
