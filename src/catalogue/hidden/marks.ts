/**
 * What hides in a text by its form and not by its words: blocks that shout at the model, comments that are not rendered,
 * images and links that carry data away, texts that are encoded. Each gives spans, by UTF-16 places of the text.
 */

export type MarkKind = 'markup' | 'exfiltration' | 'encoded';

export interface Mark {
  readonly kind: MarkKind;
  readonly from: number;
  readonly to: number;
  /** Exactly this is taken out; else the sentence around it. */
  readonly exact: boolean;
}

const block = /<\s*(important|system(?:[-_ ]?prompt)?|secret|hidden|critical|admin|override)\b[^<>\n]{0,80}>/gi;
const loudBlock = /<\s*(?:INSTRUCTIONS?|PRIORITY|ASSISTANT|RULES)\s*>/g;
const unseen =
  /<(span|div|p|font|b|i|small)\b[^<>]{0,200}(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0|color\s*:\s*(?:white|#fff|transparent)|\shidden\b)[^<>]{0,200}>/gi;
const image =
  /!\[[^\]\n]{0,300}\]\(\s*<?(?:https?:)?\/\/[^)\s][^)]{0,2200}\)|<img\b[^<>]{0,500}\bsrc\s*=[^<>]{0,2000}>/gi;
const address = /https?:\/\/[^\s"'`<>]+(?:<[^\s<>]{1,60}>[^\s"'`<>]*)*/gi;
const active = /(?:javascript|vbscript):[^\s]|data:text\/html[;,]/gi;
const carried =
  /[{<[$%](?:[^}>\]]{0,40})(?:data|secret|key|token|content|conversation|context|history|message|prompt|password|result|output|response|user|email|info|text|args?|file|env|credential)/i;
const sends = /\b(?:send|post|append|report|ping|exfiltrate|upload|forward|transmit|beacon|track)\b/i;
const visits =
  /(?:^|[.:;,]\s*|\b(?:then|and|must|always|first|please|silently)\s+)(?:visit|open|fetch|load|curl|wget|navigate to|browse to|request|call|get|make a (?:get |post )?request to)\s+(?:the (?:url|link|address)\s+)?['"`<(]?$/i;
const purpose =
  /^\S*\s+(?:to|for)\s+(?:create|generate|get|obtain|register|sign|see|view|learn|find|manage|enable|more|details|documentation)\b/i;
const example = /\be\.?g\.?\b|\bfor example\b|\bexamples?\b|\bsuch as\b|\bformat\b/i;
const blob = /(?<![A-Za-z0-9+/=_.-])[A-Za-z0-9+/_-]{24,}={0,2}(?![A-Za-z0-9+/=_-])/g;
const blobCharsMin = 120;

/** All marks of `text`. Links to `hosts` are the server's own. `reads` tells whether a decoded text is hostile. */
export function marksOf(text: string, hosts: readonly string[], reads: (decoded: string) => boolean): readonly Mark[] {
  return [...blocksOf(text), ...linksOf(text, hosts), ...blobsOf(text, reads)];
}

function blocksOf(text: string): Mark[] {
  const marks: Mark[] = [];
  const add = (kind: MarkKind, from: number, to: number) => marks.push({ kind, from, to, exact: true });
  for (const found of text.matchAll(block)) {
    const name = (found[1] as string).toLowerCase();
    const end = endOf(text, found.index + found[0].length, name);
    const shouts = (found[1] as string) === (found[1] as string).toUpperCase();
    // A placeholder in a path is neither loud nor closed.
    if (end !== undefined || shouts) add('markup', found.index, end ?? text.length);
  }
  for (const found of text.matchAll(loudBlock)) {
    const name = /[A-Z]+/.exec(found[0])?.[0] ?? '';
    add('markup', found.index, endOf(text, found.index + found[0].length, name.toLowerCase()) ?? text.length);
  }
  for (let from = text.indexOf('<!--'); from !== -1; ) {
    const end = text.indexOf('-->', from + 4);
    const to = end === -1 ? text.length : end + 3;
    if ((text.slice(from, to).match(/\p{L}{2,}/gu) ?? []).length >= 3) add('markup', from, to);
    from = text.indexOf('<!--', to);
  }
  for (const found of text.matchAll(unseen)) {
    const end = endOf(text, found.index + found[0].length, (found[1] as string).toLowerCase());
    // An attribute that is only spoken of has no end.
    if (end !== undefined || !/\shidden\b/i.test(found[0])) add('markup', found.index, end ?? text.length);
  }
  return marks;
}

function endOf(text: string, from: number, name: string): number | undefined {
  const close = new RegExp(`<\\s*/\\s*${name.replaceAll(/[-_ ]/g, '[-_ ]?')}\\s*>`, 'gi');
  close.lastIndex = from;
  const found = close.exec(text);
  return found === null ? undefined : found.index + found[0].length;
}

function linksOf(text: string, hosts: readonly string[]): Mark[] {
  const marks: Mark[] = [];
  for (const found of text.matchAll(image)) {
    marks.push({ kind: 'exfiltration', from: found.index, to: found.index + found[0].length, exact: true });
  }
  for (const found of text.matchAll(active)) {
    marks.push({ kind: 'exfiltration', from: found.index, to: found.index + found[0].length, exact: false });
  }
  for (const found of text.matchAll(address)) {
    const [link] = found;
    const query = link.slice(link.indexOf('?') + 1);
    if (!link.includes('?') || query === '' || isOwn(link, hosts)) continue;
    const [before, after] = around(text, found.index, found.index + link.length);
    if (example.test(before)) continue;
    const goes = sends.test(before) || (visits.test(before) && !purpose.test(`x${after}`));
    if (carried.test(query) || goes) {
      marks.push({ kind: 'exfiltration', from: found.index, to: found.index + link.length, exact: false });
    }
  }
  return marks;
}

/** Of the server itself, or of the names that stand for none (RFC 2606). */
function isOwn(link: string, hosts: readonly string[]): boolean {
  const host = (/^https?:\/\/(?:[^/@?#]*@)?([^/:?#]+)/i.exec(link)?.[1] ?? '').toLowerCase();
  if (/(?:^|\.)example(?:\.(?:com|org|net))?$|\.(?:test|invalid)$|^localhost$/.test(host)) return true;
  return hosts.some((own) => host === own || host.endsWith(`.${own}`));
}

/** What stands before and behind it in its sentence. */
function around(text: string, from: number, to: number): readonly [string, string] {
  const before = text.slice(Math.max(0, from - 200), from);
  const start = Math.max(...['. ', '! ', '? ', '\n'].map((end) => before.lastIndexOf(end) + end.length - 1), 0);
  return [before.slice(start), text.slice(to, to + 60)];
}

function blobsOf(text: string, reads: (decoded: string) => boolean): Mark[] {
  const marks: Mark[] = [];
  for (const found of text.matchAll(blob)) {
    const [candidate] = found;
    const isHex = /^(?:[0-9a-f]{2})+$/i.test(candidate);
    const decoded = Buffer.from(candidate, isHex ? 'hex' : 'base64').toString('latin1');
    const isText = /^[\s -~]+$/.test(decoded) && (decoded.match(/[A-Za-z]{2,} /g) ?? []).length >= 2;
    const isLong =
      !isHex &&
      candidate.length >= blobCharsMin &&
      /^[A-Za-z0-9+/]+={0,2}$/.test(candidate) &&
      (candidate.match(/[A-Z]/g) ?? []).length * 5 >= candidate.length &&
      /\d/.test(candidate);
    const [before] = around(text, found.index, found.index);
    if (isLong || (isText && (reads(decoded) || !example.test(before)))) {
      marks.push({ kind: 'encoded', from: found.index, to: found.index + candidate.length, exact: false });
    }
  }
  return marks;
}
