/** How strings of results and of what answers them are taken by inspection, beside plain text. */
import type { Json } from '../../../call.ts';
import type { Reading } from '../../segments.ts';

const base64Text = /^[A-Za-z0-9+/_-]{16,}={0,2}$/;

/** Files are base64, and so is most state that is not for the client: of these it is read what is a text inside. */
export function opaqueReading(text: string, key: string | number, _where: string, siblings: Json): Reading {
  if (key === 'blob') return 'base64';
  if (key === 'data' && isMedia(siblings)) return 'base64';
  if (key === 'requestState') return base64Text.test(text) ? 'base64' : 'text';
  return key === 'text' && (text.startsWith('{') || text.startsWith('[')) ? 'json' : 'text';
}

function isMedia(block: Json): boolean {
  const type = typeof block === 'object' && block !== null && !Array.isArray(block) ? block : {};
  return 'type' in type && (type.type === 'image' || type.type === 'audio');
}
