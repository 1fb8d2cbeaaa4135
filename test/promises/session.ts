/** What is promised of sessions. */
import type { PromiseEntry } from './promise.ts';

export const sessionPromises = {
  'session.any-gateway': {
    sentence:
      'A session of MCP begun at one gateway goes on at any other on the same store: its calls, its cut streams, its answers to questions.',
    source: 'MCP through the gate: no sticky sessions',
  },
  'session.belongs-to-its-task': {
    sentence:
      'The id of a session opens nothing: it is found with a token of its own task alone, and on its own route.',
    source: 'MCP through the gate; OWASP AISVS 1.0 10.2',
  },
  'session.state-bound-to-request': {
    sentence:
      'What a stateless client brings back with its answers is good for the task, the request and the target that it was given for, and for ten minutes.',
    source: 'MCP 2026-07-28, multi round-trip requests, server requirements',
  },
} as const satisfies Record<string, PromiseEntry>;
