/**
 * A page in HTML as the text that a reader of it sees: headings, paragraphs, lists and tables as lines, links with where
 * they lead. What nobody would see does not reach the agent: scripts, styles, comments, templates, and elements that say
 * of themselves that they are hidden. What a reader would get wrong: style sheets are not followed, so what only they
 * hide stays, as does text in the colour of its ground.
 */
import { Parser } from 'htmlparser2';

const dropped: ReadonlySet<string> = new Set([
  ...['script', 'style', 'template', 'noscript', 'noembed', 'noframes', 'iframe', 'object', 'embed', 'svg', 'math'],
  ...['canvas', 'audio', 'video', 'map', 'head', 'title', 'datalist', 'dialog', 'plaintext', 'xmp'],
]);
/** Without an end tag (WHATWG HTML §13.1.2). */
const empty: ReadonlySet<string> = new Set(
  'area base br col embed hr img input link meta param source track wbr'.split(' '),
);
const blocks: ReadonlySet<string> = new Set(
  (
    'address article aside blockquote body dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 ' +
    'h6 header hr li main nav ol p pre section summary table tbody tfoot thead tr ul'
  ).split(' '),
);
const hiding =
  /(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|content-visibility\s*:\s*hidden|opacity\s*:\s*0*(?:\.0*)?\s*(?:%|;|!|$)|font-size\s*:\s*0*(?:\.0*)?\s*(?:[a-z%]|;|!|$)|(?:max-)?(?:height|width)\s*:\s*0*(?:\.0*)?\s*(?:[a-z%]|;|!|$)|clip(?:-path)?\s*:|text-indent\s*:\s*-\d{3,}|(?:left|top|right|bottom)\s*:\s*-\d{3,})/i;
const linkForm = /^(?:https?:|mailto:|tel:|\/|\.{0,2}\/|[\w-]+(?:[/?#.]|$))/i;
const linkCharsMax = 2_048;
/** Deeper than any page that is meant to be read. What comes then is not read: who sees it cannot be told any more. */
const depthMax = 256;
const tooDeep = '[The rest of this page is nested too deeply to be read.]';
/** Depth is looked at in between. */
const pieceChars = 4_096;

function isHidden(name: string, attributes: Readonly<Record<string, string>>): boolean {
  if (dropped.has(name) || attributes.hidden !== undefined) return true;
  if ((attributes['aria-hidden'] ?? '').trim().toLowerCase() === 'true') return true;
  if (name === 'input' && (attributes.type ?? '').toLowerCase() === 'hidden') return true;
  // CSS comments and escapes would hide the word that hides.
  const style = (attributes.style ?? '').replaceAll(/\/\*.*?\*\//gs, '');
  return hiding.test(style) || style.includes('\\');
}

/** The text of a page. Linear in its length; it is never longer than the page, but for line ends. */
export function textOfHtml(html: string): string {
  const page = new Page();
  const parser = new Parser(
    {
      onopentag: (name, attributes) => page.open(name, attributes),
      onclosetag: (name) => page.close(name),
      ontext: (text) => page.text(text),
    },
    { decodeEntities: true, lowerCaseTags: true, lowerCaseAttributeNames: true },
  );
  for (let from = 0; from < html.length && !page.isTooDeep; from += pieceChars) {
    parser.write(html.slice(from, from + pieceChars));
  }
  if (!page.isTooDeep) parser.end();
  return page.end();
}

class Page {
  readonly #pieces: string[] = [];
  /** How many open elements, from the outermost hidden one on, are not seen. */
  #hidden = 0;
  #verbatim = 0;
  #depth = 0;
  /** Where the text ends now: at the start of a line, behind a space, or behind a word. */
  #at: 'line' | 'space' | 'word' = 'line';
  readonly #links: (string | null)[] = [];

  get isTooDeep(): boolean {
    return this.#depth > depthMax;
  }

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    this.#depth += 1;
    if (this.#hidden > 0 || isHidden(name, attributes)) {
      // An element without an end tag holds nothing.
      if (!empty.has(name)) this.#hidden += 1;
      return;
    }
    if (name === 'br' || blocks.has(name)) this.#line();
    if (name === 'li') this.#say('- ');
    else if (/^h[1-6]$/.test(name)) this.#say(`${'#'.repeat(Number(name[1]))} `);
    else if (name === 'td' || name === 'th') this.#cell();
    else if (name === 'img' && (attributes.alt ?? '').trim() !== '') this.text(`[${attributes.alt ?? ''}]`);
    else if (name === 'a') this.#links.push(linkOf(attributes.href));
    else if (name === 'pre' || name === 'textarea') this.#verbatim += 1;
  }

  close(name: string): void {
    this.#depth -= 1;
    if (empty.has(name)) return;
    if (this.#hidden > 0) {
      this.#hidden -= 1;
      return;
    }
    if (name === 'a') {
      const link = this.#links.pop() ?? null;
      if (link !== null) this.text(` (${link})`);
    } else if (name === 'pre' || name === 'textarea') this.#verbatim = Math.max(0, this.#verbatim - 1);
    if (blocks.has(name)) this.#line();
  }

  text(text: string): void {
    if (this.#hidden > 0) return;
    if (this.#verbatim > 0) {
      this.#say(text);
      return;
    }
    for (const [index, word] of text.split(/[\t\n\f\r ]+/).entries()) {
      if (index > 0 && this.#at === 'word') this.#say(' ');
      if (word !== '') this.#say(word);
    }
  }

  end(): string {
    const text = this.#pieces.join('') + (this.isTooDeep ? `\n${tooDeep}` : '');
    return text
      .replaceAll(/(?<![ \t])[ \t]+\n/g, '\n')
      .replaceAll(/\n{3,}/g, '\n\n')
      .trim();
  }

  #cell(): void {
    if (this.#at !== 'line') this.#say('\t');
  }

  #line(): void {
    if (this.#at !== 'line') this.#say('\n');
  }

  #say(text: string): void {
    this.#pieces.push(text);
    this.#at = text.endsWith('\n') ? 'line' : /\s$/.test(text) ? 'space' : 'word';
  }
}

function linkOf(href: string | undefined): string | null {
  const link = (href ?? '').trim();
  if (link === '' || link.startsWith('#') || link.length > linkCharsMax || !linkForm.test(link)) return null;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return /[\u0000-\u0020\u007f]/.test(link) ? null : link;
}
