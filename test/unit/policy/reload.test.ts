import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as realSleep } from 'node:timers/promises';
import type { JsonObject } from '../../../src/call.ts';
import { buildBundle } from '../../../src/policy/build.ts';
import { readSources } from '../../../src/policy/sources.ts';
import { ManualClock } from '../../fakes/clock.ts';
import {
  bundleOf,
  callDocument,
  engineOn,
  opaPath,
  type Running,
  responseDocument,
  taskDocument,
  temporaryFolder,
  writeFiles,
} from './bundles.ts';

/** Lets the gate look at its files, until `condition` holds; compiling takes real time. */
async function until({ clock }: Running, condition: () => boolean): Promise<void> {
  for (let look = 0; look < 400 && !condition(); look++) {
    await clock.advance(1_000);
    await realSleep(10);
  }
  assert.ok(condition(), 'it did not come to pass');
}

const marked = (mark: string): Record<string, string> => {
  const decision = `decision := {"allow": true, "reasons": [{"code": data.tollgate.mark, "message": "${mark}"}]}`;
  return {
    '.manifest': '{"roots": ["tollgate"]}',
    'tollgate/data.yaml': `mark: ${mark}`,
    'tollgate/task/task.rego': `package tollgate.task\n\n${decision}\n`,
    'tollgate/call/call.rego': `package tollgate.call\n\n${decision}\n`,
    'tollgate/response/response.rego': `package tollgate.response\n\n${decision}\n`,
  };
};

/** The marks of all three packages and of their data; one value where all are of one bundle. */
function marks({ engine }: Running): Set<string> {
  const decisions = [
    engine.decideTask(taskDocument() as unknown as JsonObject),
    engine.decideCall(callDocument() as unknown as JsonObject),
    engine.decideResponse(responseDocument() as unknown as JsonObject),
  ];
  return new Set(decisions.flatMap(({ reasons }) => reasons.flatMap(({ code, message }) => [code, message])));
}

async function runningOn(t: TestContext, files: Record<string, string>, changed?: (revision: string) => void) {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, files);
  const running = await engineOn(t, folder, { changed: ({ revision }) => changed?.(revision) });
  await running.engine.open();
  return { folder, running };
}

test('a change of the folder comes into force, in all packages and data at once', async (t) => {
  const revisions: string[] = [];
  const { folder, running } = await runningOn(t, marked('a'), (revision) => revisions.push(revision));
  assert.deepEqual([...marks(running)], ['a']);
  await writeFiles(folder, marked('b'));
  await until(running, () => {
    const seen = [...marks(running)];
    assert.equal(seen.length, 1, `a mix of ${seen}`);
    return seen[0] === 'b';
  });
  assert.equal(revisions.length, 2);
  assert.equal(running.engine.active.revision, revisions[1]);
});

test('a broken change leaves the last good bundle in force, and its repair is taken up', async (t) => {
  const { folder, running } = await runningOn(t, marked('a'));
  const { revision } = running.engine.active;
  await writeFiles(folder, { 'tollgate/call/call.rego': 'package tollgate.call\n\ndecision := {' });
  await until(running, () => running.engine.lastError !== null);
  assert.match(running.engine.lastError ?? '', /OPA refused the policies: .*call\.rego/s);
  assert.deepEqual([...marks(running)], ['a']);
  assert.equal(running.engine.active.revision, revision);
  assert.equal(running.engine.healthy(), true);
  const refusals = () => running.logged.filter(({ level }) => level === 'error').length;
  assert.equal(refusals(), 1);
  await running.clock.advance(5_000);
  await realSleep(20);
  await running.clock.advance(5_000);
  assert.equal(refusals(), 1, 'one broken change is reported once');
  await writeFiles(folder, marked('c'));
  await until(running, () => marks(running).has('c'));
  assert.equal(running.engine.lastError, null);
});

test('a change that takes a required package away is refused', async (t) => {
  const { folder, running } = await runningOn(t, marked('a'));
  await writeFiles(folder, { 'tollgate/task/task.rego': 'package tollgate.other\n\nx := 1' });
  await until(running, () => running.engine.lastError !== null);
  assert.match(running.engine.lastError ?? '', /no package tollgate\.task/);
  assert.deepEqual([...marks(running)], ['a']);
});

test('a folder that goes away is reported and the policy stays', async (t) => {
  const { folder, running } = await runningOn(t, marked('a'));
  await rename(folder, `${folder}-away`);
  await until(running, () => running.engine.lastError !== null);
  assert.deepEqual([...marks(running)], ['a']);
  await rename(`${folder}-away`, folder);
});

test('a manifest that keeps its revision does not hide a change', async (t) => {
  const named = { '.manifest': '{"roots": ["tollgate"], "revision": "v1"}' };
  const { folder, running } = await runningOn(t, { ...marked('a'), ...named });
  await writeFiles(folder, { ...marked('b'), ...named });
  await until(running, () => marks(running).has('b'));
  assert.equal(running.engine.active.revision, 'v1');
});

test('a bundle file that is replaced comes into force', async (t) => {
  const dataDir = await temporaryFolder(t);
  const built = async (files: Record<string, string>) => {
    const folder = await temporaryFolder(t);
    await writeFiles(folder, files);
    const { signal } = new AbortController();
    const options = {
      files: await readSources(folder),
      dataDir,
      opa: async () => opaPath(),
      clock: new ManualClock(),
      signal,
    };
    return (await buildBundle(options)).file;
  };
  const file = join(await temporaryFolder(t), 'team.tar.gz');
  await rename(await built(marked('a')), file);
  const running = await engineOn(t, file);
  await running.engine.open();
  assert.deepEqual([...marks(running)], ['a']);
  await rename(await built(marked('b')), file);
  await until(running, () => marks(running).has('b'));
});

test('an engine that is closed looks no more', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, bundleOf('decision := {"allow": true, "reasons": []}'));
  const { engine, clock } = await engineOn(t, folder);
  await engine.open();
  assert.equal(clock.timers, 1);
  await engine[Symbol.asyncDispose]();
  assert.equal(clock.timers, 0);
});
