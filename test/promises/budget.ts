/** What is promised of budget. */
import type { PromiseEntry } from './promise.ts';

export const budgetPromises = {
  'budget.no-overspend': {
    sentence:
      'With budget for k calls exactly k of any number of parallel calls are admitted; overspend is 0 micro-dollars.',
    source: 'OWASP AISVS C9.1.1; complaint: parallel calls overspend',
  },
  'budget.settled-once': {
    sentence: 'Every reservation is settled exactly once: also on denial, abort, a broken stream and a fault.',
    source: 'way of a call: settlement',
  },
  'budget.never-settles-at-zero': {
    sentence: 'A model call whose usage is not reported is settled at an upper bound, never at 0.',
    source: 'complaint: streams without usage cost nothing',
  },
  'budget.streams-cut': {
    sentence:
      'A stream that goes on past what was reserved for it is cut there, ends properly, and is charged in full.',
    source: 'way of a call: budget, running count; denials',
  },
  'budget.exhausted-is-402': {
    sentence: 'A spent budget is answered with 402 and what remains, in a form that SDKs do not retry.',
    source: 'denials; OWASP AISVS C9.1.1',
  },
  'budget.no-model-without-price': {
    sentence:
      'A model without a known price is a fault of the configuration, told before the gate starts; it is never free by default.',
    source: 'design: budgets, prices',
  },
  'budget.priced-by-kind': {
    sentence:
      'A model call costs its usage times the price of the target that served it, each kind of token at its own price.',
    source: 'design: budgets, prices',
  },
} as const satisfies Record<string, PromiseEntry>;
