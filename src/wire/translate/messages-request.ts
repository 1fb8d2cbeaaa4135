/**
 * A messages request as a chat completion request, without the target's model. Left out without a word are marks for the
 * provider's cache, and beta features that only let a field be used or say how the provider runs the request; every
 * other field is translated or unfit. A budget of thinking has no measure there, an effort has.
 */
import type { Json, JsonObject } from '../../call.ts';
import { betaFields } from '../dialects/anthropic/betas.ts';
import { rowOf, stands } from '../field-class.ts';
import { listOf, objectOf, textOf } from '../json-value.ts';
import { child } from '../pointer.ts';
import { efforts, type Translation } from './chat-request.ts';
import { chatMessagesOf } from './message-turns.ts';
import { left, only, same, type Take, takeFields, Unfit } from './unfit.ts';

/** How many stop sequences the API takes. */
const stopsMax = 4;

export function chatRequestOf(request: JsonObject): Translation {
  const unfit = new Unfit();
  const draft: Record<string, Json> = {};
  takeFields(request, fields, draft, unfit);
  draft.messages = chatMessagesOf(request.system ?? null, listOf(request.messages), unfit);
  return { body: draft, reasons: unfit.reasons };
}

const maxTokens: Take = (value, draft, unfit) => {
  if (value === 0) unfit.tell('/max_tokens', 'an answer of no tokens cannot be asked for there');
  else draft.max_completion_tokens = value;
};

const metadata: Take = (value, draft, unfit) => {
  const { user_id = null, ...rest } = objectOf(value);
  unfit.members(rest, new Set(), '/metadata');
  if (user_id !== null) draft.user = user_id;
};

const stopSequences: Take = (value, draft, unfit) => {
  const stops = listOf(value);
  if (stops.length > stopsMax) unfit.tell('/stop_sequences', `there are ${stopsMax} stop sequences at most there`);
  else if (stops.length > 0) draft.stop = stops;
};

const stream: Take = (value, draft) => {
  draft.stream = value;
  if (value === true) draft.stream_options = { include_usage: true };
};

const thinking: Take = (value, draft, unfit) => {
  const { type, ...rest } = objectOf(value);
  if (type === 'disabled' && draft.reasoning_effort === undefined) draft.reasoning_effort = 'none';
  else if (type !== 'adaptive') unfit.tell('/thinking', 'how long to think is said by an effort alone there');
  else
    unfit.members(
      { ...rest, display: rest.display === 'summarized' ? null : (rest.display ?? null) },
      new Set(),
      '/thinking',
    );
};

const outputConfig: Take = (value, draft, unfit) => {
  const { effort = null, format = null, ...rest } = objectOf(value);
  unfit.members(rest, new Set(), '/output_config');
  if (effort !== null) {
    const thinks = draft.reasoning_effort === undefined;
    if (efforts.has(effort) && thinks) draft.reasoning_effort = effort;
    else unfit.tell('/output_config/effort', 'an effort is one of thinking there: low, medium, high, xhigh, max');
  }
  if (format !== null) outputFormat('/output_config/format')(format, draft, unfit);
};

function outputFormat(at: string): Take {
  return (value, draft, unfit) => {
    const { type, schema = null, ...rest } = objectOf(value);
    if (type !== 'json_schema' || schema === null)
      unfit.tell(at, 'an answer has the form of a JSON schema there, or any');
    unfit.members(rest, new Set(), at);
    draft.response_format = { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } };
  };
}

/** `eager_input_streaming` says how small the pieces of a stream are. */
const toolMembers = new Set([
  ...['type', 'name', 'description', 'input_schema', 'strict', 'cache_control', 'allowed_callers', 'defer_loading'],
  'eager_input_streaming',
]);

const tools: Take = (value, draft, unfit) => {
  const offered = listOf(value).map((item, index): Json => {
    const tool = objectOf(item);
    const at = child('/tools', index);
    const type = textOf(tool.type) || 'custom';
    const { name = '', description, input_schema, strict, allowed_callers = null, defer_loading = null } = tool;
    if (type !== 'custom') unfit.tell(at, `a tool of the type ${type} has no place there`);
    else unfit.members(tool, toolMembers, at);
    if (allowed_callers !== null && !listOf(allowed_callers).every((one) => one === 'direct')) {
      unfit.tell(child(at, 'allowed_callers'), 'a tool is called by the model alone there');
    }
    if (defer_loading === true) unfit.tell(child(at, 'defer_loading'), 'tools are not looked for there');
    return {
      type: 'function',
      function: {
        name,
        ...(typeof description === 'string' ? { description } : {}),
        parameters: input_schema ?? { type: 'object', properties: {} },
        ...(strict === true ? { strict } : {}),
      },
    };
  });
  if (offered.length > 0) draft.tools = offered;
};

const choices: Readonly<Record<string, string>> = { auto: 'auto', none: 'none', any: 'required' };

const toolChoice: Take = (value, draft, unfit) => {
  const { type = null, name = null, disable_parallel_tool_use: alone, ...rest } = objectOf(value);
  unfit.members(rest, new Set(), '/tool_choice');
  const word = rowOf(choices, textOf(type));
  if (word === undefined && type !== 'tool') unfit.tell('/tool_choice', 'tool_choice must be auto, any, none or tool');
  draft.tool_choice = word ?? { type: 'function', function: { name: name ?? '' } };
  if (alone === true) draft.parallel_tool_calls = false;
};

const serviceTier: Take = (value, draft, unfit) => {
  if (value === 'standard_only') draft.service_tier = 'default';
  else if (value !== 'auto') unfit.tell('/service_tier', 'service_tier must be "auto" or "standard_only" there');
};

const betas: Take = (value, _draft, unfit) => {
  for (const [index, name] of listOf(value).entries()) {
    if (stands(rowOf(betaFields, textOf(name)), true)) {
      unfit.tell(child('/betas', index), `the beta feature ${textOf(name)} has no place there`);
    }
  }
};

/** What is not here, and set, is unfit. */
const fields: Readonly<Record<string, Take>> = {
  model: left,
  messages: left,
  system: left,
  cache_control: left,
  max_tokens: maxTokens,
  metadata,
  stop_sequences: stopSequences,
  stream,
  temperature: same('temperature'),
  top_p: same('top_p'),
  thinking,
  output_config: outputConfig,
  output_format: outputFormat('/output_format'),
  tools,
  tool_choice: toolChoice,
  service_tier: serviceTier,
  speed: only('speed', 'standard'),
  betas,
};
