/** How a gate stops: not ready, nothing new, what runs ends in its own time, and what does not is cut. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { startGateProcess } from './drain-child.ts';
import { World } from './world.ts';

const options = part('opa');
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('[server.drains] a running stream ends in its own time, and nothing new is taken meanwhile', options, async () => {
  const world = await World.open();
  try {
    const task = await world.task();
    world.model.reply = chatReply({ text: 'one two three four five', paceMs: 60 });
    const response = await world.chat(task.token, { stream: true });
    const text = response.text();
    await wait(60);
    const begun = performance.now();
    const closed = world.gate.close();
    await wait(20);
    const ready = await fetch(`${world.gate.url}/readyz`, { headers: { connection: 'close' } });
    assert.equal(ready.status, 503);
    assert.equal(((await ready.json()) as { status: string }).status, 'draining');
    assert.equal((await fetch(`${world.gate.url}/livez`)).status, 200);
    const refused = await world.chat(task.token);
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get('connection'), 'close');
    assert.match(await refused.text(), /gateway_stopping/);
    const told = await text;
    assert.match(told, /"content":"five"/);
    assert.match(told, /data: \[DONE\]\n\n$/);
    await closed;
    await assert.rejects(fetch(`${world.gate.url}/readyz`), 'nobody listens any more');
    assert.ok(performance.now() - begun < 3000, 'its client kept the connection alive; the gate did not wait for that');
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

test(
  'a stream that does not end within the drain is cut with an error frame, settled and recorded',
  options,
  async () => {
    const world = await World.open({ config: { limits: { drain_ms: 150 } } });
    try {
      const task = await world.task();
      world.model.reply = chatReply({ text: 'word '.repeat(500), paceMs: 20 });
      const response = await world.chat(task.token, { stream: true });
      const text = response.text().catch((error: Error) => error.message);
      await wait(60);
      const start = performance.now();
      await world.gate.close();
      assert.ok(performance.now() - start < 1500);
      assert.match(await text, /"code":"upstream_error"/);
    } finally {
      await world[Symbol.asyncDispose]();
    }
  },
);

/** A world whose configuration a process of its own runs on, on ports of its own. */
async function inItsOwnProcess(limits: Record<string, unknown>) {
  const world = await World.open({ config: { limits } });
  const config = JSON.parse(await readFile(world.configFile, 'utf8')) as { gateway: object; policy: object };
  const file = join(dirname(world.configFile), 'other.json');
  await writeFile(file, JSON.stringify({ ...config, gateway: { ...config.gateway, data_dir: './other' } }));
  const gate = await startGateProcess(file);
  const opened = await fetch(`${gate.url}/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.issuer.token('coordinator')}` },
    body: JSON.stringify({ purpose: 'test' }),
  });
  const { task_token: token } = (await opened.json()) as { task_token: string };
  const stream = () =>
    fetch(`${gate.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ model: 'gpt', max_tokens: 500, stream: true },
        messages: [{ role: 'user', content: 'hello' }],
      }),
    });
  return { world, gate, stream };
}

test(
  'SIGTERM: the process is not ready at once, its stream ends in its own time, and it exits 0',
  options,
  async () => {
    const { world, gate, stream } = await inItsOwnProcess({ drain_ms: 8000 });
    try {
      world.model.reply = chatReply({ text: 'one two three four five six seven eight', paceMs: 150 });
      const response = await stream();
      const text = response.text();
      gate.signal('SIGTERM');
      while (!gate.said().includes('draining')) await wait(5);
      const ready = await fetch(`${gate.url}/readyz`);
      assert.equal(ready.status, 503);
      assert.match(await ready.text(), /"status":"draining"/);
      const refused = await stream();
      assert.equal(refused.status, 503);
      await refused.text();
      const told = await text;
      assert.match(told, /"content":"eight"/);
      assert.match(told, /data: \[DONE\]\n\n$/);
      assert.equal(await gate.ended, 0);
    } finally {
      gate.signal('SIGKILL');
      await world[Symbol.asyncDispose]();
    }
  },
);

test(
  'SIGTERM: a stream that outlives drain_ms ends with an error frame, and the process exits 0',
  options,
  async () => {
    const { world, gate, stream } = await inItsOwnProcess({ drain_ms: 300 });
    try {
      world.model.reply = chatReply({ text: 'word '.repeat(500), paceMs: 30 });
      const response = await stream();
      const text = response.text();
      await wait(100);
      const start = performance.now();
      gate.signal('SIGTERM');
      assert.match(await text, /data: \{"error":\{.*"code":"upstream_error"/);
      assert.equal(await gate.ended, 0);
      assert.ok(performance.now() - start < 4000);
    } finally {
      gate.signal('SIGKILL');
      await world[Symbol.asyncDispose]();
    }
  },
);

test('SIGHUP puts the changed file in force, and the process goes on', options, async () => {
  const { world, gate } = await inItsOwnProcess({});
  try {
    const file = join(dirname(world.configFile), 'other.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as { limits: object };
    await writeFile(file, JSON.stringify({ ...config, limits: { body_bytes: 2048 } }));
    gate.signal('SIGHUP');
    while (!gate.said().includes('the changed configuration is in force')) await wait(10);
    assert.equal((await fetch(`${gate.url}/tasks`, { method: 'POST', body: 'x'.repeat(3000) })).status, 413);
    gate.signal('SIGTERM');
    assert.equal(await gate.ended, 0);
  } finally {
    gate.signal('SIGKILL');
    await world[Symbol.asyncDispose]();
  }
});
