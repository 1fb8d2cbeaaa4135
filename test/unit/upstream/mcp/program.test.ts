/** Servers that are programs of this machine: how they are started, shared, watched over, and ended. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { McpReply, Target } from '../../../../src/call.ts';
import { systemClock } from '../../../../src/clock.ts';
import { ProgramServer } from '../../../../src/upstream/mcp/program.ts';
import { call, client, gate, openGateway, said, targetOf } from './scene.ts';

const tool = (name: string) => ['tools/call', { name, arguments: {} }] as const;
const source = resolve(import.meta.dirname, '../../../fakes/mcp-program.ts');

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waits = 0; waits < 300 && !(await isSo()); waits++) await new Promise((done) => setTimeout(done, 10));
  assert.ok(await isSo());
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a server that is a program', () => {
  const logs: string[] = [];
  const target = targetOf('', { name: 'local' });
  let program: ProgramServer;
  let gateway: Awaited<ReturnType<typeof openGateway>>;
  const made = (args: readonly string[] = [source, 'an argument']) =>
    new ProgramServer(
      { command: process.execPath, args, env: { ONLY: 'this' }, cwd: tmpdir() },
      {
        ...{ clock: systemClock(), name: 'files/local', path: '/usr/bin:/bin', info: gate },
        log: (_level, message, fields) => void logs.push(`${message} ${JSON.stringify(fields)}`),
      },
    );
  before(async () => {
    program = made();
    gateway = await openGateway([target], undefined, [[target, program]]);
  });
  after(async () => {
    await gateway[Symbol.asyncDispose]();
    await program[Symbol.asyncDispose]();
  });
  const attempt = async (name: string, who = client('2025-11-25'), given = call(...tool(name), who.conversation)) =>
    said(await gateway.servers.attempt(given, target as Target));

  it('is started with its own environment and PATH, and nothing of the gate', async () => {
    const { text = '', attempt: tried } = await attempt('started_with');
    const started = JSON.parse(text) as { env: object; args: string[]; cwd: string };
    assert.deepEqual(started.env, { ONLY: 'this', PATH: '/usr/bin:/bin' });
    assert.deepEqual(started.args, ['an argument']);
    assert.deepEqual([tried.status, tried.sent, tried.error], [200, true, null]);
    await until(() => logs.some((line) => line.includes('it was asked what it was started with')));
  });

  it('offers what it lists, and says when that changes', async () => {
    const tools = await gateway.servers.listTools(target, new AbortController().signal);
    assert.ok(tools.some(({ name }) => name === 'ask'));
    const changed: string[] = [];
    gateway.servers.tellOfChanges((_target, method) => void changed.push(method));
    await attempt('change');
    await until(() => changed.includes('notifications/tools/list_changed'));
  });

  it('asks and tells a client only while no other call is under way', async () => {
    const fill = (): McpReply => ({ result: { action: 'accept', content: {} } });
    const able = client('2025-11-25', { elicitation: {} }, fill);
    assert.equal((await attempt('ask', able)).text, 'accept');
    await attempt('progress', able);
    await until(() => able.told.length === 2);
    assert.deepEqual(
      able.told.map(({ method }) => method),
      ['notifications/progress', 'notifications/message'],
    );
    const other = client('2025-11-25');
    const waiting = call(...tool('wait'), other.conversation);
    const waited = attempt('wait', other, waiting);
    const refused = await attempt('ask', able);
    assert.match(JSON.stringify(refused), /No one client can be asked/);
    assert.equal(able.asked.length, 1);
    waiting.abort.abort();
    assert.equal((await waited).attempt.error, 'aborted');
    await until(() => logs.some((line) => line.includes('it waits no more')));
  });

  it('that falls over fails the calls under way, and is begun again after a while', async () => {
    const fallen = await attempt('fall_over');
    assert.equal(fallen.denial?.code, 'upstream_error');
    assert.equal(fallen.attempt.sent, true);
    const soon = await attempt('progress');
    assert.equal(soon.denial?.code, 'upstream_unavailable');
    assert.equal(soon.attempt.sent, false);
    await until(async () => (await attempt('progress')).text === 'done');
    assert.ok(logs.some((line) => line.startsWith('a program has ended') && line.includes('exit code 3')));
  });

  it('ends with the gate', async () => {
    const { pid } = JSON.parse((await attempt('started_with')).text ?? '') as { pid: number };
    assert.ok(isRunning(pid));
    await program[Symbol.asyncDispose]();
    assert.ok(!isRunning(pid));
    assert.equal((await attempt('progress')).denial?.code, 'upstream_unavailable');
  });

  it('that is none, or cannot be started, is denied', async () => {
    for (const args of [['-e', 'process.exit(1)'], ['--no-such-flag']]) {
      await using broken = made(args);
      await using other = await openGateway([target], undefined, [[target, broken]]);
      const denied = await said(
        await other.servers.attempt(call(...tool('x'), client('2025-11-25').conversation), target),
      );
      assert.equal(denied.denial?.code, 'upstream_unavailable');
    }
  });
});
