import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigWatch } from '../../../src/config/watch.ts';
import { ManualClock } from '../../fakes/clock.ts';

test('a change is told once, when it has stood still; a new file of the configuration is no change', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-watch-'));
  const [first, second] = [join(folder, 'a.yaml'), join(folder, 'b.yaml')];
  const clock = new ManualClock();
  let files = [first];
  let told = 0;
  const watch = new ConfigWatch({
    clock,
    files: () => files,
    changed: async () => {
      told++;
      files = [first, second];
    },
  });
  /** One look, with the time that the file system takes. */
  const look = async () => {
    await clock.advance(1000);
    await new Promise((resolve) => setTimeout(resolve, 150));
  };
  try {
    await writeFile(first, 'one');
    await writeFile(second, 'unknown as yet');
    await watch.open();
    await look();
    await look();
    assert.equal(told, 0);
    await writeFile(first, 'changed');
    await look();
    await writeFile(first, 'changed again');
    await look();
    assert.equal(told, 0, 'it does not stand still');
    await look();
    assert.equal(told, 1);
    await look();
    await look();
    assert.equal(told, 1);
    await rm(second);
    await look();
    await look();
    assert.equal(told, 2, 'a file that is gone is a change');
  } finally {
    await watch[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
});
