/**
 * Chapter 7, the proof: `tollgate audit verify`, the same command an auditor would run, on copies of the trail: one
 * as it is, and one for each attack. What the auditor holds against the last attack was fetched before it.
 */
import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { changeOneByte, copyTrail, deleteLastRow, rebuildAndSign } from '../tamper.ts';
import type { Scene } from './scene.ts';

const chapter = '7 the trail';
const command = fileURLToPath(new URL('../../../bin/tollgate.js', import.meta.url));
const commandTimeoutMs = 60_000;

interface Verdict {
  readonly exit: number;
  readonly said: string;
}

function auditVerify(dataDir: string, ...options: string[]): Promise<Verdict> {
  const args = [command, 'audit', 'verify', '--data-dir', dataDir, ...options];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: commandTimeoutMs }, (error, stdout, stderr) => {
      const exit = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ exit, said: `${stdout}${stderr}`.trim() });
    });
  });
}

export async function verify(scene: Scene): Promise<void> {
  const { story, gate } = scene;
  // Beside the trail, because the copies hold its keys; a run that was broken off may have left some.
  const folder = join(gate.dataDir, 'attacked');
  const copy = async (name: string) => {
    const to = join(folder, name);
    await copyTrail(gate.dataDir, to);
    return to;
  };
  // What a careful auditor keeps somewhere else: the newest signed head, and the keys as they were published.
  const checkpoint = join(folder, 'kept.checkpoint');
  const keys = join(folder, 'kept.jwks.json');

  try {
    await story.step(chapter, 'tollgate audit verify finds the trail good', async (step) => {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const { head } = await scene.admin('/audit/checkpoints');
      await writeFile(checkpoint, `${head.jws}\n`);
      await writeFile(keys, await (await fetch(`${gate.url}/.well-known/jwks.json`)).text());
      const whole = await copy('whole');
      const [alone, held] = await Promise.all([
        auditVerify(whole),
        auditVerify(whole, '--checkpoint', checkpoint, '--keys', keys),
      ]);
      step.equal(alone.exit, 0, `by itself: ${alone.said}`);
      step.equal(held.exit, 0, `against what the auditor kept: ${held.said}`);
      step.note = held.said.split('\n', 1)[0] ?? '';
    });

    await story.step(chapter, 'it finds one changed byte', async (step) => {
      const changed = await copy('changed');
      const seq = changeOneByte(changed);
      const { exit, said } = await auditVerify(changed);
      step.equal(exit, 1, `the exit code: ${said}`);
      step.holds(said.startsWith(`broken at event ${seq}:`), `it names event ${seq}: ${said}`);
      step.note = said.split('\n', 1)[0] ?? '';
    });

    await story.step(chapter, 'it finds a deleted last row', async (step) => {
      const cut = await copy('cut');
      const seq = deleteLastRow(cut);
      const { exit, said } = await auditVerify(cut);
      step.equal(exit, 1, `the exit code: ${said}`);
      step.holds(said.startsWith(`broken at event ${seq}:`), `it names event ${seq}: ${said}`);
      step.note = said.split('\n', 1)[0] ?? '';
    });

    await story.step(chapter, 'it finds a chain rebuilt by the owner of data_dir', async (step) => {
      const rebuilt = await copy('rebuilt');
      await rebuildAndSign(rebuilt);
      const [alone, held] = await Promise.all([
        auditVerify(rebuilt),
        auditVerify(rebuilt, '--checkpoint', checkpoint, '--keys', keys),
      ]);
      // The forgery is perfect in itself; if it were not, the checkpoint would prove nothing.
      step.equal(alone.exit, 0, `by itself: ${alone.said}`);
      step.equal(held.exit, 1, `against what the auditor kept: ${held.said}`);
      // A command that crashed ends with 1 too.
      step.holds(held.said.includes('held checkpoint'), `it names the checkpoint: ${held.said}`);
      step.note = held.said.split('\n', 1)[0] ?? '';
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
