/** Values, pages, documents and descriptions that somebody made so that looking at them takes for ever. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cleanText } from '../../src/catalogue/hidden/scan.ts';
import { readDocument } from '../../src/wire/dialects/http/document.ts';
import { textOfHtml } from '../../src/wire/result/html-text.ts';
import { jsonPages } from '../../src/wire/result/pages.ts';

type Schemas = Readonly<Record<string, unknown>>;

function documentWith(schema: unknown, schemas: Schemas = {}) {
  const requestBody = { required: true, content: { 'application/json': { schema } } };
  const pieces = readDocument({
    ...{ openapi: '3.1.0', info: { title: 'a service', version: '1' }, components: { schemas } },
    paths: { '/a': { post: { operationId: 'a', requestBody } } },
  });
  for (;;) {
    const piece = pieces.next();
    if (piece.done === true) return piece.value;
  }
}

function faultsOf(body: unknown, schema: unknown, schemas?: Schemas) {
  const { drafts, compiler, faults } = documentWith(schema, schemas);
  assert.deepEqual(faults, []);
  const [draft] = drafts;
  return compiler.compile(draft?.inputSchema ?? {})({ path: {}, query: {}, headers: {}, body: body as never });
}

/** Far more than it takes where it is bounded, far less than where it is not. */
function soon<T>(step: () => T): T {
  const startMs = performance.now();
  const value = step();
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 4_000, `it took ${Math.round(tookMs)} ms`);
  return value;
}

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

describe('a value', () => {
  test('that a pattern of the document takes for ever on is refused, and one that it does not passes', () => {
    const schema = { type: 'string', pattern: '^([a-z0-9]+-?)+$' };
    assert.deepEqual(
      soon(() => faultsOf(`${'a'.repeat(60)}!`, schema)).map(({ code }) => code),
      ['constraint'],
    );
    assert.deepEqual(faultsOf('a-name-that-is-long-enough-to-be-doubted', schema), []);
    assert.deepEqual(
      faultsOf('short!', schema).map(({ code }) => code),
      ['pattern'],
    );
    const long = { type: 'string', pattern: '^\\s*a?\\s*b?\\s*c?\\s*d?\\s*$' };
    assert.notDeepEqual(
      soon(() => faultsOf(`${' '.repeat(5_000)}!`, long)),
      [],
    );
  });

  test('that is nested in alternatives of alternatives is refused', () => {
    const node = (word: string, more: object) => ({
      type: 'object',
      properties: { next: { allOf: [ref('Node')] }, [word]: true },
      ...more,
    });
    const schemas = { Node: { oneOf: [node('one', {}), node('two', { required: ['two'] }), { type: 'string' }] } };
    let value: unknown = 1;
    for (let depth = 0; depth < 40; depth++) value = { next: value, two: 1 };
    assert.notDeepEqual(
      soon(() => faultsOf(value, ref('Node'), schemas)),
      [],
    );
    assert.deepEqual(faultsOf({ next: { next: 'end' } }, ref('Node'), schemas), []);
  });

  test('with thousands of names that nobody knows is told of a few', () => {
    const names = (prefix: string, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`${prefix.repeat(56)}${index}`, true]));
    const faults = soon(() => faultsOf(names('q', 4_900), { type: 'object', properties: names('p', 200) }));
    assert.ok(faults.length > 0 && faults.every(({ code }) => code === 'unknown_member'));
  });
});

test('a document whose schemas are put together from each other many times over is read', () => {
  const layers = Array.from({ length: 9 }, (_, at): [string, unknown] => [
    `L${at}`,
    { allOf: Array.from({ length: 8 }, () => ref(`L${at + 1}`)), properties: { [`p${at}`]: { type: 'string' } } },
  ]);
  const schemas = { ...Object.fromEntries(layers), L9: { properties: { last: { readOnly: true, type: 'string' } } } };
  assert.deepEqual(soon(() => documentWith(ref('L0'), schemas)).faults, []);
});

describe('a page in HTML', () => {
  test('that is nested without end is read as far as a page goes, and shows nothing that is hidden', () => {
    const deep = `<p>seen</p><div hidden>${'<i>'.repeat(200_000)}secret${'</b>'.repeat(100_000)}</div>`;
    const text = soon(() => textOfHtml(deep));
    assert.match(text, /^seen\n+\[The rest of this page is nested too deeply/);
    assert.doesNotMatch(text, /secret/);
    assert.equal(textOfHtml(`${'<div>'.repeat(200)}text${'</div>'.repeat(200)}`), 'text');
  });

  test('with nothing but spaces is read in one go', () => {
    assert.equal(
      soon(() => textOfHtml(`<pre>${' '.repeat(400_000)}x</pre>`)),
      'x',
    );
  });
});

test('a list of very many small items comes in pages', () => {
  const pages = jsonPages(
    Array.from({ length: 200_000 }, () => 1),
    4_096,
  );
  assert.equal(pages?.[0]?.of, 200_000);
});

test('a description of a tool that is made to be slow is looked through', () => {
  for (const text of [
    '![](//a'.repeat(9_000),
    '<!--'.repeat(16_000),
    'ignore previous instructions '.repeat(2_200),
    `a ${' '.repeat(60_000)}x`,
    '\u200e a'.repeat(20_000),
    '_'.repeat(60_000),
  ]) {
    soon(() => cleanText(text));
  }
});
