/**
 * A chat completion request as a messages request. What the target decides, its model and the longest answer where the
 * client named none, is not in it. Left out without a word are hints to the provider's cache, padding of streams, and
 * the name of a schema; every other field is translated or unfit.
 */
import type { Json, JsonObject } from '../../call.ts';
import type { Reason } from '../../denial.ts';
import { listOf, objectOf, textOf } from '../json-value.ts';
import { child } from '../pointer.ts';
import type { PromptBounds } from '../prompt-bounds.ts';
import { turnsOf } from './chat-turns.ts';
import { empty, left, only, same, type Take, takeFields, Unfit } from './unfit.ts';

/** A request in the other API, and what of it has no place there. */
export interface Translation {
  readonly body: JsonObject;
  readonly reasons: readonly Reason[];
}

/** The same of one version of a document, with the bound that its prompt has there. */
export interface Translated extends Translation {
  readonly version: number;
  readonly prompt: PromptBounds;
}

export function messagesRequestOf(chat: JsonObject): Translation {
  const unfit = new Unfit();
  const draft: Record<string, Json> = {};
  takeFields(chat, fields, draft, unfit);
  const { system, messages } = turnsOf(listOf(chat.messages), unfit);
  if (system.length > 0) draft.system = system;
  draft.messages = messages;
  const choice = toolChoice(chat, unfit);
  if (choice !== undefined) draft.tool_choice = choice;
  return { body: draft, reasons: unfit.reasons };
}

/** The efforts that both APIs have, by the same names. */
export const efforts: ReadonlySet<Json> = new Set(['low', 'medium', 'high', 'xhigh', 'max']);

const temperature: Take = (value, draft, unfit) => {
  if (typeof value === 'number' && value >= 0 && value <= 1) draft.temperature = value;
  else unfit.tell('/temperature', 'temperature must be from 0 to 1 there');
};

const stop: Take = (value, draft, unfit) => {
  const stops = typeof value === 'string' ? [value] : listOf(value);
  if (!stops.every((one) => typeof one === 'string')) unfit.tell('/stop', 'stop must be text there');
  else if (stops.length > 0) draft.stop_sequences = stops;
};

/** Both name the user; two different ones cannot be told. */
function userNamed(name: string): Take {
  return (value, draft, unfit) => {
    const { user_id = value } = objectOf(draft.metadata);
    if (user_id === value) draft.metadata = { user_id: value };
    else unfit.tell(child('', name), `there is one user there, and ${name} is another one`);
  };
}

const reasoningEffort: Take = (value, draft, unfit) => {
  if (value === 'none') draft.thinking = { type: 'disabled' };
  else if (efforts.has(value)) {
    draft.thinking = { type: 'adaptive' };
    draft.output_config = { ...objectOf(draft.output_config), effort: value };
  } else unfit.tell('/reasoning_effort', 'the efforts there are none, low, medium, high, xhigh, max');
};

const responseFormat: Take = (value, draft, unfit) => {
  const format = objectOf(value);
  if (format.type === 'text') return;
  const { schema, description } = objectOf(format.json_schema);
  if (format.type !== 'json_schema' || schema === undefined) {
    unfit.tell('/response_format', 'an answer has the form of a JSON schema there, or any');
    return;
  }
  unfit.members(
    objectOf(format.json_schema),
    new Set(['name', 'description', 'schema', 'strict']),
    '/response_format/json_schema',
  );
  const described = typeof description === 'string' ? { description, ...objectOf(schema) } : schema;
  draft.output_config = { ...objectOf(draft.output_config), format: { type: 'json_schema', schema: described } };
};

const tools: Take = (value, draft, unfit) => {
  const known = new Set(['name', 'description', 'parameters', 'strict']);
  const defined = listOf(value).map((item, index): Json => {
    const tool = objectOf(item);
    const at = child('/tools', index);
    if (tool.type !== 'function') unfit.tell(at, `a tool of the type ${textOf(tool.type)} has no place there`);
    else unfit.members(objectOf(tool.function), known, child(at, 'function'));
    const { name = '', description, parameters, strict } = objectOf(tool.function);
    return {
      name,
      ...(typeof description === 'string' ? { description } : {}),
      input_schema: parameters ?? { type: 'object', properties: {} },
      ...(strict === true ? { strict } : {}),
    };
  });
  if (defined.length > 0) draft.tools = defined;
};

const streamOptions: Take = (value, _draft, unfit) =>
  unfit.members(objectOf(value), new Set(['include_usage', 'include_obfuscation']), '/stream_options');

const serviceTier: Take = (value, draft, unfit) => {
  if (value === 'default') draft.service_tier = 'standard_only';
  else if (value !== 'auto') unfit.tell('/service_tier', 'service_tier must be "auto" or "default" there');
};

const modalities: Take = (value, _draft, unfit) => {
  if (!listOf(value).every((one) => one === 'text')) unfit.tell('/modalities', 'answers are text there');
};

/** What is not here, and set, is unfit. */
const fields: Readonly<Record<string, Take>> = {
  model: left,
  messages: left,
  max_tokens: left,
  max_completion_tokens: left,
  tool_choice: left,
  parallel_tool_calls: left,
  prompt_cache_key: left,
  prompt_cache_options: left,
  prompt_cache_retention: left,
  stream: same('stream'),
  stream_options: streamOptions,
  temperature,
  top_p: same('top_p'),
  stop,
  user: userNamed('user'),
  safety_identifier: userNamed('safety_identifier'),
  reasoning_effort: reasoningEffort,
  response_format: responseFormat,
  tools,
  service_tier: serviceTier,
  modalities,
  functions: empty('functions'),
  metadata: empty('metadata'),
  logit_bias: empty('logit_bias'),
  frequency_penalty: only('frequency_penalty', 0),
  presence_penalty: only('presence_penalty', 0),
  logprobs: only('logprobs', false),
  top_logprobs: only('top_logprobs', 0),
  n: only('n', 1),
  store: only('store', false),
  verbosity: only('verbosity', 'medium'),
};

const choices: Readonly<Record<string, string>> = { auto: 'auto', none: 'none', required: 'any' };

/** Which tool is to be called, and whether several at once may be; undefined where neither is said. */
function toolChoice({ tool_choice, parallel_tool_calls, tools: offered }: JsonObject, unfit: Unfit): Json | undefined {
  const one = parallel_tool_calls === false && listOf(offered).length > 0;
  const alone = one ? { disable_parallel_tool_use: true } : {};
  const choice = tool_choice ?? (one ? 'auto' : null);
  if (choice === null) return undefined;
  if (typeof choice === 'string') {
    const type = Object.hasOwn(choices, choice) ? choices[choice] : undefined;
    if (type === undefined) unfit.tell('/tool_choice', 'tool_choice must be auto, none, required, or a function there');
    return { type: type ?? 'auto', ...(type === 'none' ? {} : alone) };
  }
  const { type, function: named } = objectOf(choice);
  if (type !== 'function') unfit.tell('/tool_choice', 'tool_choice must be auto, none, required, or a function there');
  return { type: 'tool', name: objectOf(named).name ?? '', ...alone };
}
