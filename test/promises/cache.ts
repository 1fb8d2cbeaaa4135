/** What is promised of cache. */
import type { PromiseEntry } from './promise.ts';

export const cachePromises = {
  'cache.hit-costs-nothing': {
    sentence:
      'A kept answer draws on no budget and asks no target; its call stands in the history and in the audit trail, which names the call that paid for it.',
    source: 'design: cache; decision 0033',
  },
  'cache.never-across': {
    sentence:
      'An answer is never given to another tenant, subject, purpose or surface, under other policies, obligations, targets or taint, or to another request.',
    source: 'design: cache; decision 0033',
  },
  'cache.private-stays': {
    sentence:
      'An answer with private data, or to a question of a task that has some, is given to no other task than its own.',
    source: 'design: cache; decision 0033',
  },
  'cache.hit-passes-the-gate': {
    sentence:
      'A kept answer passes admission, inspection and the policy on answers like a new one; a killed task gets none.',
    source: 'way of a call: cache',
  },
  'cache.never-starves-tasks': {
    sentence:
      'Kept answers have a bound of their own in the store, and a store or an entry that cannot be read is a miss, never a refusal.',
    source: 'design: bounds; decision 0033',
  },
} as const satisfies Record<string, PromiseEntry>;
