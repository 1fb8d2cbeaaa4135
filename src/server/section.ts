/** The `gateway` and `limits` sections of tollgate.yaml: where the gate stands, and the bounds of what it takes in. */
import Type from 'typebox';

const hostPort = '^(\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9.-]+):[0-9]{1,5}$';

export const gatewaySection = Type.Object(
  {
    id: Type.String({ default: 'gateway', pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'Name of this gateway.' }),
    cloud: Type.String({ default: 'local', minLength: 1, description: 'The cloud it runs in.' }),
    region: Type.String({ default: 'local', minLength: 1, description: 'The region it runs in.' }),
    trust_domain: Type.String({
      default: 'tollgate.local',
      minLength: 1,
      description: 'Audience of the Txn-Tokens that services of the trust domain verify.',
    }),
    listen: Type.String({ default: '127.0.0.1:8080', pattern: hostPort, description: 'Data plane: agents.' }),
    admin: Type.String({ default: '127.0.0.1:8081', pattern: hostPort, description: 'Admin plane: people.' }),
    public_url: Type.Optional(
      Type.String({
        pattern: '^https?://[^/?#]+$',
        description: 'How agents reach the data plane; issuer and audience of task tokens. Default: http://<listen>.',
      }),
    ),
    data_dir: Type.String({ default: './data', minLength: 1, description: 'Keys, audit trail, compiled bundles.' }),
  },
  { default: {}, additionalProperties: false, description: 'This gateway.' },
);

export const limitsSection = Type.Object(
  {
    body_bytes: Type.Integer({
      default: 1_048_576,
      minimum: 1024,
      maximum: 64 * 1_048_576,
      description: 'A request body.',
    }),
    answer_bytes: Type.Integer({
      default: 8 * 1_048_576,
      minimum: 1024,
      maximum: 256 * 1_048_576,
      description: 'An answer that is read whole before it passes; streams are not bounded by it.',
    }),
    header_bytes: Type.Integer({
      default: 16_384,
      minimum: 4096,
      maximum: 262_144,
      description: 'All headers of a request.',
    }),
    history: Type.Integer({
      default: 50,
      minimum: 10,
      maximum: 200,
      description: 'Calls of a task that policies see one by one.',
    }),
    concurrency: Type.Integer({
      default: 1000,
      minimum: 1,
      description: 'Calls under way at once on this gateway; more are rate_limited.',
    }),
    stage_ms: Type.Integer({
      default: 5000,
      minimum: 50,
      maximum: 60_000,
      description: 'How long one stage of admission may take.',
    }),
    drain_ms: Type.Integer({
      default: 10_000,
      minimum: 0,
      maximum: 600_000,
      description: 'How long running calls may go on after SIGTERM.',
    }),
  },
  { default: {}, additionalProperties: false, description: 'Bounds of what the gate takes in.' },
);

export type GatewayConfig = Type.Static<typeof gatewaySection>;
export type LimitsConfig = Type.Static<typeof limitsSection>;

/** Host and port of a `host:port` from the config; brackets of an IPv6 address are taken off. */
export function hostAndPort(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':');
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) };
}

/** The public URL of the data plane: as configured, else where it listens. */
export function publicUrlOf(gateway: GatewayConfig): string {
  return gateway.public_url ?? `http://${gateway.listen}`;
}

/** Faults that the schema cannot say. */
export function checkGateway(gateway: GatewayConfig): { pointer: string; message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  for (const plane of ['listen', 'admin'] as const) {
    if (hostAndPort(gateway[plane]).port > 65_535) {
      faults.push({ pointer: `/gateway/${plane}`, message: 'expected a port from 0 to 65535' });
    }
  }
  if (hostAndPort(gateway.listen).port === 0 && gateway.public_url === undefined) {
    faults.push({ pointer: '/gateway/public_url', message: 'is needed where gateway.listen leaves the port open (0)' });
  }
  if (gateway.listen === gateway.admin && hostAndPort(gateway.listen).port !== 0) {
    faults.push({ pointer: '/gateway/admin', message: 'expected another address than that of the data plane' });
  }
  return faults;
}
