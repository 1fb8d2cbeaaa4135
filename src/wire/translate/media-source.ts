/** Images and documents inside a request, as the two APIs write them: a `data:` URL (RFC 2397), or a source with a type. */
import type { Json, JsonObject } from '../../call.ts';
import { textOf } from '../json-value.ts';

/** What the messages API takes as an image. */
export const imageTypes: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);
export const pdf = 'application/pdf';

const dataHead = /^data:([\w.+-]+\/[\w.+-]+);base64$/i;

/** The base64 of a `data:` URL and its media type; undefined for every other text. */
export function readDataUrl(url: string): { readonly mediaType: string; readonly data: string } | undefined {
  const comma = url.indexOf(',');
  const mediaType = dataHead.exec(url.slice(0, Math.max(0, comma)))?.[1]?.toLowerCase();
  return mediaType === undefined ? undefined : { mediaType, data: url.slice(comma + 1) };
}

/** The source of base64 as a `data:` URL. */
export function dataUrlOf(source: JsonObject): string {
  return `data:${textOf(source.media_type)};base64,${textOf(source.data)}`;
}

export function base64Source(mediaType: string, data: string): Json {
  return { type: 'base64', media_type: mediaType, data };
}
