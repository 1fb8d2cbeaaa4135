/** The one option of @fastify/http-proxy that is used; so that types are checked before its package is installed. */
declare module '@fastify/http-proxy' {
  import type { FastifyPluginCallback } from 'fastify';

  const proxy: FastifyPluginCallback<{ upstream: string }>;
  export default proxy;
}
