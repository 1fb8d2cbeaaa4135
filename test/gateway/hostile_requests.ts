/**
 * Requests to `/tools/files/…` that a service could understand differently than whoever decides on them. `refused`: the
 * code it ends in, and the witness gets nothing. `sent`: it has one meaning, and the witness gets that one.
 */

export interface Hostile {
  readonly name: string;
  readonly wire: string;
  readonly refused?: string;
  /** The request line that the witness gets; what it gets besides is computed from the recorded arguments. */
  readonly sent?: string;
}

type Row = readonly [name: string, wire: string, outcome: string];

const crlf = '\r\n';

/** The table for a task's token. An outcome that begins with a capital is the request line that is sent. */
export function hostileRequests(token: string): readonly Hostile[] {
  const request = (line: string, headers: readonly string[] = [], body?: string) =>
    [
      `${line} HTTP/1.1`,
      'Host: gate.test',
      `Authorization: Bearer ${token}`,
      ...headers,
      ...(body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`]),
      '',
      body ?? '',
    ].join(crlf);
  const get = (path: string, ...headers: string[]) => request(`GET /tools/files${path}`, headers);
  const post = (path: string, type: string, body: string, ...headers: string[]) =>
    request(`POST /tools/files${path}`, [`Content-Type: ${type}`, ...headers], body);
  const note = (body: string, ...headers: string[]) => post('/notes', 'application/json', body, ...headers);
  const form = (body: string, type = 'application/x-www-form-urlencoded') => post('/forms', type, body);
  const text = (body: string, type = 'text/plain') => post('/texts', type, body);
  const multipart = (body: string, type = 'multipart/form-data; boundary=b') => post('/uploads', type, body);
  const field = (disposition: string, content: string, ...headers: string[]) =>
    `--b${crlf}${[`Content-Disposition: ${disposition}`, ...headers].join(crlf)}${crlf}${crlf}${content}${crlf}`;
  const title = field('form-data; name="title"', 'T');
  const end = `--b--${crlf}`;
  const name = (content: string) => field(`form-data; name="${content}"`, 'x');
  const file = (filename: string) => `${title}${field(`form-data; name="file"; filename=${filename}`, 'x')}${end}`;

  const rows: readonly Row[] = [
    // Paths
    ['an encoded slash', get('/files/a%2Fb'), 'request_invalid'],
    ['an encoded slash in lower case', get('/files/a%2fb'), 'request_invalid'],
    ['an encoded backslash', get('/files/a%5cb'), 'request_invalid'],
    ['a backslash', get('/files/a\\b'), 'request_invalid'],
    ['dot segments', get('/files/../notes'), 'request_invalid'],
    ['encoded dot segments', get('/files/%2e%2e/notes'), 'request_invalid'],
    ['half encoded dot segments', get('/files/.%2e/notes'), 'request_invalid'],
    ['a dot segment before the route', request('GET /tools/./files/files/a'), 'route_unknown'],
    ['a way out of the tools', request('GET /tools/files/../../tasks'), 'request_invalid'],
    ['a way out of the tools, encoded', request('GET /tools/files/%2e%2e/%2e%2e/tasks'), 'request_invalid'],
    ['NUL, encoded', get('/files/a%00.txt'), 'request_invalid'],
    ['a line break, encoded', get('/files/a%0d%0aHost:%20evil'), 'request_invalid'],
    ['an escape encoded twice', get('/files/a%252e%252e'), 'request_invalid'],
    ['a slash encoded twice', get('/files/a%252fb'), 'request_invalid'],
    ['overlong UTF-8', get('/files/%c0%ae%c0%ae'), 'request_invalid'],
    ['an overlong slash', get('/files/a%c0%afb'), 'request_invalid'],
    ['a surrogate in UTF-8', get('/files/%ed%a0%80'), 'request_invalid'],
    ['an escape of IIS', get('/files/%u002e'), 'request_invalid'],
    ['a matrix parameter', get('/files/a;admin=true'), 'request_invalid'],
    ['an encoded matrix parameter', get('/files/a%3badmin'), 'request_invalid'],
    ['an empty segment', get('//files/a'), 'request_invalid'],
    ['an empty segment inside', get('/files//a'), 'request_invalid'],
    ['a slash at the end', get('/files/a/'), 'operation_unknown'],
    ['another case', get('/Files/a'), 'operation_unknown'],
    ['another case of the route', request('GET /tools/Files/files/a'), 'route_unknown'],
    ['an encoded route', request('GET /tools/%66iles/files/a'), 'route_unknown'],
    ['an authority in the path', request('GET //evil.test/tools/files/files/a'), 'route_unknown'],
    ['a C1 control character', get('/files/a%C2%85'), 'request_invalid'],
    ['a needless escape', get('/files/%61'), 'GET /files/a'],
    ['a needless escape of the template', get('/%66iles/a'), 'GET /files/a'],
    ['a full width slash, which is a letter', get('/files/a%EF%BC%8Fb'), 'GET /files/a%EF%BC%8Fb'],
    ['an encoded question mark', get('/files/a%3Fq=1'), 'GET /files/a%3Fq%3D1'],
    ['an encoded fragment', get('/files/a%23b'), 'GET /files/a%23b'],
    ['an encoded at sign and colon', get('/files/u%40h%3A80'), 'GET /files/u%40h%3A80'],
    // Methods
    ['X-HTTP-Method-Override', get('/files/a', 'X-HTTP-Method-Override: DELETE'), 'request_invalid'],
    ['X-HTTP-Method', get('/files/a', 'X-HTTP-Method: DELETE'), 'request_invalid'],
    ['X-Method-Override', get('/files/a', 'X-Method-Override: DELETE'), 'request_invalid'],
    ['X-Original-URL', get('/files/a', 'X-Original-URL: /admin'), 'request_invalid'],
    ['X-Rewrite-URL', get('/files/a', 'X-Rewrite-URL: /admin'), 'request_invalid'],
    ['_method in the query', get('/files/a?_method=DELETE'), 'args_invalid'],
    ['a method that the path has not', request('PATCH /tools/files/files/a'), 'operation_unknown'],
    ['OPTIONS where it is not described', request('OPTIONS /tools/files/files/a'), 'operation_unknown'],
    // Headers
    ['a declared header twice', get('/files/a', 'X-Label: one', 'X-Label: two'), 'args_invalid'],
    ['a declared list twice', get('/files/a', 'X-Tags: one', 'X-Tags: two'), 'args_invalid'],
    ['a declared list in one', get('/files/a', 'X-Tags: one,two'), 'GET /files/a'],
    ['a list in a single header', get('/files/a', 'X-Label: one, two'), 'GET /files/a'],
    ['a byte above ASCII in a declared header', get('/files/a', 'X-Label: \xe9'), 'args_invalid'],
    ['a declared header in Connection', get('/files/a', 'Connection: X-Label', 'X-Label: one'), 'GET /files/a'],
    ['our own header', get('/files/a', 'X-Tollgate-Task-Id: task_1'), 'GET /files/a'],
    ['network headers', get('/files/a', 'X-Forwarded-For: 10.0.0.1', 'Forwarded: for=10.0.0.1'), 'GET /files/a'],
    ['another host to go to', get('/files/a', 'X-Forwarded-Host: evil.test', 'X-Host: evil.test'), 'GET /files/a'],
    ['a cookie and a proxy login', get('/files/a', 'Cookie: a=b', 'Proxy-Authorization: Basic eA=='), 'GET /files/a'],
    ['TE and Trailer', get('/files/a', 'TE: trailers', 'Trailer: X-Label'), 'GET /files/a'],
    ['a condition with a line of its own', get('/files/a', 'If-None-Match: "a", "b", c'), 'args_invalid'],
    ['a condition that came twice', get('/files/a', 'If-Match: "a"', 'If-Match: "b"'), 'args_invalid'],
    ['a condition that is no date', get('/files/a', 'If-Modified-Since: yesterday'), 'args_invalid'],
    ['many ranges', get('/files/a', 'Range: bytes=0-0,0-0,0-0'), 'args_invalid'],
    ['a range of another unit', get('/files/a', 'Range: lines=0-9'), 'args_invalid'],
    ['a range of a write', request('DELETE /tools/files/files/a', ['Range: bytes=0-1']), 'args_invalid'],
    ['a range', get('/files/a', 'Range: bytes=0-9'), 'GET /files/a'],
    ['Expect', note('{"text":"a"}', 'Expect: 100-continue'), 'POST /notes'],
    ['an accept-encoding of the agent', get('/files/a', 'Accept-Encoding: zstd'), 'GET /files/a'],
    // Queries
    ['a parameter twice', get('/files/a?q=1&q=2'), 'args_invalid'],
    ['a parameter twice, encoded once', get('/files/a?q=1&%71=2'), 'args_invalid'],
    ['a semicolon as separator', get('/files/a?q=1;limit=2'), 'GET /files/a?q=1%3Blimit%3D2'],
    ['a plus', get('/files/a?q=a+b'), 'GET /files/a?q=a%20b'],
    ['an encoded plus', get('/files/a?q=a%2Bb'), 'GET /files/a?q=a%2Bb'],
    ['an encoded ampersand', get('/files/a?q=1%26limit=2'), 'GET /files/a?q=1%26limit%3D2'],
    ['an encoded equals sign in a name', get('/files/a?q%3D1=2'), 'args_invalid'],
    ['brackets of an array', get('/files/a?tag[]=1'), 'args_invalid'],
    ['an index of an array', get('/files/a?tag[0]=1'), 'args_invalid'],
    ['an unknown parameter', get('/files/a?admin=true'), 'args_invalid'],
    ['a parameter in another case', get('/files/a?Q=1'), 'args_invalid'],
    ['a name without a value', get('/files/a?q'), 'GET /files/a?q='],
    ['two question marks', get('/files/a?q=1?limit=2'), 'GET /files/a?q=1%3Flimit%3D2'],
    ['empty pairs', get('/files/a?&&q=1&'), 'GET /files/a?q=1'],
    ['a list in one and in pairs', get('/files/a?tag=a,b&tag=c'), 'GET /files/a?tag=a%2Cb&tag=c'],
    ['a list with an encoded comma', get('/files/a?ids=1%2C2'), 'GET /files/a?ids=1%2C2'],
    ['NUL in the query', get('/files/a?q=%00'), 'request_invalid'],
    ['overlong UTF-8 in the query', get('/files/a?q=%c0%80'), 'request_invalid'],
    ['a number that is none', get('/files/a?limit=1e1'), 'args_invalid'],
    ['a number with a sign', get('/files/a?limit=+1'), 'args_invalid'],
    ['a number in hexadecimal', get('/files/a?limit=0x1'), 'args_invalid'],
    ['a number of another script', get('/files/a?limit=%D9%A1'), 'args_invalid'],
    ['__proto__', get('/files/a?__proto__[q]=1'), 'args_invalid'],
    // JSON
    ['a member twice', note('{"text":"a","text":"b"}'), 'request_invalid'],
    ['a member twice, escaped once', note('{"text":"a","te\\u0078t":"b"}'), 'request_invalid'],
    ['__proto__ as a member', note('{"text":"a","__proto__":{"admin":true}}'), 'request_invalid'],
    ['a number beyond 2^53', note('{"text":"a","amount":9007199254740993}'), 'request_invalid'],
    ['a number beyond all', note('{"text":"a","amount":1e999}'), 'request_invalid'],
    ['a byte order mark', note('\xef\xbb\xbf{"text":"a"}'), 'request_invalid'],
    ['UTF-16', note(Buffer.from('{"text":"a"}', 'utf16le').toString('latin1')), 'request_invalid'],
    [
      'UTF-16 that says so',
      post('/notes', 'application/json; charset=utf-16', '{"text":"a"}'),
      'media_type_unsupported',
    ],
    [
      'a charset twice',
      post('/notes', 'application/json; charset=utf-8; charset=utf-7', '{"text":"a"}'),
      'media_type_unsupported',
    ],
    ['Latin-1 in JSON', note('{"text":"\xe9"}'), 'request_invalid'],
    ['half a surrogate pair', note('{"text":"\\ud800"}'), 'request_invalid'],
    ['a comment', note('{"text":"a"/**/}'), 'request_invalid'],
    ['two documents', note('{"text":"a"}{"text":"b"}'), 'request_invalid'],
    ['NaN', note('{"text":"a","amount":NaN}'), 'request_invalid'],
    ['JSON that is said to be a form', form('{"a":"b"}', 'application/json'), 'media_type_unsupported'],
    ['a form that is said to be JSON', note('text=a'), 'request_invalid'],
    [
      'two media types in one',
      post('/notes', 'application/json, text/plain', '{"text":"a"}'),
      'media_type_unsupported',
    ],
    ['no media type', request('POST /tools/files/notes', [], '{"text":"a"}'), 'media_type_unsupported'],
    ['gzip that is none', note('{"text":"a"}', 'Content-Encoding: gzip'), 'media_type_unsupported'],
    ['an encoding list', note('{"text":"a"}', 'Content-Encoding: identity, gzip'), 'media_type_unsupported'],
    ['escapes that mean letters', note('{"te\\u0078t":"a"}'), 'POST /notes'],
    // Forms
    ['a field twice', form('a=1&a=2'), 'args_invalid'],
    ['a field of another charset', form('a=%e9'), 'request_invalid'],
    [
      'a form with another charset',
      form('a=1', 'application/x-www-form-urlencoded; charset=utf-7'),
      'media_type_unsupported',
    ],
    ['_charset_ in a form', form('_charset_=utf-7&a=1'), 'args_invalid'],
    [
      'a form with a charset that is ours',
      form('a=1', 'application/x-www-form-urlencoded; charset=UTF-8'),
      'POST /forms',
    ],
    ['a semicolon in a form', form('a=1;b=2'), 'POST /forms'],
    ['a field in brackets', form('a=1&list[]=2'), 'args_invalid'],
    // Text
    ['a text that is no UTF-8', text('\xff\xfe'), 'request_invalid'],
    ['a text with a byte order mark', text('\xef\xbb\xbfhello'), 'request_invalid'],
    ['a text of another charset', text('hello', 'text/plain; charset=utf-7'), 'media_type_unsupported'],
    // Multipart
    ['a field of a form twice', multipart(`${title}${title}${end}`), 'args_invalid'],
    ['a preamble', multipart(`hello${crlf}${title}${end}`), 'request_invalid'],
    ['an epilogue', multipart(`${title}${end}${title}${end}`), 'request_invalid'],
    ['no end', multipart(title), 'request_invalid'],
    ['lines that end in LF', multipart(`${title}${end}`.replaceAll(crlf, '\n')), 'request_invalid'],
    ['a boundary that goes on', multipart(`${title}--bb${crlf}${end}`), 'request_invalid'],
    ['spaces behind the boundary', multipart(`${title}`.replace('--b', '--b ') + end), 'request_invalid'],
    ['two boundaries', multipart(`${title}${end}`, 'multipart/form-data; boundary=b; boundary=c'), 'request_invalid'],
    ['no boundary', multipart(`${title}${end}`, 'multipart/form-data'), 'request_invalid'],
    [
      'another parameter',
      multipart(`${title}${end}`, 'multipart/form-data; boundary=b; charset=utf-8'),
      'request_invalid',
    ],
    ['multipart/mixed', multipart(`${title}${end}`, 'multipart/mixed; boundary=b'), 'media_type_unsupported'],
    ['two names', multipart(`${field('form-data; name="title"; name="count"', '1')}${end}`), 'request_invalid'],
    [
      'name and name*',
      multipart(`${field('form-data; name="title"; name*=utf-8\'\'count', '1')}${end}`),
      'request_invalid',
    ],
    ['filename and filename*', multipart(file(`"a.txt"; filename*=utf-8''b.exe`)), 'request_invalid'],
    ['two file names', multipart(file('"a.txt"; filename="b.exe"')), 'request_invalid'],
    ['a file name that is a path', multipart(file('"../../etc/passwd"')), 'request_invalid'],
    ['a file name with a backslash', multipart(file('"a\\".exe"')), 'request_invalid'],
    ['a file name with an escape', multipart(file('"a%22; name=%22title"')), 'request_invalid'],
    ['a folded disposition', multipart(`${field(`form-data;${crlf} name="title"`, 'T')}${end}`), 'request_invalid'],
    [
      'a transfer encoding',
      multipart(`${field('form-data; name="title"', 'VA==', 'Content-Transfer-Encoding: base64')}${end}`),
      'request_invalid',
    ],
    ['another header', multipart(`${field('form-data; name="title"', 'T', 'X-A: b')}${end}`), 'request_invalid'],
    [
      'a wrong length of a part',
      multipart(`${field('form-data; name="title"', 'T', 'Content-Length: 9')}${end}`),
      'request_invalid',
    ],
    [
      'a disposition twice',
      multipart(`${field('form-data; name="title"', 'T', 'Content-Disposition: form-data; name="count"')}${end}`),
      'request_invalid',
    ],
    ['an attachment', multipart(`${field('attachment; name="title"', 'T')}${end}`), 'request_invalid'],
    ['_charset_', multipart(`${title}${name('_charset_')}${end}`), 'request_invalid'],
    [
      'a part of another charset',
      multipart(`${field('form-data; name="title"', 'T', 'Content-Type: text/plain; charset=utf-7')}${end}`),
      'request_invalid',
    ],
    [
      'a part of parts',
      multipart(`${field('form-data; name="title"', 'T', 'Content-Type: multipart/mixed; boundary=c')}${end}`),
      'request_invalid',
    ],
    ['an unknown field', multipart(`${title}${name('admin')}${end}`), 'args_invalid'],
    [
      'a file where a text is expected',
      multipart(`${field('form-data; name="title"; filename="a"', 'T')}${end}`),
      'args_invalid',
    ],
    [
      'JSON in a part with a member twice',
      multipart(`${title}${field('form-data; name="meta"', '{"kind":"a","kind":"b"}')}${end}`),
      'args_invalid',
    ],
    [
      'LF and a boundary inside a file',
      multipart(
        `${title}${field('form-data; name="file"; filename="a"', 'x\n--b\nContent-Disposition: form-data; name="title"\n\nevil')}${end}`,
      ),
      'POST /uploads',
    ],
    [
      'what looks like the end inside a file',
      multipart(`${title}${field('form-data; name="file"; filename="a"', 'x --b-- y')}${end}`),
      'POST /uploads',
    ],
    ['a form in capitals', multipart(`${field('FORM-DATA; NAME=title', 'T')}${end}`), 'POST /uploads'],
  ];
  return rows.map(([name, wire, outcome]) =>
    /^[A-Z]+ \//.test(outcome) ? { name, wire, sent: outcome } : { name, wire, refused: outcome },
  );
}
