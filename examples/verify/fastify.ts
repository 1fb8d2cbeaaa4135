/**
 * A service behind the gate in Fastify. The Txn-Token is checked before anything parses the body, because its digest is
 * of the bytes as they came; a route says which operation of the gate it is, and one that does not is closed.
 */
import Fastify, { type FastifyInstance } from 'fastify';
import {
  isRefusal,
  type Refusal,
  type Transaction,
  type TxnTokenVerifier,
  txnTokenOf,
} from '../../src/identity/verify.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** On whose behalf, by whom and in which task; null before it is verified. */
    txn: Transaction | null;
  }
  interface FastifyContextConfig {
    operation?: string;
  }
}

export function fastifyService(verifier: TxnTokenVerifier): FastifyInstance {
  const app = Fastify({ bodyLimit: 64 * 1024 });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.decorateRequest('txn', null);
  app.addHook('preValidation', async (request, reply) => {
    const body = request.body instanceof Buffer ? request.body : null;
    const operation = request.routeOptions.config?.operation ?? '';
    const { method, originalUrl: pathWithQuery } = request;
    const txn = await verifier.verify(txnTokenOf(request), { method, pathWithQuery, body, operation });
    if (isRefusal(txn)) return reply.code(statusOf(txn)).send({ error: txn.reason });
    request.txn = txn;
    // Now it may be read; the schemas of the routes are checked after this hook.
    const isJson = /^application\/json\b/i.test(request.headers['content-type'] ?? '');
    if (body !== null && isJson) request.body = jsonOf(body);
  });
  app.post('/refunds', { config: { operation: 'refunds.create_refund' } }, async (request) => request.txn);
  app.get('/refunds/:id', { config: { operation: 'refunds.get_refund' } }, async (request) => request.txn);
  return app;
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw Object.assign(new Error('the body is not JSON'), { statusCode: 400 });
  }
}

/** What cannot be told now may be asked again, with a new call; everything else is no. */
function statusOf({ reason }: Refusal): number {
  return reason === 'issuer_unavailable' || reason === 'memory_full' || reason === 'memory_unavailable' ? 503 : 403;
}
