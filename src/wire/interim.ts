/**
 * Answers that are not the last word on their call: a server of MCP that asks for more before it does anything gets the
 * very same call again, with what it asked for. Whoever keeps answers must not take such a one for the answer.
 */
import type { Json } from '../call.ts';
import { objectOf } from './json-value.ts';

/** Whether `body` asks its client to come again with more (`resultType: input_required`, MCP 2026-07-28). */
export function isInterimAnswer(body: Json): boolean {
  const { jsonrpc, result } = objectOf(body);
  return jsonrpc === '2.0' && objectOf(result).resultType === 'input_required';
}
