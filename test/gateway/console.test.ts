/** The console's files on the admin plane: what anybody may fetch, under which headers, and that nothing else is there. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { rawHttp } from '../fakes/raw_http.ts';
import { part } from '../parts.ts';
import { AdminWorld, adminAudience } from './admin-world.ts';
import { World } from './world.ts';

describe('the files of the console', part('opa'), () => {
  let world: World;
  before(async () => {
    world = await World.open();
  });
  after(() => world?.[Symbol.asyncDispose]());

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${world.gate.adminUrl}${path}`, { headers, redirect: 'manual' });
  /** As it stands, without a client that tidies the path. */
  const raw = (path: string, ...more: readonly string[]) => {
    const { host } = new URL(world.gate.adminUrl);
    const named = more.some((line) => line.startsWith('Host:')) ? [] : [`Host: ${host}`];
    const lines = [`GET ${path} HTTP/1.1`, ...named, ...more, 'Connection: close'];
    return rawHttp(world.gate.adminUrl, `${lines.join('\r\n')}\r\n\r\n`);
  };

  test('[server.console-closed] every file that a page names is there, without a credential, under a strict policy', async () => {
    const seen = new Set<string>();
    const toSee = [''];
    for (let name = toSee.pop(); name !== undefined; name = toSee.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const response = await get(`/console/${name}`);
      const text = await response.text();
      assert.equal(response.status, 200, name);
      const header = (one: string) => response.headers.get(one);
      assert.equal(
        header('content-security-policy'),
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; " +
          "form-action 'self'; frame-ancestors 'none'",
      );
      assert.deepEqual(
        [header('x-content-type-options'), header('referrer-policy'), header('cache-control'), header('set-cookie')],
        ['nosniff', 'no-referrer', 'no-cache', null],
      );
      const type = name.endsWith('.js') ? /^text\/javascript/ : /^(?:text\/(?:html|css)|image\/svg\+xml)/;
      assert.match(header('content-type') ?? '', type, name);
      if (name.endsWith('.js')) {
        assert.doesNotMatch(text, /^import type|: readonly |sourceMappingURL/m, `${name} is JavaScript`);
        for (const [, from = ''] of text.matchAll(/(?:\bfrom|\bimport)\s+["']([^"'\n]+)["']/g)) {
          assert.match(from, /^\.\/[a-z-]+\.js$/, name);
          toSee.push(from.slice(2));
        }
      }
      if (name === '') {
        assert.doesNotMatch(text, /<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|https?:/);
        for (const [, named = ''] of text.matchAll(/(?:src|href)="([^"]+)"/g)) toSee.push(named);
      }
    }
    assert.ok(seen.has('playground.js') && seen.has('preact.js') && seen.has('console.css'), [...seen].join());
  });

  test('a file is sent once: a known ETag gets 304 without a body', async () => {
    const first = await get('/console/main.js');
    const etag = first.headers.get('etag') ?? '';
    assert.match(etag, /^"[\w-]{22}"$/);
    const again = await get('/console/main.js', { 'if-none-match': etag });
    assert.deepEqual([again.status, await again.text()], [304, '']);
    assert.equal((await get('/console/main.js', { 'if-none-match': '"other"' })).status, 200);
  });

  test('[server.console-closed] no path leads to any other file', async () => {
    const hostile = [
      '/console/nothing.js',
      '/console/tsconfig.json',
      '/console/main.ts',
      '/console/../package.json',
      '/console/%2e%2e/package.json',
      '/console/..%2fpackage.json',
      '/console/..%5cpackage.json',
      '/console/./main.js',
      '/console//main.js',
      '/console/main.js/',
      '/console/main.js%00.css',
      '/console/__proto__',
      '/console/constructor',
      '/console//etc/passwd',
      '/console/file:///etc/passwd',
      '/Console/',
      '/consolex/main.js',
    ];
    for (const path of hostile) {
      const { status, body } = await raw(path);
      assert.ok([400, 401, 404].includes(status), `${path}: ${status}`);
      assert.doesNotMatch(body, /"dependencies"|root:x:|stripTypes|compilerOptions/, path);
    }
    const posted = await fetch(`${world.gate.adminUrl}/console/main.js`, { method: 'POST', body: '{}' });
    assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET']);
    const bare = await get('/console');
    assert.deepEqual([bare.status, bare.headers.get('location')], [308, '/console/']);
  });

  test('other hosts, origins and sites get none of it, but a link may lead to the document', async () => {
    assert.equal((await raw('/console/', 'Host: attacker.example')).status, 400);
    const cross = 'Sec-Fetch-Site: cross-site';
    const followed = [cross, 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'];
    const rows: readonly (readonly [string, readonly string[], number])[] = [
      ['/console/', [cross], 400],
      ['/console/', followed, 200],
      ['/console/', [cross, 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: iframe'], 400],
      ['/console/', ['Host: attacker.example', ...followed], 400],
      ['/console/', ['Origin: https://attacker.example', ...followed], 400],
      ['/console/main.js', followed, 400],
      ['/console/main.js', [cross, 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: script'], 400],
      ['/policy/inputs', followed, 400],
    ];
    for (const [path, headers, status] of rows) {
      assert.equal((await raw(path, ...headers)).status, status, `${path} ${headers.join(', ')}`);
    }
  });

  test('it says what to sign in with: the admin token, or a token of the issuer of people', async () => {
    assert.deepEqual(await (await get('/console/sign-in.json')).json(), { way: 'admin_token' });
    await using admin = await AdminWorld.open();
    const response = await fetch(`${admin.world.gate.adminUrl}/console/sign-in.json`);
    assert.deepEqual(await response.json(), { way: 'oidc', issuer: admin.people.url, audience: adminAudience });
  });
});
