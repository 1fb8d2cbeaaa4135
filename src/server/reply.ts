/** JSON answers of the gate's own routes, on both planes. */
import type { Json } from '../call.ts';
import type { Reply } from '../pipeline.ts';

/** A JSON document that is never cached: tokens, tasks and health change by the second. */
export function jsonReply(status: number, document: Json, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: Buffer.from(JSON.stringify(document)),
  };
}
