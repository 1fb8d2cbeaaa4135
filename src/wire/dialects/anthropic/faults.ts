/**
 * Judges the body of a messages request, as far as the gate relies on it: what it counts, translates or limits must have
 * the type it seems to have. Everything else is for the model to judge.
 */
import type { Json, JsonObject } from '../../../call.ts';
import type { Reason } from '../../../denial.ts';
import { isCount, listOf, objectOf, textOf } from '../../json-value.ts';
import { requestFields } from './fields.ts';

/** How many faults one denial lists. */
const faultsMax = 20;

/** Parameters of the SDK that travel as headers; in the body there is nothing of that name. */
export const headerParams = {
  betas: 'anthropic-beta',
  user_profile_id: 'anthropic-user-profile-id',
  workspace_id: 'anthropic-workspace-id',
} as const;

/** Those that stand in the body all the same: they would be read as the headers. */
export function misplacedParams(body: JsonObject): readonly Reason[] {
  return Object.entries(headerParams)
    .filter(([name]) => Object.hasOwn(body, name))
    .map(([name, header]) => ({ code: 'misplaced', message: `${name} travels as ${header}`, path: `/${name}` }));
}

/** All faults of `body`, each with a pointer; empty if the request can be sent. */
export function messagesFaults(body: JsonObject): readonly Reason[] {
  const faults: Reason[] = [];
  const fault = (code: string, path: string, message: string): void => {
    if (faults.length < faultsMax) faults.push({ code, message, path });
  };
  const type = (name: string, good: (value: Json) => boolean, expected: string): void => {
    const value = body[name];
    if (value !== undefined && value !== null && !good(value)) fault('type', `/${name}`, `${name} must be ${expected}`);
  };
  const isObject = (value: Json): boolean => typeof value === 'object' && !Array.isArray(value);
  const content = (value: Json | undefined, at: string): void => {
    if (value !== undefined && value !== null && typeof value !== 'string' && !Array.isArray(value)) {
      fault('type', at, 'must be a string or an array of blocks');
    }
    for (const [index, block] of listOf(value).entries()) {
      if (typeof objectOf(block).type !== 'string') fault('type', `${at}/${index}`, 'a block must have a type');
    }
  };
  for (const name of Object.keys(body)) {
    const known = name.toLowerCase();
    if (known === name || !Object.hasOwn(requestFields, known)) continue;
    // A server that reads names without regard to case would take it for the field that was decided on.
    fault('unknown_member', `/${known}`, `${known} must be written in lower case`);
  }
  if (body.messages === undefined) fault('missing', '/messages', 'messages is missing');
  else if (!Array.isArray(body.messages) || body.messages.length === 0) {
    fault('type', '/messages', 'messages must be an array with at least one message');
  }
  for (const [index, message] of listOf(body.messages).entries()) {
    if (typeof objectOf(message).role !== 'string') {
      fault('type', `/messages/${index}`, 'a message must be an object with a role');
    }
    content(objectOf(message).content, `/messages/${index}/content`);
  }
  content(body.system, '/system');
  type('tools', Array.isArray, 'an array');
  for (const [index, item] of listOf(body.tools).entries()) {
    const { type: kind = null, name } = objectOf(item);
    if (!isObject(item) || item === null || (kind !== null && typeof kind !== 'string')) {
      fault('type', `/tools/${index}`, 'a tool must be an object, its type a string');
    } else if ((textOf(kind) || 'custom') === 'custom' && typeof name !== 'string') {
      fault('missing', `/tools/${index}`, 'a tool must have a name');
    }
  }
  type('max_tokens', isCount, 'an integer that is not negative');
  type('stream', (value) => typeof value === 'boolean', 'true or false');
  type('thinking', isObject, 'an object');
  type('context_management', isObject, 'an object');
  type('compaction', isObject, 'an object');
  return faults;
}
