/**
 * Decoding that leaves no second reading: canonical base64url, valid UTF-8, JSON without duplicate members. Two
 * parsers that disagree on the same bytes are how a token says one thing to the gate and another to a service
 * (RFC 8725 §2.4, RFC 7515 §4 on duplicate names).
 */
import { isUtf8 } from 'node:buffer';
import type { JsonObject } from '../call.ts';

const depthMax = 16;

/** The bytes of canonical, unpadded base64url (RFC 7515 §2), or undefined: also for stray trailing bits. */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** The JSON object these bytes hold; undefined if they hold anything else, a member twice, or nest too deeply. */
export function parseJsonObject(bytes: Buffer): JsonObject | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return isUnambiguous(text) ? (value as JsonObject) : undefined;
}

/** Walks text that JSON.parse has accepted; so it only has to tell strings, brackets and separators apart. */
function isUnambiguous(text: string): boolean {
  // One entry a level: the names seen in an object, or null for an array.
  const levels: (Set<string> | null)[] = [];
  let expectsName = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      const names = levels.at(-1);
      if (expectsName && names) {
        const name = JSON.parse(text.slice(at, end + 1)) as string;
        // Such a member is never a claim; code that copies members by assignment would change a prototype.
        if (name === '__proto__' || names.has(name)) return false;
        names.add(name);
        expectsName = false;
      }
      at = end;
    } else if (character === '{' || character === '[') {
      if (levels.length === depthMax) return false;
      levels.push(character === '{' ? new Set() : null);
      expectsName = character === '{';
    } else if (character === '}' || character === ']') {
      levels.pop();
      expectsName = false;
    } else if (character === ',') {
      expectsName = levels.at(-1) !== null;
    }
  }
  return true;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
