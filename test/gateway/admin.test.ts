/** The admin plane: who gets in, what it lists, and that what it exports proves itself. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { AuditEvent } from '../../src/audit/event.ts';
import { verifyStore } from '../../src/audit/verify-store.ts';
import { rawHttp } from '../fakes/raw_http.ts';
import { part } from '../parts.ts';
import { type OpenedTask, World } from './world.ts';

const options = part('opa');
const commandLine = resolve(import.meta.dirname, '../../src/cli/main.ts');

/** `to` itself is left out. */
function justAfter(time: string): string {
  return new Date(Date.parse(time) + 1).toISOString();
}

describe('the admin plane', options, () => {
  let world: World;
  let task: OpenedTask;
  let directory: string;
  before(async () => {
    world = await World.open();
    directory = await mkdtemp(join(tmpdir(), 'tollgate-auditor-'));
    task = await world.task({ subject: { id: 'C-9' }, labels: { deny: 'orders.delete_order' } });
    await world.refund(task.token, 5);
    await world.fetch('/tools/orders/orders/O-1', task.token, { method: 'DELETE' });
    await (await world.chat(task.token)).text();
    await world.task({}, 'another-agent');
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  test('without its token nothing is told, and the token of an agent is not one', async () => {
    const paths = [
      '/audit/events',
      '/audit/export',
      `/audit/tasks/${task.id}`,
      `/tasks/${task.id}`,
      '/audit/checkpoints',
      '/x',
    ];
    for (const path of paths) {
      for (const authorization of [
        undefined,
        'Bearer x',
        `Bearer ${task.token}`,
        `Bearer ${world.issuer.token('coordinator')}`,
      ]) {
        const response = await fetch(
          world.gate.adminUrl + path,
          authorization === undefined ? {} : { headers: { authorization } },
        );
        assert.equal(response.status, 401, path);
        assert.equal(((await response.json()) as { code: string }).code, 'unauthenticated');
      }
    }
    const kill = await fetch(`${world.gate.adminUrl}/tasks/${task.id}/kill`, { method: 'POST' });
    assert.equal(kill.status, 401);
    assert.equal((await world.taskDocument(task)).state, 'active');
    assert.equal(
      (await world.fetch('/audit/events', world.gate.adminToken)).status,
      404,
      'it opens nothing on the data plane',
    );
    assert.equal((await stat(world.gate.adminTokenFile)).mode & 0o777, 0o600);
  });

  test('a request that a web page could have made is refused, token or not', async () => {
    const { port } = new URL(world.gate.adminUrl);
    const ask = (lines: string) =>
      rawHttp(
        world.gate.adminUrl,
        `GET /audit/events HTTP/1.1\r\n${lines}\r\nAuthorization: Bearer ${world.gate.adminToken}\r\nConnection: close\r\n\r\n`,
      );
    assert.equal((await ask(`Host: 127.0.0.1:${port}`)).status, 200);
    assert.equal((await ask(`Host: localhost:${port}\r\nOrigin: http://localhost:${port}`)).status, 200);
    assert.equal((await ask(`Host: attacker.example:${port}`)).status, 400);
    assert.equal((await ask('Host: 127.0.0.1')).status, 400);
    assert.equal((await ask(`Host: 127.0.0.1:${port}\r\nOrigin: https://attacker.example`)).status, 400);
    assert.equal((await ask(`Host: 127.0.0.1:${port}\r\nOrigin: null`)).status, 400);
    assert.equal((await ask(`Host: 127.0.0.1:${port}\r\nHost: attacker.example`)).status, 400);
  });

  test('events are found by every filter, and an unknown filter is not ignored', async () => {
    const all = await world.events();
    const denial = all.find(({ type }) => type === 'denial');
    assert.ok(denial?.decision?.id !== undefined);
    const filters: readonly [Record<string, string>, (event: AuditEvent) => boolean][] = [
      [{ task: task.id }, (event) => event.task === task.id],
      [{ agent: 'another-agent' }, (event) => event.agent === 'another-agent'],
      [{ tenant: 'acme' }, (event) => event.tenant === 'acme'],
      [{ subject: 'C-9' }, (event) => event.subject?.id === 'C-9'],
      [{ operation: 'orders.delete_order' }, (event) => event.operation === 'orders.delete_order'],
      [{ code: 'policy_denied' }, (event) => event.decision?.reasons[0]?.code === 'policy_denied'],
      [{ decision: String(denial.decision.id) }, (event) => event.decision?.id === denial.decision?.id],
      [{ trace_id: String(denial.trace_id) }, (event) => event.trace_id === denial.trace_id],
      [{ type: 'intent', task: task.id }, (event) => event.type === 'intent' && event.task === task.id],
      [{ from: denial.time, to: justAfter(denial.time) }, (event) => event.time === denial.time],
    ];
    for (const [filter, fits] of filters) {
      const found = await world.events(filter);
      assert.ok(found.length > 0, JSON.stringify(filter));
      assert.deepEqual(
        found.filter((event) => !fits(event)),
        [],
        JSON.stringify(filter),
      );
      if (filter.from === undefined) assert.equal(found.length, all.filter(fits).length, JSON.stringify(filter));
    }
    const refusals = [
      'colour=red',
      'code=nonsense',
      'type=nonsense',
      'from=yesterday',
      'limit=0',
      'limit=1001',
      'limit=x',
      'cursor=x',
      'order=up',
    ];
    for (const query of refusals) {
      const response = await world.admin(`/audit/events?${query}`);
      assert.deepEqual(
        [response.status, ((await response.json()) as { code: string }).code],
        [422, 'args_invalid'],
        query,
      );
    }
  });

  test('pages follow each other by cursor, and no event is lost or told twice', async () => {
    const all = (await world.events()).map(({ seq }) => seq);
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ limit: '3', ...(cursor === null ? {} : { cursor }) });
      const page = (await (await world.admin(`/audit/events?${query}`)).json()) as {
        events: AuditEvent[];
        next_cursor: string | null;
      };
      seen.push(...page.events.map(({ seq }) => seq));
      cursor = page.next_cursor;
    } while (cursor !== null);
    assert.deepEqual(seen, all);
  });

  test('the story of a task and its trace are told; what is not there is said', async () => {
    const story = (await (await world.admin(`/audit/tasks/${task.id}`)).json()) as {
      entries: { kind: string; operation: string }[];
    };
    const told = story.entries.map(({ kind, operation }) => `${kind} ${operation}`);
    for (const line of ['action orders.create_refund', 'denial orders.delete_order'])
      assert.ok(told.includes(line), told.join('; '));
    const [intent] = await world.events({ task: task.id, type: 'intent' });
    const trace = (await (await world.admin(`/audit/traces/${intent?.trace_id}`)).json()) as { events: AuditEvent[] };
    assert.deepEqual(
      trace.events.map(({ type }) => type),
      ['intent', 'outcome'],
    );
    assert.equal((await world.admin('/audit/tasks/task_00000000000000000000000000')).status, 403);
    assert.equal((await world.admin('/audit/nothing')).status, 404);
    assert.equal((await world.admin('/audit/events', { method: 'DELETE' })).status, 405);
  });

  test('an export verifies with the published keys, and a changed one does not', async () => {
    const [text, jwks, checkpoints] = await Promise.all([
      world.admin('/audit/export').then((response) => response.text()),
      fetch(`${world.gate.url}/.well-known/jwks.json`).then((response) => response.text()),
      world
        .admin('/audit/checkpoints')
        .then((response) => response.json() as Promise<{ head: { jws: string; seq: number } }>),
    ]);
    const [file, keys] = [join(directory, 'export.ndjson'), join(directory, 'jwks.json')];
    await Promise.all([writeFile(file, text), writeFile(keys, jwks)]);
    const verify = async () => {
      const child = spawn(process.execPath, [
        commandLine,
        'audit',
        'verify',
        file,
        '--keys',
        keys,
        '--checkpoint',
        checkpoints.head.jws,
      ]);
      let out = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk) => {
          out += chunk;
        });
      const [code] = (await once(child, 'close')) as [number];
      return `${code} ${out}`;
    };
    assert.match(await verify(), /^0 good: \d+ events/);
    const at = text.indexOf('"orders.create_refund"');
    await writeFile(file, `${text.slice(0, at)}"orders.create_refunt"${text.slice(at + 22)}`);
    assert.match(await verify(), /^1 broken at event \d+/);
    const csv = await (await world.admin('/audit/export?format=csv')).text();
    assert.match(csv, /^v,seq,id,time,/);
    assert.equal((await world.admin('/audit/export?format=xml')).status, 422);
  });

  test('what was recorded apart from events is redacted, can be read, and can be erased; the chain still verifies', async () => {
    const task = await world.task();
    await world.refund(task.token, 7, { note: 'write to ann@example.com' });
    const path = `/audit/tasks/${task.id}/payloads`;
    const read = async (query = '') =>
      (await (await world.admin(`${path}${query}`)).json()) as { payloads: { kind: string; text: string }[] };
    const kept = await read('?kind=arguments');
    const sent = kept.payloads.find(({ text }) => text.includes('"amount_cents":7'));
    assert.ok(sent?.text.includes('[email]'), JSON.stringify(kept));
    assert.equal(JSON.stringify(await read()).includes('ann@example.com'), false);
    assert.equal((await world.admin(`${path}?kind=nothing`)).status, 422);
    assert.equal((await world.admin(path, { method: 'DELETE' })).status, 200);
    assert.deepEqual((await read()).payloads, []);
    const done = (await world.events({ task: task.id, type: 'admin' })).map(({ operation, status }) => [
      operation,
      status,
    ]);
    assert.deepEqual(done, [
      ['audit.payloads', 200],
      ['audit.payloads', 200],
      ['audit.payloads', 422],
      ['audit.erase', 200],
      ['audit.payloads', 200],
    ]);
    assert.equal((await verifyStore({ dataDir: world.gate.dataDir })).ok, true);
  });
});
