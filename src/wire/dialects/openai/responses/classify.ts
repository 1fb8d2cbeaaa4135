/**
 * Which strings of requests, answers and events are text for inspection. All of them, but for the name of the model, ids
 * and words of the format, and what only the provider or a player of media can read: base64, encrypted content. The
 * latter are left out only where the format has them and where they look like it, so that nobody can send a text past
 * inspection under such a name.
 */
import type { Json } from '../../../../call.ts';
import type { Reading } from '../../../segments.ts';

const opaqueForm = /^[A-Za-z0-9+/_-]{64,}={0,2}$/;
const dataUrl = /^data:[\w.+-]+\/[\w.+-]+;base64,[A-Za-z0-9+/]*={0,2}$/;
/** By member: the types of the objects that it is base64 in. */
const opaqueIn: Readonly<Record<string, ReadonlySet<unknown>>> = {
  encrypted_content: new Set(['reasoning', 'compaction']),
  result: new Set(['image_generation_call']),
  fingerprint: new Set(['program']),
  file_data: new Set(['input_file']),
  image_url: new Set(['input_image', 'computer_screenshot']),
  data: new Set([undefined, 'output_audio']),
  partial_image_b64: new Set(['response.image_generation_call.partial_image']),
  delta: new Set(['response.audio.delta']),
};
const idKeys: ReadonlySet<string> = new Set([
  ...['id', 'call_id', 'item_id', 'container_id', 'file_id', 'previous_response_id', 'approval_request_id'],
  ...['caller_id', 'conversation', 'comparison_response_id'],
]);
/** A prefix, and what says nothing; keys have one as well. */
const idForm = /^(?!(?:sk|pk|rk|gsk|npm|hf|gh[a-z]|xox[a-z]|key|token)[_-])[a-z]{1,10}[_-][A-Za-z0-9]{1,80}$/;
const padding = /^[A-Za-z0-9]{1,64}$/;
/** Words of the format, where they stand for what the format means by them. */
const wordKeys: ReadonlySet<string> = new Set([
  ...['type', 'role', 'status', 'object', 'phase', 'truncation', 'service_tier', 'tool_choice', 'effort', 'detail'],
  ...['verbosity', 'prompt_cache_retention'],
]);
const word = /^[a-z0-9][a-z0-9_.]{0,63}$/;
/** In an answer, tokens of its text: they go with all others once something in it was changed. */
const logprobPlace =
  /^(?:(?:(?:\/response)?\/output\/\d+|\/item)\/content\/\d+|\/part)?\/logprobs\/\d+\/(?:top_logprobs\/\d+\/)?token$/;
/** A member of the format itself: what a tool is given, or described by, has whatever members somebody gave it. */
const formatPlace =
  /^(?:\/(?:input|output|content|summary|item|part|response|conversation|prompt_cache_options|caller|action|actions|outputs|annotations?|reasoning|text|format|input_audio|environment|\d+))*\/[a-z0-9_]+$/;

export function classify(text: string, key: string | number, where: string, siblings: Json): Reading {
  if (where === '/model' || where === '/response/model') return 'skip';
  if (key === 'arguments') return 'json';
  if (key === 'output' && /^\s*[[{]/.test(text)) return 'json';
  const name = String(key);
  if (!formatPlace.test(where)) return logprobPlace.test(where) ? 'skip' : 'text';
  if (idKeys.has(name)) return idForm.test(text) ? 'skip' : 'text';
  if (wordKeys.has(name)) return word.test(text) && !/\d{6}/.test(text) ? 'skip' : 'text';
  const { type } = siblings as { readonly type?: Json };
  if (name === 'obfuscation' && where === '/obfuscation') return padding.test(text) ? 'skip' : 'text';
  const types = Object.hasOwn(opaqueIn, name) ? opaqueIn[name] : undefined;
  if (types === undefined || !types.has(type)) return 'text';
  if (!opaqueForm.test(text) && !dataUrl.test(text)) return 'text';
  // A file can be a text like any other.
  return name === 'file_data' || name === 'image_url' ? 'base64' : 'skip';
}
