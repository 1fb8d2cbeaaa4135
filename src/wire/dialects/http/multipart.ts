/**
 * `multipart/form-data` (RFC 7578), read in the one way in which all readers agree and written anew for the target: no
 * preamble and no epilogue, no transfer encodings, no escapes in names, nothing twice. What a reader would get wrong:
 * the bytes of a form never go on as they came, so that a boundary or a header that the target would read in another
 * way does not reach it.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { parseMediaType } from '../../media.ts';

/** One field of a form: a text, or a file. */
export interface Part {
  readonly name: string;
  readonly content: Buffer;
  /** As sent, without parameters; null where none is named. */
  readonly contentType: string | null;
  /** Null for a part that is no file. */
  readonly filename: string | null;
}

const partsMax = 200;
const headerBytesMax = 4096;
const headersMax = 8;

/** RFC 2046 §5.1.1 `bchars` without the space, which some readers cut off. */
const boundaryForm = /^[0-9A-Za-z'()+_,\-./:=?]{1,70}$/;
const token = String.raw`[!#$%&'*+\-.^_\x60|~0-9A-Za-z]+`;
const parameterForm = new RegExp(String.raw`^;[ \t]*(${token})=(?:"([^"]*)"|(${token}))[ \t]*`);
const headerForm = new RegExp(String.raw`^(${token}):[ \t]*(.*?)[ \t]*$`, 's');
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const notInHeaders = /[\u0000-\u001f\u007f]/;
/** What some writers mean as an escape, and some readers take for one. */
const escaped = /\\|%(?:22|0d|0a)/i;

/** The boundary that a `content-type` names, with nothing beside it; undefined for what is not one. */
export function boundaryOf(contentType: string): string | undefined {
  const at = contentType.indexOf(';');
  if (at === -1 || contentType.slice(0, at).trim().toLowerCase() !== 'multipart/form-data') return undefined;
  const parameters = parametersOf(contentType.slice(at));
  const boundary = parameters?.get('boundary');
  return parameters?.size === 1 && boundary !== undefined && boundaryForm.test(boundary) ? boundary : undefined;
}

/** The parts in `body`, in their order; a string says why they cannot be read in one way. */
export function readMultipart(body: Buffer, boundary: string): readonly Part[] | string {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  if (!body.subarray(0, delimiter.length - 2).equals(delimiter.subarray(2))) return 'does not begin with its boundary';
  const parts: Part[] = [];
  let at = delimiter.length - 2;
  for (;;) {
    const rest = body.subarray(at);
    const tail = rest.subarray(0, 5).toString('latin1');
    if (tail === '--' || tail === '--\r\n') return rest.length > 4 ? 'goes on behind its end' : parts;
    if (!tail.startsWith('\r\n')) return 'holds its boundary where none may be';
    if (parts.length === partsMax) return `has more than ${partsMax} parts`;
    const end = body.indexOf(delimiter, at + 2);
    if (end === -1) return 'has no end';
    const part = readPart(body.subarray(at + 2, end));
    if (typeof part === 'string') return part;
    parts.push(part);
    at = end + delimiter.length;
  }
}

function readPart(bytes: Buffer): Part | string {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return 'has a part without headers';
  if (end > headerBytesMax || !isUtf8(bytes.subarray(0, end))) return 'has a part whose headers cannot be read';
  const content = bytes.subarray(end + 4);
  const headers = new Map<string, string>();
  for (const line of bytes.subarray(0, end).toString('utf8').split('\r\n')) {
    const [, name = '', value = ''] = headerForm.exec(line) ?? [];
    if (name === '' || notInHeaders.test(value)) return 'has a part whose headers cannot be read';
    if (headers.has(name.toLowerCase())) return `has a part with two headers ${name.toLowerCase()}`;
    headers.set(name.toLowerCase(), value);
  }
  const fault = headers.size > headersMax ? 'has a part with too many headers' : headersFault(headers, content);
  if (fault !== undefined) return fault;
  const named = dispositionOf(headers.get('content-disposition') ?? '');
  if (typeof named === 'string') return named;
  const type = headers.get('content-type');
  const media = type === undefined ? null : parseMediaType(type);
  if (media === undefined) return 'has a part whose content-type is not a media type';
  const { charset = null } = media ?? {};
  if (charset !== null && charset !== 'utf-8' && charset !== 'us-ascii') return 'has a part that is not UTF-8';
  if (media?.type.startsWith('multipart/') === true) return 'has a part of several parts';
  return { ...named, content, contentType: media?.type ?? null };
}

/** What a part may say of itself: its length if that is true, and no transfer encoding that would change it. */
function headersFault(headers: ReadonlyMap<string, string>, content: Buffer): string | undefined {
  for (const [name, value] of headers) {
    if (name === 'content-disposition' || name === 'content-type') continue;
    const plain = name === 'content-transfer-encoding' && ['7bit', '8bit', 'binary'].includes(value.toLowerCase());
    const right = name === 'content-length' && value === String(content.length);
    if (!plain && !right) return `has a part whose header ${name} is not taken`;
  }
  return undefined;
}

function dispositionOf(value: string): Pick<Part, 'name' | 'filename'> | string {
  const at = value.indexOf(';');
  const parameters = at === -1 ? undefined : parametersOf(value.slice(at));
  const isForm = value.slice(0, Math.max(at, 0)).trim().toLowerCase() === 'form-data';
  const name = parameters?.get('name');
  if (!isForm || parameters === undefined || name === undefined || name === '') return 'has a part without a name';
  const filename = parameters.get('filename') ?? null;
  if (parameters.size > (filename === null ? 1 : 2)) return 'has a part with more than a name and a file name';
  if (escaped.test(name) || escaped.test(filename ?? '')) return 'has a name with an escape in it';
  // Names a charset for all other fields where readers take it so (RFC 7578 §4.6).
  if (name === '_charset_') return 'names a charset of its own';
  if (filename !== null && (filename.includes('/') || filename === '.' || filename === '..')) {
    return 'has a file name that is a path';
  }
  return { name, filename };
}

/** `;name=value` as often as it stands there, names in lower case; undefined for anything else, or a name twice. */
function parametersOf(text: string): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>();
  for (let rest = text.trimEnd(); rest !== ''; ) {
    const found = parameterForm.exec(rest);
    if (found === null) return undefined;
    const name = (found[1] as string).toLowerCase();
    if (parameters.has(name)) return undefined;
    parameters.set(name, found[2] ?? found[3] ?? '');
    rest = rest.slice(found[0].length);
  }
  return parameters;
}

