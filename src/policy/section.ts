/** The `policy` section of tollgate.yaml: where the policies are, and what has to be true of them before they decide. */
import { resolve } from 'node:path';
import Type from 'typebox';
import { checkReports, decisionLogsSection, statusSection } from './report/section.ts';
import { isCertificate, urlFault } from './served-url.ts';
import { publicKeyOf, type SigningAlgorithm, signingAlgorithms } from './signing-key.ts';

const signingKey = Type.Object(
  {
    kid: Type.String({
      pattern: '^[\\x21-\\x7e]{1,128}$',
      description:
        'The key id that the signature names: `--verification-key-id` of `opa build`, `keyid` of its claims.',
    }),
    algorithm: Type.Unsafe<SigningAlgorithm>(
      Type.Enum([...signingAlgorithms], {
        description: 'The one algorithm that this key is used with (RFC 7518 §3.1): RS, PS or ES with 256, 384 or 512.',
      }),
    ),
    public_key: Type.String({
      minLength: 1,
      maxLength: 16_384,
      description: 'The public key or a certificate of it, in PEM, best put in by `file:`.',
    }),
    scope: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'The `scope` that a signature under this key must have; without it the signature must have none.',
      }),
    ),
  },
  { additionalProperties: false },
);

export const fetchDefaults = { min_delay_seconds: 60, max_delay_seconds: 120, timeout_seconds: 60 } as const;

const seconds = (description: string, maximum: number) => Type.Integer({ minimum: 1, maximum, description });

const fetchSettings = Type.Object(
  {
    token: Type.Optional(
      Type.String({
        pattern: '^[\\x21-\\x7e]{1,8192}$',
        writeOnly: true,
        description: 'Goes to the bundle server as a bearer token; put it in by `env:` or `file:`.',
      }),
    ),
    ca: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 262_144,
        description:
          'Certificates in PEM that the server is trusted by besides the usual ones, best put in by `file:`.',
      }),
    ),
    long_poll_seconds: Type.Optional(
      seconds(
        'How long the server may hold a request until there is something new. Used once it has answered with the type ' +
          '`application/vnd.openpolicyagent.bundles`; left out, it is asked at the interval.',
        600,
      ),
    ),
    min_delay_seconds: Type.Integer({
      ...seconds('The shortest time between two looks.', 86_400),
      default: fetchDefaults.min_delay_seconds,
    }),
    max_delay_seconds: Type.Integer({
      ...seconds('The longest time between two looks, also while the server is away.', 86_400),
      default: fetchDefaults.max_delay_seconds,
    }),
    timeout_seconds: Type.Integer({
      ...seconds('The longest a bundle may take to arrive, besides what a long poll waits.', 600),
      default: fetchDefaults.timeout_seconds,
    }),
  },
  {
    additionalProperties: false,
    description: 'How a bundle that is a URL is fetched. Only where `bundle` or `shadow` is one; it is used for both.',
  },
);

const share = (description: string, standard: number) =>
  Type.Number({ default: standard, minimum: 0, maximum: 100, description });

const rolloutSettings = Type.Object(
  {
    new_denies_percent: share(
      'The most of its decisions that a candidate may deny and the bundle in force allow, before it is rolled back.',
      5,
    ),
    errors_percent: share('The most of its decisions that a candidate may fail at, before it is rolled back.', 1),
    decisions_min: Type.Integer({
      default: 50,
      minimum: 1,
      maximum: 1_000_000,
      description: 'A share is judged of at least so many decisions of the candidate, at one gateway in the window.',
    }),
    window_seconds: Type.Integer({
      default: 300,
      minimum: 10,
      maximum: 86_400,
      description: 'How far back decisions count.',
    }),
  },
  {
    default: {},
    additionalProperties: false,
    description: 'When a candidate that decides is taken back by itself. Only of effect with `shadow`.',
  },
);

