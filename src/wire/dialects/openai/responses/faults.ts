/**
 * Judges the body of a responses request, as far as the gate relies on it: what it counts, translates or limits must have
 * the type it seems to have. Everything else is for the model to judge.
 */
import type { Json, JsonObject } from '../../../../call.ts';
import type { Reason } from '../../../../denial.ts';
import { listOf, objectOf } from '../../../json-value.ts';
import { partMembers, requestFields } from './fields.ts';

/** How many faults one denial lists. */
const faultsMax = 20;

const isObject = (value: Json): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: Json): boolean => typeof value === 'string';
const isBoolean = (value: Json): boolean => typeof value === 'boolean';
const isLimit = (value: Json): boolean => Number.isSafeInteger(value) && (value as number) >= 1;

/** By member: what it must be where it is there, and in words. */
const shapes: Readonly<Record<string, readonly [good: (value: Json) => boolean, expected: string]>> = {
  input: [(value) => isText(value) || Array.isArray(value), 'a string or an array of items'],
  instructions: [isText, 'a string'],
  tools: [Array.isArray, 'an array'],
  include: [(value) => Array.isArray(value) && value.every(isText), 'an array of strings'],
  max_output_tokens: [isLimit, 'a positive integer'],
  stream: [isBoolean, 'true or false'],
  store: [isBoolean, 'true or false'],
  background: [isBoolean, 'true or false'],
  previous_response_id: [isText, 'a string'],
  conversation: [(value) => isText(value) || isText(objectOf(value).id ?? null), 'an id, or an object with one'],
  prompt: [isObject, 'an object'],
  prompt_cache_options: [isObject, 'an object'],
  reasoning: [isObject, 'an object'],
  context_management: [Array.isArray, 'an array'],
};

/** All faults of `body`, each with a pointer; empty if the request can be sent. */
export function responsesFaults(body: JsonObject): readonly Reason[] {
  const faults: Reason[] = [];
  const fault = (code: string, path: string, message: string): void => {
    if (faults.length < faultsMax) faults.push({ code, message, path });
  };
  for (const name of Object.keys(body)) {
    const known = name.toLowerCase();
    if (known === name || !Object.hasOwn(requestFields, known)) continue;
    // A server that reads names without regard to case would take it for the field that was decided on.
    fault('unknown_member', `/${known}`, `${known} must be written in lower case`);
  }
  for (const [name, [good, expected]] of Object.entries(shapes)) {
    const value = body[name] ?? null;
    if (value !== null && !good(value)) fault('type', `/${name}`, `${name} must be ${expected}`);
  }
  for (const [index, item] of listOf(body.input).entries()) itemFaults(item, `/input/${index}`, fault);
  for (const [index, tool] of listOf(body.tools).entries()) toolFaults(tool, `/tools/${index}`, fault);
  return faults;
}

type Fault = (code: string, path: string, message: string) => void;

function itemFaults(value: Json, where: string, fault: Fault): void {
  const item = objectOf(value);
  const { type = null, content = null } = item;
  if (!isObject(value) || (type !== null && typeof type !== 'string')) {
    fault('type', where, 'an item must be an object, its type a string');
    return;
  }
  if ((type === null || type === 'message') && content !== null && !isText(content) && !Array.isArray(content)) {
    fault('type', `${where}/content`, 'content must be a string or an array of parts');
  }
  for (const name of partMembers) {
    for (const [index, part] of listOf(item[name]).entries()) {
      // What a shell wrote has no type.
      const typed = name !== 'output' || item.type !== 'shell_call_output';
      if (!isObject(part) || (typed && !isText(objectOf(part).type ?? null))) {
        fault('type', `${where}/${name}/${index}`, 'a part must be an object with a type');
      }
    }
  }
  if (type === 'additional_tools' || type === 'tool_search_output') {
    for (const [index, tool] of listOf(item.tools).entries()) toolFaults(tool, `${where}/tools/${index}`, fault);
  }
}

function toolFaults(value: Json, where: string, fault: Fault): void {
  const { type = null, name = null, tools = null } = objectOf(value);
  if (!isObject(value) || !isText(type)) fault('type', where, 'a tool must be an object with a type');
  else if ((type === 'function' || type === 'custom' || type === 'namespace') && !isText(name)) {
    fault('missing', where, `a ${String(type)} must have a name`);
  }
  if (type === 'namespace') {
    for (const [index, inner] of listOf(tools).entries()) toolFaults(inner, `${where}/tools/${index}`, fault);
  }
}
