/**
 * Which strings of requests and answers are text for inspection. All of them, but for the name of the model, ids the
 * provider gave, and what only it can read: base64 of media, signatures, encrypted blocks. The latter are left out only
 * where they look like it, so that nobody can send a text past inspection under such a name.
 */
import type { Json } from '../../../call.ts';
import type { Reading } from '../../segments.ts';

const opaqueKeys: ReadonlySet<string> = new Set([
  ...['data', 'signature', 'encrypted_content', 'encrypted_index', 'encrypted_stdout'],
]);
const opaqueForm = /^[A-Za-z0-9+/_-]{64,}={0,2}$/;
const idKeys: ReadonlySet<string> = new Set(['id', 'tool_use_id', 'tool_id']);
const idForm = /^(?:msg|toolu|srvtoolu|mcptoolu|container)_[A-Za-z0-9]{1,40}$/;

export function classify(text: string, key: string | number, where: string, _siblings: Json): Reading {
  if (where === '/model' || where === '/message/model') return 'skip';
  const name = String(key);
  if (opaqueKeys.has(name) && opaqueForm.test(text)) return 'skip';
  return idKeys.has(name) && idForm.test(text) ? 'skip' : 'text';
}
