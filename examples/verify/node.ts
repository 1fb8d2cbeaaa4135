/**
 * A service behind the gate in plain Node: nobody gets an answer without a Txn-Token for exactly this request. In a
 * service of your own, import from 'tollgate/verify'.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isRefusal, type Refusal, rawBodyOf, type TxnTokenVerifier, txnTokenOf } from '../../src/identity/verify.ts';

const bodyBytesMax = 64 * 1024;

/** The operation of the gate that a request is; it comes from your routes, never from the token. */
function operationOf({ method, url = '' }: IncomingMessage): string | undefined {
  const [path = ''] = url.split('?', 1);
  if (method === 'POST' && path === '/refunds') return 'refunds.create_refund';
  if (method === 'GET' && /^\/refunds\/[^/]+$/.test(path)) return 'refunds.get_refund';
  return undefined;
}

export function nodeService(verifier: TxnTokenVerifier): Server {
  return createServer((message, response) => {
    serve(verifier, message, response).catch((error: unknown) => {
      answer(response, error instanceof RangeError ? 413 : 500, { error: 'request' });
    });
  });
}

async function serve(verifier: TxnTokenVerifier, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const operation = operationOf(message);
  if (operation === undefined) return answer(response, 404, { error: 'not_found' });
  const body = await rawBodyOf(message, bodyBytesMax);
  const { method = '', url: pathWithQuery = '' } = message;
  const txn = await verifier.verify(txnTokenOf(message), { method, pathWithQuery, body, operation });
  if (isRefusal(txn)) return answer(response, statusOf(txn), { error: txn.reason });
  // From here on: txn.subject is on whose behalf. Ask for what is theirs, and for nothing else.
  answer(response, 200, txn);
}

/** What cannot be told now may be asked again, with a new call; everything else is no. */
function statusOf({ reason }: Refusal): number {
  return reason === 'issuer_unavailable' || reason === 'memory_full' || reason === 'memory_unavailable' ? 503 : 403;
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
