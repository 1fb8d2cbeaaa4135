/**
 * The `keys` section of tollgate.yaml: who holds the keys that the gate signs with. The key of the audit trail is not
 * among them: it lies in `gateway.data_dir` whatever stands here, since checkpoints are signed in a thread of their own.
 */
import Type from 'typebox';

const lead = (seconds: number, why: string) =>
  Type.Integer({ default: seconds, minimum: 0, maximum: 86_400, description: why });

export const keysSection = Type.Object(
  {
    source: Type.Enum(['files', 'store', 'command'], {
      default: 'files',
      description:
        'Who holds the private keys of task tokens, Txn-Tokens and federation: `files` in data_dir/keys, for this ' +
        'gateway alone; `store`, sealed, for all gateways on it; `command`, a signer that never gives them away. ' +
        'Tokens of the keys of an earlier source are refused after the change. The audit key is always a file.',
    }),
    name: Type.String({
      pattern: '^[A-Za-z0-9_-]{1,64}$',
      default: 'tollgate',
      description: 'First part of the key ids of `store` and `command`, in place of the id of one gateway.',
    }),
    secret: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'At least 32 random bytes, the same at every gateway on the store: seals the keys of `store`, and ' +
          'checkpoints of tasks, which a gateway on Redis keeps only with a secret. With any ' +
          'source it marks the public keys that a gateway publishes there, and keys without that mark are not taken. ' +
          'Give it to all gateways at once; without it, whoever can write to the store can add a key.',
      }),
    ),
    command: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
        minItems: 1,
        maxItems: 64,
        description:
          'The program of the signer and its arguments. It is kept running, is given PATH and no other variable, ' +
          'and answers JSON lines: {id, op: "keys"} with {id, keys: [{purpose, kid?, jwk, not_before_ms?}]}, the ' +
          'oldest first; {id, op: "sign", kid (told, or else the one in tokens), alg, input} with {id, signature}, both base64url (ES256 as r||s); ' +
          'either with {id, error}. A key listed later signs after its lead; one listed no longer verifies no longer.',
      }),
    ),
    timeout_ms: Type.Integer({
      default: 2000,
      minimum: 10,
      maximum: 30_000,
      description: 'How long the signer of `command` may take for one answer. A call that needs it is not sent.',
    }),
    lead_seconds: Type.Object(
      {
        task: lead(35, 'For task tokens, which gateways alone verify: they look at the store every 30 seconds.'),
        txn: lead(60, 'For Txn-Tokens: services fetch a key they do not know, but not more often than now and then.'),
        federation: lead(900, 'For federation assertions: clouds keep the keys of an issuer for minutes.'),
      },
      {
        additionalProperties: false,
        default: {},
        description: 'How long a new key is published before it signs, so that whoever verifies knows it by then.',
      },
    ),
  },
  { additionalProperties: false, default: {}, description: 'The keys the gate signs with, and their rotation.' },
);

export type KeysConfig = Type.Static<typeof keysSection>;

const secretBytesMin = 32;

/** What the schema cannot say: what each source needs, and a secret that cannot be guessed. Shows no secret. */
export function checkKeys(
  { source, secret, command }: KeysConfig,
  store: { readonly kind: string },
): { pointer: string; message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  if (secret !== undefined && Buffer.byteLength(secret) < secretBytesMin) {
    faults.push({ pointer: '/keys/secret', message: `expected at least ${secretBytesMin} bytes` });
  }
  if (source === 'store' && secret === undefined) {
    faults.push({ pointer: '/keys', message: 'secret is missing: keys in the store are sealed with it' });
  }
  if (source === 'store' && store.kind === 'memory') {
    faults.push({
      pointer: '/keys/source',
      message: 'expected a store that outlives the gate, found store.kind memory',
    });
  }
  if ((source === 'command') !== (command !== undefined)) {
    const message = command === undefined ? 'command is missing' : `command is not used with source ${source}`;
    faults.push({ pointer: '/keys', message });
  }
  return faults;
}
