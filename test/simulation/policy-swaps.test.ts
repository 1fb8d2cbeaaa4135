/**
 * Two sets of policies take turns a hundred times while calls are decided. Each set has its mark in three places (the
 * package of calls, a package that it uses, and data), and each decision shows all three: a decision of which one part
 * is old and another new would show two marks. A task goes on under what it was opened under, so that over HTTP a
 * decision may hold the reasons of two sets; within each reason the marks are still of one.
 */
import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../../src/call.ts';
import { World } from '../gateway/world.ts';
import { part } from '../parts.ts';
import { callDocument, engineOn, runOpa, temporaryFolder, writeFiles } from '../unit/policy/bundles.ts';
import { markOf, serverOf, until } from '../unit/policy/served.ts';

const swaps = 100;
/** Of an engine by itself, whose every decision is looked at. */
const fewer = 12;
const marks = ['a', 'b'] as const;
/** So much data that it is set in another thread. */
const rows = 6_000;
const whole = /^(?:a_a_a|b_b_b)$/;
const clients = 2;
const callsPerTask = 12;

/** The policies of one mark, as a server would have them. Orders whose number ends with 7 are refused. */
async function marked(t: TestContext, mark: string): Promise<Buffer> {
  const folder = await temporaryFolder(t);
  const many = Object.fromEntries(Array.from({ length: rows }, (_, index) => [`customer-${index}`, { limit: index }]));
  await writeFiles(join(folder, 'sources'), {
    '.manifest': JSON.stringify({ roots: ['tollgate'], revision: mark }),
    'tollgate/data.json': JSON.stringify({ mark, customers: many }),
    'tollgate/task/decision.rego': 'package tollgate.task\n\ndecision := {"allow": true, "reasons": []}\n',
    'tollgate/lib/mark.rego': `package tollgate.lib\n\nmark := "${mark}"\n`,
    'tollgate/call/decision.rego': `package tollgate.call

import data.tollgate.lib

default allow := true

allow := false if endswith(input.call.path, "7")

code := concat("_", ["${mark}", lib.mark, data.tollgate.mark])

decision := {"allow": allow, "reasons": [{"code": code, "message": "The marks of what decided."}]}
`,
  });
  const named = ['task', 'call'].flatMap((name) => ['-e', `tollgate/${name}/decision`]);
  await runOpa(
    ['build', '-t', 'wasm', '-O', '0', '-b', '.', '-o', join(folder, 'b.tar.gz'), ...named],
    join(folder, 'sources'),
  );
  return readFile(join(folder, 'b.tar.gz'));
}

test(
  `[policy.one-revision-a-decision] ${fewer} swaps under one engine that decides all the time`,
  part('opa'),
  async (t) => {
    const bundles = await Promise.all(marks.map((mark) => marked(t, mark)));
    const folder = await temporaryFolder(t);
    const file = join(folder, 'team.tar.gz');
    const place = async (index: number) => {
      await writeFile(join(folder, 'new'), bundles[index % 2] as Buffer);
      await rename(join(folder, 'new'), file);
    };
    await place(0);
    const running = await engineOn(t, file);
    await running.engine.open();
    const input = callDocument() as unknown as JsonObject;
    const seen = new Map<string, number>();
    let swapping = true;
    const decide = () => {
      const [reason] = running.engine.decideCall(input).reasons;
      seen.set(reason?.code ?? 'none', (seen.get(reason?.code ?? 'none') ?? 0) + 1);
      if (swapping) setImmediate(decide);
    };
    setImmediate(decide);
    t.after(() => {
      swapping = false;
    });
    for (let swap = 1; swap <= fewer; swap++) {
      await place(swap);
      const mark = marks[swap % 2];
      await until(running, () => markOf(running) === `${mark}_${mark}_${mark}`, `swap ${swap}`);
    }
    swapping = false;
    const inForce = running.logged.filter(({ message }) => message === 'policy bundle in force');
    assert.equal(inForce.length, fewer + 1);
    assert.deepEqual([...seen.keys()].toSorted(), ['a_a_a', 'b_b_b']);
    for (const [code, times] of seen) assert.ok(times > fewer, `${code}: ${times}`);
    assert.deepEqual(
      running.logged.filter(({ level }) => level !== 'info'),
      [],
    );
  },
);

test(
  `${swaps} swaps under a gate that is called all the time: no call fails for it, and none is decided by a mixture`,
  part('opa'),
  async (t) => {
    const bundles = await Promise.all(marks.map((mark) => marked(t, mark)));
    const server = await serverOf(t, bundles[0] as Buffer, true);
    const world = await World.open({
      config: {
        policy: {
          bundle: `${server.url}/team.tar.gz`,
          fetch: { long_poll_seconds: 30, min_delay_seconds: 1, max_delay_seconds: 1 },
        },
        task: { loop: { repeats: 49 }, budget: { calls: 100_000, cost_usd: 1 } },
      },
    });
    t.after(() => world[Symbol.asyncDispose]());
    const seen = new Set<string>();
    const note = (reasons: readonly { code: string }[]) => {
      for (const { code } of reasons) {
        seen.add(code);
        assert.match(code, whole);
      }
    };
    let swapping = true;
    let asked = 0;
    let sent = 0;
    const tasks: string[] = [];
    const client = async () => {
      while (swapping) {
        const task = await world.task();
        assert.equal(task.status, 201, JSON.stringify(task.body));
        tasks.push(task.id);
        for (let call = 0; call < callsPerTask && swapping; call++) {
          asked += 1;
          const refused = asked % 10 === 7;
          const response = await world.fetch(`/tools/orders/orders/O-${asked}`, task.token);
          const answer = (await response.json()) as { code?: string; reasons?: { code: string }[] };
          assert.equal(response.status, refused ? 403 : 200, JSON.stringify(answer));
          if (refused) {
            assert.ok(answer.code === 'policy_denied' && (answer.reasons?.length ?? 0) > 0, JSON.stringify(answer));
            note(answer.reasons ?? []);
          } else sent += 1;
          await sleep(25);
        }
      }
    };
    const load = Promise.all(Array.from({ length: clients }, client));
    load.catch(() => {
      swapping = false;
    });
    const inForce = () => world.logs.filter((line) => line.includes('policy bundle in force')).length;
    for (let swap = 1; swap <= swaps && swapping; swap++) {
      server.put(bundles[swap % 2] as Buffer);
      const before = asked;
      for (let look = 0; look < 3_000 && swapping && (inForce() <= swap || asked < before + clients); look++)
        await sleep(10);
    }
    swapping = false;
    await load;
    assert.equal(inForce(), swaps + 1);
    assert.equal(world.orders.received.length, sent);
    const revisions = new Set<string>();
    for (const task of tasks) {
      for (const { decision } of await world.events({ task, type: 'outcome' })) {
        revisions.add(decision?.revision ?? 'none');
        note(decision?.reasons ?? []);
      }
    }
    assert.deepEqual([...revisions].toSorted(), ['a', 'b']);
    assert.deepEqual([...seen].toSorted(), ['a_a_a', 'b_b_b']);
    assert.ok(asked > 2 * swaps && tasks.length > swaps / 4, `${asked} calls of ${tasks.length} tasks`);
    assert.deepEqual(
      world.logs.filter((line) => /^(?:error|warn)/.test(line)),
      [],
    );
  },
);
