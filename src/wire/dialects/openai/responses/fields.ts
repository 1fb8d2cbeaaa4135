/**
 * What every field of a responses request does, as data, by the classes of `field-class.ts`. Egress and state, and what
 * these tables do not know, stand in `call.tools[].kind` as `field:<name>`; a tool by its own type. A field whose
 * `members` are listed is looked into: a member that is not among them stands too. Whoever adds a row dates the tables
 * anew.
 */
import type { Field, ObjectField } from '../../../field-class.ts';
import { serviceTiers } from '../../../services.ts';

/** When the tables were last compared with the provider's API reference and with the types of its SDK. */
export const responsesFieldsAsOf = '2026-11-21';

const inert: Field = { class: 'inert' };
const cost: Field = { class: 'cost' };
const egress: Field = { class: 'egress' };
const state: Field = { class: 'provider-state' };

function holding({ class: of }: Field, members: string): ObjectField {
  return { class: of, members: members.split(' ') };
}

export const requestFields: Readonly<Record<string, ObjectField>> = {
  input: inert,
  model: inert,
  // Draws on what the provider has granted to the account.
  access_programs: state,
  background: { ...state, inertValues: [false] },
  context_management: cost,
  conversation: state,
  image: holding(inert, 'context_compression'),
  include: inert,
  instructions: inert,
  max_output_tokens: cost,
  max_tool_calls: cost,
  metadata: inert,
  moderation: holding(cost, 'model policy'),
  parallel_tool_calls: inert,
  previous_response_id: state,
  prompt: state,
  prompt_cache_key: cost,
  // Both can keep the prompt at the provider for hours.
  prompt_cache_options: state,
  prompt_cache_retention: { ...state, inertValues: ['in_memory'] },
  reasoning: holding(cost, 'context effort generate_summary mode summary'),
  safety_identifier: inert,
  service_tier: { ...cost, pricedValues: serviceTiers },
  // Left out, the provider would keep the response: the gate says `false` then.
  store: { ...state, inertValues: [false] },
  stream: inert,
  stream_options: holding(inert, 'include_obfuscation'),
  temperature: inert,
  text: holding(inert, 'format verbosity'),
  tool_choice: inert,
  tools: inert,
  top_logprobs: inert,
  top_p: inert,
  truncation: inert,
  user: inert,
};

/** What an item may have whatever its type is. */
const everyItem = 'type id status created_by';

function item(members: string, of: Field = inert): ObjectField {
  return holding(of, `${everyItem} ${members}`.trim());
}

/**
 * Items of the input by their `type`. What the provider's own tools did earlier is only history; the ids in it are bound
 * to the task they were given to.
 */
export const itemFields: Readonly<Record<string, ObjectField>> = {
  message: item('role content phase'),
  function_call: item('call_id name namespace arguments caller async'),
  function_call_output: item('call_id output caller name namespace'),
  custom_tool_call: item('call_id name namespace input caller async'),
  custom_tool_call_output: item('call_id output caller'),
  reasoning: item('summary content encrypted_content'),
  compaction: item('encrypted_content'),
  // The conversation is read once more, and written down in short.
  compaction_trigger: item('', cost),
  configuration_update: item('reasoning text', cost),
  // Something that the provider has kept.
  item_reference: item('', state),
  additional_tools: item('role tools'),
  tool_search_call: item('call_id arguments execution'),
  tool_search_output: item('call_id tools execution'),
  file_search_call: item('queries results'),
  web_search_call: item('action'),
  computer_call: item('call_id action actions pending_safety_checks'),
  computer_call_output: item('call_id output acknowledged_safety_checks'),
  image_generation_call: item('result action background error output_format quality revised_prompt size svg_usage'),
  code_interpreter_call: item('code container_id outputs'),
  local_shell_call: item('call_id action'),
  local_shell_call_output: item('output'),
  shell_call: item('call_id action caller environment'),
  shell_call_output: item('call_id output caller max_output_length'),
  apply_patch_call: item('call_id operation caller'),
  apply_patch_call_output: item('call_id output caller'),
  mcp_list_tools: item('server_label tools error'),
  mcp_approval_request: item('arguments name server_label'),
  // Has the provider make the call.
  mcp_approval_response: item('approval_request_id approve reason', egress),
  mcp_call: item('arguments name server_label approval_request_id error output'),
  program: item('call_id code fingerprint'),
  program_output: item('call_id result'),
};

/** Members of an item that hold parts of content. */
export const partMembers: readonly string[] = ['content', 'summary', 'output'];

function part(members: string, of: Field = inert): ObjectField {
  return holding(of, `type ${members}`);
}

/** Parts of content by their `type`. Where an image or a file comes from is in `sourceFields`. */
export const partFields: Readonly<Record<string, ObjectField>> = {
  input_text: part('text prompt_cache_breakpoint'),
  output_text: part('text annotations logprobs'),
  refusal: part('refusal'),
  reasoning_text: part('text'),
  summary_text: part('text'),
  input_image: part('detail image_url file_id prompt_cache_breakpoint'),
  input_file: part('detail file_data file_id file_url filename prompt_cache_breakpoint'),
  input_audio: part('input_audio', cost),
  computer_screenshot: part('file_id image_url'),
};

/** Members of parts that name where the bytes are; those that lie in the request itself do nothing more. */
export const sourceFields: Readonly<Record<'image_url' | 'file_url' | 'file_id', Field>> = {
  image_url: egress,
  file_url: egress,
  file_id: state,
};

/**
 * Tools by their `type`. Every one but `function` stands by its type, whatever its class, which says who runs it: what
 * the class calls inert, the client does. A namespace holds tools that stand for themselves.
 */
export const toolFields: Readonly<Record<string, ObjectField>> = {
  function: holding(inert, 'type name description parameters strict allowed_callers async defer_loading output_schema'),
  custom: holding(inert, 'type name description format allowed_callers async defer_loading'),
  namespace: holding(inert, 'type name description tools'),
  apply_patch: inert,
  computer: inert,
  computer_use_preview: inert,
  local_shell: inert,
  tool_search: cost,
  image_generation: cost,
  code_interpreter: egress,
  file_search: egress,
  mcp: egress,
  programmatic_tool_calling: egress,
  shell: egress,
  web_search: egress,
  web_search_2025_08_26: egress,
  web_search_preview: egress,
  web_search_preview_2025_03_11: egress,
};

/**
 * Upper bounds, in tokens, of what is not text. `kept`: what lies at the provider, is fetched by it or comes of its own
 * tools; no prompt can be longer.
 */
export const partTokens = { image: 48_169, audioBytesPerToken: 10, kept: 1_048_576 } as const;

/** What the template may add around a request, an item, and a tool, in tokens. */
export const templateTokens = { request: 64, item: 16, tool: 32 } as const;
