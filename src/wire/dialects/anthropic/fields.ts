/**
 * What every field of a messages request does, as data, by the classes of `field-class.ts`. Egress and state, and what
 * these tables do not know, stand in `call.tools[].kind` as `field:<name>`; a tool by its own type, a beta feature as
 * `beta:<name>`. A field whose `members` are listed is looked into: a member that is not among them stands too. Whoever
 * adds a row dates the tables anew.
 */
import type { Field, ObjectField } from '../../field-class.ts';
import { serviceTiers, speeds } from '../../services.ts';

export type { ObjectField } from '../../field-class.ts';

/** When the tables were last compared with the provider's API reference and with the types of its SDK. */
export const messagesFieldsAsOf = '2026-11-21';

const inert: Field = { class: 'inert' };
const cost: Field = { class: 'cost' };
const egress: Field = { class: 'egress' };
const state: Field = { class: 'provider-state' };

function holding({ class: of }: Field, members: string): ObjectField {
  return { class: of, members: members.split(' ') };
}

const cacheControl = holding(cost, 'type ttl');

export const requestFields: Readonly<Record<string, ObjectField>> = {
  messages: inert,
  model: inert,
  max_tokens: cost,
  // Charges somebody else's account for the call.
  billing_policy: { ...state, inertValues: [] },
  cache_control: cacheControl,
  compaction: holding(cost, 'type instructions'),
  container: state,
  context_management: holding(cost, 'edits'),
  diagnostics: state,
  fallback_credit_token: state,
  // Hands the request to other models than the one that was decided on, at other prices.
  fallbacks: egress,
  // Has the request processed elsewhere than where the target is said to be.
  inference_geo: egress,
  mcp_servers: egress,
  metadata: holding(inert, 'user_id'),
  output_config: holding(cost, 'effort format task_budget'),
  output_format: holding(inert, 'type schema'),
  service_tier: { ...cost, pricedValues: serviceTiers },
  speed: { ...cost, pricedValues: speeds },
  stop_sequences: inert,
  stream: inert,
  system: inert,
  thinking: holding(cost, 'type budget_tokens display block_binding'),
  thread: state,
  // Gone from the SDK's types, as newer models have none; older models, and other clients, do.
  ...{ temperature: inert, top_k: inert, top_p: inert },
  tool_choice: holding(inert, 'type name disable_parallel_tool_use'),
  tools: inert,
  // The three that travel as headers, under the names that the SDK has for them.
  betas: inert,
  user_profile_id: state,
  workspace_id: state,
};

export const messageFields: Readonly<Record<string, ObjectField>> = {
  role: inert,
  content: inert,
  clear_at: inert,
  output_config: holding(cost, 'effort'),
};

/** What a block may have whatever its type is. */
const everyBlock = 'type cache_control';

function block(members: string, of: Field = inert): ObjectField {
  return holding(of, `${everyBlock} ${members}`);
}

const result = 'tool_use_id content caller';

/** Blocks of content, at any depth, by their `type`. Results of tools that the provider ran earlier are only history. */
export const blockFields: Readonly<Record<string, ObjectField>> = {
  text: block('text citations'),
  image: block('source transformations'),
  document: block('source citations context title'),
  search_result: block('content source title citations'),
  thinking: block('signature thinking'),
  redacted_thinking: block('data'),
  tool_use: block('id input name caller toolset_name'),
  tool_result: block('tool_use_id content is_error toolset_name'),
  tool_reference: block('tool_name name'),
  tool_addition: block('tool'),
  tool_removal: block('tool'),
  tool_definition: block('definition'),
  browser_state: block('tabs state_changes'),
  compaction: block('content encrypted_content signature tool_changes'),
  fallback: block('from to trigger'),
  // A file that the provider keeps.
  container_upload: block('file_id', state),
  mcp_tool_reference: block('name server_name', egress),
  mcp_toolset_reference: block('server_name', egress),
  mcp_tool_listing: block('mcp_server_name tools'),
  mcp_tool_use: block('id input name server_name'),
  mcp_tool_result: block('tool_use_id content is_error'),
  server_tool_use: block('id input name caller'),
  advisor_tool_result: block(result),
  advisor_result: block('text stop_reason'),
  advisor_redacted_result: block('encrypted_content stop_reason'),
  advisor_tool_result_error: block('error_code'),
  bash_code_execution_tool_result: block(result),
  bash_code_execution_result: block('content return_code stderr stdout'),
  bash_code_execution_output: block('file_id'),
  bash_code_execution_tool_result_error: block('error_code'),
  code_execution_tool_result: block(result),
  code_execution_result: block('content return_code stderr stdout'),
  code_execution_output: block('file_id'),
  encrypted_code_execution_result: block('content encrypted_stdout return_code stderr'),
  code_execution_tool_result_error: block('error_code'),
  text_editor_code_execution_tool_result: block(result),
  text_editor_code_execution_view_result: block('content file_type num_lines start_line total_lines'),
  text_editor_code_execution_create_result: block('is_file_update'),
  text_editor_code_execution_str_replace_result: block('lines new_lines new_start old_lines old_start'),
  text_editor_code_execution_tool_result_error: block('error_code error_message'),
  tool_search_tool_result: block(result),
  tool_search_tool_search_result: block('tool_references'),
  tool_search_tool_result_error: block('error_code error_message'),
  web_fetch_tool_result: block(result),
  web_fetch_result: block('content url retrieved_at'),
  web_fetch_tool_result_error: block('error_code'),
  web_search_tool_result: block(result),
  web_search_result: block('encrypted_content title url page_age'),
  web_search_tool_result_error: block('error_code'),
};

