/**
 * What a target can take, and the credentials it is called with: one, or several in turn, each with limits of its own.
 * Only names stand here; what is in them belongs to the `credentials` section.
 */
import Type from 'typebox';
import type { Target } from '../call.ts';
import type { MinuteLimits, TargetKey } from '../rate.ts';

const most = 1_000_000_000_000;

const minuteLimits = {
  requests_per_minute: Type.Optional(Type.Integer({ minimum: 1, maximum: most, description: 'Calls in a minute.' })),
  tokens_per_minute: Type.Optional(
    Type.Integer({ minimum: 1, maximum: most, description: 'Tokens of models in a minute, in and out.' }),
  ),
};

const key = Type.Object(
  { name: Type.String({ description: 'The credential.' }), ...minuteLimits },
  { additionalProperties: false, description: 'A credential and what it can take.' },
);

/** The members of a target that say what it takes and with which credentials. */
export const keyFields = {
  credential: Type.Optional(Type.String({ description: 'The credential that the gate adds; left out: none.' })),
  credentials: Type.Optional(
    Type.Array(Type.Unsafe<string | Type.Static<typeof key>>({ anyOf: [{ type: 'string' }, key] }), {
      minItems: 1,
      maxItems: 32,
      description:
        'Several credentials in place of one, used in turn; by name, or with what each can take. One that the target does not accept, or whose quota is used up, rests.',
    }),
  ),
  limits: Type.Optional(
    Type.Object(
      {
        ...minuteLimits,
        concurrency: Type.Optional(
          Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'Calls at once, of this gateway.' }),
        ),
      },
      {
        additionalProperties: false,
        description:
          'What the target takes, of all gateways of the store together. Calls beyond it go elsewhere or wait.',
      },
    ),
  ),
};

interface KeyedTarget {
  readonly credential?: string;
  readonly credentials?: readonly (string | Type.Static<typeof key>)[];
  readonly limits?: {
    readonly requests_per_minute?: number;
    readonly tokens_per_minute?: number;
    readonly concurrency?: number;
  };
}

/** Every credential that a target names, with the pointer to it below that of the target. */
export function namedCredentials({ credential, credentials = [] }: KeyedTarget): { name: string; pointer: string }[] {
  const several = credentials.map((one, index) => {
    const at = `/credentials/${index}`;
    return typeof one === 'string' ? { name: one, pointer: at } : { name: one.name, pointer: `${at}/name` };
  });
  return [...(credential === undefined ? [] : [{ name: credential, pointer: '/credential' }]), ...several];
}

/** What the schema cannot say of the credentials and limits of a target that stands at `at`. */
export function keyFaults(
  target: KeyedTarget,
  at: string,
  known: Readonly<Record<string, unknown>>,
): { pointer: string; message: string }[] {
  const named = namedCredentials(target);
  const faults = named.flatMap(({ name, pointer }, index) => {
    if (!Object.hasOwn(known, name)) {
      const names = Object.keys(known).join(', ') || 'there is none';
      return [{ pointer: `${at}${pointer}`, message: `expected the name of a credential: ${names}` }];
    }
    const again = named.findIndex((other) => other.name === name) !== index;
    return again ? [{ pointer: `${at}${pointer}`, message: `expected each credential once, found ${name} again` }] : [];
  });
  if (target.credential !== undefined && target.credentials !== undefined) {
    faults.push({ pointer: `${at}/credentials`, message: 'expected credential or credentials, found both' });
  }
  if (!('model' in target) && JSON.stringify([target.limits, target.credentials])?.includes('tokens_per_minute')) {
    faults.push({ pointer: `${at}/limits`, message: 'expected no tokens_per_minute: only models have tokens' });
  }
  if (target.limits !== undefined && Object.keys(target.limits).length === 0) {
    faults.push({
      pointer: `${at}/limits`,
      message: 'expected at least one of requests_per_minute, tokens_per_minute, concurrency',
    });
  }
  return faults;
}

/** The same as the gate works with it. `credential` is the first of several. */
export function keysOf(config: KeyedTarget): Pick<Target, 'credential' | 'keys' | 'limits'> {
  const { credentials, limits } = config;
  const keys = credentials?.map((one): TargetKey => (typeof one === 'string' ? { name: one } : ofKey(one)));
  return {
    credential: config.credential ?? keys?.[0]?.name ?? null,
    ...(keys === undefined ? {} : { keys }),
    ...(limits === undefined
      ? {}
      : {
          limits: {
            ...minuteLimitsOf(limits),
            ...(limits.concurrency === undefined ? {} : { concurrency: limits.concurrency }),
          },
        }),
  };
}

function ofKey({ name, ...limits }: Type.Static<typeof key>): TargetKey {
  return { name, ...minuteLimitsOf(limits) };
}

function minuteLimitsOf(limits: NonNullable<KeyedTarget['limits']>): MinuteLimits {
  const { requests_per_minute: requests, tokens_per_minute: tokens } = limits;
  return {
    ...(requests === undefined ? {} : { requestsPerMinute: requests }),
    ...(tokens === undefined ? {} : { tokensPerMinute: tokens }),
  };
}
