/** Pages of results, HTML as text, and both in results of MCP. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '../../../src/call.ts';
import { textOfHtml } from '../../../src/wire/result/html-text.ts';
import { cutResult, withoutHtml } from '../../../src/wire/result/mcp-result.ts';
import { jsonPages, textPages } from '../../../src/wire/result/pages.ts';

const bytesOf = (text: string) => Buffer.byteLength(text);
/** The same numbers on every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('pages', () => {
  test('of a text are within the bound, whole characters, and all of it', () => {
    const next = numbers(7);
    for (let count = 0; count < 200; count++) {
      const words = Array.from({ length: 1 + next(400) }, () => ['a', 'grün', '🙂', '\n', ' ', '漢字漢字'][next(6)]);
      const text = words.join('');
      const bytesMax = 64 + next(200);
      const pages = textPages(text, bytesMax);
      assert.equal(pages.map((page) => page.text).join(''), text);
      assert.ok(
        pages.every((page) => bytesOf(page.text) <= bytesMax && page.text.isWellFormed()),
        `${bytesMax}`,
      );
    }
  });

  test('of a document are within the bound, whole by themselves, and have each element once', () => {
    const next = numbers(11);
    for (let count = 0; count < 100; count++) {
      const items = Array.from({ length: 2 + next(80) }, (_, id) => ({ id, text: '"é🙂'.repeat(next(6)) }));
      const document: Json = { total: items.length, deep: { list: items, note: 'n' }, other: [1, 2, 3] };
      const bytesMax = 256 + next(512);
      const pages = jsonPages(document, bytesMax);
      assert.ok(pages !== undefined);
      const read = pages.map(({ text }) => JSON.parse(text));
      assert.ok(pages.every(({ text }) => bytesOf(text) <= bytesMax));
      assert.deepEqual(
        read.flatMap(({ deep }) => deep.list),
        items,
      );
      assert.ok(read.every(({ total, other }) => total === items.length && other.length === 3));
      const [first, ...rest] = pages;
      assert.deepEqual([first?.from, (rest.at(-1) ?? first)?.to], [0, items.length]);
    }
  });

  test('are of the inner list where the outer one has few, and of a text where there is no list', () => {
    const document = [{ name: 'a', rows: Array.from({ length: 100 }, (_, index) => index) }];
    const pages = jsonPages(document, 128) ?? [];
    assert.ok(pages.length > 2);
    assert.deepEqual(
      pages.flatMap(({ text }) => JSON.parse(text)[0].rows),
      document[0]?.rows,
    );
    const text = { id: 1, said: 'a "b" \u0001 🙂'.repeat(100) };
    const cut = jsonPages(text, 200) ?? [];
    assert.equal(cut.map((page) => JSON.parse(page.text).said).join(''), text.said);
    assert.ok(cut.every((page) => bytesOf(page.text) <= 200));
    assert.equal(jsonPages(Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`m${at}`, at])), 200), undefined);
  });
});

describe('HTML as text', () => {
  test('says what a reader sees', () => {
    for (const [html, text] of [
      ['<p>a<p>b', 'a\nb'],
      ['a<br>b<hr>c', 'a\nb\nc'],
      ['<pre>a\n  b</pre>', 'a\n  b'],
      ['a &amp; b &lt;c&gt; &#x1F642;', 'a & b <c> 🙂'],
      ['<a href="/x">y</a> <a href="#z">z</a> <a href="data:text/html,x">d</a>', 'y (/x) z d'],
      ['<img src="x" alt="A cat">', '[A cat]'],
      ['<p>one <span>two</span>three</p>', 'one twothree'],
      ['plain', 'plain'],
      ['', ''],
    ] as const) {
      assert.equal(textOfHtml(html), text, html);
    }
  });

  test('leaves out what is hidden, however it is written', () => {
    for (const hidden of [
      '<script>X</script>',
      '<SCRIPT>X</SCRIPT>',
      '<style>X</style>',
      '<!--X-->',
      '<!-- X --!>',
      '<template><p>X</p></template>',
      '<noscript>X</noscript>',
      '<p hidden>X</p>',
      '<p HIDDEN="">X</p>',
      '<p style="display:none">X</p>',
      '<p style="DISPLAY : NONE">X</p>',
      '<p style="dis/**/play:none">X</p>',
      '<p style="dis\\70lay:none">X</p>',
      '<p style="visibility:hidden">X</p>',
      '<p style="opacity:0">X</p>',
      '<p style="font-size:0px">X</p>',
      '<p style="position:absolute;left:-9999px">X</p>',
      '<p aria-hidden=true>X<b>X</b><br>X</p>',
      '<div hidden><img alt="X"><input value="X"><p>X</div>',
      '<input type="hidden" value="X">',
      '<svg><text>X</text></svg>',
      '<iframe>X</iframe>',
      '<title>X</title>',
    ]) {
      assert.equal(textOfHtml(`<p>before</p>${hidden}<p>after</p>`).replaceAll(/\s+/g, ' '), 'before after', hidden);
    }
    assert.equal(textOfHtml('<p style="opacity:0.9;font-size:10px;left:0">X</p>'), 'X');
  });
});

describe('a result of MCP', () => {
  const message = (result: Record<string, unknown>) => Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));

  test('in HTML is text', () => {
    const page = '<!DOCTYPE html><p>a</p><script>X</script>';
    const body = message({
      content: [
        { type: 'text', text: page },
        { type: 'resource', resource: { uri: 'a:b', mimeType: 'text/html', text: '<p>b' } },
        { type: 'text', text: 'a < b' },
      ],
    });
    const { result } = JSON.parse(withoutHtml(body)?.toString() ?? '');
    assert.deepEqual(result.content, [
      { type: 'text', text: 'a' },
      { type: 'resource', resource: { uri: 'a:b', mimeType: 'text/plain', text: 'b' } },
      { type: 'text', text: 'a < b' },
    ]);
    assert.equal(withoutHtml(message({ content: [{ type: 'text', text: 'a' }] })), undefined);
  });

  test('that is too long is cut, says so, and keeps what is structured whole by itself', () => {
    const rows = Array.from({ length: 300 }, (_, id) => ({ id, text: 'row' }));
    const structured = message({
      content: [{ type: 'text', text: JSON.stringify({ rows }) }],
      structuredContent: { rows },
    });
    const text = message({ content: [{ type: 'text', text: 'a "line"\n'.repeat(2_000) }] });
    for (const body of [structured, text]) {
      const cut = cutResult(body, 4096);
      assert.ok(cut !== undefined && cut.rest.length > 0);
      const encoded = cut.encode('[cut: the rest is elsewhere]', 'tollgate:result:x', true);
      assert.ok(encoded.length <= 4096, `${encoded.length}`);
      const { result } = JSON.parse(encoded.toString());
      assert.equal(result.content.at(-1).text, '[cut: the rest is elsewhere]');
      assert.equal(result.content.at(-2).uri, 'tollgate:result:x');
      if (result.structuredContent !== undefined) {
        assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
        const read = [cut.first, ...cut.rest].flatMap((page) => JSON.parse(page.text).rows);
        assert.deepEqual(read, rows);
      }
    }
    assert.equal(cutResult(message({ content: [{ type: 'image', data: 'A'.repeat(9_000) }] }), 4096), undefined);
  });
});
