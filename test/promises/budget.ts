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
  'budget.holds-of-the-dead': {
    sentence:
      'What a gateway held that died is charged in full within a minute, and corrected by what its audit trail knows once it is back.',
    source: 'complaint: holds of a dead gateway stay; design: budgets, settlement',
  },
  'budget.local-share': {
    sentence:
      'Without the shared state calls are refused; or, where the configuration says so, reads and model calls go on with a share of what was left of their budgets, once in a window, and all of it is paid afterwards.',
    source: 'design: budgets, store; fail closed',
  },
  'budget.bounded-by-fault': {
    sentence:
      'A shared store that hangs or is restarted lets nobody overspend; one that forgets lets windows be spent once more, and the audit trails have every call.',
    source: 'design: budgets, store',
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
  'budget.alerts-once': {
    sentence:
      'That so many percent of a budget are spent is told of once for each threshold, by whichever gateway sees it first.',
    source: 'design: budgets; complaint: nobody hears of it before the bill',
  },
  'budget.spending-is-the-trail': {
    sentence:
      'What the overview of spending adds up over a day is what the audit trail says of that day, to the micro-dollar.',
    source: 'design: budgets, looking back',
  },
  'budget.priced-by-kind': {
    sentence:
      'A model call costs its usage times the price of the target that served it, each kind of token at its own price.',
    source: 'design: budgets, prices',
  },
  'budget.equals-the-books-of-the-model': {
    sentence:
      'Over any number of gateways, clients that leave, targets that fail and a gateway that is killed, what is spent is what the model billed, and what the trails say.',
    source: 'complaints: parallel calls overspend, usage that settles at 0, holds of a dead gateway',
  },
  'budget.priced-by-service': {
    sentence:
      'A call that asks to be served dearer than the list (priority, fast) is held at that price, and charged as it was served.',
    source: 'design: budgets, prices; fields of class cost',
  },
  'budget.tokenizer': {
    sentence:
      'A prompt is held by what the published tokenizer of its model counts, by its bytes where there is none, and never by less.',
    source: 'design: budgets, estimate',
  },
  'budget.rate-limited': {
    sentence:
      'Over all gateways of a store no more requests and tokens pass in a time than a limit says; what is over it is 429 with when to come again, and takes nothing of any budget.',
    source: 'design: rate limits',
  },
  'budget.fair-queue': {
    sentence:
      'Calls over a limit wait in a bounded line in which tasks take turns, until a deadline; whoever leaves or is killed waits no more.',
    source: 'design: rate limits; OWASP AISVS C9.8.5',
  },
  'budget.spent-ends-the-task': {
    sentence:
      'A task whose budget is spent is killed, with everything that runs of it at every gateway, and goes on answering 402.',
    source: 'design: denials; task life',
  },
  'budget.pause-and-raise': {
    sentence:
      'Where config or policy says so a spent task is paused instead, and goes on once an operator has raised its budget, which the trail tells.',
    source: 'design: task life; denials',
  },
  'budget.wrap-up-once': {
    sentence:
      'The last turn that a policy grants goes beyond the budget of its task by no more than its prompt and the granted tokens, and is had once, however many ask.',
    source: 'design: obligations',
  },
} as const satisfies Record<string, PromiseEntry>;
