/**
 * What every field of a chat request does, as data: `inert` shapes the answer, `cost` changes its price, `egress` makes
 * the provider fetch or send something outside the gate, `provider-state` keeps or uses something at the provider.
 * The last two, and fields this table does not know, stand in `call.tools[].kind` as `field:<name>`, so that a policy
 * can deny them. Whoever adds a field dates the table anew.
 */
import type { Field } from '../../field-class.ts';
import { serviceTiers } from '../../services.ts';

/** When the table was last compared with the provider's API reference and with the types of its SDK. */
export const chatFieldsAsOf = '2026-11-21';

const inert: Field = { class: 'inert' };
const cost: Field = { class: 'cost' };

export const chatFields: Readonly<Record<string, Field>> = {
  messages: inert,
  model: inert,
  audio: cost,
  frequency_penalty: inert,
  function_call: inert,
  functions: inert,
  logit_bias: inert,
  logprobs: inert,
  max_completion_tokens: cost,
  max_tokens: cost,
  metadata: inert,
  modalities: cost,
  moderation: cost,
  n: cost,
  parallel_tool_calls: inert,
  prediction: cost,
  presence_penalty: inert,
  prompt_cache_key: cost,
  // Both can keep the prompt at the provider for hours.
  prompt_cache_options: { class: 'provider-state' },
  prompt_cache_retention: { class: 'provider-state', inertValues: ['in_memory'] },
  reasoning_effort: cost,
  response_format: inert,
  safety_identifier: inert,
  seed: inert,
  service_tier: { ...cost, pricedValues: serviceTiers },
  stop: inert,
  store: { class: 'provider-state', inertValues: [false] },
  stream: inert,
  stream_options: inert,
  temperature: inert,
  tool_choice: inert,
  tools: inert,
  top_logprobs: inert,
  top_p: inert,
  user: inert,
  verbosity: inert,
  web_search_options: { class: 'egress' },
};

export const messageFields: Readonly<Record<string, Field>> = {
  role: inert,
  content: inert,
  name: inert,
  refusal: inert,
  tool_calls: inert,
  tool_call_id: inert,
  function_call: inert,
  reasoning: inert,
  reasoning_content: inert,
  // Names an answer that the provider has kept.
  audio: { class: 'provider-state' },
};

/** Parts of a message's content by their `type`. An image by URL is egress, one inside the request is not. */
export const partFields: Readonly<Record<string, Field>> = {
  text: inert,
  refusal: inert,
  image_url: { class: 'egress' },
  input_audio: cost,
  file: { class: 'provider-state' },
};

/**
 * Upper bounds, in tokens, of what is not text. An image: the dearest published formula (2,833 + 5,667 a tile, eight
 * tiles); audio: a token is 100 ms, and no codec makes that shorter than ten bytes; a file: no prompt can be longer.
 */
export const partTokens = { image: 48_169, audioBytesPerToken: 10, file: 1_048_576 } as const;

/** What the chat template may add around a request, a message, and a tool, in tokens. */
export const templateTokens = { request: 64, message: 16, tool: 32 } as const;