/** Whether a text can stand in the headers of a part, so that it is read there as it is. */
export function isPartName(text: string): boolean {
  return !notInHeaders.test(text) && !escaped.test(text) && !text.includes('"') && text.isWellFormed();
}

/** The parts as a body, with a boundary that none of them holds; equal parts are equal bytes. Names must be `isPartName`. */
export function writeMultipart(parts: readonly Part[]): { readonly contentType: string; readonly body: Buffer } {
  const blocks = parts.map(({ name, filename, contentType, content }) => {
    const file = filename === null ? '' : `; filename="${filename}"`;
    const type = contentType === null ? '' : `content-type: ${contentType}\r\n`;
    const head = `content-disposition: form-data; name="${name}"${file}\r\n${type}\r\n`;
    return Buffer.concat([Buffer.from(head), content]);
  });
  const digest = createHash('sha256');
  for (const block of blocks) digest.update(block);
  const seed = digest.digest('hex').slice(0, 40);
  let boundary = `tollgate-${seed}`;
  for (let count = 0; blocks.some((block) => block.includes(boundary)); count++) boundary = `tollgate-${seed}-${count}`;
  const pieces = blocks.flatMap((block) => [Buffer.from(`--${boundary}\r\n`), block, Buffer.from('\r\n')]);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
  };
}
