/** What a web page in a person's browser could make of the admin plane: nothing. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { rawHttp } from '../fakes/raw_http.ts';
import { part } from '../parts.ts';
import { type OpenedTask, World } from './world.ts';

describe('the admin plane and browsers', part('opa'), () => {
  let world: World;
  let task: OpenedTask;
  let port = '';
  before(async () => {
    world = await World.open({
      config: {
        gateway: { admin_hosts: ['gate.example.com', 'ops.example.com:8443'] },
        audit: { refusals_per_second: 10_000 },
      },
    });
    task = await world.task();
    port = new URL(world.gate.adminUrl).port;
  });
  after(() => world?.[Symbol.asyncDispose]());

  /** Sends `method path` with these header lines, the admin token among them. */
  function send(method: string, path: string, headers: readonly string[], body = '') {
    const length = body === '' ? [] : [`Content-Length: ${body.length}`];
    const lines = [...headers, ...length, `Authorization: Bearer ${world.gate.adminToken}`, 'Connection: close'];
    return rawHttp(world.gate.adminUrl, `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  test('[server.admin-no-foreign-page] Host, Origin and Sec-Fetch-Site must be its own, token or not', async () => {
    const own = `Host: 127.0.0.1:${port}`;
    const rows: readonly (readonly [readonly string[], number, string?])[] = [
      [[own], 200],
      [[`Host: localhost:${port}`], 200],
      [[`Host: LOCALHOST:${port}`], 200],
      [[`Host: [::1]:${port}`], 200],
      [['Host: gate.example.com'], 200],
      [[`Host: gate.example.com:${port}`], 200],
      [['Host: Gate.Example.com'], 200],
      [['Host: ops.example.com:8443'], 200],
      [[own, `Origin: http://127.0.0.1:${port}`], 200],
      [['Host: gate.example.com', 'Origin: https://gate.example.com'], 200],
      [[own, 'Sec-Fetch-Site: same-origin'], 200],
      [[own, 'Sec-Fetch-Site: none'], 200],
      [['Host: gate.example.com:9999'], 400, 'host_unknown'],
      [['Host: ops.example.com'], 400, 'host_unknown'],
      [[`Host: ops.example.com:${port}`], 400, 'host_unknown'],
      [['Host: attacker.example'], 400, 'host_unknown'],
      [[`Host: 127.0.0.1.attacker.example:${port}`], 400, 'host_unknown'],
      [['Host: 127.0.0.1'], 400, 'host_unknown'],
      [[`Host: 0.0.0.0:${port}`], 400, 'host_unknown'],
      [['Host: attacker.example', 'X-Forwarded-Host: gate.example.com'], 400, 'host_unknown'],
      [[own, 'Origin: https://attacker.example'], 400, 'origin_foreign'],
      [[own, 'Origin: null'], 400, 'origin_foreign'],
      [[own, `Origin: http://127.0.0.1:${port}.attacker.example`], 400, 'origin_foreign'],
      [[own, 'Origin: http://127.0.0.1:1'], 400, 'origin_foreign'],
      [[own, `Origin: http://127.0.0.1:${port}`, 'Origin: https://attacker.example'], 400, 'origin_foreign'],
      [[own, 'Sec-Fetch-Site: cross-site'], 400, 'site_foreign'],
      [[own, 'Sec-Fetch-Site: same-site'], 400, 'site_foreign'],
      [[own, 'Sec-Fetch-Site: new-word'], 400, 'site_foreign'],
      [[own, 'Sec-Fetch-Site: none', 'Sec-Fetch-Site: cross-site'], 400, 'site_foreign'],
    ];
    for (const [headers, status, reason] of rows) {
      const answer = await send('GET', '/tasks', headers);
      assert.equal(answer.status, status, headers.join());
      if (reason !== undefined) assert.ok(answer.body.includes(reason), `${headers.join()}: ${answer.body}`);
      const kill = status === 400 ? await send('POST', `/tasks/${task.id}/kill`, headers) : undefined;
      if (kill !== undefined) assert.equal(kill.status, 400, headers.join());
    }
    assert.equal((await world.taskDocument(task)).state, 'active');
    assert.equal((await send('GET', '/readyz', ['Host: attacker.example'])).status, 400, 'health too');
    const refused = await world.events({ type: 'denial', code: 'request_invalid' });
    assert.ok(refused.length >= 30, `${refused.length} were recorded`);
    assert.ok(refused.every(({ decision }) => decision?.reasons[1]?.code !== undefined));
  });

  test('[server.admin-no-foreign-page] what changes something takes JSON by its own word, which no form can send', async () => {
    const suspend = JSON.stringify({ kind: 'tenant', id: 'acme', reason: 'a form' });
    const own = `Host: 127.0.0.1:${port}`;
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/json-patch+json',
      'application/problem+json',
      'application/json; charset=utf-16',
      'json',
    ];
    for (const type of types) {
      assert.equal((await send('POST', '/suspensions', [own, `Content-Type: ${type}`], suspend)).status, 415, type);
    }
    assert.equal((await send('POST', '/suspensions', [own], suspend)).status, 415, 'none at all');
    const kill = await send('POST', `/tasks/${task.id}/kill`, [own, 'Content-Type: text/plain'], '{}');
    assert.equal(kill.status, 415);
    const encoded = [own, 'Content-Type: application/json', 'Content-Encoding: gzip'];
    assert.equal((await send('POST', '/suspensions', encoded, suspend)).status, 415);
    assert.deepEqual(JSON.parse(await (await world.admin('/suspensions')).text()), { suspensions: [] });
    assert.equal((await world.taskDocument(task)).state, 'active');
    const good = await send(
      'POST',
      `/tasks/${task.id}/kill`,
      [own, 'Content-Type: application/json; charset=UTF-8'],
      '{}',
    );
    assert.equal(good.status, 200, 'the control');
  });

  test('names of the admin plane change without a restart', async () => {
    assert.equal((await send('GET', '/tasks', ['Host: new.example.com'])).status, 400);
    const config = JSON.parse(await readFile(world.configFile, 'utf8')) as { gateway: { admin_hosts: string[] } };
    config.gateway.admin_hosts = ['new.example.com'];
    await writeFile(world.configFile, JSON.stringify(config));
    assert.deepEqual((await world.gate.reload('signal')).restart, []);
    assert.equal((await send('GET', '/tasks', ['Host: new.example.com'])).status, 200);
    assert.equal((await send('GET', '/tasks', ['Host: gate.example.com'])).status, 400);
    config.gateway.admin_hosts = ['gate.example.com:0'];
    await writeFile(world.configFile, JSON.stringify(config));
    const { outcome, faults } = await world.gate.reload('signal');
    assert.deepEqual([outcome, faults[0]?.pointer], ['refused', '/gateway/admin_hosts/0']);
  });
});
