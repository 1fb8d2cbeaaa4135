/** The `gateway` and `limits` sections of tollgate.yaml: where the gate stands, and the bounds of what it takes in. */
import Type from 'typebox';

const hostPort = '^(\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9.-]+):[0-9]{1,5}$';

const clientModes = ['none', 'request', 'require', 'self_signed'] as const;
const certificates =
  'Client certificates: `request` lets a client come without one, but one that is shown must be of `client_ca`; `require` is mTLS.';
const selfSigned =
  ' `self_signed` takes any certificate, without `client_ca`: it says nothing of who the client is, only that tokens it gets can be bound to its key (RFC 8705 §2.2). With each of them but `none`, a task token that a client with a certificate asks for belongs to that certificate.';
const hostName = '^(\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9.-]{1,253})(:[0-9]{1,5})?$';

function tlsOf(plane: 'data' | 'admin') {
  return Type.Object(
    {
      cert: Type.String({ minLength: 1, description: 'Certificate chain, PEM. Read again at every reload.' }),
      key: Type.String({ minLength: 1, description: 'Private key of the certificate, PEM, without a passphrase.' }),
      client_ca: Type.Optional(
        Type.String({ minLength: 1, description: 'Authorities whose client certificates are accepted, PEM.' }),
      ),
      client: Type.Enum(clientModes, {
        default: 'none',
        description: plane === 'data' ? `${certificates}${selfSigned}` : certificates,
      }),
      min_version: Type.Enum(['TLSv1.2', 'TLSv1.3'], { default: 'TLSv1.2', description: 'Lowest version spoken.' }),
    },
    { additionalProperties: false, description: `TLS on the ${plane} plane, HTTP/1.1 only. Left out: plain HTTP.` },
  );
}

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
    admin_hosts: Type.Array(Type.String({ pattern: hostName }), {
      default: [],
      maxItems: 32,
      uniqueItems: true,
      description:
        'Names by which people reach the admin plane, besides where it listens and loopback: values of the Host header. Without a port: with that of `admin`, and with none.',
    }),
    hosts: Type.Array(Type.String({ pattern: hostName }), {
      default: [],
      maxItems: 32,
      uniqueItems: true,
      description:
        'Names by which agents reach the MCP endpoint, besides `public_url`, where it listens and loopback: values of the Host header, with a port or for any port.',
    }),
    public_url: Type.Optional(
      Type.String({
        pattern: '^https?://[^/?#]+$',
        description:
          'How agents reach the data plane; issuer and audience of task tokens. Default: <listen>, by https with `tls`.',
      }),
    ),
    data_dir: Type.String({ default: './data', minLength: 1, description: 'Keys, audit trail, compiled bundles.' }),
    tls: Type.Optional(tlsOf('data')),
    admin_tls: Type.Optional(tlsOf('admin')),
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
      maximum: 50,
      description: 'Calls of a task that policies see one by one.',
    }),
    concurrency: Type.Integer({
      default: 1000,
      minimum: 1,
      description: 'Calls under way at once on this gateway; more are rate_limited.',
    }),
    connections: Type.Integer({
      default: 4096,
      minimum: 1,
      maximum: 1_000_000,
      description: 'Open connections on each plane; more are closed as they come.',
    }),
    request_ms: Type.Integer({
      default: 15_000,
      minimum: 100,
      maximum: 600_000,
      description:
        'A request, headers and body, must have arrived within it, and a TLS handshake; a client that reads nothing of its answer for so long is cut off.',
    }),
    idle_ms: Type.Integer({
      default: 15_000,
      minimum: 100,
      maximum: 600_000,
      description: 'How long a connection may stay open between two requests.',
    }),
    store_lost_ms: Type.Integer({
      default: 5000,
      minimum: 1000,
      maximum: 60_000,
      description: 'Calls that run end with store_unavailable once the shared state has not answered for so long.',
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
export type TlsConfig = NonNullable<GatewayConfig['tls']>;

/** What stands in the files that a `tls` section names. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | null;
}

/** Host and port of a `host:port` from the config; brackets of an IPv6 address are taken off. */
export function hostAndPort(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':');
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) };
}

/** The public URL of the data plane: as configured, else where it listens. */
export function publicUrlOf(gateway: GatewayConfig): string {
  return gateway.public_url ?? `${gateway.tls === undefined ? 'http' : 'https'}://${gateway.listen}`;
}

/** Faults that the schema cannot say. */
export function checkGateway(gateway: GatewayConfig): { pointer: string; message: string }[] {
  const faults: { pointer: string; message: string }[] = [];
  for (const plane of ['listen', 'admin'] as const) {
    if (hostAndPort(gateway[plane]).port > 65_535) {
      faults.push({ pointer: `/gateway/${plane}`, message: 'expected a port from 0 to 65535' });
    }
  }
  for (const list of ['hosts', 'admin_hosts'] as const) {
    for (const [index, name] of gateway[list].entries()) {
      const port = /:[0-9]{1,5}$/.test(name) ? hostAndPort(name).port : 1;
      if (port >= 1 && port <= 65_535) continue;
      faults.push({ pointer: `/gateway/${list}/${index}`, message: 'expected a port from 1 to 65535' });
    }
  }
  if (hostAndPort(gateway.listen).port === 0 && gateway.public_url === undefined) {
    faults.push({ pointer: '/gateway/public_url', message: 'is needed where gateway.listen leaves the port open (0)' });
  }
  if (gateway.listen === gateway.admin && hostAndPort(gateway.listen).port !== 0) {
    faults.push({ pointer: '/gateway/admin', message: 'expected another address than that of the data plane' });
  }
  for (const name of ['tls', 'admin_tls'] as const) {
    const { client = 'none', client_ca } = gateway[name] ?? {};
    if (name === 'admin_tls' && client === 'self_signed') {
      // Tokens of the admin plane are bound to nothing: it would look like a check and be none.
      faults.push({ pointer: `/gateway/${name}/client`, message: 'expected none, request or require on this plane' });
    }
    if ((client === 'request' || client === 'require') && client_ca === undefined) {
      faults.push({ pointer: `/gateway/${name}/client`, message: 'needs client_ca: who vouches for the clients' });
    }
    if ((client === 'none' || client === 'self_signed') && client_ca !== undefined) {
      faults.push({
        pointer: `/gateway/${name}/client_ca`,
        message: 'has no effect without client: request or require',
      });
    }
  }
  return faults;
}
