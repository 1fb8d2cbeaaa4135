/**
 * What agents and strangers wrote reached the terminal of an operator as it was where it stood in no table: in the JSON
 * of a gate, in its refusals, in what else a command says. And a list whose pages led in a circle was read for ever.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { test } from 'node:test';

// Clears the screen in a terminal of 7 bits and of 8, turns text around, sets the title.
const evil = 'a\u001b[2Jb\u009b2Jc\u202ed\u061ce\u001b]0;owned\u0007';
const task = { id: 'task_1', state: 'active', purpose: evil };
const obeyed = /[^\P{Cc}\n]|\p{Bidi_Control}/u;

test('nothing that a gate answers is obeyed by a terminal, and JSON stays the same document', async () => {
  const server = createServer(({ url = '' }, response) => {
    response.setHeader('content-type', 'application/json');
    if (url.startsWith('/keys')) response.writeHead(422).end(JSON.stringify({ code: evil, message: evil }));
    else if (url.endsWith('/kill')) response.end(JSON.stringify({ id: 'task_1', state: evil }));
    else response.end(JSON.stringify({ tasks: url.includes('agent=') ? [] : [task], next_cursor: evil }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const gate = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const said = async (...argv: string[]) => {
    const env = { ...process.env, TOLLGATE_ADMIN_TOKEN: 'token-of-a-person' };
    const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
    const child = spawn(process.execPath, [main, ...argv, '--admin-url', gate], { env });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
    }
    await once(child, 'close');
    assert.doesNotMatch(text, obeyed, argv.join(' '));
    assert.equal(text.includes('token-of-a-person'), false);
    return text;
  };
  try {
    const json = JSON.parse(await said('task', 'ls', '--limit', '1', '--json')) as object;
    assert.deepEqual(json, { tasks: [task], next_cursor: evil });
    for (const argv of [
      ['task', 'ls', '--limit', '1'],
      ['task', 'kill', 'task_1'],
      ['keys', 'ls'],
    ]) {
      assert.match(await said(...argv), /a\\u001b\[2Jb\\u009b2Jc\\u202ed\\u061ce/);
    }
    assert.match(await said('task', 'ls', '--agent', 'a'), /leads in a circle/);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
