/** What is promised of calls that are repeated. */
import type { PromiseEntry } from './promise.ts';

const draft = 'draft-ietf-httpapi-idempotency-key-header-07';

export const idempotencyPromises = {
  'idempotency.once': {
    sentence:
      'A call that is repeated under its key is sent once: the repeat gets the first answer, is marked, names the first call in the trail, draws on no budget and counts in no sum.',
    source: draft,
  },
  'idempotency.scope': {
    sentence: 'A key is good for one task, one operation and one body; another body under it is refused.',
    source: draft,
  },
  'idempotency.one-of-many': {
    sentence:
      'Of equal calls at the same moment, at any gateways of a store, one is sent and the others are told that it runs.',
    source: draft,
  },
  'idempotency.free-again': {
    sentence: 'A call that was refused, or certainly had no effect, leaves its key free.',
    source: 'design: idempotency',
  },
  'idempotency.unknown': {
    sentence:
      'A write that was sent and not answered is never sent again by the gate; its repeat is `outcome_unknown` with what to look at.',
    source: 'design: idempotency; MCP 2026-07-28 (a broken stream loses the request)',
  },
  'idempotency.client-gone': {
    sentence: 'A write under a key goes on when its client leaves, and the repeat gets its answer.',
    source: 'design: idempotency',
  },
  'idempotency.unkept': {
    sentence:
      'What is kept of answers is bounded for each task and in all; the repeat of a call whose answer is not there is told that it was made.',
    source: 'design: bounds',
  },
  'idempotency.judged-again': {
    sentence:
      'A repeat passes identity, task, policy and inspection like any other call before it gets the first answer.',
    source: 'AISVS 9.6.3; way of a call: idempotency',
  },
  'idempotency.tool-call': {
    sentence:
      'A write or delete without a key that names the tool call of its model is known by that and its arguments.',
    source: 'design: idempotency',
  },
  'idempotency.check': {
    sentence: 'A call that is only checked leaves no mark.',
    source: 'way of a call: idempotency',
  },
  'idempotency.models': {
    sentence: 'A model that is asked twice under one key answers once, and its tool calls are proposed once.',
    source: 'design: idempotency',
  },
  'idempotency.dead-gateways': {
    sentence: 'A call whose gateway died is in doubt, not for ever running.',
    source: 'design: idempotency; conventions k 3',
  },
  'idempotency.never-twice': {
    sentence:
      'Wherever gateways crash and the store fails, no call takes effect twice under one key within its window.',
    source: 'design: idempotency',
  },
} as const satisfies Record<string, PromiseEntry>;
