/** `tollgate tools ls|call` against a gate that is up: what they print, what the service received, and what is recorded. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Usage } from '../../src/cli/command.ts';
import { toolsCall } from '../../src/cli/tools-call.ts';
import { toolsLs } from '../../src/cli/tools-ls.ts';
import { part } from '../parts.ts';
import { World } from './world.ts';

const commandLine = resolve(import.meta.dirname, '../../src/cli/main.ts');

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** As a person starts it. */
async function started(argv: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, [commandLine, ...argv]);
  const said = { out: '', err: '' };
  for (const [name, stream] of [['out', child.stdout] as const, ['err', child.stderr] as const]) {
    stream.on('data', (chunk) => {
      said[name] += chunk;
    });
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...said };
}

/** The same command in this process, which costs no start. */
async function tollgate([, word, ...argv]: readonly string[]): Promise<Ran> {
  const said = { out: '', err: '' };
  const surroundings = {
    env: {},
    out: (text: string) => {
      said.out += text;
    },
    err: (text: string) => {
      said.err += text;
    },
  };
  try {
    return { code: await (word === 'ls' ? toolsLs : toolsCall).run(argv, surroundings), ...said };
  } catch (fault) {
    return { code: fault instanceof Usage ? 2 : 1, out: said.out, err: `${said.err}${(fault as Error).message}` };
  }
}

describe('tools from the command line', part('opa'), () => {
  let world: World;
  let directory = '';
  before(async () => {
    world = await World.open();
    directory = await mkdtemp(join(tmpdir(), 'tollgate-tools-'));
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    if (directory !== '') await rm(directory, { recursive: true });
  });

  const to = () => ['--admin-url', world.gate.adminUrl, '--token-file', world.gate.adminTokenFile];

  test('[cli.tools] tools are listed for people and for a task, and called with the checks that an agent has', async () => {
    const listed = await started(['tools', 'ls', '--route', 'orders', ...to()]);
    assert.equal(listed.code, 0, listed.err);
    const rows = listed.out
      .trim()
      .split('\n')
      .map((line) =>
        line
          .split(/\s{2,}/)
          .slice(0, 3)
          .join(' '),
      );
    assert.deepEqual(rows, [
      'OPERATION KIND EFFECT',
      ...['orders.get_order tool read', 'orders.delete_order tool delete', 'orders.create_refund tool write'],
    ]);
    assert.equal((await tollgate(['tools', 'ls', '--route', 'none', ...to()])).code, 1);

    const token = join(directory, 'task-token');
    const task = await world.task({ tools: ['orders.get_order', 'orders.create_refund'], labels: { sum_limit: '50' } });
    await writeFile(token, task.token);
    const asTask = ['--url', world.gate.url, '--task-token-file', token];
    const own = await tollgate(['tools', 'ls', ...asTask]);
    assert.deepEqual(
      own.out
        .trim()
        .split('\n')
        .map((line) =>
          line
            .split(/\s{2,}/)
            .slice(0, 2)
            .join(' '),
        ),
      ['TOOL EFFECT', 'orders__create_refund write', 'orders__get_order read'],
      own.err,
    );
    world.orders.received.length = 0;
    const refund = (cents: unknown, ...more: string[]) =>
      tollgate([
        ...['tools', 'call', 'orders.create_refund', '--args', JSON.stringify({ body: { amount_cents: cents } })],
        ...[...asTask, ...more],
      ]);
    const made = await refund(40, '--idempotency-key', 'k1');
    assert.deepEqual([made.code, made.out.trim()], [0, '{}'], made.err);
    assert.match(made.err, new RegExp(`call call_\\w+ of task ${task.id}`));
    assert.match((await refund(40, '--idempotency-key', 'k1')).err, /a repeat: nothing was sent/);
    const denied = await refund(41);
    assert.deepEqual([denied.code, denied.out], [1, '']);
    assert.match(denied.err, /policy_denied: .*\n?.*over the limit/);
    const wrong = await refund('many');
    assert.match(wrong.err, /args_invalid: [\s\S]*amount_cents/);
    assert.equal(world.orders.received.length, 1);
    const codes = (await world.events({ task: task.id, type: 'denial' })).map(
      ({ decision }) => decision?.reasons[0]?.code,
    );
    assert.deepEqual(codes, ['policy_denied', 'args_invalid']);

    const workload = join(directory, 'workload-token');
    await writeFile(workload, world.issuer.token('coordinator'));
    const args = join(directory, 'args.json');
    await writeFile(args, JSON.stringify({ path: { order_id: 'O-1' } }));
    const asAgent = ['--url', world.gate.url, '--workload-token-file', workload, '--purpose', 'test'];
    const read = await tollgate(['tools', 'call', 'orders.get_order', '--args', `@${args}`, ...asAgent]);
    assert.equal(read.code, 0, read.err);
    assert.equal(world.orders.received.at(-1)?.url, '/orders/O-1');
    const opened = /of task (task_\w+)/.exec(read.err)?.[1] as string;
    assert.deepEqual(
      (await world.events({ task: opened, type: 'task' })).map(({ operation }) => operation),
      ['task.create', 'task.complete'],
    );
    assert.equal((await tollgate(['tools', 'call', 'get_order', ...asTask])).code, 2);
    assert.equal((await tollgate(['tools', 'call', 'orders.get_order', '--args', '[1]', ...asTask])).code, 2);
    assert.equal(
      (await tollgate(['tools', 'call', 'orders.get_order', '--url', 'http://gate.example', ...asTask.slice(2)])).code,
      2,
    );
  });
});
