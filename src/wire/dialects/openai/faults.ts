/**
 * Judges the body of a chat request, as far as the gate relies on it: what it counts, translates or limits must have
 * the type it seems to have. Everything else is for the model to judge.
 */
import type { Json, JsonObject } from '../../../call.ts';
import type { Reason } from '../../../denial.ts';
import { listOf, objectOf } from '../../json-value.ts';
import { chatFields } from './fields.ts';

/** How many answers one request may ask for (the limit of the provider). */
const choicesMax = 128;
/** How many faults one denial lists. */
const faultsMax = 20;

/** All faults of `body`, each with a pointer; empty if the request can be sent. */
export function chatFaults(body: JsonObject): readonly Reason[] {
  const faults: Reason[] = [];
  const fault = (code: string, path: string, message: string): void => {
    if (faults.length < faultsMax) faults.push({ code, message, path });
  };
  const type = (name: string, good: (value: Json) => boolean, expected: string): void => {
    const value = body[name];
    if (value !== undefined && value !== null && !good(value)) fault('type', `/${name}`, `${name} must be ${expected}`);
  };
  for (const name of Object.keys(body)) {
    const known = name.toLowerCase();
    if (known === name || !Object.hasOwn(chatFields, known)) continue;
    // A server that reads names without regard to case would take it for the field that was decided on.
    fault('unknown_member', `/${known}`, `${known} must be written in lower case`);
  }
  const messages = body.messages;
  if (messages === undefined) fault('missing', '/messages', 'messages is missing');
  else if (!Array.isArray(messages) || messages.length === 0) {
    fault('type', '/messages', 'messages must be an array with at least one message');
  }
  for (const [index, message] of listOf(messages).entries()) {
    if (typeof objectOf(message).role !== 'string') {
      fault('type', `/messages/${index}`, 'a message must be an object with a role');
    }
    const content = objectOf(message).content;
    if (content !== undefined && content !== null && typeof content !== 'string' && !Array.isArray(content)) {
      fault('type', `/messages/${index}/content`, 'content must be a string or an array of parts');
    }
    for (const [at, part] of listOf(content).entries()) {
      if (typeof objectOf(part).type !== 'string') {
        fault('type', `/messages/${index}/content/${at}`, 'a part must be an object with a type');
      }
    }
  }
  for (const name of ['tools', 'functions']) {
    type(name, Array.isArray, 'an array');
    for (const [index, item] of listOf(body[name]).entries()) {
      const tool = objectOf(item);
      const definition = name === 'functions' ? tool : objectOf(tool.function);
      if (name === 'tools' && typeof tool.type !== 'string') {
        fault('type', `/tools/${index}`, 'a tool must be an object with a type');
      } else if ((name === 'functions' || tool.type === 'function') && typeof definition.name !== 'string') {
        fault('missing', `/${name}/${index}`, 'a function must have a name');
      }
    }
  }
  const isLimit = (value: Json): boolean => Number.isSafeInteger(value) && (value as number) >= 1;
  type('max_tokens', isLimit, 'a positive integer');
  type('max_completion_tokens', isLimit, 'a positive integer');
  type('n', (value) => isLimit(value) && (value as number) <= choicesMax, `an integer from 1 to ${choicesMax}`);
  type('stream', (value) => typeof value === 'boolean', 'true or false');
  type('stream_options', (value) => typeof value === 'object' && !Array.isArray(value), 'an object');
  return faults;
}
