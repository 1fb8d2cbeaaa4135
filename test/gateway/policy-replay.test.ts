/** `tollgate policy replay` and `suggest` over the trail of a gate: while it is up, and after it has stopped. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import type { Suggestion } from '../../src/policy/replay/suggestion.ts';
import { part, partPath } from '../parts.ts';
import { type OpenedTask, World } from './world.ts';

const commandLine = resolve(import.meta.dirname, '../../src/cli/main.ts');
const active = resolve(import.meta.dirname, '../fixtures/policy');
const shipped = resolve(import.meta.dirname, '../../policies');

async function tollgate(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { ...process.env, TOLLGATE_OPA: partPath('opa') ?? '' };
  const child = spawn(process.execPath, [commandLine, 'policy', ...argv], { env });
  const said = { out: '', err: '' };
  for (const [name, stream] of [['out', child.stdout] as const, ['err', child.stderr] as const]) {
    stream.on('data', (chunk) => {
      said[name] += chunk;
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...said };
}

interface Report {
  readonly decided_calls: number;
  readonly decided_tasks: number;
  readonly decided_answers: number;
  readonly changed: number;
  readonly by_change: readonly { name: string; count: number }[];
  readonly groups: readonly {
    rules: string[];
    agent: string;
    operation: string;
    examples: { call: string; task: string }[];
  }[];
  readonly same_revision: { readonly decided: number; readonly changed: number };
  readonly uncertain: { readonly redacted: { decided: number }; readonly not_recorded: number };
}

describe('policies over the trail of a gate', part('opa'), () => {
  let world: World;
  let folder = '';
  const tasks: OpenedTask[] = [];
  let overLimit = '';
  before(async () => {
    world = await World.open();
    folder = await mkdtemp(join(tmpdir(), 'tollgate-replay-'));
    for (let index = 0; index < 6; index++) {
      const task = await world.task({
        subject: { id: `C-${index}`, type: 'customer' },
        labels: { sum_limit: '500', deny: 'orders.delete_order' },
      });
      tasks.push(task);
      await world.fetch(`/tools/orders/orders/C-${index}`, task.token);
      await world.fetch(`/tools/orders/orders/C-${index}`, task.token, { method: 'DELETE' });
      assert.equal((await world.refund(task.token, 100 + index, { note: 'as agreed' })).status, 200);
      assert.equal((await world.refund(task.token, 200)).status, 200);
      await (await world.chat(task.token, { max_tokens: 60 + index })).text();
    }
    const [first] = tasks as [OpenedTask];
    const refused = await world.refund(first.token, 450);
    assert.equal(refused.status, 403);
    overLimit = refused.headers.get('x-tollgate-call-id') ?? '';
    await world.refund(first.token, 1, { note: 'mail jane@example.com' });
    await world.task({ purpose: 'forbidden' });
    await world.events({ limit: '1' });
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    if (folder !== '') await rm(folder, { recursive: true });
  });

  const candidate = async (name: string, change: (text: string) => string): Promise<string> => {
    const path = join(folder, name);
    await cp(active, path, { recursive: true });
    const rules = join(path, 'tollgate/call/decision.rego');
    await writeFile(rules, change(await readFile(rules, 'utf8')));
    return path;
  };
  const replay = async (bundle: string, ...more: string[]): Promise<Report> => {
    const { code, out, err } = await tollgate(
      'replay',
      '--bundle',
      bundle,
      '--config',
      world.configFile,
      '--json',
      ...more,
    );
    assert.deepEqual([code, err], [0, '']);
    return JSON.parse(out) as Report;
  };

  test('the policies in force change nothing of what they decided', async () => {
    const report = await replay(active, '--fail-on-change');
    // Six tasks of five calls, one over the limit, one with an address; all that were not refused were answered.
    assert.deepEqual([report.decided_calls, report.decided_tasks, report.changed], [32, 6, 0]);
    assert.equal(report.decided_answers, 25);
    assert.deepEqual([report.uncertain.redacted.decided, report.uncertain.not_recorded], [2, 1]);
    assert.deepEqual(report.same_revision, { decided: 61, changed: 0 });
  });

  test('a candidate that lets one refund through is shown with that one call', async () => {
    const bundle = await candidate('laxer', (text) =>
      text.replace('spent + amount > limit', 'spent + amount > limit + 300'),
    );
    const report = await replay(bundle);
    assert.deepEqual(report.by_change, [{ name: 'deny_to_allow', count: 1 }]);
    const [group] = report.groups;
    assert.deepEqual(
      [group?.rules, group?.agent, group?.operation, group?.examples.map(({ call, task }) => [call, task])],
      [['sum_over_limit'], 'azure/coordinator', 'orders.create_refund', [[overLimit, tasks[0]?.id]]],
    );
  });

  test('people read what changes, by which rule, and what is uncertain; a pipeline can stop at it', async () => {
    const bundle = await candidate(
      'stricter',
      (text) =>
        `${text}\ndeny contains {"code": "no_models", "message": "Think for yourself."} if input.call.kind == "model"\n`,
    );
    const argv = ['replay', '--bundle', bundle, '--since', '1h', '--config', world.configFile];
    const { code, out } = await tollgate(...argv);
    assert.equal(code, 0);
    assert.match(out, /over the last 1h: 32 calls, 25 answers and 6 tasks decided again\n6 would change\n/);
    assert.match(out, /^6 +allowed, would be denied +no_models +azure\/coordinator +gpt\.chat$/m);
    assert.equal([...out.matchAll(/^no_models +call_\w+ +task_\w+ +20\S+Z/gm)].length, 3, out);
    assert.match(out, /2 were decided on redacted values: 0 of them change/);
    assert.match(out, /1 have no recorded input/);
    assert.equal((await tollgate(...argv, '--fail-on-change')).code, 1);
  });

  test('a bundle that does not compile, no trail, and a wrong call are refused', async () => {
    const broken = await candidate('broken', (text) => `${text}\nthis is no rego`);
    const refused = await tollgate('replay', '--bundle', broken, '--config', world.configFile);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /OPA refused the policies: .*rego_parse_error/s);
    const nowhere = await tollgate('replay', '--bundle', active, '--data-dir', join(folder, 'nowhere'));
    assert.deepEqual([nowhere.code, nowhere.out], [1, '']);
    assert.match(nowhere.err, /there is no audit trail in /);
    const wrong = [
      ['replay', '--config', world.configFile],
      ['replay', '--bundle', active],
      ['replay', '--bundle', active, '--config', world.configFile, '--data-dir', folder],
      ['replay', '--bundle', active, '--config', world.configFile, '--since', 'yesterday'],
      ['replay', '--bundle', join(folder, 'none'), '--config', world.configFile],
      ['suggest', '--config', world.configFile],
    ];
    const ran = await Promise.all(wrong.map((argv) => tollgate(...argv)));
    assert.deepEqual(
      ran.map(({ code }) => code),
      [2, 2, 2, 2, 2, 2],
    );
  });

  test('[policy.suggest-least-toolset] what a purpose used comes out as its data, and the shipped rules let exactly that through', async () => {
    const argv = ['suggest', '--purpose', 'test', '--config', world.configFile];
    const { code, out, err } = await tollgate(...argv);
    assert.deepEqual([code, err], [0, '']);
    const { test: proposed } = parse(out) as Record<string, Record<string, unknown>>;
    assert.deepEqual(proposed?.issuers, ['azure']);
    assert.deepEqual(proposed?.agents, ['coordinator']);
    assert.deepEqual(proposed?.subject, { types: ['customer'], asserted_by: ['coordinator'] });
    assert.deepEqual(proposed?.task, { ttl_seconds: 60, budget: { calls: 5 } });
    assert.deepEqual([proposed?.regions, proposed?.same_subject], [['westeurope'], ['order_id']]);
    assert.deepEqual(proposed?.operations, {
      'gpt.chat': { effects: ['write'], max_tokens: 65, tool_kinds: [] },
      'orders.create_refund': {
        effects: ['write'],
        limits: [{ name: 'amount_cents', argument: 'body.amount_cents', unit: 'cents', each: 200, task_sum: 305 }],
      },
      'orders.get_order': { effects: ['read'], subject_at: ['path.order_id'] },
    });
    assert.match(out, /^# Only ever refused, and not proposed: orders\.delete_order 6$/m);
    assert.match(out, /^ {4}orders\.create_refund: # 13 calls in 6 tasks, 1 refused$/m);
    const gathered = JSON.parse((await tollgate(...argv, '--json')).out) as Suggestion;
    assert.deepEqual(gathered.per_task.calls, { p50: 4, p99: 5, max: 5 });
    assert.equal(gathered.never_used, null);

    const bundle = join(folder, 'proposed');
    await cp(shipped, bundle, { recursive: true });
    await writeFile(join(bundle, 'tollgate/purposes/data.yaml'), out);
    const report = await replay(bundle);
    assert.deepEqual(
      report.by_change.filter(({ name }) => name.endsWith('_to_deny') || name.startsWith('deny_to')),
      [],
      JSON.stringify(report.groups),
    );
    const narrower = join(folder, 'narrower');
    await cp(bundle, narrower, { recursive: true });
    await writeFile(join(narrower, 'tollgate/purposes/data.yaml'), out.replace('each: 200', 'each: 199'));
    const denied = (await replay(narrower)).by_change.find(({ name }) => name === 'allow_to_deny');
    assert.equal(denied?.count, 6);
    // With its own proposal as the policy in force, nothing is left that was never used.
    const again = await tollgate(...argv, '--bundle', bundle);
    assert.match(again.out, /^# Everything the purpose allows now was used\.$/m);
  });

  test('too little to propose anything is said, with the purposes that there are', async () => {
    const { code, out, err } = await tollgate('suggest', '--purpose', 'holiday', '--config', world.configFile);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /holiday: the trail holds 0 calls that were sent, in 0 tasks\. .* 20 calls in 5 tasks/);
    assert.match(err, /Purposes in this time: test \(32 calls\)\.\n$/);
  });

  test('after the gate has stopped, the copy of its data folder tells the same', async () => {
    await world.gate.close();
    const copy = join(folder, 'copy');
    await cp(world.gate.dataDir, copy, { recursive: true });
    const { code, out } = await tollgate('replay', '--bundle', active, '--data-dir', copy, '--json');
    assert.equal(code, 0);
    const report = JSON.parse(out) as Report;
    assert.deepEqual([report.decided_calls, report.decided_tasks, report.changed], [32, 6, 0]);
  });
});
