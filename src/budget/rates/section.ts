/**
 * `budget.rates` and `budget.queue` of tollgate.yaml: how much may pass in a time, by whom it is and where it goes, and
 * how long a call that is too early waits for its turn. What a target and its keys can take stands in the routing table.
 */
import Type from 'typebox';
import { wordOf } from './words.ts';

const rate = Type.Object(
  {
    by: Type.Array(Type.Enum(['agent', 'tenant', 'route']), {
      minItems: 1,
      maxItems: 3,
      uniqueItems: true,
      description:
        'What is counted together: the calls of each agent, of each tenant, to each route, or of each such pair.',
    }),
    per: Type.Enum(['second', 'minute', 'hour'], { description: 'The time that the amounts are for.' }),
    requests: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'Calls.' })),
    tokens: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000_000_000,
        description: 'Tokens of models, in and out: what a call may use when it is sent, what it has used afterwards.',
      }),
    ),
    burst: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000_000,
        description: 'Calls that may come at once after a silence; left out: all that `requests` says.',
      }),
    ),
  },
  { additionalProperties: false, description: 'One limit. What is used comes back evenly, and not at once.' },
);

export const ratesSection = Type.Array(rate, {
  default: [],
  maxItems: 16,
  description: 'Limits by time, over all gateways of the store. A call must be within all of them.',
});

export const queueSection = Type.Object(
  {
    wait_ms: Type.Integer({
      default: 10_000,
      minimum: 0,
      maximum: 300_000,
      description:
        'How long a call over a limit waits for its turn before it is rate_limited, in milliseconds; 0: not at all. An agent may ask for less (x-tollgate-deadline-ms).',
    }),
    waiting: Type.Integer({
      default: 100,
      minimum: 1,
      maximum: 100_000,
      description: 'Calls that wait for one limit at once on this gateway; the task with the most gives way.',
    }),
    bytes: Type.Integer({
      default: 16_777_216,
      minimum: 1024,
      maximum: 4_294_967_296,
      description: 'What the calls that wait for one limit may take of memory, as the size of their payloads.',
    }),
    priority: Type.Record(
      Type.String(),
      Type.Integer({ minimum: 1, maximum: 100, description: 'Turns a round; other tasks have one.' }),
      {
        default: {},
        description:
          'Tasks wait in a ring and have turns one after the other; by purpose, how many turns a task has in each round.',
      },
    ),
  },
  { additionalProperties: false, default: {}, description: 'How calls wait for a limit: fairly, and not for ever.' },
);

export type RatesConfig = Type.Static<typeof ratesSection>;
export type RateConfig = RatesConfig[number];
export type QueueConfig = Type.Static<typeof queueSection>;

/** What the schema cannot say. Pointers are into tollgate.yaml. */
export function checkRates(rates: RatesConfig): { pointer: string; message: string }[] {
  const seen = new Set<string>();
  return rates.flatMap((one, index) => {
    const pointer = `/budget/rates/${index}`;
    const faults: { pointer: string; message: string }[] = [];
    const what = `${wordOf(one.by)} per ${one.per}`;
    if (seen.has(what)) faults.push({ pointer, message: `expected one limit by ${what}, found another one` });
    seen.add(what);
    if (one.requests === undefined && one.tokens === undefined) {
      faults.push({ pointer, message: 'expected requests, tokens, or both' });
    }
    if (one.burst !== undefined && one.requests === undefined) {
      faults.push({ pointer: `${pointer}/burst`, message: 'expected requests beside it: a burst is of requests' });
    }
    return faults;
  });
}
