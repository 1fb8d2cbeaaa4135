/** OPA's reports out of a gate: each decision that counted, under the ids of the trail, and how its bundle stands. */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { LogSink } from '../fakes/log-sink.ts';
import { scrape } from '../fakes/prometheus.ts';
import { part } from '../parts.ts';
import { json } from './check-world.ts';
import { World } from './world.ts';

const mask = `package system.log

mask contains "/input/subject/id"

drop if input.input.call.operation == "orders.get_order"
`;

test(
  '[policy.decision-logs-as-opa] a gate reports what it decided, masked by its bundle, and nothing that was only asked',
  part('opa'),
  async (t) => {
    await using sink = await LogSink.open();
    const bundle = await mkdtemp(join(tmpdir(), 'tollgate-logs-'));
    t.after(() => rm(bundle, { recursive: true, force: true }));
    await cp(resolve(import.meta.dirname, '../fixtures/policy'), bundle, { recursive: true });
    await mkdir(join(bundle, 'system/log'), { recursive: true });
    await writeFile(join(bundle, 'system/log/mask.rego'), mask);
    await writeFile(join(bundle, '.manifest'), JSON.stringify({ roots: ['tollgate', 'system/log'] }));
    const quick = { min_delay_seconds: 1, max_delay_seconds: 1 };
    await using world = await World.open({
      config: {
        policy: { bundle, decision_logs: { url: sink.logs, ...quick }, status: { url: sink.status } },
      },
    });
    const task = await world.task({ subject: { id: 'anna@example.com', type: 'customer' } });
    const check = {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ calls: [{ method: 'GET', path: '/tools/orders/orders/O-1' }] }),
    };
    assert.equal((await world.fetch(`/tasks/${task.id}/check`, task.token, check)).status, 200);
    assert.equal((await world.fetch('/tools/orders/orders/O-1', task.token)).status, 200);
    assert.equal((await world.refund(task.token, 10)).status, 200);
    assert.equal(world.orders.received.length, 2);

    await sink.until(() => sink.events.length >= 3, 'the opening, the refund, and its answer are reported');
    const paths = sink.events.map(({ path }) => path);
    assert.deepEqual(paths, ['tollgate/task/decision', 'tollgate/call/decision', 'tollgate/response/decision']);
    const [intent] = (await world.events({ type: 'intent' })).filter(({ effect }) => effect === 'write');
    const [, call] = sink.events as {
      decision_id: string;
      trace_id: string;
      input: { subject: object };
      masked: string[];
    }[];
    assert.deepEqual([call?.decision_id, call?.trace_id], [intent?.decision?.id, intent?.trace_id]);
    assert.equal(JSON.stringify(sink.events).includes('anna@'), false);
    const erased = sink.events.map((event) => event.erased);
    assert.deepEqual(erased, [['/input/subject/id'], ['/input/subject/id'], ['/input/subject/id']]);

    await sink.until(() => sink.statuses.length > 0, 'the status');
    const { bundles } = sink.statuses.at(-1) as { bundles: Record<string, { active_revision: string }> };
    assert.deepEqual(
      Object.values(bundles).map((one) => one.active_revision),
      [intent?.decision?.revision],
    );
    const metrics = scrape(await (await world.admin('/metrics')).text());
    assert.equal(metrics.value('tollgate_decision_log_events_total', { outcome: 'sent' }), 3);
  },
);
