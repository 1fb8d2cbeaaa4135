import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lease } from '../../../src/assembly/lease.ts';

class Part implements AsyncDisposable {
  closed = 0;
  async [Symbol.asyncDispose](): Promise<void> {
    this.closed++;
  }
}

test('a part whose origin has not changed is handed on, and closed by the last who lets go', async () => {
  const first = new Lease();
  const part = await first.take('dialer', ['a'], () => new Part());
  const second = new Lease(first);
  assert.equal(await second.take('dialer', ['a'], () => new Part()), part);
  // In either order: a long stream may outlive the edition after its own.
  await second[Symbol.asyncDispose]();
  assert.equal(part.closed, 0);
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  assert.equal(part.closed, 1);
});

test('a part whose origin has changed is made anew beside the old one', async () => {
  const first = new Lease();
  const old = await first.take('dialer', ['a'], () => new Part());
  const second = new Lease(first);
  const fresh = await second.take('dialer', ['b'], () => new Part());
  assert.notEqual(fresh, old);
  await first[Symbol.asyncDispose]();
  assert.deepEqual([old.closed, fresh.closed], [1, 0]);
});

test('a lease that could not be completed gives back what it took, and leaves the others theirs', async () => {
  const first = new Lease();
  const part = await first.take('dialer', 1, () => new Part());
  const failed = new Lease(first);
  await failed.take('dialer', 1, () => new Part());
  await assert.rejects(failed.take('policy', 1, () => Promise.reject(new Error('does not compile'))));
  await failed[Symbol.asyncDispose]();
  assert.equal(part.closed, 0);
  const third = new Lease(first);
  assert.equal(await third.take('dialer', 1, () => new Part()), part);
});
