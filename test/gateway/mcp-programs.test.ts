/** A server of MCP that the gate starts itself: called like any other, kept over a reload, gone with the gate. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { it } from 'node:test';
import { McpClient } from './mcp-client.ts';
import { World } from './world.ts';

const command = { command: process.execPath, args: [resolve(import.meta.dirname, '../fakes/mcp-program.ts')] };

/** Resolves when no such process is there any more; a second is long. */
async function gone(pid: number): Promise<void> {
  for (let waits = 0; waits < 50; waits++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.fail('the program still runs');
}

it('[upstream.mcp-program-is-confined] a program has nothing of the environment of the gate, outlives a reload, and ends with the gate', async () => {
  const target = { name: 'one', cloud: 'azure', region: 'westeurope', ...command, env: { ONLY: 'this' } };
  const row = { name: 'local', kind: 'mcp', operations: { started_with: { effect: 'read' } }, targets: [target] };
  const world = await World.open({ config: { routes: [row] } });
  let pid = 0;
  try {
    const { token } = await world.task();
    const client = new McpClient(`${world.gate.url}/mcp/local`, token);
    const started = async () => {
      const answer = await client.modern('tools/call', { name: 'started_with', arguments: {} });
      const [{ text }] = answer.result.content as [{ text: string }];
      const events = await world.events({ call: answer.headers.get('x-tollgate-call-id') as string });
      assert.deepEqual([events.at(-1)?.operation, events.at(-1)?.target?.name], ['local.started_with', 'one']);
      return JSON.parse(text) as { env: Record<string, string>; pid: number };
    };
    const first = await started();
    pid = first.pid;
    assert.deepEqual(first.env, { ONLY: 'this', PATH: process.env.PATH });
    await world.change({ config: { routes: [row], limits: { concurrency: 77 } } });
    assert.equal((await started()).pid, pid, 'the reload has not touched it');
    const other = { ...target, env: { ONLY: 'that' } };
    await world.change({ config: { routes: [{ ...row, targets: [other] }], limits: { concurrency: 77 } } });
    const changed = await started();
    assert.equal(changed.env.ONLY, 'that');
    await gone(pid);
    pid = changed.pid;
  } finally {
    await world[Symbol.asyncDispose]();
  }
  await gone(pid);
});