export const policySection = Type.Object(
  {
    bundle: Type.String({
      minLength: 1,
      maxLength: 4096,
      default: './policies',
      description:
        'A folder of Rego and data, compiled at start and again when it changes; a `.tar.gz` bundle that ' +
        '`opa build -t wasm` made; or the URL of one behind OPA’s bundle API, https or on loopback http. A path is ' +
        'relative to this file.',
    }),
    shadow: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4096,
        description:
          'Where the next bundle is published as a candidate: a path or a URL, as `bundle`. It decides beside the bundle ' +
          'in force and is compared with it, and acts only once `tollgate policy rollout` lets it.',
      }),
    ),
    rollout: rolloutSettings,
    fetch: Type.Optional(fetchSettings),
    decision_logs: Type.Optional(decisionLogsSection),
    status: Type.Optional(statusSection),
    signing_keys: Type.Array(signingKey, {
      default: [],
      maxItems: 16,
      description:
        'Who may sign bundles. With one or more, every bundle must be signed under one of them over exactly its files, ' +
        'and `bundle` and `shadow` must be files or URLs. Without, signatures are not looked at.',
    }),
    allow_rollback: Type.Boolean({
      default: false,
      description:
        'Lets a bundle come into force whose `metadata.tollgate.sequence` is lower than that of the last one, or absent. ' +
        'For going back on purpose; set it to false again afterwards.',
    }),
    unknown_operations: Type.Unsafe<'refuse' | 'warn'>(
      Type.Enum(['refuse', 'warn'], {
        default: 'refuse',
        description:
          'What becomes of a bundle that names operations, routes, issuers or remembered arguments which this file does ' +
          'not have: refused, or logged and put in force, for gates that share a bundle and have different routes.',
      }),
    ),
  },
  { default: {}, additionalProperties: false, description: 'Policies: what decides about tasks, calls and answers.' },
);

export type PolicyConfig = Type.Static<typeof policySection>;
export type RolloutConfig = PolicyConfig['rollout'];

export interface PolicyFault {
  readonly pointer: string;
  readonly message: string;
}

/** Whether a bundle is fetched, and not read from a path. */
export function isServed(bundle: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(bundle);
}

/** What a schema cannot say of the section. Pointers are from the root of the file. */
export function checkPolicy(config: PolicyConfig): PolicyFault[] {
  const { bundle, shadow, fetch, signing_keys: keys } = config;
  const faults: PolicyFault[] = [];
  const fault = (pointer: string, message: string) => faults.push({ pointer: `/policy${pointer}`, message });
  const sources = Object.entries({ bundle, shadow }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  for (const [name, source] of sources) {
    const wrong = isServed(source) ? urlFault(source, 'a path or an https URL', 'policy.fetch.token') : undefined;
    if (wrong !== undefined) fault(`/${name}`, wrong);
  }
  if (shadow !== undefined && isSame(bundle, shadow)) {
    fault('/shadow', 'is what policy.bundle is: a candidate is published somewhere else');
  }
  if (fetch !== undefined && !sources.some(([, source]) => isServed(source))) {
    fault('/fetch', 'is without effect: neither policy.bundle nor policy.shadow is a URL');
  }
  if (fetch !== undefined && fetch.min_delay_seconds > fetch.max_delay_seconds) {
    fault('/fetch/min_delay_seconds', 'expected no more than max_delay_seconds');
  }
  if (fetch?.ca !== undefined && !isCertificate(fetch.ca)) fault('/fetch/ca', 'expected certificates in PEM');
  for (const [name, source] of keys.length === 0 ? [] : sources) {
    if (isServed(source) || source.endsWith('.tar.gz')) continue;
    fault('/signing_keys', `a folder cannot be signed: expected policy.${name} to be a .tar.gz file or a URL`);
  }
  for (const { pointer, message } of checkReports(config)) fault(pointer, message);
  const seen = new Set<string>();
  for (const [index, key] of keys.entries()) {
    if (seen.has(key.kid)) fault(`/signing_keys/${index}/kid`, 'is there twice');
    seen.add(key.kid);
    const found = publicKeyOf(key);
    if (typeof found === 'string') fault(`/signing_keys/${index}/public_key`, found);
  }
  return faults;
}

/** Whether two sources are one, however they are written. */
function isSame(one: string, other: string): boolean {
  const plain = (source: string) => (isServed(source) ? (URL.parse(source)?.href ?? source) : resolve(source));
  return plain(one) === plain(other);
}
