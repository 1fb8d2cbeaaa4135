/** What is promised of route and breaker. */
import type { PromiseEntry } from './promise.ts';

export const routePromises = {
  'route.residency-is-hard': {
    sentence: 'Where no target lies in a permitted region or cloud, the call is denied and no other target is tried.',
    source: 'way of a call: residency is a hard limit',
  },
  'breaker.opens-per-task': {
    sentence: 'Consecutive failures of a task at one destination end in circuit_open after the limit.',
    source: 'way of a call: breaker; OWASP AISVS C9.1',
  },
  'breaker.opens-per-target': {
    sentence:
      'A target that keeps failing to connect, timing out or answering 5xx is not called until a probe succeeds.',
    source: 'way of a call: breaker',
  },
  'route.apis-translated': {
    sentence:
      'A client of chat completions or of messages reaches targets of either API: tools, images, streams and usage.',
    source: 'decision 0031: chat completions and messages into each other',
  },
  'route.unfit-is-named': {
    sentence:
      'What the API of a target has no place for is never sent to it, and where no target fits, each field is named.',
    source: 'decision 0031: an error that names the field, never a silent loss',
  },
  'route.target-limits': {
    sentence:
      'A target is sent no more requests and tokens in a minute, and no more calls at once, than it is said to take.',
    source: 'design: rate limits and keys',
  },
} as const satisfies Record<string, PromiseEntry>;
