/**
 * Thinking that the gate itself put into a message, of a target whose API signs none: its signature is empty, and no
 * provider that signs would take it. What the gate added, it takes away again.
 */
import type { Json, JsonObject } from '../../call.ts';
import { objectOf } from '../json-value.ts';

/** `request` without such thinking; the very same where there is none. */
export function withoutUnsigned(request: JsonObject): JsonObject {
  const { messages } = request;
  if (!Array.isArray(messages)) return request;
  const signed = messages.flatMap((item: Json): Json[] => {
    const { content } = objectOf(item);
    if (!Array.isArray(content) || !content.some(isUnsigned)) return [item];
    const rest = content.filter((block: Json) => !isUnsigned(block));
    return rest.length === 0 ? [] : [{ ...objectOf(item), content: rest }];
  });
  const same = signed.length === messages.length && signed.every((item, index) => item === messages[index]);
  return same ? request : { ...request, messages: signed };
}

function isUnsigned(block: Json): boolean {
  const { type, signature } = objectOf(block);
  return type === 'thinking' && signature === '';
}
