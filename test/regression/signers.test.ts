/**
 * Signers and disks that fail: a gate out of files went down with the signer it could not start again; a signer that
 * talked without end was taken for a well one; each try to write a key on a full disk left an unfinished file behind.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../src/clock.ts';
import { SignerProcess, signerLimits } from '../../src/identity/keepers/command-lines.ts';
import { replaceKeyFile } from '../../src/identity/key-file.ts';
import { makeKey } from '../../src/identity/key-pair.ts';

const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

test('a gate that can open no more files outlives the end of its signer', async () => {
  const script = `
    import { openSync } from 'node:fs';
    import { systemClock } from ${url('../../src/clock.ts')};
    import { SignerProcess } from ${url('../../src/identity/keepers/command-lines.ts')};
    const told = [];
    const signer = new SignerProcess({
      command: ['/bin/sh', '-c', 'read line; exit 7'], path: process.env.PATH, timeoutMs: 500, clock: systemClock(),
      faulted: ({ message }) => {
        told.push(message);
        if (told.length < 3) return;
        console.log(told.join());
        process.exit(0);
      },
    });
    signer.open();
    setTimeout(() => process.exit(1), 20_000);
    try { for (;;) openSync('/dev/null', 'r'); } catch {}`;
  const limited = ['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, script];
  const { stdout } = await promisify(execFile)('/bin/sh', limited, { timeout: 30_000 });
  const away = 'the signer cannot be run: EMFILE';
  assert.equal(stdout.trim(), ['the signer ended (7)', away, away].join());
});

test('a signer that floods its gate with what nobody asked is ended, and is never taken for well', async () => {
  const faults: string[] = [];
  const ended = Promise.withResolvers<void>();
  const flood = 'setInterval(() => process.stdout.write(\'{"id":"0","keys":[]}\\n\'.repeat(50)), 1)';
  const signer = new SignerProcess({
    ...{ command: [process.execPath, '-e', flood], path: process.env.PATH, timeoutMs: 20_000, clock: systemClock() },
    faulted: (fault) => {
      faults.push((fault as Error).message);
      ended.resolve();
    },
  });
  signer.open();
  try {
    const asked = signer.ask({ op: 'keys' });
    await assert.rejects(asked, { name: 'SignerUnavailable', message: 'the signer answered what is no answer' });
    await ended.promise;
    assert.equal(faults[0], 'the signer answered what is no answer');
    assert.equal(signer.healthy, false);
    assert.ok(signerLimits.straysMax >= signerLimits.waitingMax, 'answers that come late are not taken for a flood');
  } finally {
    await signer[Symbol.asyncDispose]();
  }
});

test('a key that cannot be put in its place leaves no unfinished file behind', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tollgate-keys-'));
  try {
    const path = join(directory, 'task.json');
    // In place of a full disk: a directory cannot be replaced by a file.
    await mkdir(join(path, 'in the way'), { recursive: true });
    const stored = await makeKey('task', 'gate-1', { createdAtMs: 1, notBeforeMs: null });
    for (const turn of [1, 2]) await assert.rejects(replaceKeyFile(path, `${path}.${turn}.new`, stored));
    assert.deepEqual(await readdir(directory), ['task.json']);
  } finally {
    await rm(directory, { recursive: true });
  }
});
