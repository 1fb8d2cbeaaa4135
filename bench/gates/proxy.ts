/** A program: bare @fastify/http-proxy, the baseline. It takes nothing in but what it must to pass it on. */
import proxy from '@fastify/http-proxy';
import fastify from 'fastify';
import { measured } from './measured.ts';

const app = fastify({ logger: false });
app.register(proxy, { upstream: process.argv[2] ?? '' });
measured(await app.listen({ host: '127.0.0.1', port: 0 }), () => app.close());
