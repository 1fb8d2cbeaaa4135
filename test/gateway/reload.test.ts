/** A changed configuration comes into force without a dropped request; a wrong one not at all. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { part } from '../parts.ts';
import { chatReply } from './chat.ts';
import { World } from './world.ts';

const options = part('opa');
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface File {
  gateway: Record<string, unknown>;
  limits?: Record<string, unknown>;
  policy: Record<string, unknown>;
  credentials: Record<string, Record<string, unknown>>;
  routes: Record<string, unknown>[];
  [section: string]: unknown;
}

/** Changes the file of the configuration, one key a line, and says so to nobody. */
async function edit(world: World, change: (file: File) => void): Promise<void> {
  const file = JSON.parse(await readFile(world.configFile, 'utf8')) as File;
  change(file);
  await writeFile(world.configFile, JSON.stringify(file, null, 2));
}

const reloads = async (world: World) =>
  (await world.events({ type: 'admin' })).filter(({ operation }) => operation === 'config.reload');

test('[config.reload-drops-nothing] 20 changes under load drop no request, and each is recorded', options, async () => {
  const budget = { calls: 100_000, cost_usd: 1 };
  const world = await World.open({ config: { task: { loop: { repeats: 49 }, budget } } });
  try {
    const task = await world.task({ ttl_seconds: 600 });
    let done = 0;
    let changing = true;
    const client = async () => {
      while (changing || done < 200) {
        const response = await world.fetch(`/tools/orders/orders/O-${done}`, task.token);
        assert.equal(response.status, 200, await response.clone().text());
        await response.text();
        done++;
        await wait(20);
      }
    };
    const clients = Promise.all(Array.from({ length: 6 }, client));
    clients.catch(() => {
      changing = false;
    });
    for (let turn = 1; turn <= 20; turn++) {
      await edit(world, (file) => {
        const orders = file.routes.find(({ name }) => name === 'orders');
        file.routes.push({ ...orders, name: `orders-${turn}` });
        // Other connections, other issuers' keys, other circuits: in turn each part is made anew.
        if (turn % 2 === 0) file.breaker = { volume: 5 + turn };
        if (turn % 3 === 0) file.inspection = { recognizers: turn % 2 === 0 ? ['email'] : ['email', 'card'] };
      });
      const { outcome, faults } = await world.gate.reload('signal');
      // The watch over the file may have been faster.
      assert.ok(outcome === 'applied' || outcome === 'unchanged', `${outcome} ${JSON.stringify(faults)}`);
    }
    changing = false;
    await clients;
    assert.ok(done >= 200, `${done} requests`);
    const fresh = await world.task();
    assert.equal((await world.fetch('/tools/orders-20/orders/O-1', fresh.token)).status, 200);
    const recorded = await reloads(world);
    // The watch may also have found a file that was written by half, and refused it.
    assert.equal(recorded.filter(({ status }) => status === 200).length, 20);
    assert.ok(recorded.filter(({ subject }) => subject?.id === 'signal').length > 10);
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

test(
  '[config.wrong-change-refused] a wrong change is refused with every fault and its line, and nothing changes',
  options,
  async () => {
    const world = await World.open();
    try {
      const task = await world.task();
      await edit(world, (file) => {
        file.limits = { body_bytes: 'many', concurency: 3 };
        file.routes.push({ name: 'more', kind: 'model', targets: 'none' });
      });
      const { outcome, faults } = await world.gate.reload('signal');
      assert.equal(outcome, 'refused');
      assert.ok(faults.length >= 3);
      const logged = world.logs.filter((line) => line.includes('a fault of the changed configuration'));
      assert.equal(logged.length, faults.length);
      for (const pointer of ['/limits/body_bytes', '/limits/concurency', '/routes/2/targets']) {
        assert.ok(
          logged.some((line) => new RegExp(`tollgate\\.yaml:\\d+:\\d+ ${pointer}`).test(line)),
          `${pointer} in\n${logged.join('\n')}`,
        );
      }
      assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
      assert.deepEqual(
        (await reloads(world)).map(({ status }) => status),
        [422],
      );

      await edit(world, (file) => {
        delete file.limits;
        file.routes.pop();
        file.policy.bundle = '.';
      });
      const broken = await world.gate.reload('signal');
      assert.equal(broken.outcome, 'refused');
      assert.equal(broken.faults[0]?.pointer, '/policy/bundle');
      assert.equal((await world.fetch('/tools/orders/orders/O-2', task.token)).status, 200);
    } finally {
      await world[Symbol.asyncDispose]();
    }
  },
);

test(
  'a running stream ends on the configuration that it began with, also when its route is gone',
  options,
  async () => {
    const world = await World.open();
    try {
      const task = await world.task();
      world.model.reply = chatReply({ text: 'one two three four five six', paceMs: 80 });
      const response = await world.chat(task.token, { stream: true });
      const text = response.text();
      await edit(world, (file) => {
        file.routes = file.routes.filter(({ name }) => name !== 'gpt');
      });
      assert.equal((await world.gate.reload('signal')).outcome, 'applied');
      assert.equal((await world.chat(task.token)).status, 404);
      const told = await text;
      assert.match(told, /"content":"six"/);
      assert.match(told, /data: \[DONE\]\n\n$/);
      const [outcome] = await world.events({ task: task.id, operation: 'gpt.chat', type: 'outcome' });
      assert.equal(outcome?.status, 200);
    } finally {
      await world[Symbol.asyncDispose]();
    }
  },
);

test('credentials, budgets and limits of the changed configuration hold for the next call', options, async () => {
  const world = await World.open();
  try {
    await edit(world, (file) => {
      (file.credentials.key as Record<string, unknown>).value = 'another-key';
      file.task = { ...(file.task as object), budget: { calls: 7 } };
      file.limits = { body_bytes: 1024 };
    });
    assert.equal((await world.gate.reload('signal')).outcome, 'applied');
    const task = await world.task();
    assert.equal((await world.taskDocument(task)).budget.limit.calls, 7);
    await world.fetch('/tools/orders/orders/O-1', task.token);
    assert.equal(world.orders.received[0]?.headers['x-service-key'], 'another-key');
    assert.equal((await world.refund(task.token, 1, { note: 'x'.repeat(2000) })).status, 413);
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

test('what needs a restart is named, stays as it is, and does not keep the rest from changing', options, async () => {
  const world = await World.open();
  try {
    await edit(world, (file) => {
      Object.assign(file.gateway, { id: 'another', listen: '127.0.0.1:1', data_dir: './elsewhere' });
      file.limits = { header_bytes: 8192, body_bytes: 2048 };
      file.audit = { sign_every: 7 };
    });
    const { outcome, restart } = await world.gate.reload('signal');
    assert.equal(outcome, 'applied');
    const keys = ['/gateway/id', '/gateway/listen', '/gateway/data_dir', '/audit', '/limits/header_bytes'];
    assert.deepEqual([...restart].sort(), keys.sort());
    assert.ok(world.logs.some((line) => line.includes('need a restart') && keys.every((key) => line.includes(key))));
    const task = await world.task();
    assert.equal((await world.refund(task.token, 1, { note: 'x'.repeat(3000) })).status, 413);
    const [event] = await world.events({ task: task.id });
    assert.equal(event?.gateway, 'gw-test');
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

test('a change of an OpenAPI document is seen without a signal, and only once', options, async () => {
  const world = await World.open();
  try {
    const file = join(dirname(world.configFile), 'orders.json');
    const document = JSON.parse(await readFile(file, 'utf8')) as { paths: Record<string, unknown> };
    document.paths['/stock'] = { get: { operationId: 'get_stock', responses: { 200: { description: 'it' } } } };
    await writeFile(file, JSON.stringify(document));
    const task = await world.task();
    const end = performance.now() + 10_000;
    let status = 0;
    while (status !== 200 && performance.now() < end) {
      await wait(100);
      status = (await world.fetch('/tools/orders/stock', task.token)).status;
    }
    assert.equal(status, 200);
    await wait(2500);
    const recorded = await reloads(world);
    assert.deepEqual(
      recorded.map(({ subject }) => subject?.id),
      ['files'],
    );
  } finally {
    await world[Symbol.asyncDispose]();
  }
});
