/** The command as a person runs it: what it prints, and with which code it exits. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { part, partPath } from '../../parts.ts';

const root = resolve(import.meta.dirname, '../../..');
let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tollgate-cli-'));
});
after(() => rm(directory, { recursive: true }));

// Not bin/tollgate.js: that one installs packages where they do not fit the lock file, which no test may do.
async function tollgate(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, TOLLGATE_OPA: partPath('opa') ?? '' };
  const child = spawn(process.execPath, [join(root, 'src/cli/main.ts'), ...argv], { env, cwd: directory });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, err };
}

async function fileOf(name: string, text: string): Promise<string> {
  await writeFile(join(directory, name), text);
  return join(directory, name);
}

test('--help names every command, the first steps and the exit codes, and each command has a help of its own', async () => {
  const { code, out, err } = await tollgate('--help');
  assert.deepEqual([code, err], [0, '']);
  const commands = [
    ...[['start'], ['check'], ['audit', 'verify'], ['task', 'ls'], ['task', 'show'], ['task', 'kill']],
    ...[
      ['agent', 'suspend'],
      ['agent', 'resume'],
      ['agent', 'ls'],
      ['keys', 'ls'],
      ['keys', 'rotate'],
      ['policy', 'replay'],
      ['policy', 'suggest'],
    ],
  ];
  for (const text of [...commands.map((words) => words.join(' ')), 'First steps', 'Exit codes'])
    assert.ok(out.includes(text), text);
  const helps = await Promise.all(commands.map((command) => tollgate(...command, '--help')));
  for (const [index, help] of helps.entries()) {
    assert.equal(help.code, 0);
    assert.match(help.out, new RegExp(`^usage: tollgate ${commands[index]?.join(' ')}`));
  }
});

test('without a command, with an unknown one, or called wrongly it exits 2 and shows how it is called', async () => {
  assert.equal((await tollgate()).code, 2);
  const unknown = await tollgate('fly');
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /there is no command fly[\s\S]*usage: tollgate/);
  const wrong = [
    ['check'],
    ['start'],
    ['check', '--nonsense', 'x'],
    ['audit', 'verify'],
    ['audit', 'verify', 'a.ndjson'],
  ];
  for (const { code, err } of await Promise.all(wrong.map((argv) => tollgate(...argv)))) {
    assert.equal(code, 2, err);
    assert.match(err, /usage: tollgate/);
  }
});

test('check lists every fault with its place and exits 1, and says what is in a good file and exits 0', async () => {
  const bad = await fileOf('bad.yaml', 'gateway:\n  idd: x\npolicy: { bundle: ./p }\nlimits: { stage_ms: 1 }\n');
  const refused = await tollgate('check', '--config', bad);
  assert.equal(refused.code, 1);
  assert.match(refused.out, /bad\.yaml:2:3 \/gateway\/idd: unknown key idd; did you mean id\?\n/);
  assert.match(refused.out, /bad\.yaml:4:11 \/limits\/stage_ms: must be >= 50, found 1\n/);
  assert.match(refused.out, /bad\.yaml: 2 faults\n$/);
  const good = await tollgate('check', '--config', await fileOf('good.yaml', 'policy: { bundle: ./p }\n'));
  assert.deepEqual([good.code, good.err], [0, '']);
  assert.match(good.out, /good\.yaml: good \(0 routes, 0 operations, 0 issuers\)/);
  const gone = await tollgate('check', '--config', 'gone.yaml');
  assert.equal(gone.code, 1);
  assert.match(gone.out, /gone\.yaml the file cannot be read/);
});

test('start with faults in the file starts nothing, lists them and exits 1', async () => {
  const file = await fileOf('faulty.yaml', 'policy: { bundle: ./p }\nlimitz: {}\n');
  const { code, err, out } = await tollgate('start', '--config', file);
  assert.deepEqual([code, out], [1, '']);
  assert.match(
    err,
    /faulty\.yaml:2:1 \/limitz: unknown key limitz; did you mean limits\?\n.*1 fault; the gate was not started/,
  );
});

test('start on a taken port says which, and how to choose another', part('opa'), async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const taken = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const policy = join(root, 'test/fixtures/policy');
  const config = { gateway: { listen: taken, admin: '127.0.0.1:0', data_dir: './taken' }, policy: { bundle: policy } };
  const { code, err } = await tollgate('start', '--config', await fileOf('taken.json', JSON.stringify(config)));
  server.close();
  assert.equal(code, 1);
  assert.match(err, new RegExp(`${taken} is already in use; choose another with gateway\\.listen`));
});

test('audit verify of a folder that holds no trail is no success', async () => {
  const { code, out, err } = await tollgate('audit', 'verify', '--data-dir', directory);
  assert.equal(code, 1);
  assert.ok(out + err !== '');
});
