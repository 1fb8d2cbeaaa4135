/** A route with a target of each API, and payloads of requests of either, for tests of what is translated. */
import { readFileSync } from 'node:fs';
import type { Payload, Target } from '../../../src/call.ts';
import { anthropic } from '../../../src/wire/dialects/anthropic.ts';
import { openai } from '../../../src/wire/dialects/openai.ts';
import { modelRoutes } from '../../../src/wire/model-routes.ts';
import { allowed, rawRequest, registryOf, routeNamed, targetOf } from './request.ts';

export const fixtures = new URL('../../fixtures/wire/', import.meta.url);
export const fixture = (name: string): Buffer => readFileSync(new URL(name, fixtures));

export const atChat: Target = { ...targetOf('gpt-real'), name: 'gpt' };
export const atMessages: Target = { ...targetOf('claude-real', 'anthropic'), name: 'claude' };
const route = { ...routeNamed('r', 'model'), targets: [atChat, atMessages] };
const registry = registryOf([route], modelRoutes.operations(route, { openapi: null, operations: {} }).operations);

const surfaces = {
  chat: { dialect: openai, path: '/v1/chat/completions' },
  messages: { dialect: anthropic, path: '/v1/messages' },
  count: { dialect: anthropic, path: '/v1/messages/count_tokens' },
};

export function payloadOf(surface: keyof typeof surfaces, body: object): Payload {
  const { dialect, path } = surfaces[surface];
  return allowed(allowed(dialect.parse(rawRequest('POST', path, { model: 'r', ...body }))).resolve(registry)).payload;
}
