/**
 * Which strings of requests and answers are text for inspection. All of them, but for the name of the model, ids the
 * provider gave, and what only it can read: base64 of media, signatures, encrypted blocks. The latter are left out only
 * where the format has them and where they look like it, so that nobody can send a text past inspection under such a name.
 */
import type { Json } from '../../../call.ts';
import type { Reading } from '../../segments.ts';

/** By member: the types of the objects that it is opaque in. The data of a source of text is text. */
const opaqueIn: Readonly<Record<string, ReadonlySet<unknown>>> = {
  data: new Set(['base64', 'redacted_thinking']),
  signature: new Set(['thinking', 'signature_delta', 'compaction', 'compaction_delta']),
  encrypted_content: new Set(['web_search_result', 'compaction', 'compaction_delta', 'advisor_redacted_result']),
  encrypted_index: new Set(['web_search_result_location']),
  encrypted_stdout: new Set(['encrypted_code_execution_result']),
};
const opaqueForm = /^[A-Za-z0-9+/_-]{64,}={0,2}$/;
const idKeys: ReadonlySet<string> = new Set(['id', 'tool_use_id', 'tool_id']);
const idForm = /^(?:msg|toolu|srvtoolu|mcptoolu|container)_[A-Za-z0-9]{1,40}$/;
/** A member of the format itself: what a tool is given, or described by, has whatever members somebody gave it. */
const formatPlace =
  /^(?:\/(?:messages|system|message|content|content_block|delta|citations?|source|caller|container|\d+))*\/[a-z_]+$/;

export function classify(text: string, key: string | number, where: string, siblings: Json): Reading {
  if (where === '/model' || where === '/message/model') return 'skip';
  const name = String(key);
  const types = Object.hasOwn(opaqueIn, name) ? opaqueIn[name] : undefined;
  if ((types === undefined && !idKeys.has(name)) || !formatPlace.test(where)) return 'text';
  if (types === undefined) return idForm.test(text) ? 'skip' : 'text';
  const { type } = siblings as { readonly type?: Json };
  return types.has(type) && opaqueForm.test(text) ? 'skip' : 'text';
}
