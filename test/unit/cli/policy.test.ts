/** The `policy` commands as a person runs them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { readBundle } from '../../../src/policy/bundle.ts';
import { part, partPath } from '../../parts.ts';
import { bundleOf, writeFiles } from '../policy/bundles.ts';

const root = resolve(import.meta.dirname, '../../..');
let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tollgate-cli-policy-'));
});
after(() => rm(directory, { recursive: true }));

async function policy(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, TOLLGATE_OPA: partPath('opa') ?? '' };
  const child = spawn(process.execPath, [join(root, 'src/cli/main.ts'), 'policy', ...argv], { env, cwd: directory });
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

async function folderOf(name: string, files: Record<string, string>): Promise<string> {
  await writeFiles(join(directory, name), files);
  return join(directory, name);
}

const call = (
  hour: number,
) => `decision := {"allow": count(deny) == 0, "reasons": [{"code": code, "message": code} | some code in deny]}

deny contains "office_hours" if input.time.hour >= ${hour}`;

test('policy check finds the shipped policies good, and lists every fault with its line', part('opa'), async () => {
  const good = await policy('check', '--bundle', join(root, 'policies'));
  assert.deepEqual([good.code, good.err], [0, '']);
  const bad = await folderOf('faulty', {});
  await cp(join(root, 'policies'), bad, { recursive: true });
  await writeFiles(bad, {
    'tollgate/call/a.rego': 'package tollgate.call\n\ndeny contains "x" if input.call.opration == "a"\n',
    'tollgate/call/b.rego': 'package tollgate.call\n\ndeny contains   "y" if input.call.stream\n',
  });
  const { code, out } = await policy('check', '--bundle', bad);
  assert.equal(code, 1);
  assert.match(out, /^tollgate\/call\/a\.rego:3: .*undefined ref.*opration/m);
  assert.match(out, /^tollgate\/call\/b\.rego:3: not as `opa fmt` writes it/m);
  assert.match(out, /: 2 faults$/m);
  const missing = await policy(
    'check',
    '--bundle',
    await folderOf('half', { 'a.rego': 'package tollgate.task\n\nx := 1\n' }),
  );
  assert.deepEqual([missing.code, /no package tollgate\.call/.test(missing.out)], [1, true]);
});

test('policy check and build tell what compiles and is wrong all the same', part('opa'), async () => {
  const bad = await folderOf('lint', {
    ...bundleOf(call(18)),
    'tollgate/call/d.rego': 'package tollgate.call\n\ndeny contains "d" if input.call.effect == "raed"\n',
    'tollgate/purposes/data.yaml': '# none yet\np:\n  agnts: []\n',
  });
  const checked = await policy('check', '--bundle', bad);
  assert.equal(checked.code, 1);
  assert.match(checked.out, /^tollgate\/call\/d\.rego:3: input\.call\.effect is never "raed"; did you mean read\?$/m);
  assert.match(checked.out, /^tollgate\/purposes\/data\.yaml:3: unknown key agnts; did you mean agents\?$/m);
  const built = await policy('build', '--bundle', bad, '--out', join(directory, 'lint.tar.gz'));
  assert.equal(built.code, 1);
  assert.match(built.out, /^refused: tollgate\/call\/d\.rego:3: /m);
  await assert.rejects(stat(join(directory, 'lint.tar.gz')));
});

test('policy check knows the operations of a configuration', part('opa'), async () => {
  const bundle = await folderOf('named', {
    ...bundleOf(call(18)),
    'tollgate/call/d.rego': 'package tollgate.call\n\ndeny contains "d" if input.call.operation == "gpt.chta"\n',
  });
  const configured = async (unknown: string) => {
    const config = join(directory, `${unknown}.yaml`);
    const target = {
      name: 'one',
      provider: 'openai',
      url: 'https://models.example/v1',
      model: 'm',
      max_output_tokens: 1,
    };
    const price = { input_usd_per_mtok: 1, output_usd_per_mtok: 1 };
    const issuer = { name: 'azure', issuer: 'https://login.example', audiences: ['a'], algorithms: ['ES256'] };
    await writeFile(
      config,
      JSON.stringify({
        gateway: { id: 'g', public_url: 'http://gate.test', trust_domain: 'example.internal', data_dir: './data' },
        policy: { bundle, unknown_operations: unknown },
        issuers: [{ ...issuer, agent: 'claims.sub', tenant: 'claims.tid', cloud: 'azure' }],
        routes: [{ name: 'gpt', kind: 'model', targets: [{ ...target, cloud: 'azure', region: 'eu', price }] }],
      }),
    );
    return policy('check', '--config', config);
  };
  const refused = await configured('refuse');
  assert.equal(refused.code, 1, refused.err);
  assert.match(
    refused.out,
    /^tollgate\/call\/d\.rego:3: there is no operation "gpt\.chta"; did you mean gpt\.chat\?$/m,
  );
  const warned = await configured('warn');
  assert.equal(warned.code, 0);
  assert.match(warned.out, /^warning: tollgate\/call\/d\.rego:3: there is no operation/m);
  assert.equal((await policy('check', '--bundle', bundle)).code, 0);
});

test('policy test counts coverage without the tests, and prints what a failing test printed', part('opa'), async () => {
  const folder = await folderOf('tested', {
    ...bundleOf(call(18)),
    'tollgate/call/call_test.rego':
      'package tollgate.call_test\n\nimport data.tollgate.call\n\ntest_day if call.decision.allow with input as {"time": {"hour": 9}}\n',
  });
  const good = await policy('test', '--bundle', folder);
  assert.equal(good.code, 0, good.err);
  assert.match(good.out, /1 passed, 0 failed, 0 skipped/);
  assert.match(good.out, /^tollgate\/task\/task\.rego +0 % +3$/m);
  assert.doesNotMatch(good.out, /_test\.rego/);
  const little = await policy('test', '--bundle', folder, '--coverage', '95');
  assert.deepEqual([little.code, /less than 95 % is covered/.test(little.out)], [1, true]);
  await writeFiles(folder, {
    'tollgate/call/night_test.rego':
      'package tollgate.call_test\n\ntest_night if {\n\tprint("it is", "late")\n\tfalse\n}\n',
  });
  const failing = await policy('test', '--bundle', folder);
  assert.equal(failing.code, 1);
  assert.match(
    failing.out,
    /^failed: tollgate\/call\/night_test\.rego:3 tollgate\.call_test\.test_night\n {2}it is late$/m,
  );
});

test(
  '[policy.proved-against-opa] policy build proves the shipped policies and gives out a bundle the gate can load',
  part('opa'),
  async () => {
    const file = join(directory, 'shipped.tar.gz');
    const { code, out, err } = await policy(
      'build',
      '--bundle',
      join(root, 'policies'),
      '--out',
      file,
      '--inputs',
      '300',
    );
    assert.equal(code, 0, out + err);
    assert.match(out, /^proved: 900 decisions of the WASM equal those of opa eval \(seed 1\)$/m);
    assert.match(out, /^ {2}tollgate\/call\/subject\.rego:\d+ tollgate\.call\.deny: [1-9]\d*, [1-9]\d*$/m);
    assert.ok((await readBundle(file)).wasm.length > 0);
  },
);

test('policy build refuses with --strict what never fires, and gives out nothing it refused', part('opa'), async () => {
  const folder = await folderOf('never', bundleOf(call(24)));
  const file = join(directory, 'never.tar.gz');
  const strict = await policy('build', '--bundle', folder, '--out', file, '--inputs', '50', '--strict');
  assert.equal(strict.code, 1);
  assert.match(strict.out, /warning: never_true: tollgate\/call\/call\.rego:5 tollgate\.call\.deny never fired/);
  await assert.rejects(stat(file), { code: 'ENOENT' });
  await writeFile(file, 'the bundle of before');
  const fails = await folderOf('fails', bundleOf(`${call(9)}\n\ndecision := null if input.call.stream`));
  const refused = await policy('build', '--bundle', fails, '--out', file, '--inputs', '50');
  assert.equal(refused.code, 1);
  assert.match(refused.out, /^mismatch: tollgate\.call, input \d+ of seed 1\n {2}input \{/m);
  assert.equal(await readFile(file, 'utf8'), 'the bundle of before');
});

test('policy diff exits 0 for what decides alike, and shows what changes with an example', part('opa'), async () => {
  const [old, next] = [await folderOf('old', bundleOf(call(18))), await folderOf('new', bundleOf(call(17)))];
  const same = await policy('diff', old, old, '--inputs', '60');
  assert.deepEqual([same.code, same.out], [0, 'no change in 120 decisions (seed 1)\n'], same.err);
  const other = await policy('diff', old, next, '--inputs', '60');
  assert.equal(other.code, 1);
  assert.match(
    other.out,
    /: allow → deny, now office_hours, on \d+ inputs\n {2}input \{.*"hour":17.*\n {2}old {3}\{.*\n {2}new {3}\{/,
  );
});

test('called wrongly, the policy commands exit 2', async () => {
  const wrong = [
    ['build', '--bundle', '/nowhere'],
    ['build', '--inputs', 'many'],
    ['diff', 'one'],
    ['test', '--coverage', '101'],
  ];
  for (const { code, err } of await Promise.all(wrong.map((argv) => policy(...argv)))) {
    assert.equal(code, 2, err);
    assert.match(err, /usage: tollgate policy/);
  }
});
