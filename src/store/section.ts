/**
 * The `store` section of tollgate.yaml: where shared state lives. `memory` is for one gateway alone; its budgets
 * and tasks are gone when the process ends. Secrets and certificates come by `${env:NAME}` or `${file:path}`; a URL
 * holds none, so that it can be shown.
 */
import Type from 'typebox';

const node = Type.String({
  pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$',
  description: 'host:port; an IPv6 address in brackets.',
});
const nodes = (description: string) => Type.Array(node, { minItems: 1, maxItems: 64, description });
const secret = (description: string) => Type.Optional(Type.String({ minLength: 1, description }));

const localShare = Type.Object(
  {
    share: Type.Number({
      default: 0.1,
      exclusiveMinimum: 0,
      maximum: 1,
      description: 'The part of what was left of each budget that one gateway may spend by itself.',
    }),
    window_ms: Type.Integer({
      default: 600_000,
      minimum: 60_000,
      maximum: 86_400_000,
      description: 'A gateway goes on by itself once in so long a time, however often Redis goes.',
    }),
    seen_ms: Type.Integer({
      default: 30_000,
      minimum: 1_000,
      maximum: 300_000,
      description: 'Only for tasks whose record it has seen within this time.',
    }),
  },
  {
    default: {},
    additionalProperties: false,
    description: 'With when_lost: local_share; for limits.store_lost_ms at a time.',
  },
);

const memoryStore = Type.Object(
  { kind: Type.Literal('memory', { description: 'State of a single gateway; it forgets at its end.' }) },
  { additionalProperties: false, description: 'In this process.' },
);

const redisStore = Type.Object(
  {
    kind: Type.Literal('redis', { description: 'State that gateways share. Redis 6.2 or later, `noeviction`.' }),
    url: Type.Optional(
      Type.String({
        pattern: '^rediss?://(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[0-9]{0,4})?$',
        description: 'One server: redis://host:6379/0, or rediss:// for TLS. Without a user and password.',
      }),
    ),
    sentinel: Type.Optional(
      Type.Object(
        {
          name: Type.String({ minLength: 1, description: 'What the sentinels call the master.' }),
          nodes: nodes('The sentinels.'),
          username: secret('The ACL user at the sentinels.'),
          password: secret('The password at the sentinels.'),
        },
        { additionalProperties: false, description: 'A master that sentinels watch and replace.' },
      ),
    ),
    cluster: Type.Optional(
      Type.Object(
        { nodes: nodes('Some of its nodes; the others are learnt from them.') },
        { additionalProperties: false, description: 'A Redis Cluster; a tenant lies in one slot of it.' },
      ),
    ),
    username: secret('The ACL user; it needs the keys ~tg:* and the channels &tg:*.'),
    password: secret('The password.'),
    tls: Type.Optional(
      Type.Object(
        {
          ca: secret('Who signs the certificates of the servers, as PEM; the public ones if absent.'),
          cert: secret('The certificate of the gate, as PEM.'),
          key: secret('The private key of that certificate, as PEM.'),
          server_name: secret('The name in the certificates, where it is not the host that is connected to.'),
        },
        { additionalProperties: false, description: 'TLS; with a url it must be rediss://. Always verified.' },
      ),
    ),
    command_timeout_ms: Type.Integer({
      default: 50,
      minimum: 5,
      maximum: 10_000,
      description: 'How long Redis may take to answer before the call is refused.',
    }),
    gateway_lease_ms: Type.Integer({
      default: 30_000,
      minimum: 500,
      maximum: 45_000,
      description: 'How long after its last sign a gateway counts as dead, and what it held is charged in full.',
    }),
    when_lost: Type.Enum(['deny', 'local_share'], {
      default: 'deny',
      description:
        'Without Redis: refuse every call, or let reads and model calls go on with a share of their budgets.',
    }),
    local_share: localShare,
  },
  { additionalProperties: false, description: 'On Redis: exactly one of url, sentinel and cluster.' },
);

export type RedisStoreConfig = Type.Static<typeof redisStore>;
/** Where Redis is and how it is talked to. */
export type RedisPlace = Omit<RedisStoreConfig, 'gateway_lease_ms' | 'when_lost' | 'local_share'>;
export type StoreConfig = Type.Static<typeof memoryStore> | RedisStoreConfig;

export const storeSection = Type.Unsafe<StoreConfig>({
  type: 'object',
  required: ['kind'],
  discriminator: { propertyName: 'kind' },
  oneOf: [memoryStore, redisStore],
  description: 'Shared state: tasks, budgets, reservations and messages between gateways.',
  default: { kind: 'memory' },
});

/** What the schema cannot say: one place, ports that exist, and TLS that is really used. */
export function checkStore(config: StoreConfig): { pointer: string; message: string }[] {
  if (config.kind === 'memory') return [];
  const faults: { pointer: string; message: string }[] = [];
  const places = (['url', 'sentinel', 'cluster'] as const).filter((name) => config[name] !== undefined);
  if (places.length !== 1) {
    const found = places.length === 0 ? 'none' : places.join(' and ');
    faults.push({ pointer: '/store', message: `expected exactly one of url, sentinel and cluster, found ${found}` });
  }
  if (config.url !== undefined && !URL.canParse(config.url)) {
    faults.push({ pointer: '/store/url', message: `expected a URL with a port up to 65535, found ${config.url}` });
  }
  if (config.tls !== undefined && config.url?.startsWith('redis://')) {
    faults.push({ pointer: '/store/tls', message: 'expected a rediss:// url with tls, found redis://' });
  }
  if (config.tls !== undefined && (config.tls.cert === undefined) !== (config.tls.key === undefined)) {
    faults.push({ pointer: '/store/tls', message: 'expected cert and key together, found one of them' });
  }
  for (const place of ['sentinel', 'cluster'] as const) {
    for (const [index, name] of (config[place]?.nodes ?? []).entries()) {
      const port = Number(name.slice(name.lastIndexOf(':') + 1));
      if (port >= 1 && port <= 65_535) continue;
      faults.push({ pointer: `/store/${place}/nodes/${index}`, message: `expected a port up to 65535, found ${port}` });
    }
  }
  if (config.username !== undefined && config.password === undefined) {
    faults.push({ pointer: '/store/username', message: 'expected a password with the username' });
  }
  return faults;
}
