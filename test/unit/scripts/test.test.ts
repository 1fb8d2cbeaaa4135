/** The test runner on small test files of its own: what it counts, and when it says no. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';

const runner = resolve('scripts/test.ts');
const folder = mkdtempSync(join(tmpdir(), 'tollgate-runner-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let worlds = 0;

/** Runs the runner on `files`; gives its exit code and what it printed, the closing line apart. */
function run(files: Record<string, string>, options: { require?: string; args?: string[] } = {}) {
  const world = join(folder, String(++worlds));
  for (const [name, body] of Object.entries(files)) {
    const path = join(world, name);
    mkdirSync(resolve(path, '..'), { recursive: true });
    writeFileSync(path, `import assert from 'node:assert/strict';\nimport { describe, it } from 'node:test';\n${body}`);
  }
  mkdirSync(world, { recursive: true });
  const env = { ...process.env, TOLLGATE_REQUIRE: options.require };
  const ran = spawnSync(process.execPath, [runner, world, ...(options.args ?? [])], { encoding: 'utf8', env });
  const lines = ran.stdout.trimEnd().split('\n');
  return {
    code: ran.status,
    closing: lines.at(-1),
    text: ran.stdout,
    closings: lines.filter((l) => /^\d+ passed/.test(l)),
  };
}

describe('the test runner', () => {
  it('counts leaf tests in all folders and ends with one closing line', () => {
    const ran = run({
      'a.test.ts': `describe('s', () => { it('one', () => {}); it('two', () => {}); describe('t', () => { it('three', () => {}); }); });`,
      'deep/er/b.test.ts': `it('four', async (t) => { await t.test('five', () => {}); });`,
      'not-a-test.ts': `throw new Error('never run');`,
    });
    assert.equal(ran.closing, '4 passed, 0 failed, 0 skipped', ran.text);
    assert.equal(ran.closings.length, 1);
    assert.equal(ran.code, 0);
  });

  it('prints what failed and why, counts it once, and exits 1', () => {
    const ran = run({
      'a.test.ts': `describe('outer', () => { it('adds', () => assert.equal(1 + 1, 3)); it('is', () => {}); });`,
    });
    assert.equal(ran.closing, '1 passed, 1 failed, 0 skipped', ran.text);
    assert.match(ran.text, /✗ outer › adds/);
    assert.match(ran.text, /2 !== 3/);
    assert.equal(ran.code, 1);
  });

  it('lists skipped tests by name, and fails on them only where everything is required', () => {
    const files = {
      'a.test.ts': `it('runs', () => {}); it('needs it', { skip: 'redis-server is not on this machine' }, () => {}); describe.skip('suite', () => {});`,
    };
    const lenient = run(files);
    assert.equal(lenient.closing, '1 passed, 0 failed, 2 skipped', lenient.text);
    assert.match(lenient.text, /needs it \(redis-server is not on this machine\)/);
    assert.equal(lenient.code, 0);
    assert.equal(run(files, { require: 'all' }).code, 1);
  });

  it('fails when nothing ran', () => {
    const ran = run({});
    assert.equal(ran.closing, '0 passed, 0 failed, 0 skipped');
    assert.equal(ran.code, 1);
  });

  it('fails a file that holds no test, cannot be loaded, or falls over after its tests', () => {
    const ran = run({
      'empty.test.ts': `assert.ok(describe && it);`,
      'broken.test.ts': `import './nowhere.ts'; it('x', () => assert.ok(describe));`,
      'late.test.ts': `it('fine', () => assert.ok(describe)); setTimeout(() => process.exit(3), 1000);`,
    });
    assert.equal(ran.closing, '1 passed, 3 failed, 0 skipped', ran.text);
    assert.equal(ran.code, 1);
  });

  it('ends a file that hangs, and keeps the verdicts it had', () => {
    const ran = run(
      {
        'hang.test.ts': `it('first', () => {}); it('second', async () => { setInterval(() => assert.ok(describe), 1000); await new Promise(() => {}); });`,
      },
      { args: ['--file-timeout-ms', '1500'] },
    );
    assert.equal(ran.closing, '1 passed, 1 failed, 0 skipped', ran.text);
    assert.match(ran.text, /did not end within 1500 ms/);
  });
});
