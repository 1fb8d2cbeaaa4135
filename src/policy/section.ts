/** The `policy` section of tollgate.yaml: where the policies are, and what has to be true of them before they decide. */
import { X509Certificate } from 'node:crypto';
import Type from 'typebox';
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
  { additionalProperties: false, description: 'How a bundle that is a URL is fetched. Only where `bundle` is one.' },
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
    fetch: Type.Optional(fetchSettings),
    signing_keys: Type.Array(signingKey, {
      default: [],
      maxItems: 16,
      description:
        'Who may sign bundles. With one or more, every bundle must be signed under one of them over exactly its files, ' +
        'and `bundle` must be a file or a URL. Without, signatures are not looked at.',
    }),
    allow_rollback: Type.Boolean({
      default: false,
      description:
        'Lets a bundle come into force whose `metadata.tollgate.sequence` is lower than that of the last one, or absent. ' +
        'For going back on purpose; set it to false again afterwards.',
    }),
  },
  { default: {}, additionalProperties: false, description: 'Policies: what decides about tasks, calls and answers.' },
);

export type PolicyConfig = Type.Static<typeof policySection>;

export interface PolicyFault {
  readonly pointer: string;
  readonly message: string;
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether a bundle is fetched, and not read from a path. */
export function isServed(bundle: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(bundle);
}

/** What is wrong with the URL, in words. */
function urlFault(bundle: string): string | undefined {
  const url = URL.parse(bundle);
  if (url === null || !/^https?:$/.test(url.protocol)) return 'expected a path or an https URL';
  if (url.username !== '' || url.password !== '') return 'a URL holds no user or password: use policy.fetch.token';
  if (url.hash !== '') return 'expected a URL without a fragment';
  if (url.protocol === 'http:' && !loopback.test(url.hostname)) return 'expected https: (http only on loopback)';
  return undefined;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).fingerprint256 !== '';
  } catch {
    return false;
  }
}

/** What a schema cannot say of the section. Pointers are from the root of the file. */
export function checkPolicy({ bundle, fetch, signing_keys: keys }: PolicyConfig): PolicyFault[] {
  const faults: PolicyFault[] = [];
  const fault = (pointer: string, message: string) => faults.push({ pointer: `/policy${pointer}`, message });
  const served = isServed(bundle);
  const wrong = served ? urlFault(bundle) : undefined;
  if (wrong !== undefined) fault('/bundle', wrong);
  if (fetch !== undefined && !served) fault('/fetch', 'is without effect: policy.bundle is no URL');
  if (fetch !== undefined && fetch.min_delay_seconds > fetch.max_delay_seconds) {
    fault('/fetch/min_delay_seconds', 'expected no more than max_delay_seconds');
  }
  if (fetch?.ca !== undefined && !isCertificate(fetch.ca)) fault('/fetch/ca', 'expected certificates in PEM');
  if (keys.length > 0 && !served && !bundle.endsWith('.tar.gz')) {
    fault('/signing_keys', 'a folder cannot be signed: expected policy.bundle to be a .tar.gz file or a URL');
  }
  const seen = new Set<string>();
  for (const [index, key] of keys.entries()) {
    if (seen.has(key.kid)) fault(`/signing_keys/${index}/kid`, 'is there twice');
    seen.add(key.kid);
    const found = publicKeyOf(key);
    if (typeof found === 'string') fault(`/signing_keys/${index}/public_key`, found);
  }
  return faults;
}
