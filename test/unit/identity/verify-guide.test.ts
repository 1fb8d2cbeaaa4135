import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { refusals } from '../../../src/identity/refusal.ts';
import { sentDigest } from '../../../src/identity/verify.ts';

const root = resolve(import.meta.dirname, '../../..');
const guide = readFileSync(join(root, 'docs/service-owner.md'), 'utf8');

test('every line of code that the guide for service owners shows is one of the examples that are run', () => {
  const examples = globSync('examples/verify/*.{ts,py,go}', { cwd: root })
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join('\n')
    .replaceAll('../../src/identity/verify.ts', 'tollgate/verify');
  const known = new Set(examples.split('\n').map((line) => line.trim()));
  const shown = [...guide.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) => block.split('\n'));
  const lines = shown.map((line) => line.trim()).filter((line) => line !== '');
  assert.ok(lines.length > 20, `${lines.length} lines`);
  assert.deepEqual(
    lines.filter((line) => !known.has(line)),
    [],
  );
});

test('the guide explains every reason that the verifier can give, and no other', () => {
  const table = guide.slice(guide.indexOf('## What a refusal means'), guide.indexOf('## Several copies'));
  const explained = [...table.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, names = '']) =>
    [...names.matchAll(/`([a-z_]+)`/g)].map(([, name = '']) => name),
  );
  assert.deepEqual(
    explained.filter((name) => !Object.hasOwn(refusals, name)),
    [],
  );
  // What the modules of the verifier refuse, and issuers' own checks and bindings do not.
  const modules = ['verify', 'jwt', 'key-source'].map((name) =>
    readFileSync(join(root, `src/identity/${name}.ts`), 'utf8'),
  );
  const given = modules.flatMap((text) => {
    return [...text.matchAll(/refuse\(([^)]*)\)/g)].flatMap(([, inside = '']) =>
      [...inside.matchAll(/'([a-z_]+)'/g)].map(([, name = '']) => name),
    );
  });
  const reasons = new Set(given.filter((name) => Object.hasOwn(refusals, name)));
  assert.deepEqual(explained.toSorted(), [...reasons].toSorted());
});

test('what the guide links to is there, and its digest is right', () => {
  const links = [...guide.matchAll(/\]\((\.\.\/[^)]+)\)/g)].map(([, path = '']) => path);
  assert.ok(links.length > 5);
  assert.deepEqual(
    links.filter((path) => !existsSync(join(root, 'docs', path))),
    [],
  );
  assert.ok(guide.includes(sentDigest('POST', '/refunds?dry=1', Buffer.from('{"amount_cents":100}'))));
});
