/**
 * Requests that two readers of HTTP could understand differently, as bytes. Each is made of a good request with one
 * thing wrong, so that its control, the same without, passes. `refused`: no upstream gets anything. `harmless`: it has
 * one meaning, and the upstream gets exactly the request that was decided on; the name says what was normalised.
 */

export interface Framing {
  readonly name: string;
  readonly wire: string;
}

export interface FramingParts {
  readonly token: string;
}

const json = '{"amount_cents":5}';
const hex = (text: string) => text.length.toString(16);

interface Pieces {
  readonly line?: string;
  readonly host?: readonly string[];
  readonly length?: readonly string[];
  readonly more?: readonly string[];
  readonly body?: string;
  readonly end?: string;
}

/** The framings over one good call: `POST /tools/orders/refunds`. */
export function framings({ token }: FramingParts): {
  readonly refused: readonly Framing[];
  readonly harmless: readonly Framing[];
  /** The good request as it is, by length and in chunks. */
  readonly controls: readonly Framing[];
} {
  const request = ({ line, host, length, more = [], body = json, end = '\r\n' }: Pieces = {}) =>
    [
      line ?? 'POST /tools/orders/refunds HTTP/1.1',
      ...(host ?? ['Host: gate.test']),
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      ...(length ?? [`Content-Length: ${body.length}`]),
      ...more,
      '',
      '',
    ].join(end) + body;
  const chunked = (body: string, coding: readonly string[] = ['Transfer-Encoding: chunked']) =>
    request({ length: coding, body });
  const whole = `${hex(json)}\r\n${json}\r\n0\r\n\r\n`;
  const get = (line: string, more: readonly string[] = []) => request({ line, length: [], more, body: '' });
  const smuggled = get('GET /tools/orders/orders/SMUGGLED HTTP/1.1');
  const te = (...values: readonly string[]) =>
    chunked(
      whole,
      values.map((value) => `Transfer-Encoding: ${value}`),
    );
  const length = (...values: readonly string[]) =>
    request({ length: values.map((value) => `Content-Length: ${value}`) });
  const header = (...lines: readonly string[]) => request({ more: lines });

  const refused: Record<string, string> = {
    // Host
    'no Host': request({ host: [] }),
    'two Host headers': request({ host: ['Host: gate.test', 'Host: other.test'] }),
    'two equal Host headers': request({ host: ['Host: gate.test', 'Host: gate.test'] }),
    'two Host headers in different case': request({ host: ['Host: gate.test', 'hOST: other.test'] }),
    'an empty Host': request({ host: ['Host:'] }),
    'a list as Host': request({ host: ['Host: gate.test, other.test'] }),
    'a Host with a path': request({ host: ['Host: gate.test/other'] }),
    'a Host with a user': request({ host: ['Host: me@gate.test'] }),
    'a Host with a tab in it': request({ host: ['Host: gate\t.test'] }),
    // Content-Length
    'two Content-Length headers': length('18', '0'),
    'two equal Content-Length headers': length('18', '18'),
    'a list as Content-Length': length('18, 18'),
    'a Content-Length with a plus': length('+18'),
    'a negative Content-Length': length('-1'),
    'a Content-Length in hexadecimal': length('0x12'),
    'a Content-Length with a zero before it': length('018'),
    'a Content-Length with a space inside': length('1 8'),
    'a Content-Length with a fraction': length('18.0'),
    'an empty Content-Length': length(''),
    'a Content-Length beyond 64 bits': length('99999999999999999999999999'),
    'a space before the colon of Content-Length': request({ length: ['Content-Length : 18'] }),
    // Transfer-Encoding
    'Transfer-Encoding with Content-Length': chunked(whole, ['Transfer-Encoding: chunked', 'Content-Length: 18']),
    'Content-Length with Transfer-Encoding': chunked(whole, ['Content-Length: 18', 'Transfer-Encoding: chunked']),
    'Transfer-Encoding split over two headers': te('identity', 'chunked'),
    'Transfer-Encoding split the other way': te('chunked', 'identity'),
    'Transfer-Encoding: chunked twice': te('chunked', 'chunked'),
    'Transfer-Encoding: chunked, chunked': te('chunked, chunked'),
    'Transfer-Encoding: gzip, chunked': te('gzip, chunked'),
    'Transfer-Encoding: chunked, identity': te('chunked, identity'),
    'Transfer-Encoding: identity': request({ more: ['Transfer-Encoding: identity'], length: [] }),
    'Transfer-Encoding: identity with a length': header('Transfer-Encoding: identity'),
    'Transfer-Encoding: xchunked': te('xchunked'),
    'Transfer-Encoding: "chunked"': te('"chunked"'),
    'Transfer-Encoding: chunked;a=b': te('chunked;a=b'),
    'Transfer-Encoding in capitals': te('CHUNKED'),
    'an empty Transfer-Encoding': te(''),
    'Transfer-Encoding after a vertical tab': te('\x0bchunked'),
    'a space before the colon of Transfer-Encoding': chunked(whole, ['Transfer-Encoding : chunked']),
    'Transfer-Encoding on a folded line': chunked(whole, ['Transfer-Encoding:', ' chunked']),
    'Transfer-Encoding in HTTP/1.0': chunked(whole).replace('HTTP/1.1', 'HTTP/1.0'),
    // Lines and characters
    'a folded header': header('X-A: b', ' c'),
    'a folded first header': request({ host: [' Host: gate.test', 'Host: gate.test'] }),
    'bare LF everywhere': request({ end: '\n' }),
    'a bare LF between headers': header('X-A: b\nX-B: c'),
    'a bare CR between headers': header('X-A: b\rX-B: c'),
    'a bare CR before the body': request().replace('\r\n\r\n', '\r\n\r'),
    'NUL in a value': header('X-A: b\0c'),
    'NUL in a name': header('X\0A: b'),
    'a control character in a value': header('X-A: b\x01c'),
    'a header without a name': header(': b'),
    'a header without a colon': header('X-A'),
    'a space in a header name': header('X A: b'),
    'a second Authorization': header('Authorization: Bearer other'),
    'a second Content-Type': header('Content-Type: text/plain'),
    'more headers than are read': header(...Array.from({ length: 300 }, (_, index) => `X-${index}: y`)),
    'more bytes of headers than are read': header(`X-A: ${'b'.repeat(20_000)}`),
    // Request line
    TRACE: get('TRACE /tools/orders/orders/O-1 HTTP/1.1'),
    CONNECT: get('CONNECT other.test:443 HTTP/1.1'),
    'a method in lower case': get('get /tools/orders/orders/O-1 HTTP/1.1'),
    'an unknown method': get('SMUGGLE /tools/orders/orders/O-1 HTTP/1.1'),
    'a method of another protocol': get('PROPFIND /tools/orders/orders/O-1 HTTP/1.1'),
    'an absolute target': get('GET http://gate.test/tools/orders/orders/O-1 HTTP/1.1'),
    'an absolute target of another host': get('GET http://other.test/tools/orders/orders/O-1 HTTP/1.1'),
    'the target *': get('OPTIONS * HTTP/1.1'),
    'a target without a slash': get('GET tools/orders/orders/O-1 HTTP/1.1'),
    'a target with a fragment': get('GET /tools/orders/orders/O-1#x HTTP/1.1'),
    'a target with a space': get('GET /tools/orders/orders/O 1 HTTP/1.1'),
    'a target with a tab': get('GET /tools/orders/orders/O\t1 HTTP/1.1'),
    'a target with NUL': get('GET /tools/orders/orders/O\0 HTTP/1.1'),
    'a target with a byte above ASCII': get('GET /tools/orders/orders/O\xe9 HTTP/1.1'),
    'HTTP/0.9': 'GET /tools/orders/orders/O-1\r\n\r\n',
    'HTTP/1.2': get('GET /tools/orders/orders/O-1 HTTP/1.2'),
    'HTTP/2.0 in clear': get('GET /tools/orders/orders/O-1 HTTP/2.0'),
    'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'the version in lower case': get('GET /tools/orders/orders/O-1 http/1.1'),
    'a space before the method': get(' GET /tools/orders/orders/O-1 HTTP/1.1'),
    'an upgrade to h2c': get('GET /tools/orders/orders/O-1 HTTP/1.1', [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    ]),
    'an upgrade to WebSocket': get('GET /tools/orders/orders/O-1 HTTP/1.1', [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ]),
    'an unknown expectation': header('Expect: 200-maybe'),
    'a GET with a body': request({ line: 'GET /tools/orders/orders/O-1 HTTP/1.1' }),
    'a GET with a chunked body': request({
      line: 'GET /tools/orders/orders/O-1 HTTP/1.1',
      length: ['Transfer-Encoding: chunked'],
      body: whole,
    }),
    // Chunks
    'a chunk that ends in LF': chunked(`${hex(json)}\n${json}\n0\n\n`),
    'a chunk extension that ends in LF': chunked(`${hex(json)};a=b\n${json}\r\n0\r\n\r\n`),
    'a chunk extension with NUL': chunked(`${hex(json)};\0\r\n${json}\r\n0\r\n\r\n`),
    'a chunk extension with a quoted line': chunked(`${hex(json)};a="\r\n"\r\n${json}\r\n0\r\n\r\n`),
    'a chunk extension of 20 KB': chunked(`${hex(json)};a=${'b'.repeat(20_000)}\r\n${json}\r\n0\r\n\r\n`),
    'a chunk size with 0x': chunked(`0x${hex(json)}\r\n${json}\r\n0\r\n\r\n`),
    'a chunk size with a plus': chunked(`+${hex(json)}\r\n${json}\r\n0\r\n\r\n`),
    'a negative chunk size': chunked(`-${hex(json)}\r\n${json}\r\n0\r\n\r\n`),
    'a chunk size with a space behind it': chunked(`${hex(json)} \r\n${json}\r\n0\r\n\r\n`),
    'a chunk size beyond 64 bits': chunked(`fffffffffffffffff\r\n${json}\r\n0\r\n\r\n`),
    'no chunk size': chunked(`\r\n${json}\r\n0\r\n\r\n`),
    'a chunk longer than it says': chunked(`2\r\n${json}\r\n0\r\n\r\n`),
    'a chunk shorter than it says': chunked(`${(json.length + 1).toString(16)}\r\n${json}\r\n0\r\n\r\n`),
    'a trailer that is a Content-Length': chunked(`${hex(json)}\r\n${json}\r\n0\r\nContent-Length: 9\r\n\r\n`),
    'a trailer with a space before its colon': chunked(`${hex(json)}\r\n${json}\r\n0\r\nX-A : 9\r\n\r\n`),
    // Two in one: what is behind a refused head is never a request
    'a good request behind two Host headers': request({ host: ['Host: a', 'Host: b'] }) + smuggled,
    'a good request behind a split Transfer-Encoding': te('identity', 'chunked') + smuggled,
    'a good request behind an upgrade': get('GET /livez HTTP/1.1', ['Connection: Upgrade', 'Upgrade: h2c']) + smuggled,
    'a good request as the body of a GET': request({ line: 'GET /livez HTTP/1.1', body: smuggled }),
    'a good request behind TRACE': get('TRACE / HTTP/1.1') + smuggled,
  };
  const harmless: Record<string, string> = {
    'empty lines before the request are skipped': `\r\n\r\n${request()}`,
    'spaces and tabs around values are cut off': request({ length: [`Content-Length:\t${json.length} `] }),
    'two spaces in the request line are one': request({ line: 'POST  /tools/orders/refunds HTTP/1.1' }),
    'a small chunk extension is dropped': chunked(`${hex(json)};a=b\r\n${json}\r\n0\r\n\r\n`),
    'a trailer is dropped': chunked(`${hex(json)}\r\n${json}\r\n0\r\nX-A: b\r\n\r\n`),
    'a chunk size with zeros before it': chunked(`000${hex(json)}\r\n${json}\r\n0\r\n\r\n`),
    'a body in chunks of one byte': chunked(`${[...json].map((byte) => `1\r\n${byte}\r\n`).join('')}0\r\n\r\n`),
    'a header named like Content-Length is not passed on': header('Content_Length: 3', 'X-Content-Length: 3'),
    'headers that Connection names are not passed on': header('Connection: keep-alive, Authorization, X-A', 'X-A: b'),
    'a byte above ASCII in a header that is not passed on': header('X-A: \xe9'),
    'HTTP/1.0 with a Host': request({ line: 'POST /tools/orders/refunds HTTP/1.0' }),
    'Expect: 100-continue is answered': header('Expect: 100-continue'),
  };
  const controls: Record<string, string> = { 'by length': request(), 'in chunks': chunked(whole) };
  const list = (table: Record<string, string>) => Object.entries(table).map(([name, wire]) => ({ name, wire }));
  return { refused: list(refused), harmless: list(harmless), controls: list(controls) };
}
