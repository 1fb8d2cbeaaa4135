/**
 * The rules of the house for `console/`, which runs in browsers beside `src` and not in it: what it knows of the gate is
 * what the admin API answers, and nothing that it shows becomes markup.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';

const root = resolve(import.meta.dirname, '..');
const pages = globSync('console/*', { cwd: root }).map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}));
const modules = pages.filter(({ path }) => path.endsWith('.ts'));
/** What the gate serves besides, see `src/server/console.ts`. */
const packages: readonly string[] = ['preact', 'preact/hooks', 'htm'];

function none(faults: readonly string[], rule: string): void {
  assert.equal(faults.length, 0, `${rule}:\n  ${faults.join('\n  ')}`);
}

describe('the house: the console', () => {
  it('there are pages to look at', () => assert.ok(modules.length > 10));

  it('it imports its own files and the packages of browsers, and nothing of the gate', () => {
    const own = new Set(modules.map(({ path }) => path.replace(/^console\//, './')));
    const faults = modules.flatMap(({ path, text }) =>
      [...text.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*)'([^']+)'/g)]
        .map(([, from = '']) => from)
        .filter((from) => !own.has(from) && !packages.includes(from))
        .map((from) => `${path} → ${from}`),
    );
    none(faults, 'what it knows of the gate is what the admin API answers');
  });

  it('it makes no markup of data, and no code', () => {
    const markup =
      /\.(?:inner|outer)HTML\b|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function/;
    none(
      modules.filter(({ text }) => markup.test(text)).map(({ path }) => path),
      'recorded inputs are hostile text; html`…` makes text of it',
    );
  });

  it('it names nothing outside', () => {
    const outside = /(?:https?:)?\/\/[a-z0-9-]+\.[a-z]/i;
    none(
      pages.filter(({ path, text }) => !path.endsWith('.svg') && outside.test(text)).map(({ path }) => path),
      'the console works without any other server, and tells none that somebody looked',
    );
  });
});
