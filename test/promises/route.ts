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
} as const satisfies Record<string, PromiseEntry>;
