/**
 * Media types (RFC 9110 §8.3) of requests and answers, and what the gate takes of them. Only UTF-8 is read: a body in
 * another charset, or a compressed one, would be inspected as something it is not.
 */
import { type Denial, deny } from '../denial.ts';
import type { RawRequest } from './dialect.ts';

export interface MediaType {
  /** Lower case, without parameters: `application/json`. */
  readonly type: string;
  readonly charset: string | null;
}

/** Reads a `content-type` value; undefined if it is not one. */
export function parseMediaType(value: string): MediaType | undefined {
  const [type, ...parameters] = value.toLowerCase().split(';');
  const name = (type ?? '').trim();
  if (!/^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(name)) return undefined;
  const charsets = parameters.flatMap((parameter) => {
    const [attribute = '', ...value] = parameter.split('=');
    return attribute.trim() === 'charset' ? [/^\s*("?)([a-z0-9._:-]+)\1\s*$/.exec(value.join('='))?.[2] ?? ''] : [];
  });
  // Of two, one reader takes the first and another one the last.
  if (charsets.length > 1 || charsets[0] === '') return undefined;
  const [charset] = charsets;
  return { type: name, charset: charset ?? null };
}

export function isJsonType(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}

const textTypes =
  /^(?:text\/.*|application\/(?:xml|x-www-form-urlencoded|javascript|yaml|x-yaml|x-ndjson|graphql)|.*\+xml)$/;

export function isTextType(type: string): boolean {
  return textTypes.test(type);
}

/** The one value of a header; null if it is not there. Denies a header that came twice. */
export function singleHeader(request: RawRequest, name: string): string | null | Denial {
  const value = request.headers[name];
  if (value === undefined) return null;
  return typeof value === 'string' ? value : deny('request_invalid', `the header ${name} came more than once`);
}

/** The media type of the body; null if none is named. Denies 415 for other charsets and for encoded bodies. */
export function requestMediaType(request: RawRequest): MediaType | null | Denial {
  const encoding = singleHeader(request, 'content-encoding');
  if (encoding !== null && typeof encoding !== 'string') return encoding;
  if (encoding !== null && encoding.trim().toLowerCase() !== 'identity') {
    return deny('media_type_unsupported', 'the body must not be encoded: send it without content-encoding');
  }
  const value = singleHeader(request, 'content-type');
  if (value === null || typeof value !== 'string') return value;
  const media = parseMediaType(value);
  if (media === undefined) return deny('media_type_unsupported', 'the content-type is not a media type');
  if (media.charset !== null && media.charset !== 'utf-8' && media.charset !== 'us-ascii') {
    return deny('media_type_unsupported', 'the body must be UTF-8');
  }
  return media;
}