/** Members of a block that hold further blocks, or the definition of a tool. */
export const nestingMembers: ReadonlySet<string> = new Set(['content', 'tool', 'tool_changes', 'tool_references']);

/** Where the bytes of an image or a document come from, by the `type` of its source. */
export const sourceFields: Readonly<Record<string, ObjectField>> = {
  base64: holding(inert, 'type data media_type'),
  text: holding(inert, 'type data media_type'),
  content: holding(inert, 'type content'),
  url: holding(egress, 'type url'),
  file: holding(state, 'type file_id'),
};

/**
 * Tools by their `type`; one without any is the client's own. Every other one stands by its type, whatever its class,
 * which says who runs it: what the class calls inert, the client does.
 */
export const toolFields: Readonly<Record<string, Field>> = {
  custom: inert,
  bash_20241022: inert,
  bash_20250124: inert,
  browser_toolset_20260801: inert,
  computer_20241022: inert,
  computer_20250124: inert,
  computer_20251124: inert,
  computer_toolset_20260801: inert,
  memory_20250818: inert,
  text_editor_20241022: inert,
  text_editor_20250124: inert,
  text_editor_20250429: inert,
  text_editor_20250728: inert,
  advisor_20260301: egress,
  code_execution_20250522: egress,
  code_execution_20250825: egress,
  code_execution_20260120: egress,
  code_execution_20260521: egress,
  mcp_toolset: egress,
  tool_search_tool_bm25: cost,
  tool_search_tool_bm25_20251119: cost,
  tool_search_tool_regex: cost,
  tool_search_tool_regex_20251119: cost,
  web_fetch_20250910: egress,
  web_fetch_20260209: egress,
  web_fetch_20260309: egress,
  web_fetch_20260318: egress,
  web_search_20250305: egress,
  web_search_20260209: egress,
  web_search_20260318: egress,
};

/** What the definition of a tool may say; of a tool that stands by its type, all of it is for whoever allows the type. */
export const toolMembers: readonly string[] = [
  ...['type', 'name', 'description', 'input_schema', 'input_examples', 'strict', 'cache_control', 'defer_loading'],
  ...['allowed_callers', 'eager_input_streaming'],
];

/** The tools that need more than `toolMembers`, by the beginning of their type. */
export const furtherToolMembers: Readonly<Record<string, string>> = {
  advisor_: 'model caching max_tokens max_uses',
  browser_toolset_: 'configs',
  computer_: 'display_height_px display_width_px display_number enable_zoom configs',
  mcp_toolset: 'mcp_server_name configs default_config tools',
  text_editor_: 'max_characters',
  web_fetch_:
    'allowed_domains blocked_domains citations max_content_tokens max_uses response_inclusion url_sources use_cache',
  web_search_: 'allowed_domains blocked_domains max_uses response_inclusion user_location',
};

/** What `context_management.edits` may do to the conversation before it is read. */
export const editFields: Readonly<Record<string, ObjectField>> = {
  clear_thinking_20251015: holding(inert, 'type keep'),
  clear_tool_uses_20250919: holding(inert, 'type clear_at_least clear_tool_inputs exclude_tools keep trigger'),
  // The conversation is read once more, and written down in short.
  compact_20260112: holding(cost, 'type instructions pause_after_compaction trigger'),
};
